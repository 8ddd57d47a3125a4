// What a compiled kernel calls. Defined in grid.cpp; kernels see it through prelude.h.
#pragma once
#include "include/vector_types.h"

#pragma GCC visibility push(default)
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
extern "C" {
extern char* cudasim_dynamic_shared;
void cudasim_wait_for_block(unsigned line);
void cudasim_wait_for_warp(unsigned mask);
unsigned cudasim_lane();
char (*cudasim_warp_slots())[16];  // one slot per lane of the thread's warp
}
#pragma GCC visibility pop
