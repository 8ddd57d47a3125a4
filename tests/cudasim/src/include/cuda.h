// What CuPy's runtime module needs of the driver. Its functions are defined in driver.cpp and found by name.
#pragma once
#define CUDA_VERSION 13020

typedef int CUdevice;
typedef struct CUctx_st* CUcontext;
typedef struct CUstream_st* CUstream;
typedef struct CUevent_st* CUevent;
