"""Deliberate errors, one at a time: does the suite notice each of them?

    python -m tests.kit.mutants                 # all, a few minutes
    python -m tests.kit.mutants pool batch      # those whose file or line holds one of these words

Every mutant is a wrong sign, a missing term or a wrong index in one backward pass, or a draw from the wrong key. It is
planted in a copy of the project, and the tests named beside it are run there until the first failure. Exit status 1 if
a mutant lives.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    file: str
    right: str
    wrong: str
    tests: str


LAWS = "tests/laws/test_laws.py"
LAYERS = "tests/layers/test_residual.py"
ELEMENTWISE = "tests/backend/test_elementwise.py"
PRIMITIVES = "tests/backend/test_primitives.py"
TRANSPOSED = "tests/backend/test_transposed.py"
LOSSES = "tests/losses/test_losses.py"
ELEMENTS = "tests/losses/test_class_targets.py"
COUNTS, METRICS = "tests/metrics/test_class_targets.py", "tests/metrics/test_metrics.py"
GROUPS = "tests/optimizers/test_groups.py"
JIT = "tests/backend/jit/test_backend.py"
WINOGRAD = "tests/backend/cpu/test_winograd.py"
NETWORKS = "tests/networks/test_networks.py"
RESNET, IMAGES = "tests/networks/test_resnet.py", "tests/networks/test_reconstructions.py"
RADIAL = "tests/networks/test_radial_basis.py"
WEIGHTS = "tests/training/test_weights.py"
REGULARIZERS = "tests/test_regularizers.py"
DRAWS, BATCHES = "tests/training/test_draws.py", "tests/training/test_draws_of_batches.py"
OWN_STEPS, SEVERAL = "tests/training/test_train_step.py", "tests/training/test_several.py"
STATES = "tests/training/test_states.py"
RECURRENT, CELLS = "tests/layers/test_recurrent.py", "tests/backend/test_recurrent.py"
MUTANTS = [
    Mutant("backend/reference/convolution.py", "db = xp.reshape(self.sum(dz, ", "db = -xp.reshape(self.sum(dz, ", LAWS),
    Mutant(
        "backend/reference/convolution.py", "self.sum(xp.matmul(dz, cols.mT)", "-self.sum(xp.matmul(dz, cols.mT)", LAWS
    ),
    Mutant("backend/reference/convolution.py", "xp.matmul(kernels.mT, dz)", "-xp.matmul(kernels.mT, dz)", LAWS),
    Mutant("backend/reference/transposed.py", "db = self.sum(dz, ", "db = -self.sum(dz, ", LAWS),
    Mutant("backend/reference/transposed.py", "self.sum(xp.matmul(pixels, ", "-self.sum(xp.matmul(pixels, ", LAWS),
    Mutant("backend/reference/transposed.py", "xp.matmul(kernels, cols)", "-xp.matmul(kernels, cols)", LAWS),
    Mutant("backend/cpu/columns.py", "closer, -shift)", "closer, 1 - shift)", TRANSPOSED),
    Mutant("backend/cpu/columns.py", "len(rows) < SH or", "len(rows) > SH or", TRANSPOSED),
    Mutant("backend/reference/dense.py", "dx = self.xp.matmul(dz, w) if", "dx = -self.xp.matmul(dz, w) if", LAWS),
    Mutant("backend/reference/dense.py", "self.xp.matmul(dz.mT, x)", "-self.xp.matmul(dz.mT, x)", LAWS),
    Mutant("backend/reference/pooling.py", "xp.where(hit, dy, 0)", "xp.where(hit, -dy, 0)", LAWS),
    Mutant(
        "backend/reference/activations.py", "self.xp.where(y > 0, dy, 0) if", "self.xp.where(y > 0, -dy, 0) if", LAWS
    ),
    Mutant("backend/reference/pooling.py", "dy / (window.kernel[0]", "-dy / (window.kernel[0]", LAWS),
    Mutant("backend/reference/normalization.py", "(dy - dbeta / m - normal", "(dy + dbeta / m - normal", LAWS),
    Mutant("backend/reference/normalization.py", "- normal * (dgamma / m))", "+ normal * (dgamma / m))", LAWS),
    Mutant(
        "backend/reference/normalization.py", "dgamma = self.sum(dy * normal", "dgamma = -self.sum(dy * normal", LAWS
    ),
    Mutant("backend/reference/normalization.py", "dy * power - (2 * alpha", "dy * power + (2 * alpha", LAWS),
    Mutant("backend/reference/losses.py", "xp.exp(shifted - log_sum) - t", "xp.exp(shifted - log_sum) + t", LOSSES),
    Mutant("backend/cpu/columns.py", "(dy.shape)), add_first(sums)", "(dy.shape)), -add_first(sums)", LAWS),
    Mutant("backend/cpu/columns.py", "dw = add_first(partial)", "dw = -add_first(partial)", LAWS),
    Mutant("backend/cpu/columns.py", "[:, :, :, ::-1, ::-1]", "[:, :, :, ::-1, :]", LAWS),
    Mutant("backend/cpu/activation.py", "y[i0:i1] > 0, out=dz", "y[i0:i1] >= 0, out=dz", PRIMITIVES),
    Mutant(
        "backend/cpu/backend.py",
        "np.multiply(dout, hit, out=dx",
        "np.multiply(-dout, hit, out=dx",
        LAWS,
    ),
    Mutant(
        "backend/cpu/backend.py", "np.logical_or(met, hit, out=met)", "np.logical_and(met, hit, out=met)", PRIMITIVES
    ),
    Mutant("backend/cpu/winograd.py", "M[:, 1] += b", "M[:, 0] += b", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "[0, 1, -1, -1]], np", "[0, 1, -1, 1]], np", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "(H - k - first) // 2 + 1", "(H - k - first) // 2 + 2", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "[:, :, ::-1, ::-1]", "[:, :, ::-1, :]", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "total += P.sum", "total -= P.sum", WINOGRAD),
    Mutant("backend/jit/winograd.py", "both - m2[n] - m3[n]", "both - m2[n] + m3[n]", WINOGRAD),
    Mutant("backend/jit/winograd.py", "y3[q] = -z1[q]", "y3[q] = z1[q]", WINOGRAD),
    Mutant("backend/cpu/elementwise.py", "return dy * (y > 0)", "return -dy * (y > 0)", LAWS),
    Mutant("backend/cpu/columns.py", "(j1 - 1) * N + n1", "(j1 - 1) * N + n1 - 1", PRIMITIVES),
    Mutant("backend/jit/kernels.py", "value if output[q] > 0 else", "value if output[q] >= 0 else", JIT),
    Mutant("backend/jit/kernels.py", "left[q] = nothing if", "left[q] = left[q] if", JIT),
    Mutant("backend/jit/kernels.py", "b.select(counts, gradient, zero)", "b.select(counts, gradient, gradient)", JIT),
    Mutant("backend/jit/plan.py", "(o, kernel - 1 - k)", "(o, k)", JIT),
    Mutant("backend/cpu/backend.py", "dy[picked] -= 1", "dy[picked] += 1", LOSSES),
    Mutant("backend/reference/embedding.py", "picked = numbers ==", "picked = numbers + 1 ==", PRIMITIVES),
    Mutant("backend/cpu/backend.py", "np.diff(numbers, prepend=-1)", "np.diff(numbers, prepend=0)", LAWS),
    Mutant("backend/reference/recurrent.py", "else dh * (1 - h * h)", "else dh * (1 + h * h)", RECURRENT),
    Mutant("backend/reference/recurrent.py", "dc_t * cs[before, ...]", "dc_t * cs[after, ...]", RECURRENT),
    Mutant("backend/reference/recurrent.py", "t, dc_t * f, dc)", "t, dc_t * f, 0 * dc)", RECURRENT),
    Mutant("backend/reference/recurrent.py", "dh * u + xp.matmul(dm, w), dh)", "xp.matmul(dm, w), dh)", RECURRENT),
    Mutant("backend/reference/recurrent.py", "hs[1:, ...] if reverse else hs[:-1, ...]", "hs[1:, ...]", RECURRENT),
    Mutant("backend/cpu/cells.py", "dz_o *= tanh_c", "dz_o *= c_new", CELLS),
    Mutant("backend/cpu/cells.py", "dh *= u", "dh *= r", CELLS),
    Mutant("backend/jit/cells.py", "(ONE - t * t)", "(ONE + t * t)", "tests/backend/jit/test_cells.py"),
    Mutant("backend/jit/cells.py", "d[k] *= u[k]", "d[k] *= r[k]", "tests/backend/jit/test_cells.py"),
    Mutant("layers/recurrent.py", "dx if masks[layer] is None else dx * masks[layer]", "dx", LAWS),
    Mutant("layers/recurrent.py", "db_ih if db_hh is None else db_hh", "db_ih", RECURRENT),
    Mutant("layers/recurrent.py", "first = random.first_sample() *", "first = 0 *", RECURRENT),
    Mutant("layers/embedding.py", "dw[self.padding_index, ...] = 0", "pass", "tests/layers/test_time_distributed.py"),
    Mutant("random.py", "state.first_sample * steps", "state.first_sample", "tests/layers/test_time_distributed.py"),
    Mutant("core/outputs.py", "if dy is None else dy for", "if dy is None else -dy for", "tests/core/test_outputs.py"),
    Mutant(
        "backend/reference/elementwise.py", "above + negative_slope * (1", "above - negative_slope * (1", ELEMENTWISE
    ),
    Mutant("backend/reference/elementwise.py", "dy * (y * (1 - y))", "dy * (y * (1 + y))", LAWS),
    Mutant("backend/reference/elementwise.py", "amplitude - y * y", "amplitude + y * y", LAWS),
    Mutant("layers/softmax.py", "return y * (dy - self", "return y * (dy + self", LAWS),
    Mutant("layers/softmax.py", "return dy - xp.exp(y)", "return dy + xp.exp(y)", LAWS),
    Mutant("layers/merge.py", "return (dy / len(xs),)", "return (dy,)", LAWS),
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
    Mutant("optimizers/groups.py", "lr * self.lr_scale", "lr", GROUPS),
    Mutant("optimizers/groups.py", "self.places |= {parameters", "0 and {parameters", GROUPS),
    Mutant("metrics/top_k.py", "(better < self.k) & (t >= 0)", "better < self.k", COUNTS),
    Mutant("layers/dropout.py", "return dy * mask", "return -dy * mask", LAWS),
    Mutant("layers/dropout.py", "first = random.first_sample() * math.prod(shape)", "first = 0", DRAWS),
    Mutant("layers/dropout.py", "self.axis - 1 if self.axis > 0", "self.axis if self.axis > 0", LAYERS),
    Mutant("layers/residual.py", "_run(self.shortcut, x)", "x", LAYERS),
    Mutant("layers/shaping.py", "xp.permute_dims(dy, inverse)", "xp.permute_dims(dy, axes)", LAWS),
    Mutant("layers/merge.py", "(*xs[:place], *xs[place + 1 :])", "xs", LAWS),
    Mutant("layers/gated.py", "sigmoid_back(dy * a)", "sigmoid_back(dy)", LAWS),
    Mutant("layers/rectifiers.py", "xp.where(above, 0, dy * x)", "xp.where(above, 0, dy)", LAWS),
    Mutant("layers/normalization.py", "factor = unbiased if", "factor = unbiased if False and", LAWS),
    Mutant("backend/reference/group_norm.py", "axis=2, keepdims=True) / count)", "axis=2, keepdims=True))", LAWS),
    Mutant("backend/reference/elementwise.py", "(1 + (1 - t) * slope)", "(1 - (1 - t) * slope)", LAWS),
    Mutant("backend/reference/dropout.py", "key, first - odd)", "key, first)", DRAWS),
    Mutant("backend/reference/dropout.py", "self.device, first)", "self.device)", PRIMITIVES),
    Mutant("backend/philox.py", "(within + count) // 8)", "count // 8)", "tests/test_random.py"),
    Mutant("random.py", "state.taken.get(text, 0)", "sum(state.taken.values())", "tests/test_random.py"),
    Mutant("random.py", "_inside.reset(self.token)", "_inside.set(None)", "tests/test_random.py"),
    Mutant(
        "random.py",
        "self.apart, self.first_sample, self.root\n        return",
        "False, 0, 0\n        return",
        "tests/test_random.py",
    ),
    Mutant("core/located.py", "own.root, own.path, *attribute)", "own.root, *attribute)", DRAWS),
    Mutant("core/located.py", "next_key(own.root - random.first_root(), own", "next_key(own.root, own", DRAWS),
    Mutant("core/located.py", "and not random.is_apart()", "", DRAWS),
    Mutant("core/network.py", "self.locate()  # which stays", "# which stays", DRAWS),
    Mutant("training/run.py", '"step", epoch, number, root', '"step", number, root', DRAWS),
    Mutant("training/run.py", "self._draw_from((first, second))", "pass", BATCHES),
    Mutant("training/iterables.py", "(*self._drawn_from, *place)", "(*self._drawn_from)", BATCHES),
    Mutant("training/position.py", '"train", self.epoch)', '"train")', DRAWS),
    Mutant(
        "data/loader.py",
        '(key, "source", number):\n            try',
        '(key, "source"):\n            try',
        BATCHES,
    ),
    Mutant("training/step.py", "scale_gradients(self.model.parameters(), 1 / size)", "pass", OWN_STEPS),
    Mutant("training/step.py", "refuse_left_gradients(self._applied)", "pass", OWN_STEPS),
    Mutant("training/step.py", "self._parameters.clear()", "pass", OWN_STEPS),
    Mutant(
        "training/run.py", "carried.value = state", "carried.value = None and state", "tests/training/test_states.py"
    ),
    Mutant("training/run.py", "self.model.reset_state()", "pass", "tests/training/test_states.py"),
    Mutant("losses/joint.py", "backs[key]() * weight", "backs[key]()", SEVERAL),
    Mutant("losses/joint.py", "value * weight + total", "value + total", SEVERAL),
    Mutant(
        "training/prepare.py", "return bound.args if", "return tuple(x.values()) if isinstance(x, dict) and", SEVERAL
    ),
    Mutant("training/means.py", "float(value) * own", "float(value)", SEVERAL),
    Mutant(
        "core/located.py", 'drawing_next(own.root - random.first_root(), own.path, "step"', 'drawing_next("step"', DRAWS
    ),
    Mutant("layers/shaping.py", "return xp.reshape(dy, x.shape)", "return -xp.reshape(dy, x.shape)", LAWS),
    Mutant("layers/pooling.py", "share = dy / math.prod", "share = -dy / math.prod", LAWS),
    Mutant("layers/normalization.py", "scale_channels(dy, slope", "scale_channels(-dy, slope", LAWS),
    Mutant("layers/merge.py", "return (dy,) * len(xs)", "return (-dy,) * len(xs)", LAWS),
    Mutant("layers/merge.py", "parts.append(dy[", "parts.append(-dy[", LAWS),
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
    Mutant("regularizers.py", "return (2 * self.l2) * w", "return self.l2 * w", REGULARIZERS),
    Mutant("regularizers.py", "if p.regularizer and p.trainable]", "if p.regularizer]", REGULARIZERS),
    Mutant(
        "training/step.py",
        "else sum(self.group) or 1",
        "else len(self.group) or 1",
        "tests/training/test_accumulation.py",
    ),
    Mutant("callbacks/ema.py", "(1 + step) / (10 + step)", "step / (10 + step)", "tests/callbacks/test_ema.py"),
    Mutant("core/tape.py", "grads[x] + dx if x in grads else dx", "dx", "tests/core/test_tape.py"),
    Mutant("core/tape.py", "lambda dy: (dy, dy)", "lambda dy: (dy, -dy)", "tests/core/test_tape.py"),
    Mutant("networks/lenet5.py", "self.backend.sum(dy * total, axis", "-self.backend.sum(dy * total, axis", NETWORKS),
    Mutant("networks/lenet5.py", "self.xp.concat(connected", "-self.xp.concat(connected", NETWORKS),
    Mutant("networks/radial_basis.py", "return -2 * self.backend.sum(dy", "return 2 * self.backend.sum(dy", RADIAL),
    Mutant("losses/rubbish_cross_entropy.py", "nothing - self.margin", "nothing + self.margin", LOSSES),
    Mutant("networks/resnet.py", "dx[:, :, ::s, ::s] = dy", "dx[:, :, ::s, ::s] = -dy", RESNET),
    Mutant("networks/vae.py", "dz, dz * noise / 2", "dz, dz * noise", IMAGES),
    Mutant("networks/vae.py", "dlog_var + (var - 1) *", "dlog_var + var *", IMAGES),
    Mutant("networks/vae.py", "dmean + mean * (weight / N)", "dmean + mean * weight", IMAGES),
    Mutant("networks/gan.py", "with self.discriminator.frozen():", "if True:", IMAGES),
]


def main(words: list[str]) -> int:
    chosen = [m for m in MUTANTS if not words or any(word in m.file + m.right for word in words)]
    alive = 0
    for mutant in chosen:
        with tempfile.TemporaryDirectory() as folder:
            survives = run(mutant, Path(folder))
        alive += survives
        print(f"{'ALIVE ' if survives else 'caught'}  {mutant.file}: {mutant.right}  ->  {mutant.wrong}", flush=True)
    print(f"{len(chosen) - alive} of {len(chosen)} mutants caught")
    return 1 if alive else 0


def run(mutant: Mutant, folder: Path) -> bool:
    """Whether the tests pass in spite of the mutant."""
    for part in ("xpnet", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    if (ROOT / ".cache").exists():
        (folder / ".cache").symlink_to(ROOT / ".cache")  # the stand-in device takes minutes to build
    path = folder / "xpnet" / mutant.file
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.right) != 1:
        raise SystemExit(f"{mutant.file} must hold {mutant.right!r} once, not {source.count(mutant.right)} times")
    path.write_text(source.replace(mutant.right, mutant.wrong), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mutant.tests]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
