"""The contract of vectorised models: what they take and return, their proof, their memory, and how they are sent.

Their trials are in `engine/cpu/test_feed.py`, those of frameworks in `test_frameworks.py`.
"""

from __future__ import annotations

import functools
import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import special

import fastsumo as fs
from fastsumo.models.model import source_hash
from fastsumo.models.proof import Proof
from fastsumo.models.serialization import made, recipe
from fastsumo.models.vectorized import log_weights_of

POINTS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def model(function: Any, **options: Any) -> fs.Model:
    return fs.Model(function, 2, vectorized=True, name="mine", **options)


def plane(z):  # type: ignore[no-untyped-def]
    return z[:, 0] + 2.0 * z[:, 1]


LIBRARY: dict[str, Any] = {"__name__": "library"}
exec("def score(x):\n    print(x)\n    return x", LIBRARY)  # as deep in many a library
score = LIBRARY["score"]


class Network:
    """Stands for a network: nothing tells what is in it."""

    def __init__(self) -> None:
        self.weights, self.device = np.array([1.0, 2.0]), threading.Lock()  # which no pickle takes

    def __call__(self, z: np.ndarray) -> Any:
        return z @ self.weights


def made_here() -> Any:
    return Network()


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (plane, {}),
        (lambda z, params: plane(z) * params[0], {"params": [1.0]}),
        (lambda z, params: plane(z), {}),
        (lambda z, scale=1.0: scale * plane(z), {}),
        (lambda *given: plane(given[0]) * len(given), {}),
        (lambda z: list(plane(z)), {}),
        (lambda z: plane(z).astype(np.float32), {}),
        (lambda z: plane(z).astype(int), {}),
        (Network(), {}),
        (functools.partial(lambda scale, z: scale * plane(z), 1.0), {}),
    ],
)
def test_values_are_those_of_the_function(function: Any, options: Any) -> None:
    found = model(function, **options)
    assert found(POINTS).tolist() == [5.0, 11.0, 17.0]
    assert found(POINTS[0]) == 5.0
    assert found(POINTS.reshape(3, 1, 2)).shape == (3, 1)
    assert found(np.empty((0, 2))).size == 0
    assert found.vectorized
    assert found.batch == 16_384


def test_a_model_of_before_is_none() -> None:
    plain = fs.Model(lambda z, params: z[0], 2)
    assert (plain.vectorized, plain.batch) == (False, None)


def test_rows_come_with_their_samples() -> None:
    data = np.arange(6.0).reshape(3, 2)
    table = fs.Model(lambda z, x, params: z[:, 0] + params[0] * x[:, 1], 1, [10.0], data=data, vectorized=True)
    assert table([[0.5], [0.25]], row=data[2]).tolist() == [50.5, 50.25]
    assert table.at_row(1)([[0.5]]).tolist() == [30.5]
    two = fs.Model(lambda z, x: z[:, 0] + x[:, 1], 1, data=data, vectorized=True)
    assert two.at_row(2)([[0.5]]).tolist() == [5.5]


def test_the_decorator_and_importance_take_the_same_words() -> None:
    decorated = fs.model(2, vectorized=True, batch=10, version="a")(plane)
    assert (decorated.name, decorated.batch) == ("plane", 10)
    proposal = fs.proposals.Gaussian([0.0, 1.0], 2.0)
    twin = fs.importance(lambda x, params: x[0] + 2.0 * x[1], proposal)
    assert fs.importance(plane, proposal, vectorized=True)(POINTS) == pytest.approx(twin(POINTS), rel=1e-14)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (np.zeros((4, 1)), r"shape \(4, 1\) for z of shape \(4, 2\): .* shape \(4,\); .reshape\(-1\)"),
        (np.zeros((1, 4)), "reshape"),
        (np.zeros(3), r"shape \(3,\)"),
        (np.zeros((4, 2)), r"shape \(4, 2\)"),
        (0.5, "a sum or a mean over the batch"),
        (np.zeros(4) + 0j, "ndarray of dtype complex128"),
        (None, "None: it must return one real number a sample"),
        (["a"] * 4, "list of dtype <U1"),
        ([[1.0], [1.0, 2.0], [], []], "list, that is no array"),
        (np.array([object()] * 4), "ndarray of dtype object: it must"),
        (np.ma.masked_array(np.zeros(4), [1, 0, 0, 0]), "masked array, whose hidden values"),
        ({"log_weight": np.zeros(4)}, "dict: it must"),
        (np.array(["2020-01-01"] * 4, dtype="M8[D]"), r"dtype datetime64\[D\]"),
    ],
)
def test_what_is_no_log_weight_is_an_error(returned: Any, said: str) -> None:
    with pytest.raises(fs.ModelError, match=f"model 'mine' returned .*{said}"):
        log_weights_of("mine", returned, (4, 2))


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (lambda z: plane(z), {"params": [1.0]}, r"must take \(z, params\), but its signature is mine\(z\)"),
        (lambda: 1.0, {}, r"must take \(z, params\) or \(z\)"),
        (lambda z, *, temperature: plane(z), {}, "must take"),
        (lambda z, a, b: plane(z), {}, "must take"),
        (lambda z: plane(z), {"data": POINTS}, r"must take \(z, x, params\) or \(z, x\)"),
        (None, {}, "needs a function of batches, or a factory="),
        (3, {}, "a model is a function"),
        (plane, {"factory": "nowhere"}, "or its import path such as"),
        (plane, {"version": 3}, "version must be a word such as"),
        (plane, {"version": ""}, "version must be a word such as"),
        (plane, {"batch": "many"}, "batch must be a whole number"),
        (None, {"factory": lambda: 3}, "must return the log weight, a function, but returned 3"),
    ],
)
def test_bad_arguments_are_errors_at_once(function: Any, options: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        model(function, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 5}, "say vectorized=True too"),
        ({"version": "a"}, "say vectorized=True too"),
        ({"factory": "a:b"}, "say vectorized=True too"),
        ({"vectorized": True, "batch": 0}, "batch must be a whole number from 1"),
        ({"vectorized": True, "batch": 10**9}, "batch must be a whole number from 1"),
    ],
)
def test_words_of_vectorised_models_are_for_them(options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fs.Model(lambda z, params: z[0], 2, **options)


@pytest.mark.parametrize(
    "path", ["no_such_module_of_anyone:make", f"{__name__}:no_such_function", "math:nothing.at_all"]
)
def test_a_factory_that_is_not_there_is_an_error(path: str) -> None:
    with pytest.raises(ValueError, match="is not there"):
        model(None, factory=path)


# ---- the proof ----


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda z: plane(z) - plane(z).mean(), "in a batch of .* samples but .* alone, at z = .*go over the batch"),
        (lambda z: plane(z) / np.abs(plane(z)).max(), "go over the batch"),
        (lambda z: np.sort(plane(z)), "go over the batch"),
        (lambda z: np.full(len(z), z[0, 0]), "go over the batch"),
        (lambda z: plane(z) + np.random.default_rng().normal(size=len(z)), "and then .* for the same batch"),
        (lambda z: plane(z) * (np.random.default_rng().random(len(z)) > 0.5), "a dropout on"),
    ],
)
def test_a_log_weight_depends_on_its_own_sample_alone(function: Any, said: str) -> None:
    with pytest.raises(fs.ModelError, match=f"model 'mine' gives .*{said}"):
        Proof(model(function)).look()


@pytest.mark.parametrize(
    "function",
    [
        plane,
        lambda z: plane(z).astype(np.float32) * np.float32(1.0 + 1e-4 * (len(z) == 2)),  # as kernels of a network round
        lambda z: np.where(z[:, 0] > 0.0, -np.inf, z[:, 1]),
        lambda z: np.where(z[:, 0] > 0.0, np.nan, z[:, 1]),  # a run says so, and names the trial
        lambda z: 1e300 * z[:, 0],
    ],
)
def test_a_proof_passes_what_only_rounds(function: Any) -> None:
    Proof(model(function)).look()


def test_a_proof_goes_through_rows_of_data() -> None:
    data = np.arange(6.0).reshape(3, 2)
    Proof(fs.Model(lambda z, x: z[:, 0] + x[:, 1], 1, data=data, vectorized=True)).look()
    mixed = fs.Model(lambda z, x: z[:, 0] + x[:, 1].mean(), 1, data=data, vectorized=True)
    with pytest.raises(fs.ModelError, match="go over the batch"):
        Proof(mixed).look()


@pytest.mark.parametrize(
    "function",
    [
        lambda z, params: special.gammaln(z[0]),
        lambda z, params: torch.exp(z[0]),  # type: ignore[name-defined] # noqa: F821 - not even imported
        lambda z, params: score(z[0]),
        lambda z, params: z[:, 0],
    ],
)
def test_what_a_compiled_model_cannot_use_points_here(function: Any) -> None:
    with pytest.raises(fs.ModelError, match="for vectorized=True"):
        fs.simulate(fs.Model(function, 1, noise="uniform"), fs.ELBO(), 10)


# ---- memory ----


@pytest.mark.parametrize("error", [MemoryError("none left"), RuntimeError("CUDA out of memory. Tried to allocate")])
def test_batches_are_halved_where_memory_runs_out(error: Exception) -> None:
    sizes = []

    def hungry(z):  # type: ignore[no-untyped-def]
        sizes.append(len(z))
        if len(z) > 40:
            raise error
        return plane(z)

    points = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.warns(fs.errors.SlowModelWarning, match=r"no memory for 256 .*it goes on with 32; batch=32 is") as said:
        found = (mine := model(hungry, batch=256))(points)
    assert len(said) == 1
    assert np.array_equal(found, plane(points))
    assert sizes[:5] == [256, 128, 64, 32, 32]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(mine(points), plane(points))  # it knows


def test_where_no_batch_fits_the_error_comes_out() -> None:
    def never(z):  # type: ignore[no-untyped-def]
        raise MemoryError("none at all")

    with pytest.raises(MemoryError, match="none at all"):
        model(never)(POINTS)


def test_other_errors_are_not_of_memory() -> None:
    def lost(z):  # type: ignore[no-untyped-def]
        raise RuntimeError("CUDA error: device lost")

    with pytest.raises(RuntimeError, match="device lost") as caught:
        model(lost)(POINTS)
    assert caught.value.__notes__ == ["raised by the function of model 'mine', given 4 samples"]


def test_what_a_device_does_not_give_is_its_own_error() -> None:
    class Lost:
        def detach(self) -> Any:
            raise RuntimeError("device lost")

    class Sparse(Lost):
        def detach(self) -> Any:
            raise TypeError("no dense numbers")

    with pytest.raises(RuntimeError, match="device lost") as caught:
        model(lambda z: Lost())(POINTS)
    assert any("model 'mine'" in note for note in caught.value.__notes__)
    with pytest.raises(fs.ModelError, match=r"returned Sparse, that is no array \(no dense numbers\)"):
        model(lambda z: Sparse())(POINTS)


# ---- sent to other processes ----


def test_models_of_factories_are_made_again_without_their_networks() -> None:
    for factory in (f"{__name__}:made_here", made_here, functools.partial(made_here)):
        mine = model(None, factory=factory)
        assert mine.function.wrapped is not pickle.loads(pickle.dumps(mine)).function.wrapped
        if not isinstance(factory, str):
            assert made(recipe(mine))(POINTS).tolist() == [5.0, 11.0, 17.0]


def test_a_plain_function_is_sent_by_value() -> None:
    slope = 2.0
    mine = model(lambda z: z[:, 0] + slope * z[:, 1])
    assert made(recipe(mine))(POINTS).tolist() == [5.0, 11.0, 17.0]


def test_a_version_names_what_stays_in_its_process() -> None:
    network = Network()
    mine = model(lambda z: network(z), version="net-1")
    assert made(recipe(mine))(POINTS).tolist() == [5.0, 11.0, 17.0]
    sent = recipe(mine)
    del mine
    with pytest.raises(fs.ModelError, match=r"'net-1' is not in this process, .*factory="):
        pickle.loads(sent.capsule or b"")


def test_what_nothing_names_is_not_sent() -> None:
    network = Network()
    with pytest.raises(TypeError, match="nothing tells whether 'network' .*factory= takes .*version= a word"):
        recipe(model(lambda z: network(z)))


def test_fingerprints_are_versions_or_the_code_of_factories() -> None:
    def factory(scale: float) -> Any:
        return lambda: lambda z: scale * plane(z)

    network = Network()
    hashes = [
        source_hash(model(lambda z: network(z), version="a")),
        source_hash(model(lambda z: network(z), version="b")),
        source_hash(model(None, factory=factory(1.0))),
        source_hash(model(None, factory=factory(2.0))),
        source_hash(model(None, factory=made_here)),
        source_hash(model(plane)),
        source_hash(model(lambda z: plane(z) + 1.0)),
    ]
    assert len(set(hashes)) == len(hashes)
    assert source_hash(model(plane, version="a")) == hashes[0]
    assert source_hash(model(None, factory=factory(1.0))) == hashes[2]
    with pytest.raises(TypeError, match="nothing tells whether 'a value of the factory'"):
        recipe(model(None, factory=functools.partial(lambda which: which, network)))
