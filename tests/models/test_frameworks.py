"""Log weights from PyTorch and JAX, where they are installed: the trials of a compiled twin, and their mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo import shifted

import fastsumo as fs
from fastsumo.models.proof import Proof

HARMONIC = fs.SUMO(fs.roulette.Harmonic())
TWIN = shifted.with_params([0.25, 0.5])


def assert_same_trials(model: fs.Model, tolerance: float) -> None:
    values, terms = fs.sample(model, HARMONIC, 3000)
    expected, expected_terms = fs.sample(TWIN, HARMONIC, 3000)
    assert np.array_equal(terms, expected_terms)
    scale = np.maximum(1.0, terms)  # how often a log weight counts in the value
    assert np.max(np.abs(values - expected) / scale) < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5), ("bfloat16", 0.05)])
def test_torch_gives_the_trials_of_the_twin(dtype: str, tolerance: float) -> None:
    torch = pytest.importorskip("torch")
    slope = torch.tensor(0.5, dtype=getattr(torch, dtype), requires_grad=True)

    @fs.model(dim=1, vectorized=True)
    def log_weight(z):  # type: ignore[no-untyped-def]
        return 0.25 + slope * torch.from_numpy(z[:, 0]).to(slope.dtype)

    assert_same_trials(log_weight, tolerance)
    assert slope.grad is None


def test_a_network_in_training_is_found_out() -> None:
    torch = pytest.importorskip("torch")
    for layer, said in ((torch.nn.Dropout(0.5), "dropout"), (torch.nn.BatchNorm1d(4), r"\.eval\(\)")):
        network = torch.nn.Sequential(torch.nn.Linear(2, 4), layer, torch.nn.Linear(4, 1), torch.nn.Flatten(0)).double()

        def log_weight(z: np.ndarray, network: Any = network) -> Any:
            return network(torch.from_numpy(z))

        model = fs.Model(log_weight, 2, vectorized=True, name="mine")
        with pytest.raises(fs.ModelError, match=f"model 'mine' gives .*{said}"):
            Proof(model).look()
        network.eval()
        Proof(model).look()


def test_a_module_of_torch_is_a_function() -> None:
    torch = pytest.importorskip("torch")

    class Plane(torch.nn.Module):  # type: ignore[misc]
        def forward(self, z: Any) -> Any:
            return torch.as_tensor(z).sum(1)

    assert fs.Model(Plane(), 2, vectorized=True)([[1.0, 2.0]]).tolist() == [3.0]


def test_torch_says_what_it_cannot_return() -> None:
    torch = pytest.importorskip("torch")
    model = fs.Model(lambda z: torch.from_numpy(z)[:, :1], 2, vectorized=True, name="mine")
    with pytest.raises(fs.ModelError, match=r"returned an array of shape \(2, 1\)"):
        model([[1.0, 2.0]])
    model = fs.Model(lambda z: torch.from_numpy(z)[:, 0] * 1j, 2, vectorized=True, name="mine")
    with pytest.raises(fs.ModelError, match="complex128: it must return one real number a sample"):
        model([[1.0, 2.0]])


def test_jax_gives_the_trials_of_the_twin() -> None:
    jax = pytest.importorskip("jax")
    traced = []

    @jax.jit
    def log_weight(z, params):  # type: ignore[no-untyped-def]
        traced.append(z.shape)
        return params[0] + params[1] * z[:, 0]

    assert_same_trials(fs.Model(log_weight, 1, [0.25, 0.5], vectorized=True), 1e-5)
    assert len(traced) <= 6  # few sizes of batches, for each of which JAX compiles
