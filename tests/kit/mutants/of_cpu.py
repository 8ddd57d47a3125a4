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
INFERENCE = "tests/backend/jit/test_inference.py"
INFERENCE_SHAPES = "tests/backend/jit/test_inference_shapes.py"
THREADS = "tests/backend/cpu/test_threads.py"
POOL = "tests/backend/cpu/test_memory_pool.py"
CHOICE = "tests/backend/cpu/test_choice.py"
PRODUCTS = "tests/backend/cpu/test_backend.py"
ELEMENTWISE = "tests/backend/test_elementwise.py"
NORMS = "tests/backend/test_normalization.py"
NORM_THEN = "tests/backend/test_norm_then.py"
JIT_THEN = "tests/backend/jit/test_norm_then.py"
NEEDED = "tests/backend/test_needed.py"
JIT_NEEDED = "tests/backend/jit/test_needed.py"
GROUP_NORM = "tests/backend/test_group_norm.py"
ATTENTION = "tests/backend/test_attention.py"
JIT_ATTENTION = "tests/backend/jit/test_attention.py"
COLUMNS = "tests/backend/cpu/test_columns.py"
OPTIMIZERS = "tests/optimizers/test_optimizers.py"
JIT_NORMS = "tests/backend/jit/test_norms.py"
SUMS = "tests/backend/test_sums.py"
COLUMN = "tests/backend/test_sums.py::test_a_column_of_a_matrix"
AXES = "tests/backend/test_sums.py::test_sums_have_their_axes_in_the_order_of_the_array"
BIAS = "tests/backend/test_sums.py::test_the_bias_of_a_convolution"
OFTEN = "tests/backend/test_sums.py::test_rows_of_a_table_that_come_often"
WITHIN = "tests/backend/test_sums.py::test_normalization_within_a_sample"
VIEW = "tests/backend/cpu/test_view.py"
DIRECT = "tests/backend/cpu/test_winograd.py::test_the_direct_way_is_taken_where_it_must_be"
ZEROS = "tests/backend/cpu/test_winograd.py::test_gradients_that_are_zero_stay_zero"
BLAS = "tests/backend/cpu/test_blas.py"
PROCESSORS = "tests/backend/cpu/test_processors.py"
BLOCKS = "tests/backend/jit/test_blocks.py"
DEPTHWISE = "tests/backend/jit/test_depthwise.py"
PLAN = "tests/core/plan"
TRAINED = "tests/core/plan/test_training_numbers.py"
TRAINING = "tests/backend/cpu/test_training_plan.py"

MUTANTS = [
    Mutant("backend/cpu/columns.py", "closer, -shift)", "closer, 1 - shift)", TRANSPOSED),
    Mutant("backend/cpu/columns.py", "len(rows) < SH or", "len(rows) > SH or", TRANSPOSED),
    Mutant("backend/cpu/columns.py", "(dy.shape)), add_first(sums)", "(dy.shape)), -add_first(sums)", DERIVATIVE),
    Mutant("backend/cpu/columns.py", "dw = add_first(partial)", "dw = -add_first(partial)", DERIVATIVE),
    Mutant("backend/cpu/columns.py", "[:, :, :, ::-1, ::-1]", "[:, :, :, ::-1, :]", DERIVATIVE),
    Mutant("backend/cpu/activation.py", "y[i0:i1] > 0, dz[", "y[i0:i1] >= 0, dz[", PRIMITIVES),
    Mutant("backend/cpu/backend.py", "pick(dout, hit, dx[", "pick(-dout, hit, dx[", DERIVATIVE),
    Mutant(
        "backend/cpu/backend.py", "np.logical_or(met, hit, out=met)", "np.logical_and(met, hit, out=met)", PRIMITIVES
    ),
    Mutant("backend/cpu/two_by_two.py", "windows[i0:i1, 1])", "windows[i0:i1, 0])", PRIMITIVES, "pooling or pixels"),
    Mutant(
        "backend/cpu/two_by_two.py", "larger[:, :, 1], out", "larger[:, :, 0], out", PRIMITIVES, "pooling or pixels"
    ),
    Mutant(
        "backend/cpu/backend.py",
        "pick(gradient, largest > 0)",
        "pick(gradient, largest >= 0)",
        PRIMITIVES,
        "max_pooling",
    ),
    Mutant("backend/cpu/winograd.py", "M[:, 1] += b", "M[:, 0] += b", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "[0, 1, -1, -1]], np", "[0, 1, -1, 1]], np", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "(H - k - first) // 2 + 1", "(H - k - first) // 2 + 2", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "[:, :, ::-1, ::-1]", "[:, :, ::-1, :]", WINOGRAD),
    Mutant("backend/cpu/winograd.py", "total += P.sum", "total -= P.sum", WINOGRAD),
    Mutant("backend/jit/depthwise.py", "if not (math.isfinite(dw.sum()) and", "if not (", DEPTHWISE),
    Mutant("backend/jit/depthwise.py", "math.isfinite(taps.sum())", "True", DEPTHWISE),
    Mutant("backend/jit/depthwise.py", "b.select(counts, gradient, zero) if masked", "gradient if masked", DEPTHWISE),
    Mutant("backend/jit/depthwise.py", "(shifted < o * s)", "(shifted <= o * s)", DEPTHWISE),
    Mutant("backend/jit/depthwise.py", "if all(covering) else -1", "", DEPTHWISE),
    Mutant("backend/jit/depthwise.py", "if (i * W + j + 1) % together == 0 or", "if", DEPTHWISE),
    Mutant(
        "backend/cpu/choice.py",
        "and window.stride == (1, 1)\n\n\ndef why_not_compiled",
        "\n\n\ndef why_not_compiled",
        CHOICE,
    ),
    Mutant("backend/cpu/algorithm.py", "if need_dx and need_dw else None", "if need_dw else None", JIT_NEEDED),
    Mutant("backend/jit/winograd.py", "both - m2[n] - m3[n]", "both - m2[n] + m3[n]", WINOGRAD),
    Mutant("backend/jit/winograd.py", "y3[q] = -z1[q]", "y3[q] = z1[q]", WINOGRAD),
    Mutant("backend/cpu/elementwise.py", "return pick(dy, y > 0)", "return pick(-dy, y > 0)", DERIVATIVE),
    Mutant("backend/cpu/columns.py", "(j1 - 1) * N + n1", "(j1 - 1) * N + n1 - 1", PRIMITIVES),
    Mutant("backend/jit/kernels.py", "value if output[q] > 0 else", "value if output[q] >= 0 else", JIT),
    Mutant("backend/jit/pooling.py", "left[q] = nothing if", "left[q] = left[q] if", JIT),
    Mutant("backend/jit/kernels.py", "b.select(counts, gradient, zero)", "b.select(counts, gradient, gradient)", JIT),
    Mutant("backend/jit/blocks.py", "RATIO = 16.0", "RATIO = 18.0", BLOCKS),
    Mutant("backend/jit/blocks.py", "if not (beyond or", "if beyond and not (", BLOCKS),
    Mutant("backend/jit/registers.py", "b.fsub(z[0], z[1]), b.fneg(z[1])", "b.fsub(z[0], z[1]), z[1]", BLOCKS),
    Mutant("backend/jit/registers.py", "(1, 1, 1, 0), (0, 1, -1, -1)", "(1, 1, 1, 0), (0, 1, -1, 1)", BLOCKS),
    Mutant("backend/jit/registers.py", "alike &= holes == 0 or holes == 9", "pass", BLOCKS),
    Mutant("backend/jit/registers.py", "values[i, j] if kept else zero", "values[i, j]", BLOCKS),
    Mutant("backend/jit/updates.py", "nothing if abs(x[i]) < least", "nothing if x[i] < least", JIT),
    Mutant("backend/jit/plan.py", "(o, kernel - 1 - k)", "(o, k)", JIT),
    Mutant("backend/cpu/backend.py", "dy[picked] -= 1", "dy[picked] += 1", LOSSES),
    Mutant("backend/cpu/backend.py", "t.view(UNSIGNED[t.itemsize])", "t", PRIMITIVES, "class_numbers"),
    Mutant("backend/cpu/products.py", ".transpose(1, 2, 0), b", ".transpose(1, 2, 0)[::-1], b", PRODUCTS),
    Mutant("backend/cpu/backend.py", "np.diff(numbers, prepend=-1)", "np.diff(numbers, prepend=0)", DERIVATIVE),
    Mutant("backend/cpu/cells.py", "dz_o *= tanh_c", "dz_o *= c_new", CELLS),
    Mutant("backend/cpu/cells.py", "math.gcd(n, ROWS)", "ROWS", CELLS, "lstm"),
    Mutant("backend/cpu/recurrent.py", "if alone:", "if True:", CELLS),
    Mutant("backend/cpu/cells.py", "dh *= u", "dh *= r", CELLS),
    Mutant("backend/jit/cells.py", "(ONE - t * t)", "(ONE + t * t)", JIT_CELLS),
    Mutant("backend/jit/cells.py", "d[k] *= u[k]", "d[k] *= r[k]", JIT_CELLS),
    Mutant("backend/jit/sequences.py", "min(TOGETHER, rows - m)", "min(TOGETHER, rows)", JIT_CELLS),
    Mutant("backend/jit/sequences.py", "for k in range(whole, K):", "for k in range(K, K):", JIT_CELLS),
    Mutant("backend/jit/sequences.py", "dw[0] += further", "dw[0] -= further", JIT_CELLS),
    Mutant("backend/jit/sequences.py", "out + s * STRIP", "out + s * 0", JIT_CELLS),
    # networks in one compiled call
    Mutant(
        "backend/jit/tiles.py",
        "add(lambda at: _masked_load(b, at, mask)",
        "add(lambda at: _load(b, at, _const(0), V)",
        INFERENCE,
        "dense",
    ),
    Mutant(
        "backend/jit/tiles.py",
        'b.or_(b.fcmp_ordered(">", x, y), b.fcmp_unordered("uno", x, x))',
        'b.fcmp_ordered(">", x, y)',
        INFERENCE,
        "pairs",
    ),
    Mutant("backend/jit/program.py", "outputs) + r[5] + i0 * r[6]", "outputs) + r[5]", INFERENCE, "activation"),
    Mutant("backend/jit/steps.py", "ZERO) - slope * mean[c]", "ZERO) + slope * mean[c]", INFERENCE, "rows or network"),
    Mutant(
        "backend/jit/steps.py",
        "min(count, (length - 1 - shift) // stride + 1)",
        "min(count, (length - 1) // stride + 1)",
        INFERENCE,
        "pooling",
    ),
    Mutant(
        "backend/jit/curves.py",
        "clip(x / SIX + HALF, ZERO, ONE)\n    if",
        "x / SIX + HALF\n    if",
        INFERENCE,
        "activation",
    ),
    Mutant("backend/jit/operations.py", "(rows % SH).tolist()", "(rows % 1).tolist()", INFERENCE, "convolution"),
    Mutant("backend/jit/buffers.py", "end if own else at, own)", "at, own)", INFERENCE, "network or bit"),
    Mutant("backend/jit/inference.py", "min(last * unit, count)", "min(last * unit, count - 1)", INFERENCE, "bit"),
    Mutant("backend/jit/inference.py", "9: BYTES, 11: BYTES", "11: BYTES", INFERENCE, "large_image"),
    Mutant("backend/jit/arranging.py", "each % size * stride", "each * stride", INFERENCE_SHAPES, "parts"),
    Mutant(
        "backend/jit/inference.py", "15, IMAGES[0], {2: K", "15, IMAGES[0], {2: O", INFERENCE_SHAPES, "threads_share"
    ),
    Mutant("backend/jit/pixels.py", "pads[0] for pads in", "pads[1] for pads in", INFERENCE, "pooling"),
    Mutant("backend/jit/rows.py", "top = ZERO if top == LEAST else top", "pass", INFERENCE_SHAPES, "attention"),
    Mutant("backend/jit/rows.py", "min(S, t + n + 1) if causal", "S if causal", INFERENCE_SHAPES, "attention"),
    Mutant("backend/jit/transposed.py", "(top + i) * rs", "(top - i) * rs", INFERENCE_SHAPES, "transposed"),
    # update steps, in pieces
    Mutant("backend/cpu/updates.py", "flat[start + size : end] = 0", "pass", "tests/core/test_flat.py"),
    Mutant("backend/cpu/updates.py", "how.lr * c / (1 - how.beta1**how.step)", "how.lr * c", OPTIMIZERS),
    Mutant("backend/cpu/updates.py", "how.eps * c", "how.eps", PRIMITIVES),
    Mutant("backend/cpu/updates.py", "i : i + UPDATE]", "i : i + UPDATE - 1]", "tests/backend/cpu/test_updates.py"),
    Mutant("backend/cpu/updates.py", "~(np.abs(x) < least)", "np.abs(x) >= least", PRIMITIVES),  # of a NaN
    Mutant("backend/cpu/updates.py", "~(np.abs(x) < least)", "~(np.abs(x) <= least)", PRIMITIVES),
    Mutant(
        "backend/cpu/columns.py",
        "(kernel, stride, pad, size) == ((1, 1), (1, 1), (0, 0), (H, W))",
        "(kernel, stride, pad) == ((1, 1), (1, 1), (0, 0))",
        COLUMNS,
    ),
    Mutant("backend/cpu/columns.py", "[g0:g1, i0:i1, :, columns_of", "[g0:g1, : i1 - i0, :, columns_of", COLUMNS),
    # gradients that nobody needs
    Mutant("backend/cpu/columns.py", "if y is None and not need_db", "if not need_db", NEEDED),
    Mutant("backend/cpu/winograd.py", "if y is None and not need_db", "if not need_db", NEEDED),
    Mutant("backend/jit/direct.py", "if y is None and not need_db", "if not need_db", JIT_NEEDED),
    Mutant("backend/jit/depthwise.py", "if db is None and need_db else db", "if db is None else db", JIT_NEEDED),
    # normalization
    Mutant("backend/cpu/normalization.py", "products -= mean[:, None] * sums", "pass", NORMS),
    Mutant("backend/cpu/normalization.py", "shift -= mean * factor", "pass", NORMS),
    Mutant(
        "backend/cpu/normalization.py",
        "(0 if beta is None else beta) - mean",
        "(0 if beta is None else beta) + mean",
        NORMS,
    ),
    Mutant(
        "backend/cpu/normalization.py", "mean * mean <= NEAR**2 * ", "mean * mean <= 1e30 * ", NORMS, "mean_is_taken"
    ),
    Mutant("backend/cpu/normalization.py", "squares + counts * (means - mean) ** 2", "squares", NORMS),
    Mutant("backend/cpu/normalization.py", "square / count + (mean - middle) ** 2", "square / count", NORMS),
    Mutant("backend/cpu/normalization.py", "-slope * dbeta * share", "slope * dbeta * share", NORMS),
    Mutant("backend/cpu/view.py", "lying.T if self.order == [1, 0] else lying\n", "lying\n", NORMS),
    Mutant("backend/cpu/norm_loops.py", "inverse += eps", "inverse += 0", GROUP_NORM),
    Mutant("backend/cpu/norm_loops.py", "out -= weigh_rows(d, share)", "out -= 0", GROUP_NORM),
    Mutant("backend/cpu/group_norm.py", "var + mean**2", "var", GROUP_NORM),
    Mutant(
        "backend/jit/norm_loops.py",
        "s += (run[k] - middle) * (run[k] - middle)",
        "s += run[k] * (run[k] - middle) * 2",
        JIT_NORMS,
    ),
    Mutant("backend/cpu/normalization.py", "np.zeros_like(slope) if then", "np.ones_like(slope) if then", JIT_THEN),
    Mutant("backend/cpu/norm_loops.py", "np.clip(out, 0, above, out=out)", "pass", NORM_THEN),
    Mutant("backend/cpu/elementwise.py", "relu(part, part)", "pass", NORM_THEN),
    Mutant("backend/jit/norm_then.py", "return NOTHING if z >= above else dz", "return dz", JIT_THEN),
    Mutant("backend/jit/norm_then.py", "return above if y > above else y", "return y", JIT_THEN),
    Mutant("backend/cpu/activation.py", "if whole < len(x):", "if False:", NORM_THEN),
    Mutant("backend/jit/elementwise.py", "NOTHING if total <= NOTHING else total", "total", JIT_THEN),
    Mutant("backend/jit/norm_then.py", "else dy * below", "else dy", JIT_THEN),
    # elementwise, in bands
    Mutant("backend/cpu/elementwise.py", "slope -= np.copysign(tail, x)", "slope += np.copysign(tail, x)", ELEMENTWISE),
    Mutant("backend/cpu/elementwise.py", "part *= 0.044715 * factor", "part *= 0.04 * factor", ELEMENTWISE),
    Mutant("backend/cpu/elementwise.py", "slope += 2 * factor", "slope += factor", ELEMENTWISE),
    Mutant("backend/cpu/elementwise.py", "slope *= dout[i0:i1]", "slope *= dout[: i1 - i0]", ELEMENTWISE, "many"),
    Mutant("backend/cpu/attention.py", "first.ctypes.data + i * shift", "each.ctypes.data", ATTENTION),
    Mutant("backend/cpu/attention.py", "dscores *= scale", "dscores *= 1", ATTENTION),
    Mutant("backend/cpu/products.py", "out += bias", "out -= bias", PRIMITIVES),
    Mutant("backend/jit/attention.py", "row[k] *= inverse", "row[k] *= ONE", JIT_ATTENTION),
    Mutant("backend/jit/attention.py", "(d[k] - mean) * p[k]", "(d[k] + mean) * p[k]", JIT_ATTENTION),
    Mutant("backend/jit/elementwise.py", "(ONE + THRICE * square)", "(ONE + CUBE * square)", JIT_NORMS, "gelu_tanh"),
    Mutant("backend/jit/elementwise.py", "dy[i] if y[i] > NOTHING", "dy[i] if y[i] != NOTHING", JIT_NORMS, "relu"),
    Mutant("backend/jit/elementwise.py", "ONE if low < x[i] < high", "ONE if low < x[i]", JIT_NORMS, "hard_tanh"),
    Mutant("backend/cpu/elementwise.py", "chosen &= x < high", "pass", ELEMENTWISE, "hard_tanh"),
    Mutant("backend/cpu/elementwise.py", "slope += np.int32(below)", "slope += np.int32(0)", ELEMENTWISE, "leaky_relu"),
    Mutant("backend/jit/attention.py", "if x == x else x", "if x == x else NOTHING", JIT_ATTENTION),
    Mutant("backend/jit/attention.py", "range(whole, row.size)", "range(whole + 1, row.size)", JIT_ATTENTION),
    Mutant("backend/cpu/sums.py", "out=sums[i0:i1])", "out=sums[: i1 - i0])", SUMS),
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
    Mutant("backend/cpu/memory_pool.py", "if first and self.holes[first - 1][1] == start:", "if False:", POOL),
    Mutant("backend/cpu/memory_pool.py", "if end - start >= size:", "if end - start >= size - PAGE:", POOL),
    Mutant("backend/cpu/work.py", "min(i + height, rows))", "i + height)", "tests/backend/cpu/test_backend.py"),
    Mutant("backend/cpu/threads.py", "min(usable, share() or usable)", "usable", THREADS, "share"),
    Mutant("backend/cpu/threads.py", "if self.asleep and self._wake.locked():", "if self.asleep:", THREADS, "called"),
    Mutant("backend/cpu/threads.py", "if settings != self._settings:", "if not self._settings:", THREADS, "settings"),
    Mutant("backend/cpu/threads.py", "_spin is _asleep and entries", "entries", THREADS, "left_to_one"),
    Mutant("backend/cpu/threads.py", "entries * passes < PASSES", "False", THREADS, "left_to_one"),
    # sums in blocks
    Mutant("backend/cpu/sums.py", "BLOCK = 64", "BLOCK = 1 << 16", COLUMN),
    Mutant("backend/cpu/sums.py", "RUN = 1024", "RUN = 1 << 20", BIAS),
    Mutant(
        "backend/cpu/sums.py",
        "x[..., n - rest :, :]) if rest else total",
        "x[..., n - rest :, :]) if False else total",
        COLUMN,
    ),
    Mutant("backend/cpu/sums.py", "sums, axis=-2, dtype=np.float64)", "sums, axis=-2)", COLUMN),
    Mutant("backend/cpu/sums.py", "isinstance(axis, int) and x.shape[axis] <= FEW", "isinstance(axis, int)", COLUMN),
    Mutant("backend/cpu/sums.py", "(1, -1) if keepdims else (-1,)", "(-1,)", AXES),
    Mutant("backend/cpu/sums.py", "np.expand_dims(total, axes) if keepdims else total[()]", "total[()]", AXES),
    Mutant("backend/cpu/sums.py", "sorted(range(lying.ndim), key=view.order.__getitem__)", "range(lying.ndim)", AXES),
    Mutant("backend/cpu/sums.py", "if view.counts * view.each <= FEW:", "if True:", SUMS, "a_sum_of_many"),
    Mutant(
        "backend/cpu/sums.py",
        "np.add.reduce(x, axis=0) if len(x) <= FEW else",
        "np.add.reduce(x, axis=0) if True else",
        SUMS,
        "tall",
    ),
    Mutant("backend/cpu/sums.py", "arrays[half:], np", "arrays[half + 1 :], np", SUMS, "large_window"),
    Mutant("backend/cpu/sums.py", "np.cumsum(blocks) - blocks", "np.cumsum(blocks)", OFTEN),
    Mutant("backend/cpu/sums.py", "blocks = -(-lengths // BLOCK)", "blocks = lengths // BLOCK", OFTEN),
    Mutant("backend/cpu/sums.py", "np.add.reduce(x * weights[:, 0], axis=1", "np.add.reduce(x, axis=1", WITHIN),
    Mutant(
        "backend/cpu/sums.py",
        "x.reshape(n, m // length, length).swapaxes(0, 1)",
        "x.reshape(m // length, n, length)",
        WITHIN,
    ),
    # what lies in another order
    Mutant(
        "backend/cpu/view.py", "return lying.swapaxes(0, 1) if self.order == [1, 0] else lying", "return lying", NORMS
    ),
    Mutant(
        "backend/cpu/view.py",
        "transpose(self.back)",
        "transpose(self.axes)",
        NORMS,
    ),
    Mutant(
        "backend/cpu/view.py", "size // max(1, cells)", "size // max(1, math.prod(shape[axis] for axis in kept))", NORMS
    ),
    Mutant("backend/cpu/view.py", "if len(runs) <= 4:", "if True:", VIEW),
    Mutant(
        "backend/cpu/view.py", "for lanes in cut_bands(L, LANES)", "for lanes in cut_bands(min(L, LANES), LANES)", VIEW
    ),
    Mutant(
        "backend/cpu/view.py",
        "for places in cut_bands(P, together)",
        "for places in cut_bands(min(P, together), together)",
        VIEW,
    ),
    # where rows of Winograd would spoil what a direct convolution keeps
    Mutant("backend/cpu/safeguards.py", "RATIO = 64.0", "RATIO = 2000.0", DIRECT),
    Mutant(
        "backend/cpu/safeguards.py",
        "if not (least * RATIO >= most).all():",
        "if (least * RATIO < most).any():",
        WINOGRAD,
        "pieces",
    ),
    Mutant("backend/cpu/safeguards.py", "least, most = np.minimum.reduce(largest)", "least, most = largest[2]", DIRECT),
    Mutant("backend/cpu/safeguards.py", "(zeros == 0) | (zeros == 3)", "zeros <= 3", WINOGRAD),
    Mutant("backend/cpu/safeguards.py", "_alike(rows[:, o : o + step])", "_alike(rows[:, :step])", WINOGRAD),
    Mutant(
        "backend/cpu/safeguards.py", "if not math.isfinite(np.maximum.reduce(largest, None)):", "if False:", WINOGRAD
    ),
    Mutant("backend/cpu/safeguards.py", "ROUNDING = 32", "ROUNDING = 0", ZEROS),
    Mutant("backend/cpu/safeguards.py", "piece = dw[:, :, :, c : c + step]", "piece = dw[:, :, :, :step]", WINOGRAD),
    Mutant(
        "backend/cpu/safeguards.py",
        "return all(math.isfinite(np.dot(row, row))",
        "return any(math.isfinite(np.dot(row, row))",
        WINOGRAD,
    ),
    Mutant(
        "backend/cpu/safeguards.py",
        "math.isfinite(np.dot(row, row)) for",
        "not math.isfinite(np.dot(row, row)) for",
        WINOGRAD,
    ),
    # who holds BLAS, and how many processors there are
    Mutant(
        "backend/cpu/blas.py",
        "        if not _holders:\n            for library in _shared.values():\n                library.hold()",
        "        if True:\n            for library in _shared.values():\n                library.hold()",
        BLAS,
    ),
    Mutant(
        "backend/cpu/blas.py",
        "        if not _holders:\n            for library in _shared.values():\n                library.let_go()\n",
        "        if True:\n            for library in _shared.values():\n                library.let_go()\n",
        BLAS,
    ),
    Mutant("backend/cpu/blas.py", "local.held -= 1", "local.held = 0", BLAS),
    Mutant("backend/cpu/blas.py", "self.shown != 1 and self.get() == 1", "self.shown != 1", BLAS, "bypasses"),
    Mutant("backend/cpu/blas.py", "get(self) if library is None else library.shown", "get(self)", BLAS),
    Mutant("backend/cpu/blas.py", "library.shown = num_threads", "pass", BLAS),
    Mutant("backend/cpu/blas.py", "library.set(count)", "pass", BLAS, "of_each_thread"),
    Mutant(
        "backend/cpu/blas.py", "others = _holders - {threading.get_ident()}", "others = set()", BLAS, "child_forgets"
    ),
    Mutant(
        "backend/cpu/blas.py",
        "_holders.intersection_update({threading.get_ident()} if local.held else ())",
        "pass",
        BLAS,
        "child_forgets",
    ),
    Mutant("backend/cpu/processors.py", "sharing // threads", "sharing", PROCESSORS),
    Mutant("backend/cpu/processors.py", 'if kind in ("Data", "Unified"):', "if True:", PROCESSORS),
    Mutant("backend/cpu/processors.py", '"M": 20', '"M": 10', PROCESSORS),
    Mutant("backend/cpu/work.py", "max(found.second, 1 << 19)", "found.second", PROCESSORS),
    Mutant("backend/cpu/choice.py", "w[1] < BLOCK_CHANNELS", "w[0] < BLOCK_CHANNELS", CHOICE),
    Mutant("backend/cpu/choice.py", "w[0] * w[1] <= BLOCK_WEIGHTS", "True", CHOICE),
    Mutant("backend/cpu/processors.py", "math.ceil(limit)", "int(limit)", PROCESSORS),
    Mutant("backend/cpu/processors.py", "min(found, default=None)", "max(found, default=None)", PROCESSORS),
    Mutant("backend/cpu/processors.py", "int(time) <= 0 or", "int(time) < 0 or", PROCESSORS),
    Mutant("backend/cpu/processors.py", "for folder in (path, *path.parents):", "for folder in (path,):", PROCESSORS),
    Mutant("backend/cpu/processors.py", 'if ".." not in below.parts:', "if True:", PROCESSORS),
    Mutant("backend/cpu/processors.py", '"cpu" in names.split(",")', '"cpu" in names', PROCESSORS),
    Mutant("backend/cpu/processors.py", "int(time) / int(period)", "int(period) / int(time)", PROCESSORS),
]
