// What attention does between its products: a block for each query of each head, which looks at its row of S keys.

// p holds the products of queries and keys, and gets the softmax over the keys; with dropout, `used` gets p * kept.
extern "C" __global__ void attention_softmax(
    Real* p, Real* used, const Real* kept, const Real* bias, const long long* real, long long H, long long T,
    long long S, long long causal, double scale) {
    long long row = blockIdx.x, t = row % T, n = row / (H * T);
    const Real hidden = (Real)__int_as_float(0xff800000);
    Real largest = hidden;
    Sum part;
    p += row * S;
    for (long long s = threadIdx.x; s < S; s += blockDim.x) {
        Real score = p[s] * (Real)scale;
        if (bias) score += bias[t * S + s];
        if ((causal && s > t) || (real && !real[n * S + s])) score = hidden;
        if (score > largest || score != score) largest = score;
        p[s] = score;
    }
    largest = block_max(largest);
    if (largest == hidden) largest = 0;  // all are hidden, and get zeros
    for (long long s = threadIdx.x; s < S; s += blockDim.x) {
        p[s] = exp(p[s] - largest);
        part += p[s];
    }
    Real sum = block_sum(part);
    if (sum == 0) sum = 1;
    for (long long s = threadIdx.x; s < S; s += blockDim.x) {
        p[s] /= sum;
        if (used) used[row * S + s] = p[s] * kept[row * S + s];
    }
}

// dscores holds the gradient of p * kept, to which that of dp (N, T, S) is added, and gets that of the scores.
extern "C" __global__ void attention_softmax_backward(
    Real* dscores, const Real* p, Real* used, const Real* kept, const Real* dp, long long H, long long T, long long S,
    double scale) {
    long long row = blockIdx.x, t = row % T, n = row / (H * T);
    Sum part;
    dscores += row * S, p += row * S;
    #pragma unroll 1  // else sums side by side take more registers than blocks may have
    for (long long s = threadIdx.x; s < S; s += blockDim.x) {
        Real d = dscores[s];
        if (dp) d += dp[(n * T + t) * S + s];
        if (used) {
            Real keep = kept[row * S + s];
            d *= keep;
            used[row * S + s] = p[s] * keep;
        }
        dscores[s] = d;
        part += d * p[s];
    }
    Real sum = block_sum(part);
    for (long long s = threadIdx.x; s < S; s += blockDim.x) dscores[s] = (dscores[s] - sum) * p[s] * (Real)scale;
}
