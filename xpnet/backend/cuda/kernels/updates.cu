// Update steps, of all parameters at once, which lie behind one another.

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
        if (!decoupled) slope = decayed(slope, value, weight_decay);
        else if (weight_decay != 0 && !isinf(value)) value -= (Real)(lr * weight_decay) * value;  // inf - inf is NaN
        m[i] = (Real)beta1 * m[i] + (Real)(1 - beta1) * slope;
        v[i] = (Real)beta2 * v[i] + (Real)(1 - beta2) * slope * slope;
        p[i] = value - (Real)(lr / unbias1) * m[i] / (sqrt(v[i] / (Real)unbias2) + (Real)eps);
    }
}

// Adam's successors: a step along the gradient and its running mean, each with a rate.
extern "C" __global__ void moments(
    Real* p, const Real* g, Real* m, Real* v, long long count, double gradient, double mean, double beta1, double beta2,
    double unbias, long long adaptive, double eps, double weight_decay, double shrink) {
    FOR_EACH(i, count) {
        Real value = p[i];
        if (shrink != 0 && !isinf(value)) value -= (Real)shrink * value;
        Real slope = decayed(g[i], value, weight_decay);
        m[i] = (Real)beta1 * m[i] + (Real)(1 - beta1) * slope;
        v[i] = (Real)beta2 * v[i] + (Real)(1 - beta2) * slope * slope;
        Real step = (Real)mean * m[i];
        if (gradient != 0) step += (Real)gradient * slope;
        p[i] = value - (adaptive ? step / (sqrt(v[i] / (Real)unbias) + (Real)eps) : step);
    }
}

extern "C" __global__ void lion(
    Real* p, const Real* g, Real* m, long long count, double lr, double beta1, double beta2, double weight_decay) {
    FOR_EACH(i, count) {
        Real along = (Real)beta1 * m[i] + (Real)(1 - beta1) * g[i];
        Real sign = along > 0 ? (Real)1 : along < 0 ? (Real)-1 : along;  // NaN stays NaN
        p[i] -= (Real)lr * (isinf(p[i]) ? sign : decayed(sign, p[i], weight_decay));
        m[i] = (Real)beta2 * m[i] + (Real)(1 - beta2) * g[i];
    }
}

// What has decayed to nothing: far below `least` are the denormals.
extern "C" __global__ void forget(Real* x, long long count, double least) {
    FOR_EACH(i, count) {
        if (fabs(x[i]) < (Real)least) x[i] = (Real)0;
    }
}
