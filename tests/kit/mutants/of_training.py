"""Training: batches, steps, weights and means."""

from tests.kit.mutants.mutant import Mutant

DRAWS = "tests/training/test_draws.py"
BATCHES = "tests/training/test_draws_of_batches.py"
OWN_STEPS = "tests/training/test_train_step.py"
STATES = "tests/training/test_states.py"
SEVERAL = "tests/training/test_several.py"
ACCUMULATION = "tests/training/test_accumulation.py"
LOADERS = "tests/training/test_loaders.py"
TRAINING = "tests/training/test_training.py"
WEIGHTS = "tests/training/test_weights.py"
BALANCED = "tests/training/test_balanced.py"
HELD_OUT = "tests/training/test_held_out.py"
SUMS = "tests/training/test_sums.py"
TARGETS = "tests/training/test_class_targets.py"
ITEMS = "tests/training/test_items.py"
EVERYWHERE = "tests/callbacks/test_backup_everywhere.py"

MUTANTS = [
    Mutant("training/run.py", '"step", epoch, number, root', '"step", number, root', DRAWS),
    Mutant("training/run.py", "self._draw_from((first, second))", "pass", BATCHES),
    Mutant("training/iterables.py", "(*self._drawn_from, *place)", "(*self._drawn_from)", BATCHES),
    Mutant("training/position.py", '"train", self.epoch)', '"train")', DRAWS),
    Mutant("training/step.py", "scale_gradients(self.model.parameters(), 1 / size)", "pass", OWN_STEPS),
    Mutant("training/step.py", "refusals.refuse_left_gradients(self._applied)", "pass", OWN_STEPS),
    Mutant("training/step.py", "self._parameters.clear()", "pass", OWN_STEPS),
    Mutant("training/run.py", "carried.value = state", "carried.value = None and state", STATES),
    Mutant("training/run.py", "self.model.reset_state()", "pass", STATES),
    Mutant(
        "training/prepare.py", "return bound.args if", "return tuple(x.values()) if isinstance(x, dict) and", SEVERAL
    ),
    Mutant("training/means.py", "float(value) * own", "float(value)", SEVERAL),
    Mutant("training/step.py", "else sum(self.group) or 1", "else len(self.group) or 1", ACCUMULATION),
    # batches, their weights and their means
    Mutant("training/feed.py", "each[len(first) :], parts)", "each[: len(first)], parts)", TRAINING),
    Mutant("training/feed.py", "batch_size or BATCH_SIZE if carries", "EVALUATED if carries", STATES),
    Mutant("training/iterables.py", "self.epochs * (self.length or 0)", "0", EVERYWHERE, "so_does_validation and 100"),
    Mutant("training/iterables.py", "self.length - first\n", "self.length\n", LOADERS),
    Mutant(
        "training/means.py",
        "weights[name] = own + weights.get(name, 0)",
        "weights[name] = 1 + weights.get(name, 0)",
        SEVERAL,
    ),
    Mutant("training/class_weights.py", "table = np.ones(", "table = np.zeros(", TARGETS),
    Mutant(
        "training/class_weights.py",
        "return x, t, _times(weights[0], own) if weights else own",
        "return x, t, own",
        WEIGHTS,
    ),
    Mutant("training/class_weights.py", "labels[t != ignored]", "labels", BALANCED),
    Mutant("training/held_out.py", "(steps <= 0).all()", "False", HELD_OUT),
    Mutant(
        "training/evaluation.py",
        "sum(float(value) for value in penalties(model.parameters()))",
        "0.0",
        "tests/test_regularizers.py",
    ),
    Mutant("training/evaluation.py", "metrics = copy.deepcopy(model.metrics)", "metrics = model.metrics", TRAINING),
    Mutant(
        "training/nonfinite.py",
        "if not first and not all(map(finite, leaves(y))):",
        "if not all(map(finite, leaves(y))):\n            first.clear()",
        "tests/training/test_step.py",
    ),
]
