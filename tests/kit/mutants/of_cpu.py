"""The backend of NumPy: its own ways, and its compiled kernels."""

from tests.kit.mutants.mutant import Mutant

TRANSPOSED = "tests/backend/test_transposed.py"
DERIVATIVE = "tests/laws/test_laws.py::test_the_gradient_is_the_derivative"
PRIMITIVES = "tests/backend/test_primitives.py"
WINOGRAD = "tests/backend/cpu/test_winograd.py"
JIT = "tests/backend/jit/test_backend.py"
LOSSES = "tests/losses/test_losses.py"
CELLS = "tests/backend/test_recurrent.py"
JIT_CELLS = "tests/backend/jit/test_cells.py"
THREADS = "tests/backend/cpu/test_threads.py"
POOL = "tests/backend/cpu/test_memory_pool.py"
CHOICE = "tests/backend/cpu/test_choice.py"
ELEMENTWISE = "tests/backend/test_elementwise.py"
NORMS = "tests/backend/test_normalization.py"
GROUP_NORM = "tests/backend/test_group_norm.py"
ATTENTION = "tests/backend/test_attention.py"
COLUMNS = "tests/backend/cpu/test_columns.py"
OPTIMIZERS = "tests/optimizers/test_optimizers.py"
JIT_NORMS = "tests/backend/jit/test_norms.py"

MUTANTS = [
    Mutant("backend/cpu/columns.py", "closer, -shift)", "closer, 1 - shift)", TRANSPOSED),
    Mutant("backend/cpu/columns.py", "len(rows) < SH or", "len(rows) > SH or", TRANSPOSED),
    Mutant("backend/cpu/columns.py", "(dy.shape)), sums.sum(axis=0)", "(dy.shape)), -sums.sum(axis=0)", DERIVATIVE),
    Mutant("backend/cpu/columns.py", "dw = partial.sum(axis=0)", "dw = -partial.sum(axis=0)", DERIVATIVE),
    Mutant("backend/cpu/columns.py", "[:, :, :, ::-1, ::-1]", "[:, :, :, ::-1, :]", DERIVATIVE),
    Mutant("backend/cpu/activation.py", "y[i0:i1] > 0, out=dz", "y[i0:i1] >= 0, out=dz", PRIMITIVES),
    Mutant("backend/cpu/backend.py", "np.multiply(dout, hit, out=dx", "np.multiply(-dout, hit, out=dx", DERIVATIVE),
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
    Mutant("backend/cpu/elementwise.py", "return dy * (y > 0)", "return -dy * (y > 0)", DERIVATIVE),
    Mutant("backend/cpu/columns.py", "(j1 - 1) * N + n1", "(j1 - 1) * N + n1 - 1", PRIMITIVES),
    Mutant("backend/jit/kernels.py", "value if output[q] > 0 else", "value if output[q] >= 0 else", JIT),
    Mutant("backend/jit/kernels.py", "left[q] = nothing if", "left[q] = left[q] if", JIT),
    Mutant("backend/jit/kernels.py", "b.select(counts, gradient, zero)", "b.select(counts, gradient, gradient)", JIT),
    Mutant("backend/jit/plan.py", "(o, kernel - 1 - k)", "(o, k)", JIT),
    Mutant("backend/cpu/backend.py", "dy[picked] -= 1", "dy[picked] += 1", LOSSES),
    Mutant("backend/cpu/backend.py", "np.diff(numbers, prepend=-1)", "np.diff(numbers, prepend=0)", DERIVATIVE),
    Mutant("backend/cpu/cells.py", "dz_o *= tanh_c", "dz_o *= c_new", CELLS),
    Mutant("backend/cpu/cells.py", "dh *= u", "dh *= r", CELLS),
    Mutant("backend/jit/cells.py", "(ONE - t * t)", "(ONE + t * t)", JIT_CELLS),
    Mutant("backend/jit/cells.py", "d[k] *= u[k]", "d[k] *= r[k]", JIT_CELLS),
    # update steps, in pieces
    Mutant("backend/cpu/updates.py", "flat[start + size : end] = 0", "pass", "tests/core/test_flat.py"),
    Mutant("backend/cpu/updates.py", "how.lr * c / (1 - how.beta1**how.step)", "how.lr * c", OPTIMIZERS),
    Mutant("backend/cpu/updates.py", "how.eps * c", "how.eps", PRIMITIVES),
    Mutant("backend/cpu/updates.py", "i : i + UPDATE]", "i : i + UPDATE - 1]", "tests/backend/cpu/test_updates.py"),
    # normalization
    Mutant("backend/cpu/normalization.py", "squares + counts * (means - mean) ** 2", "squares", NORMS),
    Mutant("backend/cpu/normalization.py", "square / count + (mean - middle) ** 2", "square / count", NORMS),
    Mutant("backend/cpu/normalization.py", "-slope * dbeta * share", "slope * dbeta * share", NORMS),
    Mutant("backend/cpu/normalization.py", "lying.T if self.order == [1, 0] else lying\n", "lying\n", NORMS),
    Mutant("backend/cpu/norm_loops.py", "inverse += eps", "inverse += 0", GROUP_NORM),
    Mutant("backend/cpu/norm_loops.py", "out -= d @ share", "out -= 0", GROUP_NORM),
    Mutant("backend/cpu/group_norm.py", "var + mean**2", "var", GROUP_NORM),
    Mutant(
        "backend/jit/norm_loops.py",
        "s += (run[k] - middle) * (run[k] - middle)",
        "s += run[k] * (run[k] - middle) * 2",
        JIT_NORMS,
    ),
    # elementwise, in bands
    Mutant("backend/cpu/elementwise.py", "slope -= np.copysign(tail, x)", "slope += np.copysign(tail, x)", ELEMENTWISE),
    Mutant("backend/cpu/elementwise.py", "NEARNESS = 0.28", "NEARNESS = 0.27", ELEMENTWISE),
    Mutant(
        "backend/cpu/elementwise.py",
        "out[i0:i1] = backs[i0](dout[i0:i1])",
        "out[i0:i1] = backs[0](dout[i0:i1])",
        ELEMENTWISE,
    ),
    Mutant(
        "backend/cpu/backend.py",
        "y *= 1 / (window.kernel[0] * window.kernel[1])",
        "y *= 1 / window.kernel[0] ** 2",
        PRIMITIVES,
    ),
    Mutant("backend/cpu/backend.py", "counter=skipped)", "counter=0)", PRIMITIVES, "dropout_mask"),
    Mutant(
        "backend/cpu/backend.py",
        "y[i::rows, j::columns] = image",
        "y[i::rows, j::rows] = image",
        "tests/backend/test_windows.py",
    ),
    Mutant("backend/cpu/backend.py", "dx[...] = 0  # else", "pass  # else", PRIMITIVES, "pixels or max_pooling"),
    # ways of a convolution
    Mutant("backend/cpu/one_product.py", "pixels[:, top : top + H", "pixels[:, bottom : bottom + H", PRIMITIVES),
    Mutant("backend/cpu/one_product.py", "SH * h, SW * v, n)", "SW * h, SH * v, n)", PRIMITIVES),
    Mutant("backend/cpu/whole_image.py", "np.maximum(y, 0, out=y)", "pass", "tests/backend/cpu/test_backend.py"),
    Mutant(
        "backend/cpu/choice.py",
        "if window.stride != (1, 1) or window.dilation != (1, 1):",
        "if window.dilation != (1, 1):",
        CHOICE,
    ),
    # memory and threads
    Mutant("backend/cpu/memory_pool.py", "if place and self.ends[place - 1] == start:", "if False:", POOL),
    Mutant("backend/cpu/memory_pool.py", "if end - start >= size:", "if end - start >= size - PAGE:", POOL),
    Mutant("backend/cpu/work.py", "min(i + height, rows))", "i + height)", "tests/backend/cpu/test_backend.py"),
]
