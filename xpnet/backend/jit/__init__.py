"""The CPU backend with kernels that Numba compiles; what they do not cover is that of backend/cpu."""
