// Device memory: host memory that is filled with NaN before it is handed out, between two guard zones.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "device.h"

namespace device {

struct Array {
    size_t bytes;     // what may be used
    size_t capacity;  // what was allocated; the rest belongs to the guard behind the array
    uint32_t number;  // tells its guards from those of other arrays
    bool handed_out = false;
};
static std::map<char*, Array> arrays;  // by address
static size_t limit = size_t(4) << 30;

size_t memory_limit() { return limit; }

// Guards repeat eight bytes. They are a signalling NaN as a double, and their first half is one as a float: a kernel that
// reads them gets NaN, and one that reads, computes and writes back leaves a quiet NaN, which is another pattern. The
// number is part of it, so that what is copied from behind one array to behind another is seen as well.
static uint64_t pattern_of(uint32_t number) {
    const uint32_t low = 0x7f800001u | (number << 1 & 0x3ffffeu), high = 0x7ff00001u | (number << 1 & 0x7fffeu);
    return uint64_t(high) << 32 | low;
}

void fill_guard(char* begin, size_t bytes, uint32_t number) {
    const uint64_t pattern = pattern_of(number);
    for (size_t i = 0; i < bytes; i += 8) memcpy(begin + i, &pattern, std::min<size_t>(8, bytes - i));
}

size_t guard_damage(const char* begin, size_t bytes, uint32_t number) {
    const uint64_t pattern = pattern_of(number);
    if (!memcmp(begin, &pattern, 8) && !memcmp(begin, begin + 8, bytes - 8)) return bytes;
    size_t i = 0;
    while (i < bytes && begin[i] == reinterpret_cast<const char*>(&pattern)[i % 8]) ++i;
    return i;
}

static void fill_guards(char* data, const Array& array) {
    fill_guard(data - GUARD, GUARD, array.number);
    fill_guard(data + array.bytes, GUARD + array.capacity - array.bytes, array.number);
}

static void update_peak() { counters.peak_bytes = std::max(counters.peak_bytes, counters.allocated_bytes); }

void* allocate(size_t bytes) {
    if (counters.allocated_bytes + bytes > limit) return nullptr;
    const size_t total = (bytes + 2 * GUARD + 511) / 512 * 512;  // CUDA promises an alignment of 256, CuPy's pool 512
    char* base = static_cast<char*>(std::aligned_alloc(512, total));
    if (!base) return nullptr;
    char* data = base + GUARD;
    memset(data, POISON, bytes);
    static uint32_t number = 0;
    fill_guards(data, arrays[data] = {bytes, bytes, ++number});
    ++counters.allocations;
    update_peak();  // of before: CuPy's pool says the new array's own size when it has it
    counters.allocated_bytes += bytes;
    return data;
}

static std::string mend(char* data, const Array& array) {
    const size_t behind = GUARD + array.capacity - array.bytes;
    size_t hit = guard_damage(data - GUARD, GUARD, array.number);
    long long place = (long long)hit - (long long)GUARD;
    if (hit == GUARD) {
        hit = guard_damage(data + array.bytes, behind, array.number);
        if (hit == behind) return "";
        place = array.bytes + hit;
    }
    fill_guards(data, array);
    return "wrote outside an array of " + std::to_string(array.bytes) + " bytes, at byte " + std::to_string(place);
}

std::string mend_guards() {
    std::string damage;
    for (const auto& [data, array] : arrays) {
        const std::string found = mend(data, array);
        if (damage.empty()) damage = found;
    }
    return damage;
}

bool release(void* pointer) {
    const auto found = arrays.find(static_cast<char*>(pointer));
    if (found == arrays.end()) return false;
    const auto [data, array] = *found;
    const std::string damage = mend(data, array);
    if (!damage.empty()) fprintf(stderr, "cudasim: when an array was freed: something %s\n", damage.c_str());
    update_peak();
    counters.allocated_bytes -= array.bytes;
    arrays.erase(found);
    memset(data, POISON, array.bytes);  // whoever still reads it, may see NaN
    std::free(data - GUARD);
    return true;
}

// The array with its guards that holds the pointer.
static std::map<char*, Array>::const_iterator find(const void* pointer) {
    const auto p = static_cast<char*>(const_cast<void*>(pointer));
    auto next = arrays.upper_bound(p + GUARD);
    if (next == arrays.begin()) return arrays.end();
    --next;
    return p < next->first + next->second.capacity + GUARD ? next : arrays.end();
}

bool is_device(const void* pointer) { return find(pointer) != arrays.end(); }

bool inside(const void* pointer, size_t bytes) {
    const auto found = find(pointer);
    if (found == arrays.end() || bytes == 0) return true;
    const auto p = static_cast<const char*>(pointer);
    return p >= found->first && p + bytes <= found->first + found->second.bytes;
}

}  // namespace device

// ---- for Python

// CuPy's pool asks for multiples of 512 bytes. This says how many of them the array has that it makes of a block; the
// rest goes to the guard, so that a write just behind the array is seen. Where one thread takes a block that another has
// put back that very moment, it may be an old block, which is filled again, or part of a larger one, which stays as it is.
CUDASIM_API void cudasim_hand_out(void* pointer, size_t bytes) {
    device::Hold hold;
    const auto found = device::arrays.find(static_cast<char*>(pointer));
    if (found == device::arrays.end()) return;
    auto& [data, array] = *found;
    const size_t block = (bytes + 511) / 512 * 512;
    if (array.handed_out) memset(data, device::POISON, std::min(block, array.capacity));
    array.handed_out = true;
    device::counters.allocated_bytes -= array.bytes;
    array.bytes = array.capacity == block ? bytes : array.capacity;
    device::counters.allocated_bytes += array.bytes;
    device::fill_guards(data, array);
}

CUDASIM_API void cudasim_set_memory_limit(size_t bytes) {
    device::Hold hold;
    device::limit = bytes;
}

CUDASIM_API const char* cudasim_check_guards() {
    static std::string damage;
    device::Hold hold;
    damage = device::mend_guards();
    return damage.c_str();
}
