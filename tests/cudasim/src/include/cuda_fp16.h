// Half precision: sixteen bits that are converted to float and back, rounding to nearest even. CuPy needs no more.
#pragma once
#include <cstdint>
#include <cstring>

struct __half_raw { unsigned short x; };

static inline float cudasim_half_to_float(unsigned short half) {
    const uint32_t sign = uint32_t(half & 0x8000u) << 16, magnitude = half & 0x7fffu;
    uint32_t bits;
    if (magnitude >= 0x7c00u) {  // infinity and NaN
        bits = sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13);
    } else if (magnitude >= 0x400u) {  // the exponents' biases are 15 and 127
        bits = sign | ((magnitude << 13) + ((127u - 15u) << 23));
    } else {  // subnormal, in units of 2^-24
        const float value = float(magnitude) * 0x1p-24f;
        return sign ? -value : value;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline unsigned short cudasim_float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const unsigned short sign = (bits >> 16) & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return sign | 0x7e00u;   // NaN
    if (bits >= 0x477ff000u) return sign | 0x7c00u;  // rounds to infinity
    if (bits < 0x38800000u) {                        // subnormal: adding 0.5 leaves units of 2^-24 in the last bits
        float shifted;
        memcpy(&shifted, &bits, 4);
        shifted += 0.5f;
        memcpy(&bits, &shifted, 4);
        return sign | (bits - 0x3f000000u);
    }
    bits += 0xfffu + ((bits >> 13) & 1u);  // half of the last place, a tie to even
    return sign | ((bits - ((127u - 15u) << 23)) >> 13);
}

struct __half {
    unsigned short bits;
    __half() = default;
    __half(float value) : bits(cudasim_float_to_half(value)) {}
    __half(double value) : __half(float(value)) {}
    explicit __half(bool value) : __half(float(value)) {}
    explicit __half(int value) : __half(float(value)) {}
    explicit __half(unsigned value) : __half(float(value)) {}
    explicit __half(long long value) : __half(float(value)) {}
    explicit __half(unsigned long long value) : __half(float(value)) {}
    __half(const __half_raw& raw) : bits(raw.x) {}
    operator float() const { return cudasim_half_to_float(bits); }
    operator __half_raw() const { return {bits}; }
};
typedef __half half;

static inline float __half2float(__half value) { return value; }
static inline __half __float2half(float value) { return value; }
static inline __half __float2half_rn(float value) { return value; }
static inline unsigned short __half_as_ushort(__half value) { return value.bits; }
static inline __half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }
