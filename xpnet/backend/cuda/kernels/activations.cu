// Bias and activation.

// y = act(y + b) in place; the channel of entry i is i / inner % channels. b may be null.
extern "C" __global__ void bias_activation(
    Real* y, const Real* b, long long count, long long inner, long long channels, long long relu) {
    FOR_EACH(i, count) {
        Real value = y[i] + (b ? b[i / (Index)inner % (Index)channels] : (Real)0);
        y[i] = relu && value <= 0 ? (Real)0 : value;  // NaN stays NaN
    }
}

// dz = dy where y > 0, else 0.
extern "C" __global__ void relu_backward(const Real* dy, const Real* y, Real* dz, long long count) {
    FOR_EACH(i, count) dz[i] = is_above(y[i], 0) ? dy[i] : (Real)0;
}

// dz = dy where y > 0 (relu) or dy, and sums[chunk, c]: the sum of dz over one chunk of channel c, a block for each.
// dz is written in the order of its strides; null where it would be dy itself.
extern "C" __global__ void activation_backward(
    const Real* dy, Strides dys, const Real* y, Strides ys, Real* dz, Strides dzs, Real* sums, Shape shape,
    long long chunk, long long relu) {
    int c = (int)blockIdx.x;
    Index count = (Index)shape.N * shape.H * shape.W, begin = (Index)(blockIdx.y * chunk);
    Index end = count - begin < chunk ? count : begin + (Index)chunk;
    Sum sum;
    for (Index i = begin + threadIdx.x; i < end; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real value = dy[at(dys, p.n, c, p.h, p.w)];
        if (relu && !is_above(y[at(ys, p.n, c, p.h, p.w)], 0)) value = 0;
        if (dz) dz[at(dzs, p.n, c, p.h, p.w)] = value;
        sum += value;
    }
    Real total = block_sum(sum);
    if (threadIdx.x == 0) sums[(long long)blockIdx.y * shape.C + c] = total;
}

// total[c] = sums[0, c] + sums[1, c] + ..., a block for each channel.
extern "C" __global__ void sum_chunks(const Real* sums, Real* total, long long chunks) {
    Real sum = 0;
    for (long long k = threadIdx.x; k < chunks; k += blockDim.x) sum += sums[k * gridDim.x + blockIdx.x];
    sum = block_sum(sum);
    if (threadIdx.x == 0) total[blockIdx.x] = sum;
}
