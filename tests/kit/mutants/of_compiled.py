"""What Numba compiles of a training step: its plans, the losses, and the work that threads share."""

from tests.kit.mutants.mutant import Mutant

TRAINING = "tests/backend/jit/test_training.py"
CHAINS = "random_chains or networks"
TOGETHER = "tests/backend/jit/test_together.py"
LOSSES = "tests/backend/jit/test_losses.py"
UPDATES = "tests/backend/jit/test_backend.py"

PRODUCTS = "tests/backend/jit/test_products.py"

MUTANTS = [
    Mutant(
        "backend/jit/training/tiles.py",
        "_masked_store(b, back(gradient, value), b.add(out, at), mask)",
        "_store(b, back(gradient, value), out, at)",
        TRAINING,
        "reach_into",
    ),
    Mutant("backend/jit/products.py", "relu = g[11] if k0 + DEEP >= K else 0", "relu = g[11]", PRODUCTS),
    Mutant("backend/jit/products.py", "start = at if k0 else", "start = 0 if k0 else", PRODUCTS),
    Mutant("backend/jit/products.py", "(k0 + k) * BLOCK + c", "k * BLOCK + c", PRODUCTS),
    Mutant("backend/jit/training/forward.py", "if outputs and rows:", "if False:", TRAINING, "by_outputs"),
    Mutant("backend/jit/together.py", "else count - 1 - take_number", "else take_number", TOGETHER),
    Mutant(
        "backend/jit/training/chain.py",
        'Activation("sigmoid", 0.0, 1.0, -1.0)',
        'Activation("sigmoid", 0.0, 1.0, 1.0)',
        TRAINING,
        CHAINS,
    ),
    Mutant("backend/jit/training/chain.py", "found[-1].act is NONE:", "True:", TRAINING, CHAINS),
    Mutant(
        "backend/jit/training/forward.py",
        "(stage.outputs, C) if turned",
        "(stage.outputs, stage.outputs) if turned",
        TRAINING,
        CHAINS,
    ),
    Mutant(
        "backend/jit/training/layout.py",
        "place.moved(top * place.rs // BYTES + left)",
        "place.moved(top * place.rs // BYTES)",
        TRAINING,
        CHAINS,
    ),
    Mutant("backend/jit/training/layout.py", "1.0 if act == RELU else 2.0", "1.0", TRAINING, CHAINS),
    Mutant("backend/jit/training/planner.py", "own.moved(top * rs + left)", "own.moved(top * rs)", TRAINING, CHAINS),
    Mutant("backend/jit/training/planner.py", "if self.stages[-1].act != NONE:", "if False:", TRAINING, CHAINS),
    Mutant("backend/jit/training/program.py", "(i - first if r[at] == OWN else i)", "i", TRAINING, CHAINS),
    Mutant("backend/jit/training/program.py", "wait_for(taken + LINE, count)", "pass", TRAINING, "threads"),
    Mutant(
        "backend/jit/training/run.py",
        "self.idle.append(memory)",
        "self.idle.extend([memory, memory])",
        TRAINING,
        "threads_with",
    ),
    Mutant(
        "backend/jit/training/run.py",
        "np.empty(parameter.shape, np.float32) if place is None",
        "parameter.value if place is None",
        TRAINING,
        "add_up or twice",
    ),
    Mutant("backend/jit/training/steps.py", "+ taps - 1 - t]", "+ t]", TRAINING, CHAINS),
    Mutant("backend/jit/training/steps.py", "part[o] = ZERO", "pass", TRAINING, "many_rows"),
    Mutant("backend/jit/training/table.py", "numbers[column + behind]", "numbers[column]", TRAINING, CHAINS),
    Mutant(
        "backend/jit/training/tiles.py",
        'b.or_(b.fcmp_ordered(">", value, y)',
        'b.or_(b.fcmp_ordered(">=", value, y)',
        TRAINING,
        "first_of_equal",
    ),
    Mutant(
        "backend/jit/training/tiles.py",
        'b.fcmp_ordered(">", y, ZERO))), ZERO, dy)',
        'b.fcmp_ordered(">=", y, ZERO))), ZERO, dy)',
        TRAINING,
        CHAINS,
    ),
    Mutant("backend/jit/together.py", "if look(address + 8 * OPEN):  #", "if True:  #", TOGETHER),
    Mutant("backend/jit/together.py", "while look(address + 8 * INSIDE) > 0:", "while False:", TOGETHER),
    Mutant("backend/jit/losses.py", "0 <= t[n] < y.shape[1]", "t[n] < y.shape[1]", LOSSES),
    Mutant("backend/jit/losses.py", "if below == below else below", "", LOSSES),
    Mutant(
        "backend/jit/updates.py",
        "(part + 1) * lines // parts * LINE",
        "(part + 1) * lines // parts * LINE - 1",
        UPDATES,
        "adam",
    ),
]
