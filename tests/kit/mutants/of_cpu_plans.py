"""The plans of NumPy alone, of inference and of training."""

from tests.kit.mutants.mutant import Mutant

PLAN = "tests/core/plan"
TRAINED = "tests/core/plan/test_training_numbers.py"
TRAINING = "tests/backend/cpu/test_training_plan.py"

MUTANTS = [
    Mutant("backend/cpu/plan.py", 'self.context.run(np.seterr, all="ignore")', "pass", PLAN),
    Mutant("backend/cpu/plan.py", "self.idle.append(prepared)", "self.idle.extend([prepared, prepared])", PLAN),
    Mutant("backend/cpu/plan.py", "self.compute(x).copy()", "self.compute(x)", PLAN),
    Mutant("backend/cpu/plan.py", "OH // bands * SH * h, c,", "OH // bands * h, c,", PLAN),
    Mutant("backend/cpu/plan.py", "ends = out if activation is None else y", "ends = out", PLAN),
    Mutant("backend/cpu/plan.py", "self.uses[root] += self.uses[made]", "self.uses[root] += 0", PLAN),
    Mutant("backend/cpu/plan.py", "if lent and x.flags.c_contiguous:", "if lent:", PLAN),
    Mutant("backend/cpu/plan.py", "self.padding.pop(made, None)  # it lies in one", "pass  # it lies in one", PLAN),
    Mutant("backend/cpu/shared_plan.py", "for w in dense] == together", "for w in dense]", PLAN),
    Mutant("backend/cpu/shared_plan.py", "x[first:end]", "x[: end - first]", PLAN),
    Mutant("backend/cpu/plan.py", "if known != pads:", "if known is None:", PLAN),
    Mutant("backend/cpu/plan.py", "if extent > stride or rows % stride:", "if rows % stride:", PLAN),
    Mutant("backend/cpu/plan.py", "if len(arrays) == 1:", "if len(arrays) <= 2:", PLAN),
    Mutant("backend/cpu/plan.py", "self.uses[op.outputs[0]] != 1", "False", PLAN),
    Mutant("backend/cpu/plan.py", "np.dtype(dtype).itemsize\n        fitting", "1\n        fitting", PLAN),
    Mutant("backend/cpu/training_plan.py", "self.idle.append(prepared)  #", "self.idle += [prepared] * 2  #", TRAINED),
    Mutant("backend/cpu/training_plan.py", "            require_like(dy, y)\n", "", TRAINED),
    Mutant("backend/cpu/training_plan.py", "if stages and len(gives) != 2:", "if False:", TRAINING),
    Mutant("backend/cpu/training_plan.py", "op.inputs() != [current] or ", "", TRAINED),
    Mutant("backend/cpu/training_plan.py", "N > SAMPLES", "N >= SAMPLES", TRAINING),
    Mutant("backend/cpu/training_plan.py", "or stages[-1].pooled or", "or", TRAINING),
    Mutant("backend/cpu/training_plan.py", "or window.dilation != (1, 1)", "", TRAINING),
    Mutant("backend/cpu/training_plan.py", "if backend.lanes and", "if", TRAINING),
    Mutant("backend/cpu/training_plan.py", 'or (stages[-1].op.name == "conv2d" and name != "relu")', "", TRAINING),
    Mutant("backend/cpu/training_plan.py", "            plan.idle.clear()", "            pass", TRAINING),
    Mutant("backend/cpu/training_plan.py", "            old.idle.clear()", "            pass", TRAINING),
    Mutant("backend/cpu/planned_dense.py", "if parameter.takes_grad:", "if True:", TRAINING),
    Mutant(
        "backend/cpu/planned_dense.py",
        "np.subtract(self.zero, self.y, self.dz)",
        "np.negative(self.y, self.dz)",
        TRAINED,
    ),
    Mutant(
        "backend/cpu/planned_dense.py",
        "np.matmul(across, self.ones, place)",
        "np.matmul(-across, self.ones, place)",
        TRAINED,
    ),
    Mutant(
        "backend/cpu/planned_dense.py",
        "dx = np.empty_like(x)",
        "dx = self.dx = np.empty_like(x) if self.dx is None else self.dx",
        TRAINED,
    ),
    Mutant("backend/cpu/planned_convolution.py", "start = (part - left) % self.steps", "start = part", TRAINED),
    Mutant(
        "backend/cpu/planned_convolution.py",
        "_bound(np.maximum, h[:, 0], h[:, 1],",
        "_bound(np.maximum, h[:, 0], h[:, 0],",
        TRAINED,
    ),
    Mutant(
        "backend/cpu/planned_convolution.py",
        "np.subtract, first, second, out=second",
        "np.subtract, second, first, out=second",
        TRAINED,
    ),
    Mutant(
        "backend/cpu/planned_convolution.py",
        "np.bitwise_xor, given, other, out=one",
        "np.bitwise_or, given, other, out=one",
        TRAINED,
    ),
    Mutant("backend/cpu/planned_convolution.py", "each[1, ..., 1:], place", "each[1, ..., :KW], place", TRAINED),
    Mutant("backend/cpu/planned_convolution.py", "[functools.partial(dx.__setitem__, ..., 0)]", "[]", TRAINED),
    Mutant("backend/cpu/planned_convolution.py", "slice(s * i0, s * i1)", "slice(s * i0, s * i1 + 1)", TRAINED),
]
