// Random numbers: which elements dropout keeps, and normal ones.

// The upper 64 bits of a product.
static __device__ unsigned long long multiply_high(unsigned long long a, unsigned long long b) {
    unsigned long long a1 = a >> 32, a0 = (unsigned)a, b1 = b >> 32, b0 = (unsigned)b;
    unsigned long long middle = a1 * b0 + (a0 * b0 >> 32), carry = a0 * b1 + (unsigned)middle;
    return a1 * b1 + (middle >> 32) + (carry >> 32);
}

// Four words of 64 bits, which are eight of 32: those of counter number `block` of a stream; philox.py says how.
struct Words {
    unsigned long long word[4];
    __device__ Words(unsigned long long block, unsigned long long k0, unsigned long long k1) {
        word[0] = block + 1, word[1] = word[2] = word[3] = 0;
        for (int round = 0; round < 10; round++) {
            const unsigned long long M0 = 0xD2E7470EE14C6C93ull, M1 = 0xCA5A826395121157ull;
            unsigned long long high0 = multiply_high(M0, word[0]), low0 = M0 * word[0];
            unsigned long long high1 = multiply_high(M1, word[2]), low1 = M1 * word[2];
            word[0] = high1 ^ word[1] ^ k0, word[1] = low1;
            word[2] = high0 ^ word[3] ^ k1, word[3] = low0;
            k0 += 0x9E3779B97F4A7C15ull, k1 += 0xBB67AE8584CAA73Bull;
        }
    }
    __device__ unsigned long long half(int i) const { return i % 2 ? word[i / 2] >> 32 : (unsigned)word[i / 2]; }
};

// 1 / (1 - rate) or 0: a thread for each counter; the mask begins with number `first` of the stream's words of 32 bits.
extern "C" __global__ void dropout_mask(
    Real* mask, long long count, long long first, unsigned long long key0, unsigned long long key1,
    unsigned long long threshold, double scale) {
    FOR_EACH(block, (first % 8 + count + 7) / 8) {
        Words words(first / 8 + block, key0, key1);
        for (int half = 0; half < 8; half++) {
            long long i = (long long)block * 8 + half - first % 8;
            if (i >= 0 && i < count) mask[i] = words.half(half) >= threshold ? (Real)scale : (Real)0;
        }
    }
}

// Standard normal numbers, two from each two words (Box and Muller): a thread for each counter again.
extern "C" __global__ void normal(
    Real* out, long long count, long long first, unsigned long long key0, unsigned long long key1) {
    FOR_EACH(block, (first % 8 + count + 7) / 8) {
        Words words(first / 8 + block, key0, key1);
        for (int pair = 0; pair < 4; pair++) {
            double r = sqrt(-2 * log((words.half(2 * pair) + 1.0) / 4294967296.0)), t = words.half(2 * pair + 1);
            t *= 6.283185307179586 / 4294967296.0;
            long long i = (long long)block * 8 + 2 * pair - first % 8;
            if (i >= 0 && i < count) out[i] = (Real)(r * cos(t));
            if (i + 1 >= 0 && i + 1 < count) out[i + 1] = (Real)(r * sin(t));
        }
    }
}
