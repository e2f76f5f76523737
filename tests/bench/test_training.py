"""The training of `bench.training`, for a few steps: gradients, truth, and what it tells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fastsumo as fs
from bench import training

pytest.importorskip("torch", reason="PyTorch trains the models of this bench")
pytest.importorskip("sklearn", reason="the digits are scikit-learn's")


def test_maximum_likelihood_is_the_best() -> None:
    rows, test = training.digits()
    assert (len(rows), len(test)) == (1400, 397)
    W, b, noise = training.maximum_likelihood(rows, 10)
    best = training.exact(rows, W, b, noise)
    expected = stats.multivariate_normal(b, W @ W.T + noise**2 * np.eye(64)).logpdf(rows).mean()
    assert best == pytest.approx(expected, rel=1e-10)
    for other in ((1.02 * W, b, noise), (W, b + 0.01, noise), (W, b, 1.02 * noise)):
        assert training.exact(rows, *other) < best


def test_plans_cost_the_same() -> None:
    assert [plan.cost for plan in training.PLANS] == pytest.approx([6.0, 6.0, 6.0], abs=0.1)


def test_log_weights_are_joint_over_encoder() -> None:
    import torch

    pca = training.Pca(training.digits()[0], 3, seed=1)
    x = torch.from_numpy(training.digits()[1][:2])
    log_weights = pca.log_weights(torch.repeat_interleave(x, 20_000, dim=0)).detach().numpy()
    W, b, noise = pca.numbers()
    model = fs.models.linear_gaussian(W, b, noise, data=x.numpy())
    weights = log_weights.reshape(2, -1)
    assert fs.iwae(weights) == pytest.approx(model.row_log_evidence(0, 2), abs=0.1)


@pytest.mark.parametrize("plan", training.PLANS, ids=lambda plan: plan.title)
def test_coefficients_are_those_of_the_objective(plan: training.Plan) -> None:
    terms = np.array([3, 1]) if plan.law is not None else None
    sizes = [4, 2] if terms is not None else [plan.k, plan.k]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    values = np.random.default_rng(0).normal(size=offsets[-1])

    def objective(values: np.ndarray) -> float:
        if plan.law is None:
            return float(fs.iwae(values, offsets=offsets).sum())
        return float(fs.sumo(values, terms, plan.law, offsets=offsets).sum())

    found = training.coefficients(plan, values, terms, offsets)
    steps = 1e-6 * np.eye(values.size)
    expected = [(objective(values + step) - objective(values - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("plan", training.PLANS[:2], ids=lambda plan: plan.title)
def test_training_climbs(plan: training.Plan) -> None:
    rows, test = training.digits()
    short, long = (training.train(plan, rows, test, steps, seed=0, rate=0.01, latent=3)[0] for steps in (5, 100))
    assert short + 2.0 < long < training.exact(rows, *training.maximum_likelihood(rows, 3))


def test_the_report_has_every_plan() -> None:
    text = training.report(steps=2, seeds=2, latent=2, rates=(0.01,))
    for plan in training.PLANS:
        assert f"| {plan.title} | " in text
    assert "| maximum likelihood | " in text
    assert "±" in text
