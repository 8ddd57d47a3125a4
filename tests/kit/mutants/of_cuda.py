"""The kernels of the GPU, on the stand-in device."""

from tests.kit.mutants.mutant import Mutant

KERNELS = "tests/backend/cuda/test_kernel_mutants.py::test_the_kernels_as_they_are_pass"
PRIMITIVES = "tests/backend/test_primitives.py"
ELEMENTWISE = "tests/backend/test_elementwise.py"
ATTENTION = "tests/backend/test_attention.py"
BACKEND = "tests/backend/cuda/test_backend.py"
FLAT = "tests/core/test_flat.py"
WIDE = "tests/backend/test_normalization.py::test_local_response_norm_of_many_channels_is_its_definition"
COLUMNS = "tests/backend/test_sums.py::test_many_columns_of_a_matrix"
OFTEN = "tests/backend/test_sums.py::test_rows_of_a_table_that_come_often"

MUTANTS = [
    Mutant(
        "backend/cuda/kernels/columns.cu",
        "(long long)(m * k.KW + l)",
        "(long long)(l * k.KH + m)",
        KERNELS,
        "convolution",
    ),
    Mutant("backend/cuda/kernels/columns.cu", "w = left + l * k.DW", "w = left + l * k.DH", PRIMITIVES, "conv2d"),
    Mutant("backend/cuda/kernels/dropout.cu", "word[0] = block + 1,", "word[0] = block,", KERNELS, "mask"),
    Mutant("backend/cuda/kernels/common.cu", "if (from < 0 || from % stride)", "if (from < 0)", KERNELS, "convolution"),
    Mutant(
        "backend/cuda/kernels/pooling.cu", "if (value > best || value != value)", "if (value > best)", BACKEND, "nan"
    ),
    Mutant(
        "backend/cuda/kernels/losses.cu",
        "if (share != 0) loss",
        "loss",
        "tests/losses/test_losses.py",
        "minus_infinity and softmax_cross_entropy or that_of_the_others",
    ),
    Mutant(
        "backend/cuda/kernels/losses.cu",
        "own += best == labels[n] && row[best] == row[best]",
        "own += best == labels[n]",
        BACKEND,
        "hits",
    ),
    Mutant(
        "backend/cuda/kernels/embedding.cu", "(start + j) * columns + e", "j * columns + e", PRIMITIVES, "embedding"
    ),
    Mutant("backend/cuda/kernels/activations.cu", "relu && value <= 0", "value <= 0", PRIMITIVES, "conv2d_is_its"),
    Mutant("backend/cuda/kernels/elementwise.cu", "b * a * expm1(c * x)", "b * a * expm1(x)", ELEMENTWISE, "elu"),
    Mutant(
        "backend/cuda/kernels/elementwise.cu", "a * b * (1 - tanh(b * x)", "a * (1 - tanh(b * x)", ELEMENTWISE, "tanh"
    ),
    Mutant(
        "backend/cuda/kernels/updates.cu",
        "step + (Real)momentum * v[i] : v[i]",
        "v[i] : v[i]",
        PRIMITIVES,
        "update_steps",
    ),
    Mutant("backend/cuda/kernels/updates.cu", "place < pieces.end[low]", "place <= pieces.end[low]", FLAT),
    Mutant(
        "backend/cuda/kernels/updates.cu",
        "fabs(x[i]) < (Real)least",
        "x[i] < (Real)least",
        PRIMITIVES,
        "forgotten",
    ),
    Mutant(
        "backend/cuda/kernels/updates.cu",
        "else if (weight_decay != 0 && !isinf(value))",
        "else if (weight_decay != 0)",
        PRIMITIVES,
        "infinite",
    ),
    Mutant(
        "backend/cuda/kernels/normalization.cu",
        "last = p.c + (int)((size - 1) / 2);",
        "last = p.c + (int)(size > 7 ? 3 : (size - 1) / 2);",
        WIDE,
    ),
    Mutant(
        "backend/cuda/kernels/normalization.cu",
        "last = p.c + (int)(size / 2);",
        "last = p.c + (int)(size > 7 ? 3 : size / 2);",
        WIDE,
    ),
    Mutant(
        "backend/cuda/kernels/normalization.cu",
        "(Real)k + (Real)(alpha / size) * sum",
        "(Real)k + (Real)alpha * sum",
        PRIMITIVES,
        "local_response",
    ),
    Mutant("backend/cuda/kernels/attention.cu", "(causal && s > t)", "(causal && s >= t)", ATTENTION),
    Mutant("backend/cuda/kernels/attention.cu", "if (largest == hidden) largest = 0;", "", ATTENTION),
    Mutant(
        "backend/cuda/kernels/recurrent.cu",
        "forget * cs[old] + in * g",
        "in * cs[old] + forget * g",
        KERNELS,
        "recurrent",
    ),
    Mutant(
        "backend/cuda/kernels/recurrent.cu",
        "d * (1 - h * h)",
        "d * (1 + h * h)",
        "tests/backend/test_recurrent.py",
        "rnn",
    ),
    Mutant("backend/cuda/kernels/group_norm.cu", "* rstd[row]", "* rstd[group]", KERNELS, "groups"),
    Mutant("backend/cuda/products.py", "out_strides[-2] if M > 1 else N", "N", BACKEND),
    Mutant("backend/cuda/kernels/common.cu", "total += part, part = 0, count = 0", "total += part, count = 0", OFTEN),
    Mutant("backend/cuda/kernels/common.cu", "(Real)(total + part)", "(Real)total", OFTEN),
    Mutant("backend/cuda/kernels/common.cu", "++count == 64", "++count == 1 << 24", OFTEN),
    Mutant(
        "backend/cuda/sums.py",
        '"y = a / (_in_ind.size() / _out_ind.size())"',
        '"y = a / _in_ind.size()"',
        "tests/backend/test_sums.py::test_sums_have_their_axes_in_the_order_of_the_array",
    ),
    Mutant("backend/cuda/sums.py", 'reduce_type="double"', 'reduce_type="T"', COLUMNS),
]
