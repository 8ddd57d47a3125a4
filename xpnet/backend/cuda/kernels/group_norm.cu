// Normalization within a sample, in groups of its channels.

// y = weight (x - mean) rstd + bias: a block for each group of each sample, which passes over it three times. weight and
// bias may be null; where mean is null, nothing is taken from x.
extern "C" __global__ void group_norm(
    const Real* x, Strides xs, const Real* weight, const Real* bias, Real* y, Strides ys, Real* mean, Real* rstd,
    Shape shape, long long groups, double eps) {
    int n = (int)(blockIdx.x / groups), first = (int)(blockIdx.x % groups * (shape.C / groups));
    Index count = (Index)(shape.C / groups) * shape.H * shape.W;
    Real middle = 0;
    Sum sum, squares;
    if (mean) {
        for (Index i = threadIdx.x; i < count; i += blockDim.x) {
            Place p(i, 1, shape.H, shape.W);
            sum += x[at(xs, n, first + p.c, p.h, p.w)];
        }
        middle = block_sum(sum) / (Real)count;
    }
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, 1, shape.H, shape.W);
        Real away = x[at(xs, n, first + p.c, p.h, p.w)] - middle;
        squares += away * away;
    }
    Real inverse = 1 / sqrt(block_sum(squares) / (Real)count + (Real)eps);
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, 1, shape.H, shape.W);
        int c = first + p.c;
        Real value = (x[at(xs, n, c, p.h, p.w)] - middle) * inverse;
        if (weight) value *= weight[c];
        y[at(ys, n, c, p.h, p.w)] = bias ? value + bias[c] : value;
    }
    if (threadIdx.x == 0) {
        if (mean) mean[blockIdx.x] = middle;
        rstd[blockIdx.x] = inverse;
    }
}

// dx of `group_norm`, a block for each group of each sample again: two sums, then dx.
extern "C" __global__ void group_norm_backward(
    const Real* dy, Strides dys, const Real* x, Strides xs, const Real* mean, const Real* rstd, const Real* weight,
    Real* dx, Strides dxs, Shape shape, long long groups) {
    int n = (int)(blockIdx.x / groups), first = (int)(blockIdx.x % groups * (shape.C / groups));
    Index count = (Index)(shape.C / groups) * shape.H * shape.W;
    Real middle = mean ? mean[blockIdx.x] : (Real)0, inverse = rstd[blockIdx.x];
    Sum sums, products;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, 1, shape.H, shape.W);
        int c = first + p.c;
        Real d = dy[at(dys, n, c, p.h, p.w)] * (weight ? weight[c] : (Real)1);
        sums += d;
        products += d * (x[at(xs, n, c, p.h, p.w)] - middle) * inverse;
    }
    Real sum = mean ? block_sum(sums) / (Real)count : (Real)0, product = block_sum(products) / (Real)count;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, 1, shape.H, shape.W);
        int c = first + p.c;
        Real d = dy[at(dys, n, c, p.h, p.w)] * (weight ? weight[c] : (Real)1);
        Real normal = (x[at(xs, n, c, p.h, p.w)] - middle) * inverse;
        dx[at(dxs, n, c, p.h, p.w)] = (d - sum - normal * product) * inverse;
    }
}

// The sum of `value` over the threads t of a block with the same t % lanes, which is a power of two.
static __device__ Real lane_sum(Real value, int lanes) {
    __shared__ Real part[1024];
    int t = (int)threadIdx.x;
    part[t] = value;
    __syncthreads();
    for (int half = (int)blockDim.x / 2; half >= lanes; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    Real total = part[t % lanes];
    __syncthreads();
    return total;
}

// dweight[c], the sum of dy * normal over samples and pixels, and dbias[c], that of dy: a block for so many channels as
// there are lanes, which for vectors lie side by side in memory.
extern "C" __global__ void group_norm_parameters(
    const Real* dy, Strides dys, const Real* x, Strides xs, const Real* mean, const Real* rstd, Real* dweight,
    Real* dbias, Shape shape, long long groups, long long lanes) {
    int c = (int)(blockIdx.x * lanes + threadIdx.x % lanes), group = (int)(c / (shape.C / groups));
    Index count = (Index)shape.N * shape.H * shape.W;
    Sum sums, products;
    for (Index i = threadIdx.x / (int)lanes; c < shape.C && i < count; i += blockDim.x / (int)lanes) {
        Place p(i, shape.N, shape.H, shape.W);
        long long row = p.n * groups + group;
        Real d = dy[at(dys, p.n, c, p.h, p.w)], middle = mean ? mean[row] : (Real)0;
        sums += d;
        products += d * (x[at(xs, p.n, c, p.h, p.w)] - middle) * rstd[row];
    }
    Real sum = lane_sum(sums, (int)lanes), product = lane_sum(products, (int)lanes);
    if (threadIdx.x < lanes && c < shape.C) dweight[c] = product, dbias[c] = sum;
}
