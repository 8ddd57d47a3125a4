// What is elementwise in a step of a recurrent layer, a thread for each unit of each sample.
//
// The product of the step stands in `gates`, `hs` or `m` already. Arrays of all steps are given whole, contiguous, with
// the step t and the places of the states before and after it; alive (T, N) may be null. On the way back dh and dc, both
// (N, H), come as the gradients of the states after the step; dc becomes that of the one before, dh what that one gets
// but through the product, which is added to it. dhs may be null, and has any strides.

struct Steps { long long t, before, after, N, H; };

static __device__ Real sigmoid(Real x) { return (Real)0.5 + (Real)0.5 * tanh((Real)0.5 * x); }

static __device__ bool has_ended(const bool* alive, const Steps& s, Index n) { return alive && !alive[s.t * s.N + n]; }

// The gradient of h after the step: what came from later steps, and what depends on this one's output.
static __device__ Real of_state(
    const Real* dh, const Real* dhs, const Strides& strides, const Steps& s, Index n, Index k) {
    Real later = dh[n * s.H + k];
    return dhs ? later + dhs[at(strides, (int)s.t, (int)n, (int)k, 0)] : later;
}

extern "C" __global__ void simple_rnn_step(
    const Real* z, Real* hs, const bool* alive, Steps s, long long relu) {
    FOR_EACH(i, s.N * s.H) {
        Index n = i / (Index)s.H;
        const Real* old = hs + s.before * s.N * s.H;
        Real* state = hs + s.after * s.N * s.H;
        Real a = state[i] + z[s.t * s.N * s.H + i];
        if (has_ended(alive, s, n)) state[i] = old[i];
        else state[i] = relu ? (a <= 0 ? (Real)0 : a) : tanh(a);
    }
}

extern "C" __global__ void simple_rnn_step_backward(
    Real* dh, const Real* dhs, Strides strides, const Real* hs, Real* dz, const bool* alive, Steps s, long long relu) {
    FOR_EACH(i, s.N * s.H) {
        Index n = i / (Index)s.H;
        Real h = hs[s.after * s.N * s.H + i], d = of_state(dh, dhs, strides, s, n, i % (Index)s.H);
        bool ended = has_ended(alive, s, n);
        Real passed = !relu ? d * (1 - h * h) : is_above(h, 0) ? d : (Real)0;
        dz[s.t * s.N * s.H + i] = ended ? (Real)0 : passed;
        dh[i] = ended ? d : (Real)0;
    }
}

extern "C" __global__ void lstm_step(
    const Real* z, Real* gates, Real* hs, Real* cs, const bool* alive, Steps s) {
    FOR_EACH(i, s.N * s.H) {
        Index n = i / (Index)s.H, k = i % (Index)s.H;
        const long long old = s.before * s.N * s.H + i, now = s.after * s.N * s.H + i;
        const long long row = (s.t * s.N + n) * 4 * s.H + k;
        Real* a = gates + row;
        const Real* b = z + row;
        Real in = sigmoid(a[0] + b[0]), forget = sigmoid(a[s.H] + b[s.H]);
        Real g = tanh(a[2 * s.H] + b[2 * s.H]), out = sigmoid(a[3 * s.H] + b[3 * s.H]);
        a[0] = in, a[s.H] = forget, a[2 * s.H] = g, a[3 * s.H] = out;
        bool ended = has_ended(alive, s, n);
        Real c = ended ? cs[old] : forget * cs[old] + in * g;
        hs[now] = ended ? hs[old] : out * tanh(c);
        cs[now] = c;
    }
}

extern "C" __global__ void lstm_step_backward(
    Real* dh, Real* dc, const Real* dhs, Strides strides, const Real* gates, const Real* cs, Real* dz,
    const bool* alive, Steps s) {
    FOR_EACH(i, s.N * s.H) {
        Index n = i / (Index)s.H, k = i % (Index)s.H;
        const long long row = (s.t * s.N + n) * 4 * s.H + k;
        const Real* a = gates + row;
        Real* out = dz + row;
        Real d = of_state(dh, dhs, strides, s, n, k);
        if (has_ended(alive, s, n)) {
            out[0] = out[s.H] = out[2 * s.H] = out[3 * s.H] = 0;
            dh[i] = d;
            continue;
        }
        Real in = a[0], forget = a[s.H], g = a[2 * s.H], o = a[3 * s.H];
        Real t = tanh(cs[s.after * s.N * s.H + i]), cell = dc[i] + d * o * (1 - t * t);
        out[0] = cell * g * in * (1 - in);
        out[s.H] = cell * cs[s.before * s.N * s.H + i] * forget * (1 - forget);
        out[2 * s.H] = cell * in * (1 - g * g);
        out[3 * s.H] = d * t * o * (1 - o);
        dc[i] = cell * forget;
        dh[i] = 0;
    }
}

// m (N, 3H) is the product, to which its bias is added here; b may be null.
extern "C" __global__ void gru_step(
    const Real* z, const Real* m, const Real* b, Real* gates, Real* hs, const bool* alive, Steps s) {
    FOR_EACH(i, s.N * s.H) {
        Index n = i / (Index)s.H, k = i % (Index)s.H;
        const Real *inputs = z + (s.t * s.N + n) * 3 * s.H + k, *given = m + (long long)n * 3 * s.H + k;
        Real* a = gates + (s.t * s.N + n) * 4 * s.H + k;
        const long long old = s.before * s.N * s.H + i;
        Real m_r = given[0], m_u = given[s.H], m_n = given[2 * s.H];
        if (b) m_r += b[k], m_u += b[s.H + k], m_n += b[2 * s.H + k];
        Real r = sigmoid(inputs[0] + m_r), u = sigmoid(inputs[s.H] + m_u), next = tanh(inputs[2 * s.H] + r * m_n);
        a[0] = r, a[s.H] = u, a[2 * s.H] = next, a[3 * s.H] = m_n;
        hs[s.after * s.N * s.H + i] = has_ended(alive, s, n) ? hs[old] : (1 - u) * next + u * hs[old];
    }
}

extern "C" __global__ void gru_step_backward(
    Real* dh, const Real* dhs, Strides strides, const Real* hs, const Real* gates, Real* dz, Real* dm,
    const bool* alive, Steps s) {
    FOR_EACH(i, s.N * s.H) {
        Index n = i / (Index)s.H, k = i % (Index)s.H;
        const Real* a = gates + (s.t * s.N + n) * 4 * s.H + k;
        const long long row = (s.t * s.N + n) * 3 * s.H + k;
        Real d = of_state(dh, dhs, strides, s, n, k), r = a[0], u = a[s.H], next = a[2 * s.H], m_n = a[3 * s.H];
        bool ended = has_ended(alive, s, n);
        Real of_n = ended ? (Real)0 : d * (1 - u) * (1 - next * next);
        Real of_u = ended ? (Real)0 : d * (hs[s.before * s.N * s.H + i] - next) * u * (1 - u);
        Real of_r = ended ? (Real)0 : of_n * m_n * r * (1 - r);  // behind the end, the gates may be NaN
        dz[row] = dm[row] = of_r, dz[row + s.H] = dm[row + s.H] = of_u;
        dz[row + 2 * s.H] = of_n, dm[row + 2 * s.H] = ended ? (Real)0 : of_n * r;
        dh[i] = ended ? d : d * u;
    }
}
