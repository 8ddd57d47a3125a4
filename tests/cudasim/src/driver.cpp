// The CUDA driver: modules are shared objects made by nvrtc.cpp, functions are found in them by name.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <memory>
#include <unistd.h>
#include <vector>

#include "device.h"

using namespace device;

struct Module {
    void* library;
    std::vector<std::unique_ptr<Kernel>> kernels;
};

static void* const CONTEXT = reinterpret_cast<void*>(8);  // there is one, and nobody looks into it

CUDASIM_API int cuGetErrorName(int code, const char** name) {
    *name = error_name(code, true);
    return SUCCESS;
}
CUDASIM_API int cuGetErrorString(int code, const char** text) {
    Hold hold;
    *text = error_string(code);
    return SUCCESS;
}
CUDASIM_API int cuInit(unsigned) { return SUCCESS; }
CUDASIM_API int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
CUDASIM_API int cuCtxGetCurrent(void** context) { *context = CONTEXT; return SUCCESS; }
CUDASIM_API int cuCtxSetCurrent(void*) { return SUCCESS; }
CUDASIM_API int cuCtxCreate_v2(void** context, unsigned, int) { *context = CONTEXT; return SUCCESS; }
CUDASIM_API int cuCtxDestroy_v2(void*) { return SUCCESS; }
CUDASIM_API int cuCtxGetDevice(int* number) { *number = 0; return SUCCESS; }
CUDASIM_API int cuStreamGetCtx(void*, void** context) { *context = CONTEXT; return SUCCESS; }

// ---- modules

CUDASIM_API int cuModuleLoadData(Module** module, const void* image) {
    ElfW(Ehdr) header;
    memcpy(&header, image, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG)) return INVALID_IMAGE;
    const size_t size = header.e_shoff + size_t(header.e_shentsize) * header.e_shnum;  // its last table ends the file
    char path[] = "/tmp/cudasim-XXXXXX";
    const int file = mkstemp(path);
    if (file < 0) return INVALID_IMAGE;
    const bool written = write(file, image, size) == ssize_t(size);
    close(file);
    void* library = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    unlink(path);
    if (!library) return fail(INVALID_IMAGE, dlerror());
    *module = new Module{library, {}};
    return SUCCESS;
}

CUDASIM_API int cuModuleUnload(Module* module) {
    dlclose(module->library);
    delete module;
    return SUCCESS;
}

CUDASIM_API int cuModuleGetFunction(Kernel** function, Module* module, const char* name) {
    Hold hold;
    auto kernel = std::make_unique<Kernel>();
    const auto shared = reinterpret_cast<void (*)(char**, char**)>(dlsym(module->library, "cudasim_shared_range"));
    kernel->body = reinterpret_cast<void (*)(void**)>(
        dlsym(module->library, ("cudasim_kernel_" + std::string(name)).c_str()));
    if (!kernel->body || !shared) return fail(NOT_FOUND, name);
    kernel->name = name;
    kernel->flushes_denormals = dlsym(module->library, "cudasim_flushes_denormals") != nullptr;
    shared(&kernel->shared_begin, &kernel->shared_end);
    *function = kernel.get();
    module->kernels.push_back(std::move(kernel));
    return SUCCESS;
}

CUDASIM_API int cuModuleGetGlobal_v2(void** address, size_t* bytes, Module* module, const char* name) {
    *address = dlsym(module->library, name);
    Dl_info info;
    ElfW(Sym)* symbol = nullptr;
    if (!*address || !dladdr1(*address, &info, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT))
        return fail(NOT_FOUND, name);
    *bytes = symbol ? symbol->st_size : 0;
    return SUCCESS;
}

// ---- launches

CUDASIM_API int cuLaunchKernel(const Kernel* kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                               unsigned bz, unsigned dynamic_shared, void* stream, void** arguments, void** extra) {
    Hold hold;
    if (extra) return NOT_SUPPORTED;
    if (!known_stream(stream)) return INVALID_HANDLE;
    const auto refuse = [&](const char* what) { return fail(INVALID_VALUE, "kernel '" + kernel->name + "': " + what); };
    if (!gx || !gy || !gz || !bx || !by || !bz) return refuse("a dimension of the grid or the block is 0");
    if (size_t(bx) * by * bz > MAX_THREADS || bz > MAX_BLOCK_Z) return refuse("a block has more than 1024 threads (64 in z)");
    if (gx > MAX_GRID_X || gy > MAX_GRID_YZ || gz > MAX_GRID_YZ) return refuse("the grid is too large");
    if (dynamic_shared > kernel->dynamic_shared_limit) return refuse("more than 48 KiB of shared memory per block");
    ++counters.launches;
    count_call(kernel->name);
    return launch(*kernel, {gx, gy, gz}, {bx, by, bz}, dynamic_shared, arguments);
}

enum { MAX_THREADS_PER_BLOCK = 0, SHARED_SIZE_BYTES = 1, MAX_DYNAMIC_SHARED_SIZE_BYTES = 8 };  // function attributes

CUDASIM_API int cuFuncGetAttribute(int* value, int attribute, const Kernel* kernel) {
    switch (attribute) {
        case MAX_THREADS_PER_BLOCK: *value = MAX_THREADS; break;
        case SHARED_SIZE_BYTES: *value = kernel->shared_end - kernel->shared_begin; break;
        case MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = kernel->dynamic_shared_limit; break;
        default: *value = 0;
    }
    return SUCCESS;
}

CUDASIM_API int cuFuncSetAttribute(Kernel* kernel, int attribute, int value) {
    if (attribute != MAX_DYNAMIC_SHARED_SIZE_BYTES) return SUCCESS;
    if (value < 0 || size_t(value) > SHARED_OPT_IN) return INVALID_VALUE;
    kernel->dynamic_shared_limit = value;
    return SUCCESS;
}

CUDASIM_API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel*, int, size_t) {
    *blocks = 1;
    return SUCCESS;
}
CUDASIM_API int cuOccupancyMaxPotentialBlockSize(int* grid, int* block, Kernel*, void*, size_t, int) {
    *grid = 4;
    *block = 256;
    return SUCCESS;
}

// ---- not supported
#define CUDASIM_REFUSE(name) CUDASIM_API int name(...) { return NOT_SUPPORTED; }
CUDASIM_REFUSE(cuLinkCreate_v2)
CUDASIM_REFUSE(cuLinkAddData_v2)
CUDASIM_REFUSE(cuLinkAddFile_v2)
CUDASIM_REFUSE(cuLinkComplete)
CUDASIM_REFUSE(cuLinkDestroy)
CUDASIM_REFUSE(cuModuleLoad)
CUDASIM_REFUSE(cuLaunchCooperativeKernel)
