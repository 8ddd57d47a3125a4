// Softmax with its loss, and how many answers are right.

// A block for each row. The targets are class numbers, or probabilities where `labels` is null.
extern "C" __global__ void softmax_cross_entropy(
    const Real* y, const long long* labels, const Real* targets, Real* losses, Real* dy, long long classes) {
    long long row = (long long)blockIdx.x * classes;
    long long label = labels ? labels[blockIdx.x] : -1;
    y += row, dy += row, targets += row;
    Real largest = (Real)__int_as_float(0xff800000);
    Sum sum, loss;
    for (int c = (int)threadIdx.x; c < classes; c += (int)blockDim.x)
        if (y[c] > largest || y[c] != y[c]) largest = y[c];
    largest = block_max(largest);
    for (int c = (int)threadIdx.x; c < classes; c += (int)blockDim.x) sum += exp(y[c] - largest);
    Real log_sum = log(block_sum(sum));
    for (int c = (int)threadIdx.x; c < classes; c += (int)blockDim.x) {
        Real share = labels ? (Real)(c == label) : targets[c], shifted = y[c] - largest;
        if (share != 0) loss += share * (log_sum - shifted);  // 0 times -inf counts as 0
        dy[c] = exp(shifted - log_sum) - share;
    }
    Real total = block_sum(loss);
    if (threadIdx.x == 0) losses[blockIdx.x] = total;
}

// The number of rows of y whose first largest entry is at the label, and that hold no NaN. One block.
extern "C" __global__ void count_hits(
    const Real* y, const long long* labels, long long* hits, long long rows, long long classes) {
    __shared__ int part[1024];
    int t = (int)threadIdx.x, own = 0;
    for (int n = t; n < rows; n += (int)blockDim.x) {
        const Real* row = y + (long long)n * classes;
        int best = 0;
        for (int c = 1; c < classes; c++)
            if (row[c] > row[best] || (row[c] != row[c] && row[best] == row[best])) best = c;  // NaN is the largest
        own += best == labels[n] && row[best] == row[best];
    }
    part[t] = own;
    __syncthreads();
    for (int half = (int)blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    if (t == 0) *hits = part[0];
}
