// Normalisation.

// Batch normalisation: a block for each channel, which passes over it three times: mean, variance, y. gamma and beta may
// be null.
extern "C" __global__ void batch_norm(
    const Real* x, Strides xs, const Real* gamma, const Real* beta, Real* y, Strides ys, Real* mean, Real* var,
    Shape shape, double eps) {
    int c = (int)blockIdx.x;
    Index count = (Index)shape.N * shape.H * shape.W;
    Sum sum, squares;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        sum += x[at(xs, p.n, c, p.h, p.w)];
    }
    Real middle = block_sum(sum) / (Real)count;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real away = x[at(xs, p.n, c, p.h, p.w)] - middle;
        squares += away * away;
    }
    Real spread = block_sum(squares) / (Real)count;
    Real slope = (gamma ? gamma[c] : (Real)1) / sqrt(spread + (Real)eps), start = beta ? beta[c] : (Real)0;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        y[at(ys, p.n, c, p.h, p.w)] = (x[at(xs, p.n, c, p.h, p.w)] - middle) * slope + start;
    }
    if (threadIdx.x == 0) mean[c] = middle, var[c] = spread;
}

// Its way back: a block for each channel, which sums dy and dy * normal, then writes dx.
extern "C" __global__ void batch_norm_backward(
    const Real* dy, Strides dys, const Real* x, Strides xs, const Real* mean, const Real* var, const Real* gamma,
    Real* dx, Strides dxs, Real* dgamma, Real* dbeta, Shape shape, double eps) {
    int c = (int)blockIdx.x;
    Index count = (Index)shape.N * shape.H * shape.W;
    Real middle = mean[c], inverse = 1 / sqrt(var[c] + (Real)eps);
    Sum sums, products;
    Real slope = gamma ? gamma[c] * inverse : inverse;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real d = dy[at(dys, p.n, c, p.h, p.w)];
        sums += d;
        products += d * (x[at(xs, p.n, c, p.h, p.w)] - middle) * inverse;
    }
    Real sum = block_sum(sums), product = block_sum(products);
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real normal = (x[at(xs, p.n, c, p.h, p.w)] - middle) * inverse;
        Real d = dy[at(dys, p.n, c, p.h, p.w)] - sum / (Real)count - normal * (product / (Real)count);
        dx[at(dxs, p.n, c, p.h, p.w)] = d * slope;
    }
    if (threadIdx.x == 0) dgamma[c] = product, dbeta[c] = sum;
}

// What is infinite stays so.
extern "C" __global__ void moving_average(
    Real* average, const Real* value, long long count, double rate, double weight) {
    FOR_EACH(i, count) {
        Real old = average[i], added = (Real)weight * value[i];
        if (rate == 1) average[i] = added;
        else average[i] = isinf(old) ? old + added : old + (added - (Real)rate * old);
    }
}

// Local response normalisation: a thread for each entry, which looks at the channels around it.
extern "C" __global__ void local_response_norm(
    const Real* x, Strides xs, Real* y, Real* scale, Strides ys, Shape shape, long long size, double alpha, double beta,
    double k) {
    FOR_EACH(i, (Index)shape.C * shape.N * shape.H * shape.W) {
        Place p(i, shape.N, shape.H, shape.W);
        int first = p.c - (int)(size / 2), last = p.c + (int)((size - 1) / 2);
        Real sum = 0;
        for (int c = first < 0 ? 0 : first; c <= last && c < shape.C; c++) {
            Real value = x[at(xs, p.n, c, p.h, p.w)];
            sum += value * value;
        }
        Real s = (Real)k + (Real)(alpha / size) * sum;
        scale[at(ys, p.n, p.c, p.h, p.w)] = s;
        y[at(ys, p.n, p.c, p.h, p.w)] = x[at(xs, p.n, p.c, p.h, p.w)] * pow(s, (Real)-beta);
    }
}

extern "C" __global__ void local_response_norm_backward(
    const Real* dy, Strides dys, const Real* x, Strides xs, const Real* scale, Strides ss, Real* dx, Strides dxs,
    Shape shape, long long size, double alpha, double beta) {
    FOR_EACH(i, (Index)shape.C * shape.N * shape.H * shape.W) {
        Place p(i, shape.N, shape.H, shape.W);
        int first = p.c - (int)((size - 1) / 2), last = p.c + (int)(size / 2);  // the channels that saw this one
        Real sum = 0;
        for (int c = first < 0 ? 0 : first; c <= last && c < shape.C; c++) {
            Real s = scale[at(ss, p.n, c, p.h, p.w)];
            sum += dy[at(dys, p.n, c, p.h, p.w)] * x[at(xs, p.n, c, p.h, p.w)] * pow(s, (Real)-beta) / s;
        }
        Real own = dy[at(dys, p.n, p.c, p.h, p.w)] * pow(scale[at(ss, p.n, p.c, p.h, p.w)], (Real)-beta);
        dx[at(dxs, p.n, p.c, p.h, p.w)] =
            own - (Real)(2 * alpha * beta / size) * x[at(xs, p.n, p.c, p.h, p.w)] * sum;
    }
}
