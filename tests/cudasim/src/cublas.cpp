// The matrix products of cuBLAS that CuPy's dot, matmul, tensordot and einsum call. build.py adds every other function
// that CuPy names, and lets it answer "not supported".
#include <complex>
#include <cstring>
#include <type_traits>
#include <vector>

#include "device.h"
#include "include/cuda_fp16.h"

using namespace device;
typedef std::complex<float> complex64;
typedef std::complex<double> complex128;

enum Status { OK = 0, BAD_VALUE = 7, EXECUTION_FAILED = 13, UNSUPPORTED = 15 };
enum Operation { PLAIN = 0, TRANSPOSED = 1, ADJOINT = 2 };
enum Type { F32 = 0, F64 = 1, F16 = 2, C64 = 4, C128 = 5 };
enum { MATH_TF32 = 3, COMPUTE_FAST_TF32 = 77 };

static int pointer_mode, math_mode;

static float conjugate(float x) { return x; }
static double conjugate(double x) { return x; }
template <class T> std::complex<T> conjugate(std::complex<T> x) { return std::conj(x); }

// TF32 keeps 10 of a float's 23 bits of fraction, rounded to nearest.
static float round_tf32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x1000u) & ~0x1fffu;
    memcpy(&x, &bits, 4);
    return x;
}

// op(matrix) as packed columns: rows x columns, column major.
template <class In, class Acc>
std::vector<Acc> pack(const In* matrix, int leading, int operation, int rows, int columns, bool tf32) {
    std::vector<Acc> packed(size_t(rows) * columns);
    for (int j = 0; j < columns; ++j)
        for (int i = 0; i < rows; ++i) {
            Acc x = Acc(operation == PLAIN ? matrix[size_t(j) * leading + i] : matrix[size_t(i) * leading + j]);
            if (operation == ADJOINT) x = conjugate(x);
            if constexpr (std::is_same<Acc, float>::value)
                if (tf32) x = round_tf32(x);
            packed[size_t(j) * rows + i] = x;
        }
    return packed;
}

struct Shape { int op_a, op_b, m, n, k; };

template <class In> bool within(const In* matrix, int leading, int rows, int columns) {
    return columns == 0 || rows == 0 || inside(matrix, (size_t(columns - 1) * leading + rows) * sizeof(In));
}

// C = alpha op(A) op(B) + beta C. Sums in the order of k; C is not read when beta is 0, so NaN there does no harm.
template <class In, class Out, class Acc>
int gemm(Shape s, Acc alpha, const In* a, int lda, const In* b, int ldb, Acc beta, Out* c, int ldc, bool tf32) {
    const auto [op_a, op_b, m, n, k] = s;
    const int a_rows = op_a ? k : m, b_rows = op_b ? n : k;
    if (m < 0 || n < 0 || k < 0 || lda < std::max(1, a_rows) || ldb < std::max(1, b_rows) || ldc < std::max(1, m))
        return BAD_VALUE;
    if (!within(a, lda, a_rows, op_a ? m : k) || !within(b, ldb, b_rows, op_b ? k : n) || !within(c, ldc, m, n))
        return EXECUTION_FAILED;
    const std::vector<Acc> left = pack<In, Acc>(a, lda, op_a, m, k, tf32), right = pack<In, Acc>(b, ldb, op_b, k, n, tf32);
    std::vector<Acc> column(m);
    for (int j = 0; j < n; ++j) {
        std::fill(column.begin(), column.end(), Acc(0));
        int p = 0;
        for (; p + 4 <= k; p += 4) {  // four columns of A at a time: fewer passes over the column of C
            const Acc *x = &left[size_t(p) * m], *y = &right[size_t(j) * k + p];
            const Acc y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
            for (int i = 0; i < m; ++i)
                column[i] = column[i] + x[i] * y0 + x[i + m] * y1 + x[i + 2 * size_t(m)] * y2 + x[i + 3 * size_t(m)] * y3;
        }
        for (; p < k; ++p)
            for (int i = 0; i < m; ++i) column[i] += left[size_t(p) * m + i] * right[size_t(j) * k + p];
        Out* out = c + size_t(j) * ldc;
        for (int i = 0; i < m; ++i) out[i] = Out(beta == Acc(0) ? alpha * column[i] : alpha * column[i] + beta * Acc(out[i]));
    }
    return OK;
}

// Counts one library call, then runs `product(i)` for each matrix of the batch.
template <class Product> int library_call(const char* name, int batch, Product product) {
    Hold hold;
    ++counters.library_calls;
    count_call(name);
    for (int i = 0; i < batch; ++i)
        if (const int status = product(i)) return status;
    return check_guards(name) == SUCCESS ? OK : EXECUTION_FAILED;
}

#define GEMM(letter, T) \
    CUDASIM_API int cublas##letter##gemm_v2(void*, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, \
                                            int lda, const T* b, int ldb, const T* beta, T* c, int ldc) { \
        return library_call("cublas" #letter "gemm", 1, [&](int) { \
            return gemm<T, T, T>({op_a, op_b, m, n, k}, *alpha, a, lda, b, ldb, *beta, c, ldc, math_mode == MATH_TF32); \
        }); \
    } \
    CUDASIM_API int cublas##letter##gemmBatched(void*, int op_a, int op_b, int m, int n, int k, const T* alpha, \
                                                const T** a, int lda, const T** b, int ldb, const T* beta, T** c, \
                                                int ldc, int batch) { \
        return library_call("cublas" #letter "gemmBatched", batch, [&](int i) { \
            return gemm<T, T, T>({op_a, op_b, m, n, k}, *alpha, a[i], lda, b[i], ldb, *beta, c[i], ldc, \
                                 math_mode == MATH_TF32); \
        }); \
    } \
    CUDASIM_API int cublas##letter##gemmStridedBatched( \
        void*, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda, long long stride_a, \
        const T* b, int ldb, long long stride_b, const T* beta, T* c, int ldc, long long stride_c, int batch) { \
        return library_call("cublas" #letter "gemmStridedBatched", batch, [&](int i) { \
            return gemm<T, T, T>({op_a, op_b, m, n, k}, *alpha, a + i * stride_a, lda, b + i * stride_b, ldb, *beta, \
                                 c + i * stride_c, ldc, math_mode == MATH_TF32); \
        }); \
    }
GEMM(S, float)
GEMM(D, double)
GEMM(C, complex64)
GEMM(Z, complex128)

// ---- products whose types are told at run time

struct Operand { const void* data; int type, leading; long long stride; };

static int gemm_of_types(Shape s, const void* alpha, Operand a, Operand b, const void* beta, Operand c, int i, bool tf32) {
    const auto run = [&](auto in, auto out, auto acc) {
        typedef decltype(in) In;
        typedef decltype(out) Out;
        typedef decltype(acc) Acc;
        return gemm<In, Out, Acc>(s, *static_cast<const Acc*>(alpha), static_cast<const In*>(a.data) + i * a.stride,
                                  a.leading, static_cast<const In*>(b.data) + i * b.stride, b.leading,
                                  *static_cast<const Acc*>(beta),
                                  static_cast<Out*>(const_cast<void*>(c.data)) + i * c.stride, c.leading, tf32);
    };
    if (a.type != b.type) return UNSUPPORTED;
    if (a.type == F32 && c.type == F32) return run(float(), float(), float());
    if (a.type == F64 && c.type == F64) return run(double(), double(), double());
    if (a.type == F16 && c.type == F16) return run(__half(), __half(), float());
    if (a.type == F16 && c.type == F32) return run(__half(), float(), float());
    if (a.type == C64 && c.type == C64) return run(complex64(), complex64(), complex64());
    if (a.type == C128 && c.type == C128) return run(complex128(), complex128(), complex128());
    return UNSUPPORTED;
}

CUDASIM_API int cublasSgemmEx(void*, int op_a, int op_b, int m, int n, int k, const float* alpha, const void* a, int type_a,
                              int lda, const void* b, int type_b, int ldb, const float* beta, void* c, int type_c, int ldc) {
    return library_call("cublasSgemmEx", 1, [&](int i) {
        return gemm_of_types({op_a, op_b, m, n, k}, alpha, {a, type_a, lda, 0}, {b, type_b, ldb, 0}, beta,
                             {c, type_c, ldc, 0}, i, math_mode == MATH_TF32);
    });
}
CUDASIM_API int cublasGemmEx(void*, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a, int type_a,
                             int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc,
                             int compute, int) {
    return library_call("cublasGemmEx", 1, [&](int i) {
        return gemm_of_types({op_a, op_b, m, n, k}, alpha, {a, type_a, lda, 0}, {b, type_b, ldb, 0}, beta,
                             {c, type_c, ldc, 0}, i, math_mode == MATH_TF32 || compute == COMPUTE_FAST_TF32);
    });
}
CUDASIM_API int cublasGemmStridedBatchedEx(void*, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a,
                                           int type_a, int lda, long long stride_a, const void* b, int type_b, int ldb,
                                           long long stride_b, const void* beta, void* c, int type_c, int ldc,
                                           long long stride_c, int batch, int compute, int) {
    return library_call("cublasGemmStridedBatchedEx", batch, [&](int i) {
        return gemm_of_types({op_a, op_b, m, n, k}, alpha, {a, type_a, lda, stride_a}, {b, type_b, ldb, stride_b}, beta,
                             {c, type_c, ldc, stride_c}, i, math_mode == MATH_TF32 || compute == COMPUTE_FAST_TF32);
    });
}

// ---- the handle

CUDASIM_API int cublasCreate_v2(void** handle) { *handle = reinterpret_cast<void*>(8); return OK; }
CUDASIM_API int cublasDestroy_v2(void*) { return OK; }
CUDASIM_API int cublasGetVersion_v2(void*, int* version) { *version = 130200; return OK; }
CUDASIM_API int cublasSetStream_v2(void*, void*) { return OK; }
CUDASIM_API int cublasGetStream_v2(void*, void** stream) { *stream = nullptr; return OK; }
CUDASIM_API int cublasSetPointerMode_v2(void*, int mode) { pointer_mode = mode; return OK; }
CUDASIM_API int cublasGetPointerMode_v2(void*, int* mode) { *mode = pointer_mode; return OK; }
CUDASIM_API int cublasSetMathMode(void*, int mode) { math_mode = mode; return OK; }
CUDASIM_API int cublasGetMathMode(void*, int* mode) { *mode = math_mode; return OK; }
