// The CUDA runtime. Streams and events exist, but everything is done at once and in the order of the calls.
#include "include/cuda_runtime.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "device.h"

using namespace device;

// ---- errors

static cudaError_t last_error = cudaSuccess;

static cudaError_t answer(cudaError_t status) {
    if (status != cudaSuccess) last_error = status;
    return status;
}

const char* cudaGetErrorName(cudaError_t status) { return error_name(status, false); }
const char* cudaGetErrorString(cudaError_t status) {
    Hold hold;
    return error_string(status);
}
cudaError_t cudaGetLastError() {
    const cudaError_t status = last_error;
    last_error = cudaSuccess;
    return status;
}

// ---- the device

static const int VERSION = CUDA_VERSION, MULTIPROCESSORS = 4, MAJOR = 8, MINOR = 6;

cudaError_t cudaDriverGetVersion(int* version) { *version = VERSION; return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { *version = VERSION; return cudaSuccess; }
cudaError_t cudaGetDevice(int* number) { *number = 0; return cudaSuccess; }
cudaError_t cudaSetDevice(int number) { return answer(number == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaGetDeviceCount(int* count) { *count = 1; return cudaSuccess; }

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    switch (attribute) {  // the numbers of the enumeration cudaDeviceAttr
        case 1: case 2: case 3: *value = attribute == 3 ? MAX_BLOCK_Z : MAX_THREADS; break;  // per block, and in x, y, z
        case 4: *value = MAX_BLOCK_Z; break;
        case 5: *value = MAX_GRID_X; break;
        case 6: case 7: *value = MAX_GRID_YZ; break;
        case 8: *value = 48 * 1024; break;
        case 10: *value = WARP; break;
        case 16: *value = MULTIPROCESSORS; break;
        case 39: *value = MAX_THREADS; break;  // per multiprocessor
        case cudaDevAttrComputeCapabilityMajor: *value = MAJOR; break;
        case cudaDevAttrComputeCapabilityMinor: *value = MINOR; break;
        case 97: *value = SHARED_OPT_IN; break;
        default: *value = 0;
    }
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    *properties = {};
    strcpy(properties->name, "cudasim (no GPU: a stand-in on the CPU)");
    properties->totalGlobalMem = memory_limit();
    properties->sharedMemPerBlock = 48 * 1024;
    properties->sharedMemPerBlockOptin = SHARED_OPT_IN;
    properties->warpSize = WARP;
    properties->maxThreadsPerBlock = properties->maxThreadsPerMultiProcessor = MAX_THREADS;
    properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = MAX_THREADS;
    properties->maxThreadsDim[2] = MAX_BLOCK_Z;
    properties->maxGridSize[0] = MAX_GRID_X;
    properties->maxGridSize[1] = properties->maxGridSize[2] = MAX_GRID_YZ;
    properties->major = MAJOR;
    properties->minor = MINOR;
    properties->multiProcessorCount = MULTIPROCESSORS;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetByPCIBusId(int* number, const char*) { *number = 0; return cudaSuccess; }
cudaError_t cudaDeviceGetPCIBusId(char* text, int size, int) {
    snprintf(text, size, "0000:00:00.0");
    return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
    Hold hold;
    ++counters.device_synchronizations;
    return cudaSuccess;
}

// ---- memory

cudaError_t cudaMalloc(void** array, size_t bytes) {
    Hold hold;
    *array = allocate(bytes);
    return answer(*array ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaMallocAsync(void** array, size_t bytes, cudaStream_t) { return cudaMalloc(array, bytes); }
cudaError_t cudaFree(void* array) {
    Hold hold;
    return answer(!array || release(array) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaFreeAsync(void* array, cudaStream_t) { return cudaFree(array); }

// Pinned memory is host memory like any other. It too starts as NaN.
cudaError_t cudaHostAlloc(void** array, size_t bytes, unsigned) {
    *array = malloc(bytes ? bytes : 1);
    if (*array) memset(*array, POISON, bytes);
    return answer(*array ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* array) {
    free(array);
    return cudaSuccess;
}
cudaError_t cudaHostRegister(void*, size_t, unsigned) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    Hold hold;
    *total = memory_limit();
    *free = *total > counters.allocated_bytes ? *total - counters.allocated_bytes : 0;
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
    Hold hold;
    void* address = const_cast<void*>(pointer);
    if (is_device(pointer)) *attributes = {cudaMemoryTypeDevice, 0, address, nullptr};
    else *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, address};
    return cudaSuccess;
}

// ---- copies

static cudaError_t copy(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                        cudaMemcpyKind kind) {
    if (height == 0 || width == 0) return cudaSuccess;
    if (!inside(to, to_pitch * (height - 1) + width) || !inside(from, from_pitch * (height - 1) + width))
        return fail(cudaErrorInvalidValue, "a copy reaches outside an array of the device");
    const bool to_device = is_device(to), from_device = is_device(from);
    // Device memory where the call says host is an error. The reverse may be a __constant__ of a module, which is not
    // among the arrays.
    if ((kind == cudaMemcpyHostToDevice || kind == cudaMemcpyHostToHost) && from_device) return cudaErrorInvalidValue;
    if ((kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyHostToHost) && to_device) return cudaErrorInvalidValue;
    if (kind == cudaMemcpyDefault)
        kind = from_device ? (to_device ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost)
                           : (to_device ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost);
    for (size_t row = 0; row < height; ++row)
        memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
    const size_t bytes = width * height;
    if (kind == cudaMemcpyHostToDevice) ++counters.host_to_device, counters.host_to_device_bytes += bytes;
    if (kind == cudaMemcpyDeviceToHost) ++counters.device_to_host, counters.device_to_host_bytes += bytes;
    if (kind == cudaMemcpyDeviceToDevice) ++counters.device_to_device, counters.device_to_device_bytes += bytes;
    return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
    Hold hold;
    if (!known_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
    return answer(copy(to, to_pitch, from, from_pitch, width, height, kind));
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
    Hold hold;
    ++counters.blocking_copies;
    return cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, height, kind, nullptr);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    return cudaMemcpy2D(to, bytes, from, bytes, bytes, 1, kind);
}
cudaError_t cudaMemset(void* array, int value, size_t bytes) {
    Hold hold;
    if (!inside(array, bytes)) return answer(fail(cudaErrorInvalidValue, "memset reaches outside an array"));
    ++counters.memsets;
    memset(array, value, bytes);
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* array, int value, size_t bytes, cudaStream_t) {
    return cudaMemset(array, value, bytes);
}

// ---- streams and events

struct CUstream_st { unsigned flags; int priority; };
struct CUevent_st { std::chrono::steady_clock::time_point recorded; };
static std::set<void*> streams;

bool device::known_stream(void* stream) {
    return reinterpret_cast<uintptr_t>(stream) <= 2 || streams.count(stream);  // 0, 1, 2: the default streams
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
    Hold hold;
    *stream = new CUstream_st{flags, priority};
    streams.insert(*stream);
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithPriority(stream, 0, 0); }
cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
    *flags = streams.count(stream) ? stream->flags : 0;
    return cudaSuccess;
}
cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
    *priority = streams.count(stream) ? stream->priority : 0;
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    Hold hold;
    if (!streams.erase(stream)) return answer(cudaErrorInvalidResourceHandle);
    delete stream;
    return cudaSuccess;
}
static cudaError_t check(cudaStream_t stream) {
    return answer(known_stream(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    Hold hold;
    ++counters.stream_synchronizations;
    return check(stream);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { Hold hold; return check(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t, unsigned) { Hold hold; return check(stream); }
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t call, void* data, unsigned) {
    call(stream, cudaSuccess, data);
    return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t call, void* data) {
    call(data);
    return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
    *status = 0;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = new CUevent_st{};
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    Hold hold;
    event->recorded = std::chrono::steady_clock::now();
    return check(stream);
}
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) {
    Hold hold;
    ++counters.event_synchronizations;
    return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    *milliseconds = std::chrono::duration<float, std::milli>(end->recorded - start->recorded).count();
    return cudaSuccess;
}

cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

#define CUDASIM_DEFINE(name) \
    cudaError_t cuda##name(...) { return answer(fail(cudaErrorNotSupported, "the stand-in has no cuda" #name)); }
CUDASIM_UNSUPPORTED(CUDASIM_DEFINE)
