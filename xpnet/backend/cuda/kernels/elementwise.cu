// Activations of each entry by itself.

static __device__ Real logistic(Real x) { return 1 / (1 + exp(-x)); }
static __device__ Real clipped(Real x, Real low, Real high) { return x < low ? low : x > high ? high : x; }
static __device__ Real above(Real x, Real low) { return x < low ? low : x; }  // NaN stays NaN
static __device__ Real log1p_exp(Real x) { return (x > 0 ? x : (Real)0) + log1p(exp(-fabs(x))); }

static __device__ Real normal_below(Real x) { return (1 + erf(x * (Real)0.70710678118654752)) / 2; }
static __device__ Real normal_density(Real x) { return exp(x * x * (Real)-0.5) * (Real)0.39894228040143268; }

const double ROOT = 0.79788456080286536, CUBIC = 0.044715;  // sqrt(2 / pi)
static __device__ Real gelu_tanh_of(Real x) {
    Real near = clipped(x, -40, 40);
    return tanh((Real)ROOT * near * (1 + (Real)CUBIC * near * near));
}
static __device__ Real gelu_tanh_slope(Real x) {
    Real near = clipped(x, -40, 40), t = gelu_tanh_of(x);
    return (1 + t) / 2 * (1 + (1 - t) * (Real)ROOT * near * (1 + 3 * (Real)CUBIC * near * near));
}

// tanh(log(1 + exp(x))), which is (e^2 + 2 e) / (e^2 + 2 e + 2) with e = exp(x).
static __device__ Real tanh_log1p_exp(Real x) {
    Real e = exp(-fabs(x)), above = x > 0 ? 1 + 2 * e : e * (e + 2);
    return above / (above + 2 * (x > 0 ? e * e : (Real)1));
}
static __device__ Real mish_slope(Real x) {
    Real t = tanh_log1p_exp(x);
    return t + clipped(x, -1000, 1000) * (1 - t * t) * logistic(x);
}

// In the order of FORMULAS in reference/elementwise.py, which is how Python tells which one is meant.
enum Activation {
    LEAKY_RELU, ELU, HARD_TANH, SOFTPLUS, GELU, GELU_TANH, SILU, MISH, HARD_SWISH, SIGMOID, LOG_SIGMOID, TANH, SOFTSIGN,
    HARD_SIGMOID
};

// y of x and the constants a, b and c.
static __device__ Real activation_of(int which, Real x, Real a, Real b, Real c) {
    switch (which) {
        case LEAKY_RELU: return is_above(x, 0) ? x : a * x;
        case ELU: return is_above(x, 0) ? b * x : b * a * expm1(c * x);
        case HARD_TANH: return clipped(x, a, b);
        case SOFTPLUS: return a * x > b ? x : log1p_exp(a * x) / a;
        case GELU: return above(x, -40) * normal_below(x);
        case GELU_TANH: return above(x, -40) * ((1 + gelu_tanh_of(x)) / 2);
        case SILU: return above(x, -1000) * logistic(x);
        case MISH: return above(x, -1000) * tanh_log1p_exp(x);
        case HARD_SWISH: return above(x, -3) * clipped(x / 6 + (Real)0.5, 0, 1);
        case SIGMOID: return logistic(x);
        case LOG_SIGMOID: return -log1p_exp(-x);
        case TANH: return a * tanh(b * x);
        case SOFTSIGN: return clipped(x, -1e30f, 1e30f) / (1 + fabs(clipped(x, -1e30f, 1e30f)));
        case HARD_SIGMOID: return clipped(x / 6 + (Real)0.5, 0, 1);
    }
    return x;
}

// Its derivative.
static __device__ Real slope_of(int which, Real x, Real a, Real b, Real c) {
    switch (which) {
        case LEAKY_RELU: return is_above(x, 0) ? (Real)1 : a;
        case ELU: return is_above(x, 0) ? b : b * a * c * exp(c * x);
        case HARD_TANH: return is_above(x, a) && is_above(b, x) ? (Real)1 : (Real)0;
        case SOFTPLUS: return a * x > b ? (Real)1 : logistic(a * x);
        case GELU: return normal_below(x) + clipped(x, -40, 40) * normal_density(x);
        case GELU_TANH: return gelu_tanh_slope(x);
        case SILU: return logistic(x) * (1 + clipped(x, -1000, 1000) * (1 - logistic(x)));
        case MISH: return mish_slope(x);
        case HARD_SWISH: return x <= -3 ? (Real)0 : x >= 3 ? (Real)1 : x / 3 + (Real)0.5;
        case SIGMOID: return logistic(x) * (1 - logistic(x));
        case LOG_SIGMOID: return logistic(-x);
        case TANH: return a * b * (1 - tanh(b * x) * tanh(b * x));
        case SOFTSIGN: return 1 / (1 + fabs(x)) / (1 + fabs(x));
        case HARD_SIGMOID: return x > -3 && x < 3 ? 1 / (Real)6 : (Real)0;
    }
    return 1;
}

extern "C" __global__ void activation(
    const Real* x, Real* y, long long count, long long which, double a, double b, double c) {
    FOR_EACH(i, count) y[i] = activation_of((int)which, x[i], (Real)a, (Real)b, (Real)c);
}

extern "C" __global__ void activation_slope(
    const Real* dy, const Real* x, Real* dx, long long count, long long which, double a, double b, double c) {
    FOR_EACH(i, count) dx[i] = dy[i] * slope_of((int)which, x[i], (Real)a, (Real)b, (Real)c);
}
