"""Losses and metrics."""

from tests.kit.mutants.mutant import Mutant

LOSSES = "tests/losses/test_losses.py"
ELEMENTS = "tests/losses/test_class_targets.py"
COUNTS = "tests/metrics/test_class_targets.py"
METRICS = "tests/metrics/test_metrics.py"
SEVERAL = "tests/training/test_several.py"
WEIGHTS = "tests/training/test_weights.py"
OWN = "tests/losses/test_own_losses.py"
SMALL = "tests/losses/test_small_integers.py"
LAST = "tests/losses/test_last_layer.py"

MUTANTS = [
    Mutant("losses/negative_log_likelihood.py", "(t / -M, shape", "(t / M, shape", LOSSES),
    Mutant("losses/negative_log_likelihood.py", "t = t * w", "t = t * 1", LOSSES),
    Mutant("losses/class_loss.py", "return t.shape[0] / total * (xp.astype", "return 1.0 * (xp.astype", ELEMENTS),
    Mutant("losses/class_loss.py", "(counts, (-1, 1)), y, 0)", "(counts, (-1, 1)) | True, y, 0)", ELEMENTS),
    Mutant("losses/class_loss.py", "else xp.where(counts, w, 0)", "else w", ELEMENTS),
    Mutant("losses/class_loss.py", "xp.where(xp.reshape(counts, (-1,)), share, 0)", "share", ELEMENTS),
    Mutant("losses/class_loss.py", "(*range(axis), last, *range(axis, last))", "range(last + 1)", ELEMENTS),
    Mutant("metrics/base.py", "xp.where(counts, t, -1)", "xp.where(counts, t, 0)", COUNTS),
    Mutant("metrics/by_class.py", "else guess & real", "else guess", COUNTS),
    Mutant("metrics/of_numbers.py", "+ apart**2 * (old", "+ 0 * (old", METRICS),
    Mutant("metrics/top_k.py", "(better < self.k) & (t >= 0)", "better < self.k", COUNTS),
    Mutant("losses/joint.py", "backs[key]() * weight", "backs[key]()", SEVERAL),
    Mutant("losses/joint.py", "value * weight + total", "value + total", SEVERAL),
    Mutant("losses/softmax_cross_entropy.py", "(dy / M, shape", "(-dy / M, shape", LOSSES),
    Mutant("losses/binary_cross_entropy.py", "backend.sigmoid(y) - t", "backend.sigmoid(y) + t", LOSSES),
    Mutant("losses/mean_squared_error.py", "lambda: weighted * (2 /", "lambda: weighted * (-2 /", LOSSES),
    Mutant("losses/softmax_cross_entropy.py", "self.label_smoothing / C", "self.label_smoothing / M", LOSSES),
    Mutant("losses/binary_cross_entropy.py", "self.label_smoothing / 2", "self.label_smoothing", LOSSES),
    Mutant("losses/of_entries.py", "dy if w is None else dy * w", "dy", WEIGHTS),
    Mutant("losses/huber.py", "lambda: clipped  #", "lambda: difference  #", LOSSES),
    Mutant("losses/hinge.py", "xp.where(own, -backend.sum(dy", "xp.where(own, backend.sum(dy", LOSSES),
    Mutant("losses/focal.py", "* slope - 1)", "* slope + 1)", LOSSES),
    Mutant("losses/dice.py", "2 * overlap * p - 2 * t", "2 * overlap * p + 2 * t", LOSSES),
    Mutant("losses/cosine_similarity.py", "(cos * a - b)", "(cos * a + b)", LOSSES),
    Mutant("losses/softmax_cross_entropy.py", "dy * total + t * (total - 1)", "dy * total", LOSSES),
    Mutant("losses/kl_divergence.py", "self.from_rows(t / -M", "self.from_rows(t / M", LOSSES),
    Mutant("losses/softmax_cross_entropy.py", "dy * w\n", "dy\n", WEIGHTS),
    Mutant("losses/mean_squared_error.py", "lambda: weighted * (2", "lambda: difference * (2", WEIGHTS),
    Mutant("losses/rubbish_cross_entropy.py", "nothing - self.margin", "nothing + self.margin", LOSSES),
    # values
    Mutant("losses/mean_absolute_error.py", "return xp.abs(difference)", "return difference * difference", LOSSES),
    Mutant("losses/mean_absolute_error.py", "lambda: xp.sign(difference)", "lambda: difference", LOSSES),
    Mutant(
        "losses/mean_squared_error.py",
        "backend.mean(weighted * difference)",
        "backend.mean(weighted * difference) / 2",
        LOSSES,
    ),
    Mutant("losses/huber.py", "(difference - clipped / 2)", "(difference - clipped)", LOSSES),
    Mutant("losses/huber.py", "return losses / self.beta", "return losses", LOSSES),
    Mutant("losses/hinge.py", "xp.maximum(1 - sign * y, 0)", "xp.maximum(2 - sign * y, 0)", LOSSES),
    Mutant("losses/hinge.py", "M if self.largest else M * C", "M * C", LOSSES),
    Mutant("losses/focal.py", "t * rest**self.gamma", "t * rest * self.gamma", LOSSES),
    Mutant("losses/focal.py", "xp.where(focused == 0, 0, log_p)", "log_p", LOSSES),
    Mutant("losses/dice.py", "squares + others + self.smooth", "squares + others", LOSSES),
    Mutant("losses/cosine_similarity.py", "x = x / xp.where(largest > 0, largest, 1)", "x = x / 1", LOSSES),
    Mutant("losses/kl_divergence.py", "none = (t == 0) &", "none = (t < 0) &", LOSSES),
    Mutant("losses/binary_cross_entropy.py", "xp.log1p(xp.exp(-xp.abs(y)))", "xp.log(1 + xp.exp(y))", LOSSES),
    Mutant(
        "losses/binary_cross_entropy.py",
        "log_yes, log_no = xp.maximum(log_yes, -100)",
        "log_yes, log_no = xp.maximum(log_yes, -1)",
        LOSSES,
    ),
    Mutant("losses/rubbish_cross_entropy.py", "dy = dy[:, :C]", "dy = dy[:, -C:]", LOSSES),
    Mutant("losses/base.py", "xp.where((w == 0) & xp.isinf(losses), 0, losses)", "losses", WEIGHTS),
    Mutant(
        "losses/class_loss.py", "backend.are_classes(t, y.shape[1])", "backend.are_classes(t, y.shape[1] + 1)", LOSSES
    ),
    Mutant("losses/class_loss.py", "xp.maximum(total, 1)", "total", ELEMENTS),
    Mutant("losses/joint.py", 'f"output{key + 1}"', 'f"output{key}"', SEVERAL),
    Mutant("losses/joint.py", '_loss"] * weight for key, _, weight', '_loss"] for key, _, weight', SEVERAL),
    # metrics
    Mutant("metrics/accuracy.py", " & (y[:, 0] == y[:, 0])", "", METRICS),
    Mutant("metrics/accuracy.py", "y - self.threshold if", "y + self.threshold if", METRICS),
    Mutant("metrics/auc.py", "(below + not_above) / (2 * pairs)", "2 * below / (2 * pairs)", METRICS),
    Mutant("metrics/auc.py", "yes, no = yes[yes == yes], no[no == no]", "pass", METRICS),
    Mutant("metrics/by_class.py", "whole + (whole == 0)", "whole", METRICS),
    Mutant("metrics/by_class.py", "share(hits, guesses + elements - hits)", "share(hits, guesses + elements)", METRICS),
    Mutant("metrics/by_class.py", "return float(of_classes[-1])", "return float(of_classes[0])", METRICS),
    Mutant("metrics/confusion_matrix.py", "xp.matmul(true.mT, guessed)", "xp.matmul(guessed.mT, true)", METRICS),
    Mutant("metrics/of_numbers.py", "math.sqrt(super().result())", "super().result()", METRICS),
    Mutant("metrics/of_numbers.py", "of_outputs[alike] = (errors == 0)[alike]", "of_outputs[alike] = 1", METRICS),
    Mutant("metrics/of_numbers.py", "own[2]\n", "own[2] * 0\n", METRICS),
    Mutant("metrics/perplexity.py", "math.exp(mean)", "2**mean", METRICS),
    Mutant("metrics/top_k.py", "(y >= own) & ~chosen", "(y > own) & ~chosen", METRICS),
    Mutant("metrics/base.py", 'return "acc" in name if', "return False if", "tests/callbacks/test_callbacks.py"),
    Mutant(
        "metrics/base.py",
        "in_double(added, backend) if self.total is None",
        "added if self.total is None",
        "tests/training/test_sums.py",
    ),
]
