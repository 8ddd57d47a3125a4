"""The GPU backend: CuPy, with kernels of its own in kernels/*.cu and the products of cuBLAS."""
