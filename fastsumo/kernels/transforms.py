"""Proposals' maps from noise to points, in place over lanes, and their log densities as functions of the noise.

One function a proposal, named as in `Proposal.transform`; its NumPy twin is `Proposal.points`.
"""

from fastsumo.kernels._jit import device


@device
def gaussian_diagonal(z, dim, p, log_q):
    """``x = mean + scale z``; ``p = [log normaliser, mean (dim), scale (dim)]``."""
    n = log_q.size
    _gaussian_log_density(z, dim, p[0], log_q)
    for j in range(dim):
        mean, scale, row = p[1 + j], p[1 + dim + j], z[j]
        for i in range(n):
            row[i] = mean + scale * row[i]


@device
def gaussian_full(z, dim, p, log_q):
    """``x = mean + L z``; ``p = [log normaliser, mean (dim), rows of the lower triangle L]``. Last row first: in place."""
    n = log_q.size
    _gaussian_log_density(z, dim, p[0], log_q)
    for j in range(dim - 1, -1, -1):
        first, row = 1 + dim + j * (j + 1) // 2, z[j]
        mean, diagonal = p[1 + j], p[first + j]
        for i in range(n):
            row[i] = mean + diagonal * row[i]
        for k in range(j):
            factor, other = p[first + k], z[k]
            for i in range(n):
                row[i] += factor * other[i]


@device
def _gaussian_log_density(z, dim, constant, log_q):
    n = log_q.size
    for i in range(n):
        log_q[i] = constant
    for j in range(dim):
        row = z[j]
        for i in range(n):
            log_q[i] -= 0.5 * row[i] * row[i]
