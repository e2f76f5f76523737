"""What knows Numba's inside: compiler options, intrinsics, arrays over addresses, the cache and its key."""
