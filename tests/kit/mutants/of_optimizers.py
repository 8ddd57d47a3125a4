"""Optimizers, schedules, initial weights and penalties."""

from tests.kit.mutants.mutant import Mutant

GROUPS = "tests/optimizers/test_groups.py"
REGULARIZERS = "tests/test_regularizers.py"
OPTIMIZERS = "tests/optimizers/test_optimizers.py"
STATE = "tests/optimizers/test_state.py"
FADING = "tests/optimizers/test_fading.py"
SCHEDULES = "tests/test_schedules.py"
INITIALIZERS = "tests/test_initializers.py"
BACKUP = "tests/callbacks/test_backup.py"

MUTANTS = [
    Mutant("optimizers/groups.py", "lr * self.lr_scale", "lr", GROUPS),
    Mutant("optimizers/groups.py", "self.places |= {parameters", "0 and {parameters", GROUPS),
    Mutant("regularizers.py", "return (2 * self.l2) * w", "return self.l2 * w", REGULARIZERS),
    Mutant("regularizers.py", "if p.regularizer and p.trainable]", "if p.regularizer]", REGULARIZERS),
    # optimizers
    Mutant(
        "optimizers/base.py",
        'self.steps, self.lr_scale = state["steps"], state.get("lr_scale", 1.0)',
        'self.steps = state["steps"]',
        STATE,
    ),
    Mutant("optimizers/base.py", 'own.steps = state["parameters"][name]["steps"]', "pass", STATE),
    Mutant("optimizers/base.py", "own[slot][...] = p.fitting", "own[slot][...] += 0 * p.fitting", STATE),
    Mutant("optimizers/base.py", 'self.lr.set_state(state["schedule"])', "pass", STATE),
    Mutant("optimizers/base.py", "grad *= scale", "grad *= 1", "tests/training/test_accumulation.py"),
    Mutant(
        "optimizers/base.py",
        "zero_gradients(parameters)  #",
        "zero_gradients([p for p in parameters if p.trainable])  #",
        OPTIMIZERS,
    ),
    Mutant(
        "optimizers/clipping.py",
        "xp.minimum(limit / (xp.sqrt(total) + 1e-12), xp.ones_like(total))",
        "limit / (xp.sqrt(total) + 1e-12)",
        OPTIMIZERS,
    ),
    Mutant(
        "optimizers/clipping.py",
        "p.backend.sum(p.grad * p.grad) + total",
        "p.backend.sum(p.grad * p.grad)",
        OPTIMIZERS,
        "norm",
        "reference",  # which has a piece for each parameter
    ),
    Mutant("optimizers/clipping.py", "xp.clip(grad, -limit, limit)", "xp.clip(grad, 0, limit)", OPTIMIZERS),
    Mutant("optimizers/adam.py", "decoupled = True", "decoupled = False", OPTIMIZERS),
    Mutant("optimizers/adam.py", "AdamStep(state.steps, lr", "AdamStep(self.steps, lr", OPTIMIZERS),
    Mutant("optimizers/nadam.py", "lr * then / (1 - product * then)", "lr * then / (1 - product)", OPTIMIZERS),
    Mutant(
        "optimizers/nadam.py",
        "math.pow(0.96, step * self.momentum_decay) / 2",
        "math.pow(0.96, self.momentum_decay) / 2",
        OPTIMIZERS,
    ),
    Mutant("optimizers/radam.py", "if length <= 5:", "if length <= 4:", OPTIMIZERS),
    Mutant(
        "optimizers/radam.py",
        "limit - 2 * step * power / (1 - power)",
        "limit - step * power / (1 - power)",
        OPTIMIZERS,
    ),
    Mutant("optimizers/muon.py", "0.2 * math.sqrt(max(rows, columns))", "0.2 * math.sqrt(rows)", OPTIMIZERS),
    Mutant("optimizers/muon.py", "return len(p.shape) < 2 or", "return len(p.shape) < 3 or", OPTIMIZERS),
    Mutant("optimizers/lion.py", '"beta1": self.beta1', '"beta1": self.beta2', OPTIMIZERS),
    Mutant("optimizers/sgd.py", "momentum, True, weight_decay", "momentum, False, weight_decay", OPTIMIZERS),
    Mutant("optimizers/groups.py", "update({name: now[name] for name in self.others})", "update({})", GROUPS),
    Mutant("optimizers/groups.py", "len(p.shape) <= self.max_axes", "len(p.shape) < self.max_axes", GROUPS),
    Mutant("optimizers/state.py", "self.backend.copy(array)) for slot", "array) for slot", STATE),
    Mutant("optimizers/fading.py", "min(LIMITS[dtype], UNSEEN * eps)", "LIMITS[dtype]", FADING),
    Mutant("optimizers/fading.py", "(ROUNDED[dtype] * eps) ** 2", "1.0", FADING),
    Mutant("optimizers/fading.py", '"float64": 1e-290', '"float64": 1e-30', FADING),
    Mutant("optimizers/state.py", "steps % EVERY == 0", "self.rule.steps % EVERY == 0", FADING),
    Mutant("optimizers/state.py", "steps % EVERY == 0", "False", FADING),
    Mutant("optimizers/groups.py", "self.twin.fading(dtype)", "{}", FADING),
    Mutant("optimizers/sgd.py", '{"velocity": mean_limit(dtype)}', "{}", FADING),
    Mutant("optimizers/rmsprop.py", '{"squares": squares_limit(dtype, self.eps)}', "{}", FADING),
    # schedules
    Mutant("schedules.py", "step // self.every", "-(-step // self.every)", SCHEDULES),
    Mutant("schedules.py", "step / self.steps)\n\n\nclass Cosine", "step)\n\n\nclass Cosine", SCHEDULES),
    Mutant("schedules.py", "(step + 1) / (self.steps + 1)", "step / self.steps", SCHEDULES),
    Mutant("schedules.py", "if step >= self.steps:", "if step >= self.steps - 1:", SCHEDULES),
    Mutant("schedules.py", "self.schedule(step - self.steps)", "self.schedule(step)", SCHEDULES),
    Mutant("schedules.py", "else steps + self.schedule.length", "else self.schedule.length", SCHEDULES),
    Mutant("schedules.py", "(step - top) / (self.steps - top)", "(step - top) / self.steps", SCHEDULES),
    Mutant("schedules.py", "math.pi * min(share, 1.0)", "math.pi * share", SCHEDULES),
    Mutant("schedules.py", "taken + steps > length", "steps > length", SCHEDULES),
    # initializers
    Mutant(
        "initializers.py",
        "return normal(shape, (2 / fan_in) ** 0.5)",
        "return normal(shape, (2 / fan_out) ** 0.5)",
        INITIALIZERS,
    ),
    Mutant(
        "initializers.py",
        "return uniform(shape, (6 / fan_in) ** 0.5)",
        "return uniform(shape, (2 / fan_in) ** 0.5)",
        INITIALIZERS,
    ),
    Mutant("initializers.py", "(2 / (fan_in + fan_out)) ** 0.5", "(1 / (fan_in + fan_out)) ** 0.5", INITIALIZERS),
    Mutant("initializers.py", "(6 / (fan_in + fan_out)) ** 0.5", "6 / (fan_in + fan_out)", INITIALIZERS),
    Mutant("initializers.py", "return normal(shape, self.std)", "return normal(shape, self.std**2)", INITIALIZERS),
    Mutant("initializers.py", "dtype=np.float32) * 2 - 1)", "dtype=np.float32))", INITIALIZERS),
    Mutant("initializers.py", "return uniform(shape, self.limit)", "return uniform(shape, 0.05)", INITIALIZERS),
    Mutant(
        "base/budget.py",
        "(numbers := math.prod(shape)) > left.largest",
        "(numbers := math.prod(shape)) > 2 * left.largest",
        INITIALIZERS,
    ),
    # regularizers
    Mutant("regularizers.py", "return self.l1 * xp.sign(w)\n", "return self.l1 * w\n", REGULARIZERS),
    Mutant("regularizers.py", "xp.sum(xp.abs(w)) + self.l2", "xp.sum(xp.abs(w)) + self.l1", REGULARIZERS),
    Mutant("regularizers.py", "p.add_grad(times *", "p.add_grad(1 *", REGULARIZERS),
]
