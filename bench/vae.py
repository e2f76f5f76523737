"""``python -m bench.vae``: test log likelihood of a small VAE of the digits, by `fs.evaluate` of its network.

A VAE is trained in PyTorch on the digits of `bench.training`. Its log weight is a vectorised model, from PyTorch or
JAX; every estimator gets the same number of importance samples a row, and a reference many more.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastsumo as fs
from bench.report import publish, table
from bench.training import digits
from fastsumo.estimators.labels import label

MARKERS = "<!-- vae table -->", "<!-- end of vae table -->"
LATENT, HIDDEN, BATCH, RATE, K = 8, 64, 100, 0.003, 6
LAWS = fs.roulette
ESTIMATORS = (
    fs.IWAE(64),
    fs.SUMO(LAWS.Harmonic(cap=82)),
    fs.SUMO(LAWS.HarmonicGeometric(80, 0.1)),
    fs.MLMC(),
    fs.Taylor(LAWS.Geometric(0.5), block=4),
)
Floats = NDArray[np.float64]
Weights = dict[str, NDArray[np.float32]]


def train(rows: Floats, steps: int, seed: int = 0) -> Weights:
    """Weights of a VAE: tanh layers, normal pixels of one noise, trained by Adam on IWAE(6)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    sizes = {"encoder": (rows.shape[1], HIDDEN, 2 * LATENT), "decoder": (LATENT, HIDDEN, rows.shape[1])}
    leaves: dict[str, Any] = {"log_noise": torch.tensor(math.log(rows.std()))}
    for name, (inside, hidden, outside) in sizes.items():
        for layer, (m, n) in enumerate(((inside, hidden), (hidden, outside))):
            leaves[f"{name}_w{layer}"] = torch.randn(m, n, generator=generator) / math.sqrt(m)
            leaves[f"{name}_b{layer}"] = torch.zeros(n)
    optimizer = torch.optim.Adam([leaf.requires_grad_() for leaf in leaves.values()], lr=RATE)
    data = torch.from_numpy(rows).float()
    for _ in range(steps):
        x = data[torch.randint(len(data), (BATCH,), generator=generator)]
        x = torch.cat([x, *_encoded(torch.tanh, leaves, x)], 1).repeat_interleave(K, 0)
        noise = torch.randn(len(x), LATENT, generator=generator)
        log_weights = log_weight(torch, leaves, noise, x).reshape(BATCH, K)
        optimizer.zero_grad()
        (math.log(K) - torch.logsumexp(log_weights, 1)).mean().backward()
        optimizer.step()
    return {name: leaf.detach().numpy() for name, leaf in leaves.items()}


def _encoded(tanh: Callable[[Any], Any], weights: Any, x: Any) -> tuple[Any, Any]:
    """Mean and log scale of the normal proposal for rows of pixels."""
    both = tanh(x @ weights["encoder_w0"] + weights["encoder_b0"]) @ weights["encoder_w1"] + weights["encoder_b1"]
    return both[:, :LATENT], both[:, LATENT:]


def log_weight(library: Any, weights: Any, z: Any, x: Any) -> Any:
    """``log p(pixels, latent) - log q(latent)`` for ``latent = mean + scale z``; the library is PyTorch or JAX's NumPy.

    Rows of ``x`` are pixels, mean and log scale.
    """
    pixels, mean, log_scale = x[:, : -2 * LATENT], x[:, -2 * LATENT : -LATENT], x[:, -LATENT:]
    latent = mean + library.exp(log_scale) * z
    hidden = library.tanh(latent @ weights["decoder_w0"] + weights["decoder_b0"])
    miss = (pixels - hidden @ weights["decoder_w1"] - weights["decoder_b1"]) * library.exp(-weights["log_noise"])
    likelihood = -0.5 * (miss**2).sum(1) - pixels.shape[1] * (weights["log_noise"] + 0.5 * math.log(2.0 * math.pi))
    return likelihood - 0.5 * (latent**2).sum(1) + 0.5 * (z**2).sum(1) + log_scale.sum(1)


def in_torch(weights: Weights, device: str = "cpu") -> Callable[..., Any]:
    """The log weight as PyTorch computes it."""
    import torch

    held = {name: torch.from_numpy(value).to(device) for name, value in weights.items()}

    @torch.no_grad()
    def function(z: Floats, x: Floats) -> Any:
        return log_weight(torch, held, *(torch.from_numpy(each).to(device, torch.float32) for each in (z, x)))

    return function


def in_jax(weights: Weights) -> Callable[..., Any]:
    """The log weight as JAX computes it."""
    import jax

    held = {name: jax.numpy.asarray(value) for name, value in weights.items()}
    compiled = jax.jit(lambda z, x: log_weight(jax.numpy, held, z, x))

    def function(z: Floats, x: Floats) -> Any:
        return compiled(z.astype(np.float32), x.astype(np.float32))

    return function


def model(weights: Weights, rows: Floats, make: Callable[[Weights], Callable[..., Any]], batch: int = 8192) -> fs.Model:
    """The VAE at rows of pixels, with its encoder as what prepares them."""

    def prepare(pixels: Floats, params: Floats) -> Floats:
        return np.hstack([pixels, *_encoded(np.tanh, weights, pixels)])

    return fs.Model(make(weights), LATENT, data=rows, prepare=prepare, vectorized=True, batch=batch, name="vae")


# ---- what is told ----


def report(steps: int, samples: int, with_jax: bool, rows: int | None = None) -> str:
    """Train, evaluate with every estimator, and tell what came out."""
    train_rows, test = digits()
    weights, test = train(train_rows, steps), test[:rows]
    vae = model(weights, test, in_torch)
    truth = fs.evaluate(vae, fs.IWAE(4 * samples), trials=2, progress=False)
    head = ["", "log likelihood of a row", "bias", "variance x cost", "tail index", "rows below 2", "largest share"]
    lines = [head, [f"reference, {label(truth.estimator)}", _mean(truth), "", "", "", "", ""]]
    for estimator in ESTIMATORS:
        trials = max(2, round(samples / estimator.expected_cost()))
        lines.append(_line(fs.evaluate(vae, estimator, trials, progress=False), truth))
    how = (
        f"A VAE of scikit-learn's digits ({LATENT} latent variables, one hidden layer of {HIDDEN}, {steps} steps of "
        f"Adam) at {len(test)} test rows, about {samples} importance samples a row for each estimator; the reference "
        f"takes {truth.cost.sum() / len(test):.0f}. Tail index and largest share (of a row's sum of squares) are "
        "medians over rows; where a row's tail index is below 2, its error means nothing. From `python -m bench.vae`."
    )
    if with_jax:
        again = [
            fs.evaluate(model(weights, test, make), ESTIMATORS[1], 50, progress=False) for make in (in_torch, in_jax)
        ]
        apart = float(np.max(np.abs(again[0].mean - again[1].mean)))
        how += f" JAX's log weights give every row within {apart:.1g} of PyTorch's, from the same trials."
    return f"{how}\n\n{table(lines)}"


def _mean(found: fs.Evaluation) -> str:
    return f"{found.total / found.rows:.4f} ± {found.total_error / found.rows:.4f}"


def _line(found: fs.Evaluation, truth: fs.Evaluation) -> list[str]:
    rows = found.rows
    error = math.hypot(found.total_error, truth.total_error) / rows
    spread = float(np.mean(found.std_error**2 * found.cost))
    known = found.tail_index[np.isfinite(found.tail_index)]
    tail, heavy = ("–", "–") if known.size == 0 else (f"{np.median(known):.1f}", f"{int((known < 2.0).sum())}")
    bias = f"{(found.total - truth.total) / rows:+.4f} ± {error:.4f}"
    share = f"{100 * float(np.median(found.largest_share)):.1f} %"
    return [label(found.estimator), _mean(found), bias, f"{spread:.3g}", tail, heavy, share]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.vae", description="Test log likelihood of a VAE.")
    parser.add_argument("--steps", type=int, default=1500, help="of Adam (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=4096, help="importance samples a row (default: %(default)s)")
    parser.add_argument("--jax", action="store_true", help="once more with JAX")
    parser.add_argument("--page", type=Path, help="put the table between the markers of this file")
    options = parser.parse_args(arguments)
    publish(report(options.steps, options.samples, options.jax), options.page, MARKERS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
