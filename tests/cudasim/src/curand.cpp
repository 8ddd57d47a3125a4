// The host functions of cuRAND, which cupy.random.RandomState calls: the same distributions, not the same numbers.
#include <cmath>
#include <random>

#include "device.h"

using namespace device;

struct Generator { std::mt19937_64 bits{0}; };
enum { OK = 0, BAD_LENGTH = 105, LAUNCH_FAILURE = 201 };

template <class T, class Draw> int fill(Generator* generator, T* out, size_t count, Draw draw) {
    Hold hold;
    ++counters.library_calls;
    count_call("curandGenerate");
    for (size_t i = 0; i < count; ++i) out[i] = T(draw(generator->bits));
    return check_guards("curandGenerate") == SUCCESS ? OK : LAUNCH_FAILURE;
}

template <class T> int uniform(Generator* generator, T* out, size_t count) {  // in (0, 1]
    return fill(generator, out, count, [](auto& bits) { return 1.0 - std::generate_canonical<double, 53>(bits); });
}
template <class T> int normal(Generator* generator, T* out, size_t count, double mean, double deviation, bool log) {
    if (count % 2) return BAD_LENGTH;  // as cuRAND, which makes normal numbers in pairs
    std::normal_distribution<double> distribution(mean, deviation);
    return fill(generator, out, count, [&](auto& bits) {
        const double x = distribution(bits);
        return log ? std::exp(x) : x;
    });
}

CUDASIM_API int curandGetVersion(int* version) { *version = 10400; return OK; }
CUDASIM_API int curandCreateGenerator(Generator** generator, int) { *generator = new Generator; return OK; }
CUDASIM_API int curandDestroyGenerator(Generator* generator) { delete generator; return OK; }
CUDASIM_API int curandSetStream(Generator*, void*) { return OK; }
CUDASIM_API int curandSetPseudoRandomGeneratorSeed(Generator* generator, unsigned long long seed) {
    generator->bits.seed(seed);
    return OK;
}
CUDASIM_API int curandSetGeneratorOffset(Generator*, unsigned long long) { return OK; }
CUDASIM_API int curandSetGeneratorOrdering(Generator*, int) { return OK; }
CUDASIM_API int curandGenerate(Generator* generator, unsigned* out, size_t count) {
    return fill(generator, out, count, [](auto& bits) { return bits(); });
}
CUDASIM_API int curandGenerateLongLong(Generator* generator, unsigned long long* out, size_t count) {
    return fill(generator, out, count, [](auto& bits) { return bits(); });
}
CUDASIM_API int curandGenerateUniform(Generator* g, float* out, size_t count) { return uniform(g, out, count); }
CUDASIM_API int curandGenerateUniformDouble(Generator* g, double* out, size_t count) { return uniform(g, out, count); }
CUDASIM_API int curandGenerateNormal(Generator* g, float* out, size_t count, float mean, float deviation) {
    return normal(g, out, count, mean, deviation, false);
}
CUDASIM_API int curandGenerateNormalDouble(Generator* g, double* out, size_t count, double mean, double deviation) {
    return normal(g, out, count, mean, deviation, false);
}
CUDASIM_API int curandGenerateLogNormal(Generator* g, float* out, size_t count, float mean, float deviation) {
    return normal(g, out, count, mean, deviation, true);
}
CUDASIM_API int curandGenerateLogNormalDouble(Generator* g, double* out, size_t count, double mean, double deviation) {
    return normal(g, out, count, mean, deviation, true);
}
CUDASIM_API int curandGeneratePoisson(Generator* g, unsigned* out, size_t count, double mean) {
    std::poisson_distribution<unsigned> distribution(mean);
    return fill(g, out, count, distribution);
}
