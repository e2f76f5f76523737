"""The VAE of the guide and of `bench.vae`: its log weight in PyTorch and in JAX, and what it tells, for a few steps."""

from __future__ import annotations

import numpy as np
import pytest

import fastsumo as fs
from bench import vae
from bench.training import digits
from fastsumo.estimators.labels import label
from fastsumo.guide.examples.vae import in_torch, log_weight, model, train

pytest.importorskip("torch", reason="PyTorch trains the VAE")
pytest.importorskip("sklearn", reason="the digits are scikit-learn's")


@pytest.fixture(scope="module")
def weights() -> vae.Weights:
    return train(digits()[0], vae.LATENT, vae.HIDDEN, steps=60)


def test_training_climbs(weights: vae.Weights) -> None:
    rows = digits()[1][:20]
    before, after = (
        fs.evaluate(model(each, rows, in_torch), fs.IWAE(16), 20, progress=False).total
        for each in (train(digits()[0], vae.LATENT, vae.HIDDEN, steps=1), weights)
    )
    assert after > before + 10.0 * len(rows)


def test_jax_and_torch_give_the_log_weights_of_numpy(weights: vae.Weights) -> None:
    rows = digits()[1][:3]
    models = [model(weights, rows, in_torch)]
    z = np.random.default_rng(0).normal(size=(50, vae.LATENT))
    x = np.tile(models[0].rows(1, 2), (50, 1))
    expected = log_weight(np, weights, z, x)
    if pytest.importorskip("jax", reason="JAX is not installed"):
        models.append(model(weights, rows, vae.in_jax))
    for each in models:
        assert each(z, row=rows[1]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_the_report_has_every_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    text = vae.report(steps=5, samples=64, with_jax=False, rows=4)
    for estimator in vae.ESTIMATORS:
        assert f"| {label(estimator)} | " in text
