// Which elements dropout keeps.

// The upper 64 bits of a product.
static __device__ unsigned long long multiply_high(unsigned long long a, unsigned long long b) {
    unsigned long long a1 = a >> 32, a0 = (unsigned)a, b1 = b >> 32, b0 = (unsigned)b;
    unsigned long long middle = a1 * b0 + (a0 * b0 >> 32), carry = a0 * b1 + (unsigned)middle;
    return a1 * b1 + (middle >> 32) + (carry >> 32);
}

// 1 / (1 - rate) or 0: philox.py says how. A thread for each counter, which gives four words of 64 bits, eight of 32;
// the mask begins with number `first` of these.
extern "C" __global__ void dropout_mask(
    Real* mask, long long count, long long first, unsigned long long key0, unsigned long long key1,
    unsigned long long threshold, double scale) {
    FOR_EACH(block, (first % 8 + count + 7) / 8) {
        unsigned long long word[4] = {(unsigned long long)(first / 8 + block) + 1, 0, 0, 0}, k0 = key0, k1 = key1;
        for (int round = 0; round < 10; round++) {
            const unsigned long long M0 = 0xD2E7470EE14C6C93ull, M1 = 0xCA5A826395121157ull;
            unsigned long long high0 = multiply_high(M0, word[0]), low0 = M0 * word[0];
            unsigned long long high1 = multiply_high(M1, word[2]), low1 = M1 * word[2];
            word[0] = high1 ^ word[1] ^ k0, word[1] = low1;
            word[2] = high0 ^ word[3] ^ k1, word[3] = low0;
            k0 += 0x9E3779B97F4A7C15ull, k1 += 0xBB67AE8584CAA73Bull;
        }
        for (int half = 0; half < 8; half++) {
            long long i = (long long)block * 8 + half - first % 8;
            unsigned long long bits = half % 2 ? word[half / 2] >> 32 : (unsigned)word[half / 2];
            if (i >= 0 && i < count) mask[i] = bits >= threshold ? (Real)scale : (Real)0;
        }
    }
}
