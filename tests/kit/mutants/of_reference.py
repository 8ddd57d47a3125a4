"""The specification of the primitives, windows and random numbers."""

from tests.kit.mutants.mutant import Mutant

DERIVATIVE = "tests/laws/test_laws.py::test_the_gradient_is_the_derivative"
LOSSES = "tests/losses/test_losses.py"
PRIMITIVES = "tests/backend/test_primitives.py"
RECURRENT = "tests/layers/test_recurrent.py"
CELLS = "tests/backend/test_recurrent.py"
ELEMENTWISE = "tests/backend/test_elementwise.py"
DRAWS = "tests/training/test_draws.py"
RANDOM = "tests/test_random.py"
WINDOW = "tests/backend/test_window_arithmetic.py"
PHILOX = "tests/test_random.py::test_philox_is_that_of_numpy"
PART = "tests/test_random.py::test_a_part_of_the_stream_is_that_part"
OPTIMIZERS = "tests/optimizers/test_optimizers.py"
ATTENTION = "tests/backend/test_attention.py"
NORMS = "tests/backend/test_normalization.py"
GROUP_NORM = "tests/backend/test_group_norm.py"
WINDOWS = "tests/backend/test_windows.py"
METRICS = "tests/metrics/test_metrics.py"
ORDERED = "tests/backend/test_sums.py::test_sums_have_their_axes_in_the_order_of_the_array"
COLUMN = "tests/backend/test_sums.py::test_a_column_of_a_matrix"
WINDOW_MEAN = "tests/backend/test_sums.py::test_the_mean_of_a_large_window"

MUTANTS = [
    Mutant(
        "backend/reference/convolution.py",
        "xp.reshape(self.sum(dz, axis=(0, 3)",
        "-xp.reshape(self.sum(dz, axis=(0, 3)",
        DERIVATIVE,
    ),
    Mutant(
        "backend/reference/convolution.py",
        "self.sum(xp.matmul(dz, cols.mT)",
        "-self.sum(xp.matmul(dz, cols.mT)",
        DERIVATIVE,
    ),
    Mutant("backend/reference/convolution.py", "xp.matmul(kernels.mT, dz)", "-xp.matmul(kernels.mT, dz)", DERIVATIVE),
    Mutant("backend/reference/transposed.py", "self.sum(dz, axis", "-self.sum(dz, axis", DERIVATIVE),
    Mutant(
        "backend/reference/transposed.py", "self.sum(xp.matmul(pixels, ", "-self.sum(xp.matmul(pixels, ", DERIVATIVE
    ),
    Mutant("backend/reference/transposed.py", "xp.matmul(kernels, cols)", "-xp.matmul(kernels, cols)", DERIVATIVE),
    Mutant("backend/reference/dense.py", "dx = self.xp.matmul(dz, w) if", "dx = -self.xp.matmul(dz, w) if", DERIVATIVE),
    Mutant("backend/reference/dense.py", "self.xp.matmul(dz.mT, x)", "-self.xp.matmul(dz.mT, x)", DERIVATIVE),
    Mutant("backend/reference/pooling.py", "xp.where(hit, dy, 0)", "xp.where(hit, -dy, 0)", DERIVATIVE),
    Mutant(
        "backend/reference/activations.py",
        "self.xp.where(y > 0, dy, 0) if",
        "self.xp.where(y > 0, -dy, 0) if",
        DERIVATIVE,
    ),
    Mutant("backend/reference/pooling.py", "= dy / (window.kernel[0]", "= -dy / (window.kernel[0]", DERIVATIVE),
    Mutant("backend/reference/normalization.py", "(dy - dbeta / m - normal", "(dy + dbeta / m - normal", DERIVATIVE),
    Mutant("backend/reference/normalization.py", "- normal * (dgamma / m))", "+ normal * (dgamma / m))", DERIVATIVE),
    Mutant(
        "backend/reference/normalization.py",
        "dgamma = self.sum(dy * normal",
        "dgamma = -self.sum(dy * normal",
        DERIVATIVE,
    ),
    Mutant("backend/reference/normalization.py", "dy * power - (2 * alpha", "dy * power + (2 * alpha", DERIVATIVE),
    Mutant("backend/reference/losses.py", "xp.exp(shifted - log_sum) - t", "xp.exp(shifted - log_sum) + t", LOSSES),
    Mutant("backend/reference/embedding.py", "picked = numbers ==", "picked = numbers + 1 ==", PRIMITIVES),
    Mutant("backend/reference/recurrent.py", "else dh * (1 - h * h)", "else dh * (1 + h * h)", RECURRENT),
    Mutant("backend/reference/recurrent.py", "dc_t * cs[before, ...]", "dc_t * cs[after, ...]", RECURRENT),
    Mutant("backend/reference/recurrent.py", "t, dc_t * f, dc)", "t, dc_t * f, 0 * dc)", CELLS),
    Mutant("backend/reference/recurrent.py", "dh * u + xp.matmul(dm, w), dh)", "xp.matmul(dm, w), dh)", CELLS),
    Mutant("backend/reference/recurrent.py", "hs[1:, ...] if reverse else hs[:-1, ...]", "hs[1:, ...]", RECURRENT),
    Mutant(
        "backend/reference/elementwise.py", "above + negative_slope * (1", "above - negative_slope * (1", ELEMENTWISE
    ),
    Mutant("backend/reference/elementwise.py", "dy * (y * (1 - y))", "dy * (y * (1 + y))", DERIVATIVE),
    Mutant("backend/reference/elementwise.py", "amplitude - y * y", "amplitude + y * y", DERIVATIVE),
    Mutant("backend/reference/group_norm.py", "axis=2, keepdims=True) / count)", "axis=2, keepdims=True))", DERIVATIVE),
    Mutant("backend/reference/elementwise.py", "(1 + (1 - t) * slope)", "(1 - (1 - t) * slope)", DERIVATIVE),
    Mutant("backend/reference/dropout.py", "key, first - odd)", "key, first)", DRAWS),
    Mutant("backend/reference/dropout.py", "self.device, first)", "self.device)", PRIMITIVES),
    Mutant("backend/philox.py", "(within + count) // 8)", "count // 8)", RANDOM, "not fork"),
    # windows: margins, sizes and places
    Mutant("backend/window.py", "(total // 2, total - total // 2)", "(total - total // 2, total // 2)", WINDOW),
    Mutant("backend/window.py", "(k - 1) * d + 1 - length, 0)", "k - length, 0)", WINDOW),
    Mutant("backend/window.py", "(-(-length // s) - 1) * s", "(length // s - 1) * s", WINDOW),
    Mutant("backend/window.py", "- length, 0)", "- length, 1)", WINDOW),
    Mutant("backend/window.py", "(kh - 1) * dh + 1", "kh * dh", WINDOW),
    Mutant("backend/window.py", "// self.stride[1] + 1", "// self.stride[1]", WINDOW),
    Mutant("backend/window.py", "slice(n * dw, n * dw +", "slice(n * dh, n * dw +", WINDOW),
    Mutant("backend/window.py", "or padded[1] < self.extent[1]", "", WINDOW),
    Mutant("backend/one_axis.py", "((0, 0), padding)", "(padding, (0, 0))", WINDOW),
    Mutant("backend/one_axis.py", "(1, stride), pads", "(stride, 1), pads", WINDOW),
    Mutant(
        "backend/reference/windows.py",
        "padded[:, :, rows, columns] += cols",
        "padded[:, :, rows, columns] = cols",
        PRIMITIVES,
    ),
    Mutant("backend/reference/windows.py", "left : left + W] = x", "right : right + W] = x", WINDOWS),
    # random numbers
    Mutant("backend/philox.py", "ROUNDS = 10", "ROUNDS = 9", PHILOX),
    Mutant("backend/philox.py", "skipped + 1, skipped + blocks + 1", "skipped, skipped + blocks", PHILOX),
    Mutant("backend/philox.py", "k1 + KEY_STEPS[1]", "k1 + KEY_STEPS[0]", PHILOX),
    Mutant("backend/philox.py", " + ((carry >> 32) & LOW)", "", PHILOX),
    Mutant("backend/philox.py", "[within : within + count]", "[:count]", PART),
    Mutant("backend/reference/dropout.py", "* (1 / (1 - rate))", "* 1", PRIMITIVES),
    Mutant("backend/reference/dropout.py", "xp.sqrt(-2 * xp.log", "xp.sqrt(-1 * xp.log", ELEMENTWISE),
    # attention
    Mutant("backend/reference/attention.py", "<= queries[:, None]", "< queries[:, None]", ATTENTION),
    Mutant("backend/reference/attention.py", "xp.where(largest == -xp.inf, 0, largest)", "largest", ATTENTION),
    Mutant("backend/reference/attention.py", "dweights = dweights * kept", "pass", ATTENTION),
    Mutant(
        "backend/reference/attention.py",
        "xp.matmul(q, k.mT) * (1 / math.sqrt(q.shape[-1]))",
        "xp.matmul(q, k.mT)",
        ATTENTION,
    ),
    # normalization
    Mutant(
        "backend/reference/normalization.py",
        "x * x, size // 2, (size - 1) // 2)",
        "x * x, min(size // 2, 3), (size - 1) // 2)",
        NORMS,
    ),
    Mutant("backend/reference/normalization.py", "min(after, C - 1) + 1", "min(after, C - 1)", NORMS),
    Mutant("backend/reference/normalization.py", "k + (alpha / size)", "k + alpha", NORMS),
    Mutant(
        "backend/reference/normalization.py",
        "finite + (added - rate * finite)",
        "finite + (added + rate * finite)",
        PRIMITIVES,
    ),
    Mutant("backend/reference/normalization.py", "var = self.mean((x - mean) ** 2", "var = self.mean(x ** 2", NORMS),
    Mutant("backend/reference/group_norm.py", "rows = rows if mean is None else rows - mean\n", "\n", GROUP_NORM),
    Mutant("backend/reference/pooling.py", "open_ = open_ & ~hit", "pass", PRIMITIVES),
    Mutant(
        "backend/reference/pooling.py",
        "add_arrays(pixels) / len(pixels)",
        "add_arrays(pixels) / window.kernel[0] ** 2",
        PRIMITIVES,
    ),
    # what losses and metrics are made of
    Mutant("backend/reference/losses.py", "shifted = y - xp.max(y, axis=1, keepdims=True)", "shifted = y", LOSSES),
    Mutant("backend/reference/losses.py", "finite = xp.where(t == 0, 0, shifted)", "finite = shifted", LOSSES),
    Mutant("backend/reference/losses.py", "& (largest == largest)", "", METRICS),
    # activations of which the derivative fits and the value is another
    Mutant("backend/reference/elementwise.py", "linear = z > threshold", "linear = z > 0", ELEMENTWISE),
    Mutant("backend/reference/elementwise.py", "FAR = 40.0", "FAR = 4.0", ELEMENTWISE),
    Mutant(
        "backend/reference/elementwise.py",
        "0.5 * (1 + erf(xp, x * math.sqrt(0.5)))",
        "0.5 * (1 + erf(xp, x))",
        ELEMENTWISE,
    ),
    Mutant("backend/reference/elementwise.py", "-3.0) * gate, lambda", "-3.0) * gate * 1.01, lambda", ELEMENTWISE),
    # update steps
    Mutant("backend/reference/updates.py", "g = g + momentum * v if nesterov else v", "g = v", OPTIMIZERS),
    Mutant("backend/reference/updates.py", "s[...] = s + g * g", "s[...] = g * g", OPTIMIZERS),
    Mutant("backend/reference/updates.py", "rho * s + (1 - rho) * g * g", "rho * s + g * g", OPTIMIZERS),
    Mutant("backend/reference/updates.py", "self.xp.sqrt(v / (1 - beta2**step))", "self.xp.sqrt(v)", PRIMITIVES),
    Mutant(
        "backend/reference/arrays.py",
        "p - share * self.where_finite(p)",
        "p + share * self.where_finite(p)",
        OPTIMIZERS,
    ),
    Mutant("backend/reference/fading.py", "self.xp.abs(x) < least", "x < least", PRIMITIVES),
    Mutant("backend/reference/fading.py", "self.xp.abs(x) < least", "self.xp.abs(x) <= least", PRIMITIVES),
    Mutant("backend/reference/late_updates.py", "step = how.mean * m\n", "step = m\n", OPTIMIZERS),
    Mutant("backend/reference/late_updates.py", "self.xp.sign(beta1 * m", "self.xp.sign(beta2 * m", OPTIMIZERS),
    Mutant("backend/reference/late_updates.py", "b * square + c *", "b * square - c *", OPTIMIZERS),
    Mutant(
        "backend/reference/late_updates.py",
        "(1 - how.momentum) * g if how.nesterov else m",
        "(1 - how.momentum) * g",
        OPTIMIZERS,
    ),
    Mutant("backend/reference/recurrent.py", "0.5 * self.xp.tanh(0.5 * x)", "0.5 * self.xp.tanh(x)", RECURRENT),
    # sums in halves
    Mutant("backend/reference/sums.py", "if x.shape[axis] % 2:", "if False:", ORDERED),
    Mutant("backend/reference/sums.py", "for one in axes) > FEW:", "for one in axes) > FEW**4:", COLUMN),
    Mutant("backend/reference/sums.py", "return tuple(one % x.ndim for", "return tuple(one for", ORDERED),
    Mutant("backend/reference/sums.py", "slice(2 * half, None)", "slice(half, None)", ORDERED),
    Mutant("backend/reference/sums.py", "add_arrays(arrays[half:])", "add_arrays(arrays[half + 1 :])", WINDOW_MEAN),
    Mutant("backend/reference/sums.py", "axis, keepdims) / math", "axis, keepdims) / -math", ORDERED),
]
