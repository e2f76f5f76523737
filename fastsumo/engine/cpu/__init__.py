"""Trials on this machine's cores: threads, and kernels that LLVM turns into SIMD."""
