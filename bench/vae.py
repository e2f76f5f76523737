"""``python -m bench.vae``: test log likelihood of a small VAE of the digits, by `fs.evaluate` of its network.

The VAE of the guide's example is trained in PyTorch on the digits of `bench.training`. Its log weight is a vectorised
model, from PyTorch or JAX; every estimator gets the same number of importance samples a row, and a reference many more.
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
from fastsumo.guide.examples.vae import in_torch, log_weight, model, train

MARKERS = "<!-- vae table -->", "<!-- end of vae table -->"
LATENT, HIDDEN = 8, 64
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


def in_jax(weights: Weights) -> Callable[..., Any]:
    """The log weight as JAX computes it."""
    import jax

    held = {name: jax.numpy.asarray(value) for name, value in weights.items()}
    compiled = jax.jit(lambda z, x: log_weight(jax.numpy, held, z, x))

    def function(z: Floats, x: Floats) -> Any:
        return compiled(z.astype(np.float32), x.astype(np.float32))

    return function


# ---- what is told ----


def report(steps: int, samples: int, with_jax: bool, rows: int | None = None) -> str:
    """Train, evaluate with every estimator, and tell what came out."""
    train_rows, test = digits()
    weights, test = train(train_rows, LATENT, HIDDEN, steps), test[:rows]
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
