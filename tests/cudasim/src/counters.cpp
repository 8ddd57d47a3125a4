// Counters, and the errors' names and sentences.
#include <algorithm>
#include <map>

#include "device.h"

namespace device {

std::recursive_mutex mutex;
Counters counters;
static std::map<std::string, uint64_t> calls;

void count_call(const std::string& name) { ++calls[name]; }

static std::map<int, std::string> details;  // of the last failure of each code

int fail(int code, const std::string& detail) {
    details[code] = detail;
    return code;
}

struct Error { int code; const char *driver, *runtime, *sentence; };
static const Error ERRORS[] = {
    {0, "CUDA_SUCCESS", "cudaSuccess", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "cudaErrorInvalidValue", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation", "out of memory"},
    {21, "CUDA_ERROR_UNKNOWN", "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "cudaErrorInvalidDevice", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "cudaErrorInvalidKernelImage", "device kernel image is invalid"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "cudaErrorSymbolNotFound", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "cudaErrorLaunchFailure", "unspecified launch failure"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "cudaErrorNotSupported", "operation not supported"},
};

const char* error_name(int code, bool driver) {
    for (const Error& error : ERRORS)
        if (error.code == code) return driver ? error.driver : error.runtime;
    return "CUDA error";
}

const char* error_string(int code) {
    static thread_local std::string text;
    text = "error " + std::to_string(code);
    for (const Error& error : ERRORS)
        if (error.code == code) text = error.sentence;
    const auto detail = details.find(code);
    if (detail != details.end()) {
        text += ": " + detail->second;
        details.erase(detail);
    }
    return text.c_str();
}

int check_guards(const std::string& who) {
    const std::string damage = mend_guards();
    return damage.empty() ? SUCCESS : fail(ILLEGAL_ADDRESS, who + " " + damage);
}

}  // namespace device

// ---- for Python: values and names in the same order, names parted by spaces
CUDASIM_API void cudasim_counters(uint64_t* values) {
    device::Hold hold;
    using device::counters;
    counters.peak_bytes = std::max(counters.peak_bytes, counters.allocated_bytes);
#define CUDASIM_VALUE(name) *values++ = counters.name;
    CUDASIM_COUNTERS(CUDASIM_VALUE)
#undef CUDASIM_VALUE
}

CUDASIM_API const char* cudasim_counter_names() {
#define CUDASIM_NAME(name) #name " "
    return CUDASIM_COUNTERS(CUDASIM_NAME);
#undef CUDASIM_NAME
}

// "name count" on a line for each kernel and library function that was called
CUDASIM_API const char* cudasim_calls() {
    static std::string text;
    device::Hold hold;
    text.clear();
    for (const auto& [name, count] : device::calls) text += name + " " + std::to_string(count) + "\n";
    return text.c_str();
}

CUDASIM_API void cudasim_reset() {  // all but the bytes that are allocated now
    device::Hold hold;
    const uint64_t allocated = device::counters.allocated_bytes;
    device::counters = {};
    device::counters.allocated_bytes = device::counters.peak_bytes = allocated;
    device::calls.clear();
}
