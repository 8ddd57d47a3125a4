"""Layers."""

from tests.kit.mutants.mutant import Mutant

STATISTICS = "tests/laws/test_laws.py::test_running_statistics_follow_the_batches"
DERIVATIVE = "tests/laws/test_laws.py::test_the_gradient_is_the_derivative"
RECURRENT = "tests/layers/test_recurrent.py"
TIME_DISTRIBUTED = "tests/layers/test_time_distributed.py"
DRAWS = "tests/training/test_draws.py"
LAYERS = "tests/layers/test_residual.py"
SPATIAL = "tests/layers/test_spatial.py"
NORM_OF_ONE = "tests/layers/test_norm_of_one.py"
ATTENTION = "tests/layers/test_attention.py"
ELEMENTWISE = "tests/backend/test_elementwise.py"
DEFINITIONS = "tests/layers/test_definitions.py"
CHAINS = "tests/core/test_chains.py"
BUILD = "tests/core/test_build.py"
COUNTS = "tests/networks/test_counts.py"
TRANSFORMERS = "tests/networks/test_transformers.py"

MUTANTS = [
    Mutant("layers/normalization.py", "or (self.running_statistics and self.is_frozen)", "", CHAINS),
    Mutant("layers/normalization.py", 'or "forward" in vars(following))', ")", CHAINS),
    Mutant("layers/relu.py", "type(self) is not ReLU or ", "", CHAINS),
    Mutant("layers/recurrent.py", "dx if masks[layer] is None else dx * masks[layer]", "dx", DERIVATIVE),
    Mutant("layers/recurrent.py", "db_ih if db_hh is None else db_hh", "db_ih", DERIVATIVE, "gru"),
    Mutant("layers/recurrent.py", "first = random.first_sample() *", "first = 0 *", RECURRENT),
    Mutant("layers/embedding.py", "dw[self.padding_index, ...] = 0", "pass", TIME_DISTRIBUTED),
    Mutant("layers/softmax.py", "return y * (dy - self", "return y * (dy + self", DERIVATIVE),
    Mutant("layers/softmax.py", "return dy - xp.exp(y)", "return dy + xp.exp(y)", DERIVATIVE),
    Mutant("layers/merge.py", "return (dy / len(xs),)", "return (dy,)", DERIVATIVE),
    Mutant("layers/dropout.py", "return dy * mask", "return -dy * mask", DERIVATIVE),
    Mutant("layers/dropout.py", "first = random.first_sample() * math.prod(shape)", "first = 0", DRAWS),
    Mutant("layers/dropout.py", "self.axis - 1 if self.axis > 0", "self.axis if self.axis > 0", LAYERS),
    Mutant("layers/residual.py", "_run(self.shortcut, x)", "x", LAYERS),
    Mutant("layers/shaping.py", "xp.permute_dims(dy, inverse)", "xp.permute_dims(dy, axes)", DERIVATIVE),
    Mutant("layers/merge.py", "(*xs[:place], *xs[place + 1 :])", "xs", DERIVATIVE),
    Mutant("layers/gated.py", "sigmoid_back(dy * a)", "sigmoid_back(dy)", DERIVATIVE),
    Mutant("layers/rectifiers.py", "xp.where(above, 0, dy * x)", "xp.where(above, 0, dy)", DERIVATIVE),
    Mutant("layers/normalization.py", "factor = unbiased if", "factor = unbiased if False and", STATISTICS),
    Mutant("layers/shaping.py", "return xp.reshape(dy, x.shape)", "return -xp.reshape(dy, x.shape)", DERIVATIVE),
    Mutant("layers/pooling.py", "share = dy / math.prod", "share = -dy / math.prod", DERIVATIVE),
    Mutant("layers/normalization.py", "scale_channels(dy, inverse if", "scale_channels(-dy, inverse if", DERIVATIVE),
    Mutant("layers/merge.py", "return (dy,) * len(xs)", "return (-dy,) * len(xs)", DERIVATIVE),
    Mutant("layers/merge.py", "parts.append(dy[", "parts.append(-dy[", DERIVATIVE),
    # what the derivative does not tell: another value, with the derivative of that
    Mutant("layers/pooling.py", "// stride) + 1\n", "// stride) + 2\n", DEFINITIONS),
    Mutant(
        "layers/pooling.py",
        "if (count - 1) * stride >= length + before:",
        "if (count - 1) * stride > length + before:",
        DEFINITIONS,
    ),
    Mutant(
        "layers/pooling.py",
        "(-before, length + after) if count_pads else (0, length)",
        "(-before, length + after)",
        DEFINITIONS,
    ),
    Mutant(
        "layers/pooling.py",
        "math.prod(window.kernel) / self.divisor_override",
        "1 / self.divisor_override",
        DEFINITIONS,
    ),
    Mutant(
        "layers/adaptive.py",
        "return i * length // outputs, -(-(i + 1) * length // outputs)",
        "return i * length // outputs, (i + 1) * length // outputs",
        SPATIAL,
    ),
    Mutant("layers/adaptive.py", "/ (end - begin) for p", "/ (length // outputs) for p", SPATIAL),
    Mutant("layers/resize.py", "return [i * length // outputs", "return [-(-i * length // outputs)", SPATIAL),
    Mutant("layers/padding.py", "slice(before + 1, before + 1 + before)", "slice(before, before + before)", SPATIAL),
    Mutant("layers/padding.py", "sources = slice(length, end)", "sources = slice(length - 1, end - 1)", SPATIAL),
    Mutant("layers/padding.py", "left : image.shape[3] - right]", "right : image.shape[3] - left]", SPATIAL),
    Mutant("layers/positions.py", "-2 * math.log(10000) / E", "-2 * math.log(1000) / E", ATTENTION),
    Mutant("layers/positions.py", "xp.sin(angles), xp.cos(angles)", "xp.cos(angles), xp.sin(angles)", ATTENTION),
    Mutant(
        "layers/attention.py",
        "else dweights[:, None, :, :] / H",
        "else dweights[:, None, :, :]",
        DERIVATIVE,
        "attention",
    ),
    Mutant(
        "layers/attention.py", "rows = slice(done * E, (done + count) * E)", "rows = slice(0, count * E)", ATTENTION
    ),
    Mutant("layers/rectifiers.py", "negative_slope: float = 0.01", "negative_slope: float = 0.1", DEFINITIONS),
    Mutant("layers/rectifiers.py", "(self.alpha, 1.0, 1 / self.alpha)", "(self.alpha, 1.0, 1.0)", DEFINITIONS),
    Mutant("layers/rectifiers.py", "1.0507009873554804", "1.05", DEFINITIONS),
    Mutant("layers/merge.py", "start=xs[0]) / len(xs)", "start=xs[0]) / 2", DERIVATIVE, "average"),
    Mutant("layers/convolution.py", "fan_in=inputs * kh * kw", "fan_in=inputs * kh", DEFINITIONS),
    Mutant("layers/dense.py", "shape[-1], self.units, self.tied)", "self.units, shape[-1], self.tied)", DEFINITIONS),
    Mutant("layers/softmax.py", "below = x - xp.max(x, axis=axis, keepdims=True)", "below = x", DEFINITIONS),
]
