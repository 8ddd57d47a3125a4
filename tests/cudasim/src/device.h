// The stand-in device: what the driver, the runtime and the libraries share. One device, one lock, no concurrency.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "include/vector_types.h"

#define CUDASIM_API extern "C" __attribute__((visibility("default")))

namespace device {

// CuPy releases Python's lock in most calls, so every call holds this one. Recursive: a host callback may call back.
extern std::recursive_mutex mutex;
struct Hold : std::lock_guard<std::recursive_mutex> {
    Hold() : std::lock_guard<std::recursive_mutex>(mutex) {}
};

// ---- counters.cpp: what happened since the last reset, by kind and by name
#define CUDASIM_COUNTERS(counter) \
    counter(launches) counter(library_calls) \
    counter(host_to_device) counter(host_to_device_bytes) counter(device_to_host) counter(device_to_host_bytes) \
    counter(device_to_device) counter(device_to_device_bytes) counter(blocking_copies) counter(memsets) \
    counter(stream_synchronizations) counter(device_synchronizations) counter(event_synchronizations) \
    counter(allocations) counter(allocated_bytes) counter(peak_bytes)
struct Counters {
#define CUDASIM_FIELD(name) uint64_t name = 0;
    CUDASIM_COUNTERS(CUDASIM_FIELD)
#undef CUDASIM_FIELD
};
extern Counters counters;
void count_call(const std::string& name);  // by name, beside the counter

// ---- memory.cpp: arrays of the device, each between two guard zones
constexpr size_t GUARD = 4096;          // bytes on either side: 1024 threads of 4 bytes beyond the edge are still seen
constexpr unsigned char POISON = 0xff;  // what new arrays are filled with: NaN as a float, -1 as an integer
void* allocate(size_t bytes);           // nullptr at the memory limit
bool release(void* array);              // false: not an array
bool is_device(const void* pointer);
bool inside(const void* pointer, size_t bytes);  // false: it is device memory, and reaches beyond the edge of its array
size_t memory_limit();
std::string mend_guards();  // what was written outside an array, or nothing; the guards are made whole again
void fill_guard(char* begin, size_t bytes, uint32_t number);
size_t guard_damage(const char* begin, size_t bytes, uint32_t number);  // the offset of the first byte that changed, or bytes

// ---- grid.cpp: a launch
struct Kernel {
    std::string name;
    void (*body)(void** arguments);             // one thread
    char *shared_begin, *shared_end;            // the static __shared__ variables of its module
    size_t dynamic_shared_limit = 48 * 1024;    // more must be asked for by cuFuncSetAttribute
    bool flushes_denormals = false;             // compiled with -ftz=true
};
constexpr size_t SHARED_OPT_IN = 99 * 1024;  // as compute capability 8.6
constexpr unsigned MAX_THREADS = 1024, MAX_GRID_X = 0x7fffffff, MAX_GRID_YZ = 65535, MAX_BLOCK_Z = 64, WARP = 32;
int launch(const Kernel& kernel, dim3 grid, dim3 block, size_t dynamic_shared, void** arguments);  // a CUresult

// ---- errors.cpp: the errors that are told with a name and a sentence
enum { SUCCESS = 0, INVALID_VALUE = 1, INVALID_IMAGE = 200, INVALID_HANDLE = 400, NOT_FOUND = 500,
       ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719, NOT_SUPPORTED = 801 };
int fail(int code, const std::string& detail);  // keeps the detail for the error's sentence, returns the code
const char* error_name(int code, bool driver);
const char* error_string(int code);

// What every launch and every library call ends with: ILLEGAL_ADDRESS, naming `who`, if a guard was written on.
int check_guards(const std::string& who);
bool known_stream(void* stream);

}  // namespace device
