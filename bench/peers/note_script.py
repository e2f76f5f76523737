"""The note's script: a short, plain NumPy program, written afresh in the spirit of C.-W. Huang's notebook.

As in the note, one K is shared by a batch of ten trials. It is the only peer that does so: its values are
independent from batch to batch, not from trial to trial. No attempt at speed here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.peers.problem import LOG_Q0, SCALE, Outcome, paper_terms, paper_weights

BATCH = 10


def energy(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.exp(-((x[..., 0] + 2) ** 2 + x[..., 1] ** 2) / 2) / 2
    wide = np.exp(-((x[..., 0] - 2) ** 2 + x[..., 1] ** 2) / 8) / 8
    return -np.log(near + wide)


def log_proposal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return LOG_Q0 - 0.5 * np.sum((x / SCALE) ** 2, axis=-1)


def iwae_path(log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """L_1, L_2, ... of each row."""
    return np.logaddexp.accumulate(log_weights, axis=1) - np.log(np.arange(1, log_weights.shape[1] + 1))


def unavailable() -> str | None:
    return None


def warm_up(cap: int | None, threads: int) -> None:
    trials(BATCH, cap, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    """``n`` trials, rounded up to whole batches; always on one thread."""
    rng = np.random.default_rng(seed)
    values, terms = [], []
    for _ in range(-(-n // BATCH)):
        k = int(1 / (1.0 - rng.uniform()))  # in (0, 1], so never a division by zero
        k = k if cap is None else min(k, cap)
        x = SCALE * rng.normal(size=(BATCH, k + 1, 2))
        path = iwae_path(-energy(x) - log_proposal(x))
        values.append(path[:, 0] + np.sum(np.arange(1, k + 1) * np.diff(path, axis=1), axis=1))
        terms.append(np.full(BATCH, k))
    terms_of_trial = np.concatenate(terms)
    return Outcome(np.concatenate(values), terms_of_trial, int(terms_of_trial.sum()) + len(terms_of_trial), BATCH)


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(-(-n // BATCH)):
        x = SCALE * rng.normal(size=(BATCH, k, 2))
        values.append(iwae_path(-energy(x) - log_proposal(x))[:, -1])
    return Outcome(np.concatenate(values), np.full(BATCH * len(values), k), BATCH * len(values) * k)


def paper(n: int, seed: int, threads: int) -> Outcome:
    rng = np.random.default_rng(seed)
    values, terms = [], []
    for _ in range(-(-n // BATCH)):
        k = int(paper_terms(1.0 - rng.uniform(size=1))[0])
        x = SCALE * rng.normal(size=(BATCH, k + 1, 2))
        path = iwae_path(-energy(x) - log_proposal(x))
        values.append(path[:, 0] + np.sum(paper_weights(k) * np.diff(path, axis=1), axis=1))
        terms.append(np.full(BATCH, k))
    terms_of_trial = np.concatenate(terms)
    return Outcome(np.concatenate(values), terms_of_trial, int(terms_of_trial.sum()) + len(terms_of_trial), BATCH)
