// Rows of a table by their numbers.

// A block for each row of the table, a thread for one of its columns, then for a later one: it sums the rows of dy whose
// number is the block's, in the order of the batch. The numbers are read by the whole block, as many at a time as it has
// threads.
extern "C" __global__ void embedding_backward(
    const Real* dy, const long long* numbers, Real* dw, long long count, long long columns) {
    __shared__ long long part[1024];
    __shared__ int found;
    int t = (int)threadIdx.x, threads = (int)blockDim.x;
    dw += (long long)blockIdx.x * columns;
    for (long long first = 0; first < columns; first += threads) {
        long long e = first + t;
        Sum sum;
        for (long long start = 0; start < count; start += threads) {
            int length = (int)(count - start < threads ? count - start : threads);
            if (t == 0) found = 0;
            __syncthreads();
            if (t < length) {
                part[t] = numbers[start + t];
                if (part[t] == (long long)blockIdx.x) found = 1;
            }
            __syncthreads();
            if (found && e < columns)
                for (int j = 0; j < length; j++)
                    if (part[j] == (long long)blockIdx.x) sum += dy[(start + j) * columns + e];
            __syncthreads();  // nobody reads further numbers before all have looked at these
        }
        if (e < columns) dw[e] = sum;
    }
}
