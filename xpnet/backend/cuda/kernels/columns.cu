// Columns, and their way back.

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
