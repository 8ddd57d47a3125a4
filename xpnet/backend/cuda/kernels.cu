// The kernels of the CuPy backend, in CUDA C, compiled at run time: once with -DReal=float and once with -DReal=double,
// each with -DIndex=int or, for arrays of 2^30 entries and more, -DIndex="long long".
//
// What each kernel computes stands in reference.py, under the same name. Here:
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

// ---- columns --------------------------------------------------------------------------------------------------------

// A thread for each channel and output pixel: it copies the KH x KW pixels of the window.
extern "C" __global__ void im2col(const Real* x, Strides xs, Real* cols, Window k) {
    Index pixels = (Index)k.N * k.OH * k.OW;
    FOR_EACH(i, pixels * k.C) {
        Place out(i, k.N, k.OH, k.OW);
        Real* to = cols + out.c * (long long)k.KH * k.KW * pixels + i % pixels;
        int top = out.h * k.SH - k.top, left = out.w * k.SW - k.left;
        for (int m = 0; m < k.KH; m++)
            for (int l = 0; l < k.KW; l++) {
                int h = top + m * k.DH, w = left + l * k.DW;
                bool inside = h >= 0 && h < k.H && w >= 0 && w < k.W;
                *to = inside ? x[at(xs, out.n, out.c, h, w)] : (Real)0;
                to += pixels;
            }
    }
}

// A thread for each input pixel: it collects from all the places that im2col copied the pixel to.
extern "C" __global__ void col2im(const Real* cols, Real* dx, Strides dxs, Window k) {
    Index pixels = (Index)k.N * k.OH * k.OW;
    FOR_EACH(i, (Index)k.C * k.N * k.H * k.W) {
        Place in(i, k.N, k.H, k.W);
        const Real* from = cols + in.c * (long long)k.KH * k.KW * pixels + (Index)in.n * k.OH * k.OW;
        Real sum = 0;
        for (int m = 0; m < k.KH; m++) {
            int oh = met_by(in.h, m, k.DH, k.SH, k.top, k.OH);
            if (oh < 0) continue;
            for (int l = 0; l < k.KW; l++) {
                int ow = met_by(in.w, l, k.DW, k.SW, k.left, k.OW);
                if (ow >= 0) sum += from[(long long)(m * k.KW + l) * pixels + oh * k.OW + ow];
            }
        }
        dx[at(dxs, in.n, in.c, in.h, in.w)] = sum;
    }
}

// ---- bias and activation --------------------------------------------------------------------------------------------

// y = act(y + b) in place; the channel of entry i is i / inner % channels. b may be null.
extern "C" __global__ void bias_activation(
    Real* y, const Real* b, long long count, long long inner, long long channels, long long relu) {
    FOR_EACH(i, count) {
        Real value = y[i] + (b ? b[i / (Index)inner % (Index)channels] : (Real)0);
        y[i] = relu && value <= 0 ? (Real)0 : value;  // NaN stays NaN
    }
}

// dz = dy where y > 0 (relu) or dy, and sums[chunk, c]: the sum of dz over one chunk of channel c, a block for each.
// dz is written in the order of its strides; null where it would be dy itself.
extern "C" __global__ void activation_backward(
    const Real* dy, Strides dys, const Real* y, Strides ys, Real* dz, Strides dzs, Real* sums, Shape shape,
    long long chunk, long long relu) {
    int c = (int)blockIdx.x;
    Index count = (Index)shape.N * shape.H * shape.W, begin = (Index)(blockIdx.y * chunk);
    Index end = count - begin < chunk ? count : begin + (Index)chunk;
    Real sum = 0;
    for (Index i = begin + threadIdx.x; i < end; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real value = dy[at(dys, p.n, c, p.h, p.w)];
        if (relu && !(y[at(ys, p.n, c, p.h, p.w)] > 0)) value = 0;
        if (dz) dz[at(dzs, p.n, c, p.h, p.w)] = value;
        sum += value;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[(long long)blockIdx.y * shape.C + c] = sum;
}

// ---- pooling --------------------------------------------------------------------------------------------------------

// A thread for each output pixel; padding never wins.
extern "C" __global__ void max_pool2d(const Real* x, Strides xs, Real* y, Strides ys, Window k) {
    FOR_EACH(i, (Index)k.C * k.N * k.OH * k.OW) {
        Place out(i, k.N, k.OH, k.OW);
        int top = out.h * k.SH - k.top, left = out.w * k.SW - k.left;
        Real best = (Real)__int_as_float(0xff800000);  // minus infinity
        for (int m = 0; m < k.KH; m++)
            for (int l = 0; l < k.KW; l++) {
                int h = top + m * k.DH, w = left + l * k.DW;
                if (h < 0 || h >= k.H || w < 0 || w >= k.W) continue;
                Real value = x[at(xs, out.n, out.c, h, w)];
                if (value > best || value != value) best = value;  // NaN wins, and nothing is greater than NaN
            }
        y[at(ys, out.n, out.c, out.h, out.w)] = best;
    }
}

// Whether the window at (oh, ow) holds `best` before its pixel (m, l), in reading order.
static __device__ bool met_before(
    const Real* x, const Strides& xs, const Window& k, int n, int c, int oh, int ow, int m, int l, Real best) {
    for (int earlier = 0; earlier < m * k.KW + l; earlier++) {
        int h = oh * k.SH - k.top + earlier / k.KW * k.DH, w = ow * k.SW - k.left + earlier % k.KW * k.DW;
        if (h >= 0 && h < k.H && w >= 0 && w < k.W && x[at(xs, n, c, h, w)] == best) return true;
    }
    return false;
}

// A thread for each input pixel: of the windows that see it, it takes dy of those whose first maximum it is.
extern "C" __global__ void max_pool2d_backward(
    const Real* dy, Strides dys, const Real* x, Strides xs, const Real* y, Strides ys, Real* dx, Strides dxs, Window k) {
    FOR_EACH(i, (Index)k.C * k.N * k.H * k.W) {
        Place in(i, k.N, k.H, k.W);
        Real value = x[at(xs, in.n, in.c, in.h, in.w)], sum = 0;
        for (int m = 0; m < k.KH; m++) {
            int oh = met_by(in.h, m, k.DH, k.SH, k.top, k.OH);
            if (oh < 0) continue;
            for (int l = 0; l < k.KW; l++) {
                int ow = met_by(in.w, l, k.DW, k.SW, k.left, k.OW);
                if (ow < 0 || y[at(ys, in.n, in.c, oh, ow)] != value) continue;
                if (!met_before(x, xs, k, in.n, in.c, oh, ow, m, l, value)) sum += dy[at(dys, in.n, in.c, oh, ow)];
            }
        }
        dx[at(dxs, in.n, in.c, in.h, in.w)] = sum;
    }
}

extern "C" __global__ void avg_pool2d(const Real* x, Strides xs, Real* y, Strides ys, Window k) {
    FOR_EACH(i, (Index)k.C * k.N * k.OH * k.OW) {
        Place out(i, k.N, k.OH, k.OW);
        int top = out.h * k.SH - k.top, left = out.w * k.SW - k.left;
        Real sum = 0;
        for (int m = 0; m < k.KH; m++)
            for (int l = 0; l < k.KW; l++) {
                int h = top + m * k.DH, w = left + l * k.DW;
                if (h >= 0 && h < k.H && w >= 0 && w < k.W) sum += x[at(xs, out.n, out.c, h, w)];
            }
        y[at(ys, out.n, out.c, out.h, out.w)] = sum / (Real)(k.KH * k.KW);
    }
}

extern "C" __global__ void avg_pool2d_backward(const Real* dy, Strides dys, Real* dx, Strides dxs, Window k) {
    FOR_EACH(i, (Index)k.C * k.N * k.H * k.W) {
        Place in(i, k.N, k.H, k.W);
        Real sum = 0;
        for (int m = 0; m < k.KH; m++) {
            int oh = met_by(in.h, m, k.DH, k.SH, k.top, k.OH);
            if (oh < 0) continue;
            for (int l = 0; l < k.KW; l++) {
                int ow = met_by(in.w, l, k.DW, k.SW, k.left, k.OW);
                if (ow >= 0) sum += dy[at(dys, in.n, in.c, oh, ow)];
            }
        }
        dx[at(dxs, in.n, in.c, in.h, in.w)] = sum / (Real)(k.KH * k.KW);
    }
}

// ---- normalisation --------------------------------------------------------------------------------------------------

// Batch normalisation: a block for each channel, which passes over it three times: mean, variance, y.
extern "C" __global__ void batch_norm(
    const Real* x, Strides xs, const Real* gamma, const Real* beta, Real* y, Strides ys, Real* mean, Real* var,
    Shape shape, double eps) {
    int c = (int)blockIdx.x;
    Index count = (Index)shape.N * shape.H * shape.W;
    Real sum = 0;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        sum += x[at(xs, p.n, c, p.h, p.w)];
    }
    Real middle = block_sum(sum) / (Real)count;
    sum = 0;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real away = x[at(xs, p.n, c, p.h, p.w)] - middle;
        sum += away * away;
    }
    Real spread = block_sum(sum) / (Real)count;
    Real slope = gamma[c] / sqrt(spread + (Real)eps), start = beta[c];
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
    Real middle = mean[c], inverse = 1 / sqrt(var[c] + (Real)eps), sum = 0, product = 0;
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real d = dy[at(dys, p.n, c, p.h, p.w)];
        sum += d;
        product += d * (x[at(xs, p.n, c, p.h, p.w)] - middle) * inverse;
    }
    sum = block_sum(sum), product = block_sum(product);
    for (Index i = threadIdx.x; i < count; i += blockDim.x) {
        Place p(i, shape.N, shape.H, shape.W);
        Real normal = (x[at(xs, p.n, c, p.h, p.w)] - middle) * inverse;
        Real d = dy[at(dys, p.n, c, p.h, p.w)] - sum / (Real)count - normal * (product / (Real)count);
        dx[at(dxs, p.n, c, p.h, p.w)] = d * gamma[c] * inverse;
    }
    if (threadIdx.x == 0) dgamma[c] = product, dbeta[c] = sum;
}

extern "C" __global__ void moving_average(
    Real* average, const Real* value, long long count, double rate, double weight) {
    FOR_EACH(i, count) average[i] = (Real)(1 - rate) * average[i] + (Real)weight * value[i];
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

// ---- loss, accuracy and dropout -------------------------------------------------------------------------------------

// A block for each row. The targets are class numbers, or probabilities where `labels` is null.
extern "C" __global__ void softmax_cross_entropy(
    const Real* y, const long long* labels, const Real* targets, Real* losses, Real* dy, long long classes) {
    long long row = (long long)blockIdx.x * classes;
    long long label = labels ? labels[blockIdx.x] : -1;
    y += row, dy += row, targets += row;
    Real largest = (Real)__int_as_float(0xff800000), sum = 0, loss = 0;
    for (int c = (int)threadIdx.x; c < classes; c += (int)blockDim.x)
        if (y[c] > largest || y[c] != y[c]) largest = y[c];
    largest = block_max(largest);
    for (int c = (int)threadIdx.x; c < classes; c += (int)blockDim.x) sum += exp(y[c] - largest);
    Real log_sum = log(block_sum(sum));
    for (int c = (int)threadIdx.x; c < classes; c += (int)blockDim.x) {
        Real share = labels ? (Real)(c == label) : targets[c], shifted = y[c] - largest;
        loss += share * (log_sum - shifted);
        dy[c] = exp(shifted - log_sum) - share;
    }
    loss = block_sum(loss);
    if (threadIdx.x == 0) losses[blockIdx.x] = loss;
}

// The upper 64 bits of a product.
static __device__ unsigned long long multiply_high(unsigned long long a, unsigned long long b) {
    unsigned long long a1 = a >> 32, a0 = (unsigned)a, b1 = b >> 32, b0 = (unsigned)b;
    unsigned long long middle = a1 * b0 + (a0 * b0 >> 32), carry = a0 * b1 + (unsigned)middle;
    return a1 * b1 + (middle >> 32) + (carry >> 32);
}

// 1 / (1 - rate) or 0: philox.py says how. A thread for each counter, which gives four words of 64 bits, eight of 32.
extern "C" __global__ void dropout_mask(
    Real* mask, long long count, unsigned long long key0, unsigned long long key1, unsigned long long threshold,
    double scale) {
    FOR_EACH(block, (count + 7) / 8) {
        unsigned long long word[4] = {(unsigned long long)block + 1, 0, 0, 0}, k0 = key0, k1 = key1;
        for (int round = 0; round < 10; round++) {
            const unsigned long long M0 = 0xD2E7470EE14C6C93ull, M1 = 0xCA5A826395121157ull;
            unsigned long long high0 = multiply_high(M0, word[0]), low0 = M0 * word[0];
            unsigned long long high1 = multiply_high(M1, word[2]), low1 = M1 * word[2];
            word[0] = high1 ^ word[1] ^ k0, word[1] = low1;
            word[2] = high0 ^ word[3] ^ k1, word[3] = low0;
            k0 += 0x9E3779B97F4A7C15ull, k1 += 0xBB67AE8584CAA73Bull;
        }
        for (int half = 0; half < 8; half++) {
            Index i = block * 8 + half;
            unsigned long long bits = half % 2 ? word[half / 2] >> 32 : (unsigned)word[half / 2];
            if (i < count) mask[i] = bits >= threshold ? (Real)scale : (Real)0;
        }
    }
}

// The number of rows of y whose first largest entry is at the label. One block.
extern "C" __global__ void count_hits(
    const Real* y, const long long* labels, long long* hits, long long rows, long long classes) {
    __shared__ int part[1024];
    int t = (int)threadIdx.x, own = 0;
    for (int n = t; n < rows; n += (int)blockDim.x) {
        const Real* row = y + (long long)n * classes;
        int best = 0;
        for (int c = 1; c < classes; c++)
            if (row[c] > row[best] || (row[c] != row[c] && row[best] == row[best])) best = c;  // NaN is the largest
        own += best == labels[n];
    }
    part[t] = own;
    __syncthreads();
    for (int half = (int)blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    if (t == 0) *hits = part[0];
}

// ---- update steps: all parameters at once, which lie behind one another ---------------------------------------------

// Up to 100 pieces of one array and where they come from; entries between the pieces, and of null pieces, become zero.
struct Pieces {
    const Real* source[100];
    long long start[100], end[100];
    int count;
};

// flat[i] for begin <= i < end, from the pieces, which are in order.
extern "C" __global__ void collect(Real* flat, Pieces pieces, long long begin, long long end) {
    FOR_EACH(i, end - begin) {
        long long place = begin + i;
        int low = 0, high = pieces.count - 1;  // find the last piece that starts at or before the place
        while (low < high) {
            int middle = (low + high + 1) / 2;
            if (pieces.start[middle] <= place) low = middle;
            else high = middle - 1;
        }
        const Real* source = pieces.source[low];
        bool inside = source && place >= pieces.start[low] && place < pieces.end[low];
        flat[place] = inside ? source[place - pieces.start[low]] : (Real)0;
    }
}

// The slope with weight decay; without any, a weight that is infinite must not make it NaN.
static __device__ Real decayed(Real slope, Real weight, double weight_decay) {
    return weight_decay != 0 ? slope + (Real)weight_decay * weight : slope;
}

extern "C" __global__ void sgd(
    Real* p, const Real* g, Real* v, long long count, double lr, double momentum, long long nesterov,
    double weight_decay) {
    FOR_EACH(i, count) {
        Real step = decayed(g[i], p[i], weight_decay);
        if (v) {
            v[i] = (Real)momentum * v[i] + step;
            step = nesterov ? step + (Real)momentum * v[i] : v[i];
        }
        p[i] -= (Real)lr * step;
    }
}

extern "C" __global__ void adagrad(
    Real* p, const Real* g, Real* s, long long count, double lr, double eps, double weight_decay) {
    FOR_EACH(i, count) {
        Real slope = decayed(g[i], p[i], weight_decay);
        s[i] += slope * slope;
        p[i] -= (Real)lr * slope / (sqrt(s[i]) + (Real)eps);
    }
}

extern "C" __global__ void rmsprop(
    Real* p, const Real* g, Real* s, long long count, double lr, double rho, double eps, double weight_decay) {
    FOR_EACH(i, count) {
        Real slope = decayed(g[i], p[i], weight_decay);
        s[i] = (Real)rho * s[i] + (Real)(1 - rho) * slope * slope;
        p[i] -= (Real)lr * slope / (sqrt(s[i]) + (Real)eps);
    }
}

// unbias1 = 1 - beta1**step and unbias2 = 1 - beta2**step take away the moments' bias to zero.
extern "C" __global__ void adam(
    Real* p, const Real* g, Real* m, Real* v, long long count, double lr, double beta1, double beta2, double eps,
    double weight_decay, long long decoupled, double unbias1, double unbias2) {
    FOR_EACH(i, count) {
        Real value = p[i], slope = g[i];
        if (decoupled) value -= (Real)(lr * weight_decay) * value;
        else slope = decayed(slope, value, weight_decay);
        m[i] = (Real)beta1 * m[i] + (Real)(1 - beta1) * slope;
        v[i] = (Real)beta2 * v[i] + (Real)(1 - beta2) * slope * slope;
        p[i] = value - (Real)(lr / unbias1) * m[i] / (sqrt(v[i] / (Real)unbias2) + (Real)eps);
    }
}
