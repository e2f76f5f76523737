"""Proposals' maps from noise to points, in place over lanes, and their log densities as functions of the noise.

One function a proposal, named as in `Proposal.transform`; its NumPy twin is `Proposal.points`.
"""

import numpy as np

from fastsumo.jit.options import device, inlined
from fastsumo.vmath import exp, expm1, log1p, logaddexp, sqrt

_TINY = 1e-200  # squares of noise below it change nothing


@device
def gaussian_diagonal(z, dim, p, log_q):
    """``x = mean + scale z``; ``p = [log normaliser, mean (dim), scale (dim)]``."""
    n = log_q.size
    if dim % 2:
        mean, scale, row = p[1], p[1 + dim], z[0]
        for i in range(n):
            log_q[i] = p[0] - 0.5 * row[i] * row[i]
            row[i] = mean + scale * row[i]
    for j in range(dim % 2, dim, 2):  # two coordinates for each reading of log_q
        mean, scale, row = p[1 + j], p[1 + dim + j], z[j]
        other_mean, other_scale, other = p[2 + j], p[2 + dim + j], z[j + 1]
        for i in range(n):
            before = log_q[i] if j > 0 else p[0]
            log_q[i] = before - 0.5 * row[i] * row[i] - 0.5 * other[i] * other[i]
            row[i] = mean + scale * row[i]
            other[i] = other_mean + other_scale * other[i]


@device
def gaussian_full(z, dim, p, log_q):
    """``x = mean + L z``; ``p = [log normaliser, mean (dim), rows of the lower triangle L]``."""
    _gaussian_log_density(z, dim, p[0], log_q)
    _affine(z, 0, dim, p[1 : 1 + dim], p[1 + dim :], log_q.size)


@device
def student_diagonal(z, dim, p, log_q):
    """``x = mean + scale y``; ``p = [log normaliser, df, mean (dim), scale (dim)]``."""
    n = log_q.size
    _student(z, dim, p[0], p[1], log_q)
    for j in range(dim):
        mean, scale, row = p[2 + j], p[2 + dim + j], z[j]
        for i in range(n):
            row[i] = mean + scale * row[i]


@device
def student_full(z, dim, p, log_q):
    """``x = mean + L y``; ``p = [log normaliser, df, mean (dim), rows of the lower triangle L]``."""
    _student(z, dim, p[0], p[1], log_q)
    _affine(z, 0, dim, p[2 : 2 + dim], p[2 + dim :], log_q.size)


def rows_of(transform, dim, noise_dim):
    """Rows that a transform's table ``z`` has: the noise, and then room for whatever it works out."""
    return noise_dim + (2 * dim + 1 if transform == "mixture" else 0)


@inlined
def mixture(z, dim, p, log_q):
    """One component's point, chosen by the last row of noise; its density takes all of them.

    ``p = [components, 1 for triangles or 0 for diagonals, upper limits of the choice (components)]``, then for each
    component ``[log of weight and normaliser, df (0: normal), mean (dim), L]``. Of the rows beyond the noise, the first
    ``dim`` become the point, the next ``dim`` and the last serve each component in turn.
    """
    n, components, full = log_q.size, int(p[0]), p[1] > 0.0
    size, x = 2 + dim + (dim * (dim + 1) // 2 if full else dim), z.shape[0] - (2 * dim + 1)
    y, spread, choice = x + dim, z[x + 2 * dim], z[x - 1]
    for c in range(components):
        first = 2 + components + c * size
        part = p[first : first + size]
        _standard(z, y, dim, part[1], spread, n)
        low = p[1 + c] if c > 0 else -np.inf
        _map(z, y, dim, part, full, n)
        for j in range(dim):
            point, own = z[x + j], z[y + j]
            for i in range(n):
                point[i] = own[i] if (choice[i] >= low) & (choice[i] < p[2 + c]) else point[i]
    for i in range(n):
        log_q[i] = -np.inf
    for c in range(components):
        first = 2 + components + c * size
        _add_component(z, x, y, dim, p[first : first + size], full, spread, log_q)
    for j in range(dim):
        row, point = z[j], z[x + j]
        for i in range(n):
            row[i] = point[i]


@device
def _affine(z, at, dim, mean, triangle, n):
    """``mean + L z`` in place, of the ``dim`` rows from row ``at`` on, last row first."""
    for j in range(dim - 1, -1, -1):
        first, row = j * (j + 1) // 2, z[at + j]
        shift, diagonal = mean[j], triangle[first + j]
        for i in range(n):
            row[i] = shift + diagonal * row[i]
        for k in range(j):
            factor, other = triangle[first + k], z[at + k]
            for i in range(n):
                row[i] += factor * other[i]


@device
def _student(z, dim, constant, df, log_q):
    """Normals become a standard multivariate t, in place, with its log density (see `proposals.StudentT`)."""
    n = log_q.size
    for i in range(n):
        log_q[i] = 0.0  # log(1 + |y|^2 / df) of the coordinates so far
    for j in range(0, dim, 2):
        _student_pair(z[j], z[j + 1], df, df + j, log_q, j + 1 < dim, n)
    for i in range(n):
        log_q[i] = constant - 0.5 * (df + dim) * log_q[i]


@device
def _student_pair(first, second, df, freedom, spread, both, n):
    """Two coordinates of a t given those before; only the first of them where not ``both``."""
    if both:
        for i in range(n):
            square = max(first[i] * first[i] + second[i] * second[i], _TINY)
            factor = sqrt(df * exp(spread[i]) * (expm1(square / freedom) / square))
            first[i] *= factor
            second[i] *= factor
            spread[i] += square / freedom
    else:
        for i in range(n):
            square = max(first[i] * first[i] + second[i] * second[i], _TINY)
            ratio = expm1(square / freedom) / square
            ratio_here = first[i] * first[i] * ratio
            first[i] *= sqrt(df * exp(spread[i]) * ratio)
            spread[i] += log1p(ratio_here)


@device
def _standard(z, y, dim, df, spread, n):
    """A component's standard point from row ``y`` on: the noise itself, or a multivariate t made of it (``df > 0``)."""
    for j in range(dim):
        row, point = z[j], z[y + j]
        for i in range(n):
            point[i] = row[i]
    if df > 0.0:
        for i in range(n):
            spread[i] = 0.0
        for j in range(0, dim, 2):
            both = j + 1 < dim
            _student_pair(z[y + j], z[y + j + 1] if both else z[j + 1], df, df + j, spread, both, n)


@device
def _map(z, y, dim, part, full, n):
    """``mean + L y`` in place, from row ``y`` on."""
    if full:
        _affine(z, y, dim, part[2 : 2 + dim], part[2 + dim :], n)
    else:
        for j in range(dim):
            mean, scale, row = part[2 + j], part[2 + dim + j], z[y + j]
            for i in range(n):
                row[i] = mean + scale * row[i]


@device
def _add_component(z, x, y, dim, part, full, square, log_q):
    """Add a component's density at the point from row ``x`` on, by forward substitution from row ``y`` on."""
    n, df = log_q.size, part[1]
    for i in range(n):
        square[i] = 0.0
    for j in range(dim):
        point, own, mean = z[x + j], z[y + j], part[2 + j]
        first = 2 + dim + (j * (j + 1) // 2 if full else 0)
        for i in range(n):
            own[i] = point[i] - mean
        if full:
            for k in range(j):
                factor, other = part[first + k], z[y + k]
                for i in range(n):
                    own[i] -= factor * other[i]
        inverse = 1.0 / part[first + j]
        for i in range(n):
            own[i] *= inverse
            square[i] += own[i] * own[i]
    if df > 0.0:
        for i in range(n):
            log_q[i] = logaddexp(log_q[i], part[0] - 0.5 * (df + dim) * log1p(square[i] / df))
    else:
        for i in range(n):
            log_q[i] = logaddexp(log_q[i], part[0] - 0.5 * square[i])


@device
def _gaussian_log_density(z, dim, constant, log_q):
    n = log_q.size
    for i in range(n):
        log_q[i] = constant
    for j in range(dim):
        row = z[j]
        for i in range(n):
            log_q[i] -= 0.5 * row[i] * row[i]
