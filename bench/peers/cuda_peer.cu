// SUMO and IWAE on the note's problem as one writes them first in CUDA C++: a thread a trial, normals by cuRAND's Philox.
#include <cstdint>
#include <curand_kernel.h>

typedef curandStatePhilox4_32_10_t State;

__device__ double weight(State *state) {  // p/q
    const double2 z = curand_normal2_double(state);
    const double x = sqrt(5.0) * z.x, y = sqrt(5.0) * z.y;
    const double near = 0.5 * exp(-0.5 * ((x + 2.0) * (x + 2.0) + y * y));
    const double wide = 0.125 * exp(-0.125 * ((x - 2.0) * (x - 2.0) + y * y));
    return (near + wide) * exp(0.5 * (z.x * z.x + z.y * z.y)) * (2.0 * 3.141592653589793 * 5.0);
}

__global__ void iwae(uint64_t seed, int64_t n, int64_t k, double *values) {
    const int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
    if (i >= n) return;
    State state;
    curand_init(seed, i, 0, &state);
    double total = 0.0;
    for (int64_t j = 0; j < k; j++) total += weight(&state);
    values[i] = log(total / k);
}

__global__ void sumo(uint64_t seed, int64_t n, int64_t cap, double *values, int64_t *terms) {
    const int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
    if (i >= n) return;
    State state;
    curand_init(seed, i, 0, &state);
    const int64_t k = (int64_t)fmin(1.0 / curand_uniform_double(&state), (double)cap);
    double total = weight(&state), before = log(total), value = before;
    for (int64_t j = 1; j <= k; j++) {
        total += weight(&state);
        const double level = log(total / (j + 1));
        value += j * (level - before);  // an increment over P(K >= j) = 1/j
        before = level;
    }
    values[i] = value;
    terms[i] = k;
}

// Values and terms of n trials, and the seconds of the kernel; cap for SUMO, or k for IWAE. 0, or the error of CUDA.
extern "C" int run(int is_iwae, uint64_t seed, int64_t n, int64_t size, double *values, int64_t *terms, double *seconds) {
    double *v = nullptr;
    int64_t *t = nullptr;
    float milliseconds = 0.0f;
    cudaEvent_t begin, end;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    cudaMalloc(&v, 8 * n);
    cudaMalloc(&t, 8 * n);
    const unsigned blocks = (unsigned)((n + 255) / 256);
    cudaEventRecord(begin);
    if (is_iwae) iwae<<<blocks, 256>>>(seed, n, size, v);
    else sumo<<<blocks, 256>>>(seed, n, size, v, t);
    cudaEventRecord(end);
    cudaEventSynchronize(end);
    cudaEventElapsedTime(&milliseconds, begin, end);
    cudaMemcpy(values, v, 8 * n, cudaMemcpyDeviceToHost);
    if (!is_iwae) cudaMemcpy(terms, t, 8 * n, cudaMemcpyDeviceToHost);
    cudaFree(v);
    cudaFree(t);
    *seconds = milliseconds * 1e-3;
    return (int)cudaGetLastError();
}
