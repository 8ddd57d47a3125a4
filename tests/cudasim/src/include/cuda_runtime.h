// The types and functions of the CUDA runtime that CuPy's module `cupy_backends.cuda.api.runtime` is compiled against.
//
// Both sides of this interface are built from this header (that module, and runtime.cpp), so structures need the right
// members but not NVIDIA's layout. Enumerations are plain ints: CuPy passes numbers.
#pragma once
#include <stddef.h>

#include "cuda.h"

typedef int cudaError_t;
enum {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidMemcpyDirection = 21,
    cudaErrorInvalidDevice = 101,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorIllegalAddress = 700,
    cudaErrorPeerAccessAlreadyEnabled = 704,
    cudaErrorContextIsDestroyed = 709,
    cudaErrorNotSupported = 801,
};
enum { cudaDevAttrComputeCapabilityMajor = 75, cudaDevAttrComputeCapabilityMinor = 76 };
enum { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };

typedef int cudaDataType, cudaDeviceAttr, cudaLimit, cudaMemcpyKind, cudaMemoryAdvise;
typedef int cudaStreamCaptureMode, cudaStreamCaptureStatus;
typedef int cudaMemPoolAttr, cudaMemAllocationType, cudaMemAllocationHandleType, cudaMemLocationType;
typedef int cudaChannelFormatKind, cudaResourceType, cudaTextureAddressMode, cudaTextureFilterMode, cudaTextureReadMode;

typedef CUstream cudaStream_t;
typedef CUevent cudaEvent_t;
typedef struct CUgraph_st* cudaGraph_t;
typedef struct CUgraphExec_st* cudaGraphExec_t;
typedef void *cudaArray_t, *cudaMipmappedArray_t, *cudaMemPool_t, *cudaGraphNode_t;
typedef unsigned long long cudaTextureObject_t, cudaSurfaceObject_t;
typedef void (*cudaStreamCallback_t)(cudaStream_t stream, cudaError_t status, void* data);
typedef void (*cudaHostFn_t)(void* data);

struct cudaIpcMemHandle_t { unsigned char reserved[64]; };
struct cudaIpcEventHandle_t { unsigned char reserved[64]; };
struct cudaUUID_t { char bytes[16]; };
struct cudaMemLocation { cudaMemLocationType type; int id; };
struct cudaMemPoolProps {
    cudaMemAllocationType allocType;
    cudaMemAllocationHandleType handleTypes;
    cudaMemLocation location;
};
struct cudaPointerAttributes { int type, device; void *devicePointer, *hostPointer; };
enum { cudaMemoryTypeUnregistered = 0, cudaMemoryTypeHost = 1, cudaMemoryTypeDevice = 2 };

// What textures, surfaces and arrays are described by. None of them is supported; CuPy only needs the members to compile.
struct cudaChannelFormatDesc { int x, y, z, w; cudaChannelFormatKind f; };
struct cudaExtent { size_t width, height, depth; };
struct cudaPos { size_t x, y, z; };
struct cudaPitchedPtr { size_t pitch; void* ptr; size_t xsize, ysize; };
struct cudaMemcpy3DParms {
    cudaArray_t srcArray;
    cudaPos srcPos;
    cudaPitchedPtr srcPtr;
    cudaArray_t dstArray;
    cudaPos dstPos;
    cudaPitchedPtr dstPtr;
    cudaExtent extent;
    cudaMemcpyKind kind;
};
struct cudaResourceDesc {
    cudaResourceType resType;
    union {
        struct { cudaArray_t array; } array;
        struct { cudaMipmappedArray_t mipmap; } mipmap;
        struct { void* devPtr; cudaChannelFormatDesc desc; size_t sizeInBytes; } linear;
        struct { void* devPtr; cudaChannelFormatDesc desc; size_t width, height, pitchInBytes; } pitch2D;
    } res;
};
struct cudaResourceViewDesc;
struct cudaTextureDesc {
    cudaTextureAddressMode addressMode[3];
    cudaTextureFilterMode filterMode;
    cudaTextureReadMode readMode;
    int sRGB;
    float borderColor[4];
    int normalizedCoords;
    unsigned maxAnisotropy;
};
inline cudaExtent make_cudaExtent(size_t w, size_t h, size_t d) { return {w, h, d}; }
inline cudaPos make_cudaPos(size_t x, size_t y, size_t z) { return {x, y, z}; }
inline cudaPitchedPtr make_cudaPitchedPtr(void* p, size_t pitch, size_t x, size_t y) { return {pitch, p, x, y}; }

struct cudaDeviceProp {
    char name[256], luid[8];
    cudaUUID_t uuid;
    size_t totalGlobalMem, sharedMemPerBlock, memPitch, totalConstMem, textureAlignment, texturePitchAlignment;
    size_t surfaceAlignment, sharedMemPerMultiprocessor, sharedMemPerBlockOptin, reservedSharedMemPerBlock;
    unsigned luidDeviceNodeMask, gpuDirectRDMAFlushWritesOptions, memoryPoolSupportedHandleTypes;
    unsigned gpuPciDeviceID, gpuPciSubsystemID;
    int major, minor, regsPerBlock, warpSize, maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3];
    int multiProcessorCount, integrated, canMapHostMemory, concurrentKernels, ECCEnabled, tccDriver;
    int pciBusID, pciDeviceID, pciDomainID, asyncEngineCount, unifiedAddressing, memoryBusWidth, l2CacheSize;
    int maxTexture1D, maxTexture1DMipmap, maxTexture1DLayered[2], maxTexture2D[2], maxTexture2DMipmap[2];
    int maxTexture2DLinear[3], maxTexture2DGather[2], maxTexture2DLayered[3], maxTexture3D[3], maxTexture3DAlt[3];
    int maxTextureCubemap, maxTextureCubemapLayered[2], maxSurface1D, maxSurface1DLayered[2], maxSurface2D[2];
    int maxSurface2DLayered[3], maxSurface3D[3], maxSurfaceCubemap, maxSurfaceCubemapLayered[2];
    int persistingL2CacheMaxSize, maxThreadsPerMultiProcessor, streamPrioritiesSupported, globalL1CacheSupported;
    int localL1CacheSupported, regsPerMultiprocessor, managedMemory, isMultiGpuBoard, multiGpuBoardGroupID;
    int hostNativeAtomicSupported, pageableMemoryAccess, concurrentManagedAccess, computePreemptionSupported;
    int canUseHostPointerForRegisteredMem, cooperativeLaunch, pageableMemoryAccessUsesHostPageTables;
    int directManagedMemAccessFromHost, maxBlocksPerMultiProcessor, accessPolicyMaxWindowSize;
    int hostRegisterSupported, sparseCudaArraySupported, hostRegisterReadOnlySupported, memoryPoolsSupported;
    int timelineSemaphoreInteropSupported, gpuDirectRDMASupported, gpuDirectRDMAWritesOrdering;
    int deferredMappingCudaArraySupported, ipcEventSupported, clusterLaunch, unifiedFunctionPointers;
    int deviceNumaConfig, deviceNumaId, mpsEnabled, hostNumaId, hostNumaMultinodeIpcSupported;
};

// Implemented in runtime.cpp, in the same order.
#pragma GCC visibility push(default)
extern "C" {
const char* cudaGetErrorName(cudaError_t);
const char* cudaGetErrorString(cudaError_t);
cudaError_t cudaGetLastError();
cudaError_t cudaDriverGetVersion(int*);
cudaError_t cudaRuntimeGetVersion(int*);
cudaError_t cudaGetDevice(int*);
cudaError_t cudaSetDevice(int);
cudaError_t cudaGetDeviceCount(int*);
cudaError_t cudaDeviceGetAttribute(int*, cudaDeviceAttr, int);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp*, int);
cudaError_t cudaDeviceGetByPCIBusId(int*, const char*);
cudaError_t cudaDeviceGetPCIBusId(char*, int, int);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMalloc(void**, size_t);
cudaError_t cudaMallocAsync(void**, size_t, cudaStream_t);
cudaError_t cudaFree(void*);
cudaError_t cudaFreeAsync(void*, cudaStream_t);
cudaError_t cudaHostAlloc(void**, size_t, unsigned);
cudaError_t cudaFreeHost(void*);
cudaError_t cudaHostRegister(void*, size_t, unsigned);
cudaError_t cudaHostUnregister(void*);
cudaError_t cudaMemGetInfo(size_t*, size_t*);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes*, const void*);

cudaError_t cudaMemcpy(void*, const void*, size_t, cudaMemcpyKind);
cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t);
cudaError_t cudaMemcpy2D(void*, size_t, const void*, size_t, size_t, size_t, cudaMemcpyKind);
cudaError_t cudaMemcpy2DAsync(void*, size_t, const void*, size_t, size_t, size_t, cudaMemcpyKind, cudaStream_t);
cudaError_t cudaMemset(void*, int, size_t);
cudaError_t cudaMemsetAsync(void*, int, size_t, cudaStream_t);

cudaError_t cudaStreamCreate(cudaStream_t*);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t*, unsigned, int);
cudaError_t cudaStreamGetFlags(cudaStream_t, unsigned*);
cudaError_t cudaStreamGetPriority(cudaStream_t, int*);
cudaError_t cudaStreamDestroy(cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaStreamQuery(cudaStream_t);
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned);
cudaError_t cudaStreamAddCallback(cudaStream_t, cudaStreamCallback_t, void*, unsigned);
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t, void*);
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus*);
cudaError_t cudaEventCreate(cudaEvent_t*);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t);
cudaError_t cudaEventQuery(cudaEvent_t);
cudaError_t cudaEventSynchronize(cudaEvent_t);
cudaError_t cudaEventElapsedTime(float*, cudaEvent_t, cudaEvent_t);
cudaError_t cudaProfilerStart();
cudaError_t cudaProfilerStop();

// Everything else that CuPy names answers "not supported", whatever its arguments.
#define CUDASIM_UNSUPPORTED(call) \
    call(DeviceCanAccessPeer) call(DeviceEnablePeerAccess) call(DeviceDisablePeerAccess) call(DeviceGetLimit) \
    call(DeviceSetLimit) call(IpcCloseMemHandle) call(IpcGetEventHandle) call(IpcGetMemHandle) \
    call(IpcOpenEventHandle) call(IpcOpenMemHandle) call(MallocManaged) call(Malloc3DArray) call(MallocArray) \
    call(MallocFromPoolAsync) call(FreeArray) call(MemcpyPeer) call(MemcpyPeerAsync) call(Memcpy2DFromArray) \
    call(Memcpy2DFromArrayAsync) call(Memcpy2DToArray) call(Memcpy2DToArrayAsync) call(Memcpy3D) \
    call(Memcpy3DAsync) call(MemPrefetchAsync) call(MemAdvise) call(DeviceGetDefaultMemPool) call(DeviceGetMemPool) \
    call(DeviceSetMemPool) call(MemPoolCreate) call(MemPoolDestroy) call(MemPoolTrimTo) call(MemPoolGetAttribute) \
    call(MemPoolSetAttribute) call(StreamBeginCapture) call(StreamEndCapture) call(CreateTextureObject) \
    call(DestroyTextureObject) call(GetChannelDesc) call(GetTextureObjectResourceDesc) \
    call(GetTextureObjectTextureDesc) call(CreateSurfaceObject) call(DestroySurfaceObject) call(GraphDestroy) \
    call(GraphExecDestroy) call(GraphInstantiate) call(GraphLaunch) call(GraphUpload) call(GraphDebugDotPrint)
#define CUDASIM_DECLARE(name) cudaError_t cuda##name(...);
CUDASIM_UNSUPPORTED(CUDASIM_DECLARE)
#undef CUDASIM_DECLARE
}
#pragma GCC visibility pop
