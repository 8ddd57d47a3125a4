// The kernels of the CuPy backend, in CUDA C, compiled at run time: once with -DReal=float and once with -DReal=double,
// each with -DIndex=int or, for arrays of 2^30 entries and more, -DIndex="long long".
//
// There is a file for each family; this one is what they share, and comes first. What each kernel computes stands in
// backend/reference, under the same name. Here:
//
// * Images are read and written through strides (in entries), so that any memory order will do.
// * Columns are (C, KH, KW, n, OH, OW), the pixels of all images of a tile behind one another: one matrix for cuBLAS.
// * A gradient is gathered: each thread sums what belongs to its own entry, in a fixed order. There are no atomics, so
//   the same input gives the same bits.
// * Scalar arguments are long long and double, whatever the entries are.
// * Elementwise kernels take any number of blocks and threads; those that sum take blocks of a power of two of threads.

struct Strides { long long n, c, h, w; };
struct Shape { int N, C, H, W; };
struct Window { int N, C, H, W, OH, OW, KH, KW, SH, SW, DH, DW, top, left; };  // N: images of the tile

#define FOR_EACH(i, count)                                                           \
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < (Index)(count); \
         i += (Index)gridDim.x * blockDim.x)

static __device__ long long at(const Strides& s, int n, int c, int h, int w) {
    return n * s.n + c * s.c + h * s.h + w * s.w;
}

// x > y, also of denormal floats. CuPy compiles every kernel with -ftz=true, so that `>` takes them for 0, as sums
// do. The bits of floats, taken for whole numbers, are in the order of the floats, from 0 upwards and downwards.
static __device__ int rank_of(float x) {
    int bits = __float_as_int(x);
    return bits < 0 ? (int)0x80000000 - bits : bits;  // -0 is 0
}
static __device__ bool is_above(Real x, Real y) {
    if (sizeof(Real) == sizeof(double)) return x > y;  // which -ftz leaves alone
    return rank_of((float)x) > rank_of((float)y) && x == x && y == y;
}

// The place (n, c, h, w) of entry i of an array in the order (C, N, H, W).
struct Place {
    int n, c, h, w;
    __device__ Place(Index i, int N, int H, int W) {
        w = (int)(i % W), i /= W;
        h = (int)(i % H), i /= H;
        n = (int)(i % N), c = (int)(i / N);
    }
};

// The output row (or column) whose window meets input row h with its m-th pixel, or -1.
static __device__ int met_by(int h, int m, int dilation, int stride, int before, int outputs) {
    int from = h + before - m * dilation;
    if (from < 0 || from % stride) return -1;
    return from / stride < outputs ? from / stride : -1;
}

// A sum of one thread: some in Real, and these in double, so that many are added up as well as a few; in double alone it
// would take devices that have little of it for games as long as to read them.
struct Sum {
    double total = 0;
    Real part = 0;
    int count = 0;
    __device__ void operator+=(Real value) {
        part += value;
        if (++count == 64) total += part, part = 0, count = 0;
    }
    __device__ operator Real() const { return (Real)(total + part); }
};

// The sum of `value` over the threads of a block, for all of them; always in the same order.
static __device__ Real block_sum(Real value) {
    __shared__ Real part[1024];
    int t = (int)threadIdx.x;
    part[t] = value;
    __syncthreads();
    for (int half = (int)blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    Real total = part[0];
    __syncthreads();  // nobody writes the next sum before all have read this one
    return total;
}

static __device__ Real block_max(Real value) {
    __shared__ Real part[1024];
    int t = (int)threadIdx.x;
    part[t] = value;
    __syncthreads();
    for (int half = (int)blockDim.x / 2; half > 0; half /= 2) {
        if (t < half && part[t + half] > part[t]) part[t] = part[t + half];
        __syncthreads();
    }
    Real largest = part[0];
    __syncthreads();
    return largest;
}
