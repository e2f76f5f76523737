"""``python -m bench.training``: probabilistic PCA of the digits trained with IWAE and with SUMO at equal expected cost.

The model ``x = W z + b + noise * e`` and a linear encoder are PyTorch's; fastsumo draws `K` and gives the gradient of
SUMO by its coefficients. What comes out is judged by the exact log likelihood, beside the largest there is. Each
objective has the learning rate that is best for it on the training rows.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastsumo as fs
from bench.report import publish, table

MARKERS = "<!-- training table -->", "<!-- end of training table -->"
LATENT, BATCH, TEST_ROWS = 10, 100, 397
RATES = (0.001, 0.003, 0.01)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What the decoder climbs. The encoder always climbs the ELBO of the same samples.

    The encoder cannot climb SUMO: its expectation is ``log p(x)`` whatever the encoder.
    """

    title: str
    k: int = 0  # of IWAE
    law: fs.roulette.Roulette | None = None  # of SUMO

    @property
    def cost(self) -> float:
        """Expected importance samples of a row in a step."""
        return float(self.k) if self.law is None else 1.0 + self.law.expected_terms()


PLANS = (
    Plan("IWAE(6)", k=6),
    Plan("SUMO, Harmonic(cap=82)", law=fs.roulette.Harmonic(cap=82)),
    Plan("SUMO, HarmonicGeometric(80, 0.1)", law=fs.roulette.HarmonicGeometric(80, 0.1)),
)


# ---- data and truth ----


def digits() -> tuple[Floats, Floats]:
    """Training and test rows of scikit-learn's digits, pixels from 0 to 1."""
    from sklearn.datasets import load_digits

    rows = np.random.default_rng(0).permutation(load_digits().data / 16.0)
    return rows[TEST_ROWS:], rows[:TEST_ROWS]


def exact(rows: Floats, W: Floats, b: Floats, noise: float) -> float:
    """Mean exact log likelihood of a row."""
    model = fs.models.linear_gaussian(W, b, noise, data=rows)
    return float(model.row_log_evidence(0, len(rows)).mean())


def maximum_likelihood(rows: Floats, latent: int) -> tuple[Floats, Floats, float]:
    """``W``, ``b`` and noise by Tipping & Bishop (JRSS B 61, 1999)."""
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    variance = float(values[:-latent].mean())
    return vectors[:, -latent:] * np.sqrt(values[-latent:] - variance), rows.mean(axis=0), math.sqrt(variance)


# ---- the model in PyTorch ----


class Pca:
    """Decoder ``W, b, log noise`` and encoder ``z ~ N(A x + c, diag(exp(2 s)))``, all leaves of autograd."""

    def __init__(self, rows: Floats, latent: int, seed: int) -> None:
        import torch

        random, columns = np.random.default_rng(seed), rows.shape[1]
        self.torch, self.latent = torch, latent
        start = {
            "W": 0.1 * random.standard_normal((columns, latent)),
            "b": rows.mean(axis=0),
            "log_noise": np.array(math.log(rows.std())),
            "A": 0.1 * random.standard_normal((latent, columns)),
            "c": np.zeros(latent),
            "s": np.zeros(latent),
        }
        self.leaves = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
        self.decoder = [self.leaves[name] for name in ("W", "b", "log_noise")]
        self.encoder = [self.leaves[name] for name in ("A", "c", "s")]
        self.generator = torch.Generator().manual_seed(seed)

    def log_weights(self, x: Any) -> Any:
        """One log weight ``log p(x, z) - log q(z | x)`` for each row of ``x``, with ``z`` from the encoder."""
        torch, p = self.torch, self.leaves
        e = torch.randn((len(x), self.latent), generator=self.generator, dtype=x.dtype)
        z = x @ p["A"].T + p["c"] + torch.exp(p["s"]) * e
        miss = (x - z @ p["W"].T - p["b"]) * torch.exp(-p["log_noise"])
        likelihood = -0.5 * (miss**2).sum(1) - x.shape[1] * (p["log_noise"] + 0.5 * math.log(2.0 * math.pi))
        return likelihood - 0.5 * (z**2).sum(1) + 0.5 * (e**2).sum(1) + p["s"].sum()

    def numbers(self) -> tuple[Floats, Floats, float]:
        """``W``, ``b`` and the noise."""
        W, b, log_noise = (leaf.detach().numpy() for leaf in self.decoder)
        return W, b, math.exp(float(log_noise))


def coefficients(plan: Plan, log_weights: Floats, terms: Any, offsets: Any) -> Floats:
    """Derivatives of the decoder's objective with respect to the log weights, row after row."""
    if plan.law is not None:
        return np.asarray(fs.sumo_coefficients(log_weights, terms, plan.law, offsets=offsets))
    rows = log_weights.reshape(-1, plan.k)
    return np.exp(rows - fs.iwae(rows)[:, None]).ravel() / plan.k


def train(
    plan: Plan, rows: Floats, test: Floats, steps: int, seed: int, rate: float, latent: int = LATENT
) -> tuple[float, float, float]:
    """Exact log likelihood of training and test rows after so many steps of Adam, and importance samples a row."""
    import torch

    pca, random = Pca(rows, latent, seed), np.random.default_rng(seed)
    optimizer = torch.optim.Adam([*pca.decoder, *pca.encoder], lr=rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    cost = 0
    for step in range(steps):
        x = torch.from_numpy(rows[random.choice(len(rows), BATCH)])
        terms = None if plan.law is None else fs.draw_terms(BATCH, plan.law, seed=seed * 2**32 + step)
        counts = np.full(BATCH, plan.k) if terms is None else terms + 1
        log_weights = pca.log_weights(torch.repeat_interleave(x, torch.from_numpy(counts), dim=0))
        found = coefficients(plan, log_weights.detach().numpy(), terms, np.concatenate([[0], np.cumsum(counts)]))
        elbo = np.repeat(1.0 / counts, counts)
        for leaves, each, keep in ((pca.decoder, found, True), (pca.encoder, elbo, False)):
            objective = -(torch.from_numpy(each) * log_weights).sum() / BATCH
            for leaf, gradient in zip(leaves, torch.autograd.grad(objective, leaves, retain_graph=keep), strict=True):
                leaf.grad = gradient
        optimizer.step()
        falling.step()
        cost += int(counts.sum())
    return exact(rows, *pca.numbers()), exact(test, *pca.numbers()), cost / (steps * BATCH)


# ---- what is told ----


def report(steps: int, seeds: int, latent: int = LATENT, rates: Sequence[float] = RATES) -> str:
    """Train all plans from the same starts and tell the exact log likelihoods, whatever they are."""
    rows, test = digits()
    best = maximum_likelihood(rows, latent)
    lines = [["mean exact log likelihood of a row", "training", "test", "learning rate", "samples a row and step"]]
    for plan in PLANS:
        runs = {
            rate: np.array([train(plan, rows, test, steps, seed, rate, latent) for seed in range(seeds)])
            for rate in rates
        }
        rate, found = max(runs.items(), key=lambda item: item[1][:, 0].mean())
        cost = f"{found[:, 2].mean():.2f} (expected {plan.cost:.2f})"
        lines.append([plan.title, _with_spread(found[:, 0]), _with_spread(found[:, 1]), f"{rate:g}", cost])
    lines.append(["maximum likelihood", f"{exact(rows, *best):.2f}", f"{exact(test, *best):.2f}", "", ""])
    how = (
        f"Probabilistic PCA with {latent} latent variables of scikit-learn's digits ({len(rows)} to train on, "
        f"{len(test)} to test), {steps} steps of Adam on {BATCH} rows each from {seeds} starts. The decoder climbs the "
        "objective named, a linear encoder with independent normals the ELBO of the same samples. Mean over the starts "
        f"± their standard deviation, at the best of the learning rates {', '.join(map(str, rates))} (by the training "
        "rows). From `python -m bench.training --page fastsumo/guide/log_weights.md`."
    )
    return f"{how}\n\n{table(lines)}"


def _with_spread(values: Floats) -> str:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return f"{np.mean(values):.2f}" + (f" ± {spread:.2f}" if math.isfinite(spread) else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.training", description="IWAE and SUMO as training goals.")
    parser.add_argument("--steps", type=int, default=3000, help="of Adam (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="starts (default: %(default)s)")
    parser.add_argument("--page", type=Path, help="put the table between the markers of this file")
    options = parser.parse_args(arguments)
    publish(report(options.steps, options.seeds), options.page, MARKERS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
