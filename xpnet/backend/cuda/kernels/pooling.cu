// Pooling.

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
        Sum sum;
        for (int m = 0; m < k.KH; m++)
            for (int l = 0; l < k.KW; l++) {
                int h = top + m * k.DH, w = left + l * k.DW;
                if (h >= 0 && h < k.H && w >= 0 && w < k.W) sum += x[at(xs, out.n, out.c, h, w)];
            }
        y[at(ys, out.n, out.c, out.h, out.w)] = (Real)sum / (Real)(k.KH * k.KW);
    }
}

extern "C" __global__ void avg_pool2d_backward(const Real* dy, Strides dys, Real* dx, Strides dxs, Window k) {
    FOR_EACH(i, (Index)k.C * k.N * k.H * k.W) {
        Place in(i, k.N, k.H, k.W);
        Sum sum;
        for (int m = 0; m < k.KH; m++) {
            int oh = met_by(in.h, m, k.DH, k.SH, k.top, k.OH);
            if (oh < 0) continue;
            for (int l = 0; l < k.KW; l++) {
                int ow = met_by(in.w, l, k.DW, k.SW, k.left, k.OW);
                if (ow >= 0) sum += dy[at(dys, in.n, in.c, oh, ow)];
            }
        }
        dx[at(dxs, in.n, in.c, in.h, in.w)] = (Real)sum / (Real)(k.KH * k.KW);
    }
}
