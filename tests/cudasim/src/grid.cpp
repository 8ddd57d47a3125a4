// A launch: every thread of every block, one after the other, in an order that can be chosen.
//
// Threads run on fibers. One fiber runs thread after thread; only when a thread waits (at __syncthreads or in a shuffle)
// is its fiber parked with it, and another fiber goes on with the threads that are left. So a kernel without barriers
// runs at the speed of plain loops, and one with barriers needs as many fibers as it has threads that wait.
#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <ucontext.h>
#include <vector>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "device.h"
#include "kernel_abi.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
char* cudasim_dynamic_shared;

namespace device {

// ---- order

enum Order { FORWARD, BACKWARD, SHUFFLED };
static Order order = FORWARD;
static unsigned seed = 0;

static std::vector<unsigned> in_order(unsigned count, std::mt19937& generator) {
    std::vector<unsigned> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0u);
    if (order == BACKWARD) std::iota(numbers.rbegin(), numbers.rend(), 0u);
    if (order == SHUFFLED) std::shuffle(numbers.begin(), numbers.end(), generator);
    return numbers;
}

// ---- fibers

struct Fiber {
    std::unique_ptr<char[]> stack{new char[STACK]};
    ucontext_t context;
    jmp_buf here;
    bool started = false;
    unsigned thread = 0;
    enum { RUNNING, AT_BLOCK_BARRIER, AT_WARP_BARRIER } state = RUNNING;
    unsigned detail = 0;  // the barrier's line in the source, or the mask of the warp's lanes
    static constexpr size_t STACK = 128 * 1024;
};

static std::vector<std::unique_ptr<Fiber>> fibers;
static std::vector<Fiber*> idle;
static Fiber* current;
static jmp_buf scheduler;

static const Kernel* kernel;
static void** arguments;
static std::vector<uint3> threads;  // indices, in the order in which they start
static size_t next_thread;
static char slots[MAX_THREADS][16];  // what each thread offers to its warp

static unsigned linear(const uint3& index) { return (index.z * blockDim.y + index.y) * blockDim.x + index.x; }

static void fiber_main() {
    for (;;) {
        while (next_thread < threads.size()) {
            current->thread = next_thread++;
            threadIdx = threads[current->thread];
            kernel->body(arguments);
            memset(slots[linear(threadIdx)], POISON, sizeof slots[0]);  // who has left, offers nothing
        }
        idle.push_back(current);
        if (!_setjmp(current->here)) _longjmp(scheduler, 1);
    }
}

// Runs the fiber until it parks. False: the processor found an illegal access.
static bool resume(Fiber* fiber) {
    current = fiber;
    fiber->state = Fiber::RUNNING;
    const int why = _setjmp(scheduler);
    if (why == 0) {
        threadIdx = threads[fiber->thread];
        if (fiber->started) _longjmp(fiber->here, 1);
        fiber->started = true;
        getcontext(&fiber->context);
        fiber->context.uc_stack.ss_sp = fiber->stack.get();
        fiber->context.uc_stack.ss_size = Fiber::STACK;
        makecontext(&fiber->context, fiber_main, 0);
        setcontext(&fiber->context);
    }
    return why == 1;
}

static void park(decltype(Fiber::state) state, unsigned detail) {
    current->state = state;
    current->detail = detail;
    if (!_setjmp(current->here)) _longjmp(scheduler, 1);
}

// ---- barriers

static unsigned thread_of(const Fiber* fiber) { return linear(threads[fiber->thread]); }

// Of the fibers that wait, those that may go on: everyone at the block's barrier, or a warp whose lanes have all come.
static std::vector<Fiber*> released(const std::vector<Fiber*>& waiting) {
    bool block = true;
    std::vector<uint32_t> alive(MAX_THREADS / WARP), arrived(MAX_THREADS / WARP);
    for (const Fiber* fiber : waiting) {
        const unsigned thread = thread_of(fiber);
        alive[thread / WARP] |= 1u << thread % WARP;
        if (fiber->state == Fiber::AT_WARP_BARRIER) arrived[thread / WARP] |= 1u << thread % WARP;
        block = block && fiber->state == Fiber::AT_BLOCK_BARRIER && fiber->detail == waiting[0]->detail;
    }
    if (block) return waiting;
    std::vector<Fiber*> free;
    for (Fiber* fiber : waiting) {
        const unsigned warp = thread_of(fiber) / WARP, wanted = fiber->detail & alive[warp];
        if (fiber->state == Fiber::AT_WARP_BARRIER && (arrived[warp] & wanted) == wanted) free.push_back(fiber);
    }
    return free;
}

static std::string place(const uint3& block, const uint3& thread) {
    const auto triple = [](const uint3& i) {
        return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
    };
    return "kernel '" + kernel->name + "', block " + triple(block) + ", thread " + triple(thread);
}

static int illegal_access() {
    return fail(ILLEGAL_ADDRESS, place(blockIdx, threadIdx) + ": not a device address, a division by zero or a trap");
}

static int run_block() {
    next_thread = 0;
    std::vector<Fiber*> waiting;
    while (next_thread < threads.size()) {
        if (idle.empty()) {
            fibers.push_back(std::make_unique<Fiber>());
            idle.push_back(fibers.back().get());
        }
        Fiber* fiber = idle.back();
        idle.pop_back();
        fiber->thread = next_thread;
        if (!resume(fiber)) return illegal_access();
        if (fiber->state != Fiber::RUNNING) waiting.push_back(fiber);
    }
    while (!waiting.empty()) {
        const std::vector<Fiber*> going = released(waiting);
        if (going.empty())
            return fail(LAUNCH_FAILED, place(blockIdx, threads[waiting[0]->thread]) +
                                           ": threads wait for each other at different barriers");
        for (Fiber* fiber : going)
            if (!resume(fiber)) return illegal_access();
        std::vector<Fiber*> still;
        for (Fiber* fiber : waiting)
            if (fiber->state != Fiber::RUNNING) still.push_back(fiber);
        waiting = still;
    }
    return SUCCESS;
}

// ---- launch

static void on_signal(int) { _longjmp(scheduler, 2); }

struct CatchSignals {  // only while a kernel runs
    static constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction before[4];
    CatchSignals() {
        struct sigaction action = {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_NODEFER;  // the handler never returns
        for (int i = 0; i < 4; ++i) sigaction(SIGNALS[i], &action, &before[i]);
    }
    ~CatchSignals() {
        for (int i = 0; i < 4; ++i) sigaction(SIGNALS[i], &before[i], nullptr);
    }
};

// While it lives, the processor takes denormals for 0 and gives 0 in their place, floats and (unlike a GPU) doubles.
struct FlushDenormals {
#ifdef __SSE__
    static constexpr unsigned BOTH = 0x8040;  // of what goes in, and of what comes out
    const unsigned before = _mm_getcsr();
    FlushDenormals(bool really) { if (really) _mm_setcsr(before | BOTH); }
    ~FlushDenormals() { _mm_setcsr(before); }
#else
    FlushDenormals(bool) {}
#endif
};

int launch(const Kernel& launched, dim3 grid, dim3 block, size_t dynamic_shared, void** values) {
    kernel = &launched;
    arguments = values;
    gridDim = grid;
    blockDim = block;
    std::mt19937 generator(seed + counters.launches);
    threads.clear();
    for (unsigned t : in_order(block.x * block.y * block.z, generator))
        threads.push_back({t % block.x, t / block.x % block.y, t / (block.x * block.y)});

    alignas(16) static char shared[SHARED_OPT_IN + GUARD];
    char* shared_end = shared + dynamic_shared;
    cudasim_dynamic_shared = shared;
    fill_guard(shared_end, GUARD, 0);

    int status = SUCCESS;
    CatchSignals catch_signals;
    FlushDenormals flush_denormals(launched.flushes_denormals);
    for (unsigned b : in_order(grid.x * grid.y * grid.z, generator)) {
        blockIdx = {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)};
        memset(slots, POISON, block.x * block.y * block.z * sizeof slots[0]);
        memset(launched.shared_begin, POISON, launched.shared_end - launched.shared_begin);
        memset(shared, POISON, dynamic_shared);
        status = run_block();
        if (status == SUCCESS && guard_damage(shared_end, GUARD, 0) != GUARD)
            status = fail(ILLEGAL_ADDRESS, "kernel '" + launched.name + "' wrote outside its " +
                                               std::to_string(dynamic_shared) + " bytes of shared memory");
        if (status != SUCCESS) {  // the threads that were under way are given up, and their fibers with them
            idle.clear();
            fibers.clear();
            break;
        }
    }
    const int guards = check_guards("kernel '" + launched.name + "'");
    return status != SUCCESS ? status : guards;
}

}  // namespace device

// ---- for kernels (kernel_abi.h)
CUDASIM_API void cudasim_wait_for_block(unsigned line) { device::park(device::Fiber::AT_BLOCK_BARRIER, line); }
CUDASIM_API void cudasim_wait_for_warp(unsigned mask) { device::park(device::Fiber::AT_WARP_BARRIER, mask); }
CUDASIM_API unsigned cudasim_lane() { return device::linear(threadIdx) % device::WARP; }
CUDASIM_API char (*cudasim_warp_slots())[16] {
    return device::slots + device::linear(threadIdx) / device::WARP * device::WARP;
}

// ---- for Python: 0 forward, 1 backward, 2 shuffled
CUDASIM_API void cudasim_set_order(int order, unsigned seed) {
    device::Hold hold;
    device::order = static_cast<device::Order>(order);
    device::seed = seed;
}
