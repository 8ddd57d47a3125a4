// CUDA C for g++: stands before the source of every kernel. Threads take turns (grid.cpp), so an atomic is an assignment.
#pragma once
#include <cassert>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernel_abi.h"

#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#undef assert
#define assert(condition) ((condition) ? (void)0 : __builtin_trap())
#define __trap() __builtin_trap()

// ---- words of the language
#undef __forceinline__
#undef __noinline__
#define __device__
#define __host__
#define __global__
#define __constant__ __attribute__((visibility("default")))
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __attribute__((aligned(n)))
#define __grid_constant__
// One copy for all blocks, for one runs at a time. They lie in a section, which is filled with NaN before each block.
#define __shared__ static __attribute__((section("cudasim_shared")))
static const int warpSize = 32;

extern "C" __attribute__((weak, visibility("hidden"))) char __start_cudasim_shared[], __stop_cudasim_shared[];
extern "C" __attribute__((visibility("default"))) inline __attribute__((used)) void cudasim_shared_range(char** begin, char** end) {
    *begin = __start_cudasim_shared;
    *end = __stop_cudasim_shared;
}

// ---- barriers and shuffles
#define __syncthreads() cudasim_wait_for_block(__LINE__)
static inline void __syncwarp(unsigned mask = 0xffffffffu) { cudasim_wait_for_warp(mask); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

// Every lane of the mask offers a value and takes that of another; a lane without a source keeps its own.
template <class T> T cudasim_exchange(unsigned mask, T value, unsigned source, bool has_source) {
    static_assert(sizeof(T) <= 16, "a shuffled value has at most 16 bytes");
    char(*slots)[16] = cudasim_warp_slots();
    memcpy(slots[cudasim_lane()], &value, sizeof value);
    cudasim_wait_for_warp(mask);
    if (has_source) memcpy(&value, slots[source], sizeof value);
    cudasim_wait_for_warp(mask);  // nobody offers the next value before all have taken this one
    return value;
}
template <class T> T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    const unsigned lane = cudasim_lane();
    return cudasim_exchange(mask, value, lane / width * width + source % width, true);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    const unsigned lane = cudasim_lane();
    return cudasim_exchange(mask, value, lane - delta, lane % width >= delta);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    const unsigned lane = cudasim_lane();
    return cudasim_exchange(mask, value, lane + delta, lane % width + delta < unsigned(width));
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
    const unsigned lane = cudasim_lane(), source = lane ^ lanes;
    return cudasim_exchange(mask, value, source, source / width <= lane / width);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    char(*slots)[16] = cudasim_warp_slots();
    slots[cudasim_lane()][0] = predicate != 0;
    cudasim_wait_for_warp(mask);
    unsigned ballot = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1u && slots[lane][0] == 1) ballot |= 1u << lane;  // who has left, offers NaN bytes
    cudasim_wait_for_warp(mask);
    return ballot;
}
static inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
static inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }

// ---- atomics
#define CUDASIM_ATOMIC(name, result) \
    template <class T, class U> T name(T* address, U operand) { \
        const T old = *address, value = T(operand); \
        *address = T(result); \
        return old; \
    }
CUDASIM_ATOMIC(atomicAdd, old + value)
CUDASIM_ATOMIC(atomicSub, old - value)
CUDASIM_ATOMIC(atomicExch, value)
CUDASIM_ATOMIC(atomicMin, value < old ? value : old)
CUDASIM_ATOMIC(atomicMax, old < value ? value : old)
CUDASIM_ATOMIC(atomicAnd, old& value)
CUDASIM_ATOMIC(atomicOr, old | value)
CUDASIM_ATOMIC(atomicXor, old ^ value)
#undef CUDASIM_ATOMIC
template <class T, class U, class V> T atomicCAS(T* address, U expected, V desired) {
    const T old = *address;
    if (old == T(expected)) *address = T(desired);
    return old;
}

// ---- functions
using std::isfinite;
using std::isinf;
using std::isnan;
using std::signbit;

template <class A, class B>
using cudasim_common = typename std::enable_if<std::is_arithmetic<A>::value && std::is_arithmetic<B>::value,
                                               typename std::common_type<A, B>::type>::type;
template <class A, class B> cudasim_common<A, B> min(A a, B b) {  // of floats: a number wins over NaN, as on the device
    const cudasim_common<A, B> x = a, y = b;
    if constexpr (std::is_floating_point<cudasim_common<A, B>>::value) return std::fmin(x, y);
    else return y < x ? y : x;
}
template <class A, class B> cudasim_common<A, B> max(A a, B b) {
    const cudasim_common<A, B> x = a, y = b;
    if constexpr (std::is_floating_point<cudasim_common<A, B>>::value) return std::fmax(x, y);
    else return x < y ? y : x;
}

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline int __mulhi(int a, int b) { return (long long)a * b >> 32; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}
template <class T> T __ldg(const T* address) { return *address; }
template <class T> void __stcg(T* address, T value) { *address = value; }

// the fast ones are as exact as the others here, and those that name a rounding round to nearest
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __powf(float x, float y) { return powf(x, y); }
static inline float __sinf(float x) { return sinf(x); }
static inline float __cosf(float x) { return cosf(x); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline float rsqrt(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float __saturatef(float x) { return fminf(fmaxf(x, 0), 1); }

#define CUDASIM_BITS(name, To, From) \
    static inline To name(From from) { \
        To to; \
        static_assert(sizeof to == sizeof from, ""); \
        memcpy(&to, &from, sizeof to); \
        return to; \
    }
CUDASIM_BITS(__float_as_int, int, float)
CUDASIM_BITS(__int_as_float, float, int)
CUDASIM_BITS(__float_as_uint, unsigned, float)
CUDASIM_BITS(__uint_as_float, float, unsigned)
CUDASIM_BITS(__double_as_longlong, long long, double)
CUDASIM_BITS(__longlong_as_double, double, long long)
#undef CUDASIM_BITS

// ---- the call of a kernel: the driver has a pointer to each argument
template <class... Arguments, size_t... I>
void cudasim_apply(void (*kernel)(Arguments...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<typename std::remove_reference<Arguments>::type*>(arguments[I])...);
}
template <class... Arguments> void cudasim_call(void (*kernel)(Arguments...), void** arguments) {
    cudasim_apply(kernel, arguments, std::index_sequence_for<Arguments...>{});
}
