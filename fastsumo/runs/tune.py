"""`tune`: parameters of a proposal that make its importance weights better, and `Tuned`, which says how much better.

What is minimised and on which points is in `tuning.py`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.logs import LOGGER
from fastsumo.base.shown import Shown
from fastsumo.base.text import Column, Rows, counted, table, with_error
from fastsumo.base.words import spelled
from fastsumo.engine.cpu.kernels.points import values_at
from fastsumo.errors import ModelError
from fastsumo.estimators.estimators import ELBO, SUMO
from fastsumo.estimators.roulette import Harmonic
from fastsumo.models.model import Model
from fastsumo.models.parsing import as_model
from fastsumo.models.proposals import Gaussian, Mixture, Proposal, StudentT
from fastsumo.runs.simulate import sample, simulate
from fastsumo.runs.tuning import (
    Family,
    Sample,
    chi_square_of,
    find_target,
    least_chi_square,
    least_hellinger,
    matrix_of,
    reference_for,
    sample_of,
)
from fastsumo.theory import far_out

Floats = NDArray[np.float64]
Fit = Callable[[Family, Sample, int], tuple[Floats, Any]]

_OBJECTIVES = ("auto", "hellinger", "chi-square", "sumo-variance", "elbo")
_WORSE = 4.0  # standard errors by which a number of the tuned model may look worse, by chance
_MOST_FULL = 32  # dimensions up to which the covariance is full by default
_ROUNDS = 3  # of fit and new reference
_WIDER = (1.0, 2.0, 4.0), (0.6, 0.25, 0.15)  # scales of the noise under which params are tuned
_NOT_ALLOWED = 1e100  # what an objective counts where it is not finite
_NELDER_MEAD = 8  # parameters up to which the simplex is tried as well


@dataclass(frozen=True)
class Quality(Shown):
    """How good a proposal is, on fresh samples.

    Attributes
    ----------
    chi_square, chi_square_error : float
        ``Var(w) / Z^2``, and its standard error, infinite where the largest weights rule the estimate.
    elbo, elbo_error : float
        ``E[log w]``.
    sumo_variance, sumo_variance_error : float
        Of SUMO under the harmonic law with the cap of `tune`; NaN where some trial has no weight.
    """

    chi_square: float
    chi_square_error: float
    elbo: float
    elbo_error: float
    sumo_variance: float
    sumo_variance_error: float

    @property
    def tail_constant(self) -> float:
        """``lim P(|S - log Z| > x) x^2`` of SUMO under the harmonic law: the chi-square."""
        return self.chi_square


@dataclass(frozen=True, eq=False, repr=False)
class Tuned(Shown):
    """What `tune` found.

    Attributes
    ----------
    model : Model
        With the better proposal, or the better params; the one that was given where nothing better was found.
    objective : str
        What was minimised: of "auto", what it came to.
    before, after : Quality
    cap : int
        Of the SUMO whose variance is given.
    iterations, evaluations : int
    converged : bool
    message : str
        How the search ended, and what is wrong with the family: which moment of the weights does not exist.

    Examples
    --------
    >>> import fastsumo as fs
    >>> found = fs.tune(fs.models.note(), samples=5_000)
    >>> found.objective, found.converged, found.after.chi_square < found.before.chi_square
    ('chi-square', True, True)
    """

    model: Model
    objective: str
    before: Quality
    after: Quality
    cap: int
    iterations: int
    evaluations: int
    converged: bool
    message: str

    @property
    def proposal(self) -> Proposal | None:
        """The better proposal; None of a model without one."""
        return self.model.proposal

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON but for NaN and infinities; the proposal's as lists.

        Examples
        --------
        >>> import fastsumo as fs
        >>> sorted(fs.tune(fs.models.note(), samples=5_000).to_dict()["proposal"])
        ['covariance', 'kind', 'mean']
        """
        names = ("objective", "cap", "iterations", "evaluations", "converged", "message")
        found: dict[str, Any] = {"model": self.model.name} | {name: getattr(self, name) for name in names}
        found |= {"before": asdict(self.before), "after": asdict(self.after), "params": self.model.params.tolist()}
        if self.proposal is not None:
            numbers = {name: value.tolist() for name, value in self.proposal.parameters.items()}
            found["proposal"] = {"kind": type(self.proposal).__name__} | numbers
        return found

    def __repr__(self) -> str:
        change = f"chi_square {self.before.chi_square:.4g} -> {self.after.chi_square:.4g}"
        return f"Tuned({self.model.name!r}, {self.objective!r}, {change})"

    def __str__(self) -> str:
        notes = [f"\n{note}" for note in self._notes()]
        return "\n".join([self._title(), textwrap.fill(self.message, 80), "", table(self._columns()) + "".join(notes)])

    def _blocks(self) -> list[Rows | list[Column]]:
        notes = Rows(("", text) for text in (self.message, *self._notes()))
        return [Rows([("", self._title())]), self._columns(), notes]

    def _title(self) -> str:
        end = "converged" if self.converged else "not converged"
        return f"{self.model.name} tuned for {self.objective}: {end} after {counted(self.evaluations, 'evaluation')}"

    def _notes(self) -> list[str]:
        unsettled = any(math.isinf(found.chi_square_error) for found in (self.before, self.after))
        return ["~ the largest weights rule this number; the truth may be infinite"] if unsettled else []

    def _columns(self) -> list[Column]:
        names = ["chi-square, the tail constant", "ELBO", f"variance of SUMO, cap {self.cap}"]
        columns = [Column("", names, left=True)]
        for head, found in (("before", self.before), ("after", self.after)):
            cells = [
                _cell(found.chi_square, found.chi_square_error),
                _cell(found.elbo, found.elbo_error),
                _cell(found.sumo_variance, found.sumo_variance_error),
            ]
            columns.append(Column(head, cells))
        return columns


def _cell(value: float, error: float) -> str:
    if math.isinf(error):
        return f"~ {value:.3g}"
    return with_error(value, error)


@own_errstate
@spelled
def tune(
    model: Model | str,
    objective: str = "auto",
    *,
    params: slice | Sequence[int] | None = None,
    covariance: str | None = None,
    cap: int = 64,
    samples: int = 2**16,
    seed: int = 0,
    max_iterations: int = 1000,
) -> Tuned:
    """The proposal nearest to the target: of least chi-square where that exists, else of least Hellinger distance.

    What comes back is never worse on fresh samples than what was given: where it would be, that is returned, and
    ``message`` says which moment of the weights does not exist.

    Parameters
    ----------
    model : Model
        Made by `fs.importance` with a `Gaussian` or `StudentT` proposal: mean and covariance are tuned, degrees of
        freedom kept. Or any model, with ``params``.
    objective : {"auto", "hellinger", "chi-square", "sumo-variance", "elbo"}
        Chi-square is the tail constant of SUMO under the harmonic law, and ``Var(w) / Z^2``; it may be infinite over a
        whole family, as for all normal proposals of a target with heavier tails, and then is nothing to minimise. The
        Hellinger distance always exists. "auto" begins with that, and goes on to chi-square where the tails and fresh
        samples show that there is one.
    params : slice or sequence of int, optional
        Tune these of the model's params instead, which must belong to the proposal, not to the target.
    covariance : {"full", "diagonal"}, optional
        By default full up to 32 dimensions.
    cap : int
        Of the SUMO whose variance is measured, and minimised by "sumo-variance".
    samples : int
        Points, or SUMO trials, of one evaluation of the objective. The ELBO takes an eighth of them.
    seed : int
        From 0 to ``2**63``.
    max_iterations : int

    Returns
    -------
    Tuned

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above, or the target has no mass anywhere near the proposal.

    Notes
    -----
    Random numbers are fixed, so that the objective is a smooth function of the parameters, and `scipy.optimize` does
    the rest. Chi-square as its own proposal sees it is a trap: points of a proposal that has lost a mode do not show
    it. So it is taken over a reference, ``E_r[p^2 / (q r)] / E_r[p / r]^2``: Student t's of several scales, brought to
    the target by tempered adaptive importance sampling from the proposal given, up to eight times as wide as what was
    found, and renewed after each of three fits. A mode that is farther away than that can still be missed. For a
    normal proposal the problem is convex (see `tuning.least_chi_square`). The Hellinger distance is taken over the
    same references. "sumo-variance" and "elbo" begin at the proposal nearest in it; they sample the proposal itself,
    and "elbo" by its nature prefers one mode to a bridge between two.

    With ``params`` the target is only known through the weights, so the reference is in the noise: standard normals
    one, two and four times as wide.

    Examples
    --------
    >>> import fastsumo as fs
    >>> found = fs.tune(fs.models.note(), samples=20_000)
    >>> found.objective, bool(found.after.chi_square < 0.5 < 0.7 < found.before.chi_square)
    ('chi-square', True)
    """
    checks.choice("objective", objective, _OBJECTIVES)
    model = as_model(model)
    if model.data is not None:
        raise ValueError(f"model {model.name!r} has data: tune takes one row at a time, model.at_row(i)")
    size = checks.whole("samples", samples, 1000, 2**26)
    limit = checks.whole("cap", cap, 1, 2**20)
    most = checks.whole("max_iterations", max_iterations, 1)
    start = checks.whole("seed", seed, 0, 2**63)
    if params is not None:
        if covariance is not None:
            raise ValueError(f"covariance={covariance!r} is that of a proposal; with params these alone are tuned")
        return _Params(model, objective, params, limit, size, start, most).tuned()
    proposal = model.proposal
    if proposal is None:
        raise ValueError(
            f"model {model.name!r} has no proposal: make it with fs.importance, or say which params to tune"
        )
    if not isinstance(proposal, (Gaussian, StudentT)):
        raise TypeError(f"tune takes Gaussian and StudentT proposals, got {type(proposal).__name__}")
    kind = covariance or ("full" if model.dim <= _MOST_FULL else "diagonal")
    checks.choice("covariance", kind, ("full", "diagonal"))
    return _Proposals(model, objective, kind == "full", limit, size, start, most).tuned()


class _Tuning:
    """What both ways have in common."""

    def __init__(self, model: Model, objective: str, cap: int, samples: int, seed: int, most: int) -> None:
        self.model, self.objective, self.cap, self.samples = model, objective, cap, samples
        self.seed, self.most, self.iterations, self.evaluations = seed, most, 0, 0
        self.converged, self.message = True, ""

    def note(self, report: Any) -> None:
        """Keep how the optimiser ended."""
        self.iterations += int(report.nit)
        self.evaluations += int(report.nfev)
        self.converged = bool(report.success)
        if self.converged:
            self.message = "no small step from here is better"
        elif report.nit >= self.most:
            self.message = f"the search ended at its {self.most} steps: max_iterations= allows more"
        else:
            self.message = "the search found no step down, short of where it was to end; the best it met is kept"
        LOGGER.info("tune %s: %d evaluations, %s", self.model.name, self.evaluations, report.message)

    def minimise(self, objective: Callable[[Floats], float], start: Floats, bounds: Any = None) -> Floats:
        """L-BFGS-B with gradients by differences, and the simplex where there are few parameters and it stops early."""
        from scipy.optimize import minimize

        def safe(x: Floats) -> float:
            try:
                value = objective(x)
            except ModelError:  # parameters that the model does not allow
                return _NOT_ALLOWED
            return value if math.isfinite(value) else _NOT_ALLOWED

        objective(start)  # here an error is one
        options: dict[str, Any] = {"maxiter": self.most, "ftol": 1e-12, "eps": 1e-6}
        best = minimize(safe, start, method="L-BFGS-B", bounds=bounds, options=options)
        self.note(best)
        if best.success or start.size > _NELDER_MEAD:
            return np.asarray(best.x)
        options = {"maxiter": 200 * start.size, "xatol": 1e-6, "fatol": 1e-10}
        simplex = minimize(safe, best.x, method="Nelder-Mead", bounds=bounds, options=options)
        self.note(simplex)
        return np.asarray(simplex.x if simplex.fun < best.fun else best.x)

    def log_sumo_variance(self, model: Model, seed: int) -> float:
        """Of a capped SUMO on trials of fixed numbers."""
        values, _ = sample(model, self._sumo(), self.samples, seed)
        return math.log(max(float(np.var(values)), 1e-300)) if np.isfinite(values).all() else math.inf

    def _sumo(self) -> Any:
        return SUMO(Harmonic(cap=self.cap))

    def quality(self, model: Model, chi_square: tuple[float, float]) -> Quality:
        """Measured with seeds that the search has not used."""
        fresh = self.seed + 2**32
        sumo = simulate(model, self._sumo(), self.samples, fresh, progress=False)
        log_weights, _ = sample(model, ELBO(), self.samples, fresh)
        variance = sumo.variance
        error = variance * math.sqrt(max(sumo.kurtosis - 1.0, 0.0) / sumo.trials)
        with np.errstate(invalid="ignore"):
            elbo_error = float(np.std(log_weights)) / math.sqrt(self.samples)
        return Quality(*chi_square, float(np.mean(log_weights)), elbo_error, variance, error)

    def result(self, found: Model, before: Quality, after: Quality) -> Tuned:
        """What was found, or what was given where that is better on fresh samples."""
        message = self.message
        heavy = far_out(found).has_square is False
        if self.worse(before, after):
            found, after = self.model, before
            message = "nothing better was found, and the model is the one that was given"
            self.converged = False
        if heavy:
            message += (
                ": E[w^2] does not exist, for the target has heavier tails than the proposal, and so there is no "
                "chi-square to minimise; take a StudentT proposal, or objective='elbo'"
            )
        end = self.iterations, self.evaluations, self.converged, message
        return Tuned(found, self.objective, before, after, self.cap, *end)

    def worse(self, before: Quality, after: Quality) -> bool:
        """Whether what was found is no better: by what was asked for, or by the variance of SUMO."""
        if self.objective == "elbo":
            return after.elbo < before.elbo - _WORSE * math.hypot(before.elbo_error, after.elbo_error)
        was_settled, is_settled = (math.isfinite(each.chi_square_error) for each in (before, after))
        if is_settled and not was_settled:
            return False  # what a proposal misses of the target, a variance of its own samples does not show
        if is_settled and self.objective == "chi-square":
            slack = _WORSE * math.hypot(before.chi_square_error, after.chi_square_error)
            if after.chi_square > before.chi_square + slack:
                return True
        if math.isnan(before.sumo_variance) or math.isnan(after.sumo_variance):
            return math.isnan(after.sumo_variance) and not math.isnan(before.sumo_variance)
        slack = _WORSE * math.hypot(before.sumo_variance_error, after.sumo_variance_error)
        return after.sumo_variance > before.sumo_variance + min(slack, 0.2 * before.sumo_variance)


class _Proposals(_Tuning):
    """Mean and covariance of the proposal."""

    def __init__(self, model: Model, objective: str, full: bool, *numbers: int) -> None:
        super().__init__(model, objective, *numbers)
        self.full = full
        assert isinstance(model.proposal, (Gaussian, StudentT))
        self.given: Gaussian | StudentT = model.proposal

    def tuned(self) -> Tuned:
        mean, covariance = find_target(self.model, self.given, self.seed + 2**33)
        fit = least_chi_square if self.objective == "chi-square" else least_hellinger
        found, reference = self.fitted(fit, mean, covariance, 0)
        if self.objective in ("auto", "sumo-variance"):
            found, reference = self.with_chi_square(found, reference)
        if self.objective in ("sumo-variance", "elbo"):
            objective = self.minus_elbo if self.objective == "elbo" else self.log_variance
            family = Family(self.given, np.array(found.mean), matrix_of(found), self.full)
            found = family.proposal(self.minimise(lambda x: objective(family, x), family.start, family.bounds))
        before, after = (self.measure(q, reference) for q in (self.given, found))
        return self.result(self.model.with_proposal(found), before, after)

    def fitted(self, fit: Fit, mean: Floats, covariance: Floats, first: int) -> tuple[Gaussian | StudentT, Mixture]:
        """The proposal that a fit ends at, from a reference that is renewed after each; and the last reference."""
        for round_ in range(first, first + _ROUNDS):
            family = Family(self.given, mean, covariance, self.full)
            sample = sample_of(self.model, reference_for(mean, covariance), self.samples, self.seed + 2**34 + round_)
            parameters, report = fit(family, sample, self.most)
            self.note(report)
            found = family.proposal(parameters)
            mean, covariance = np.array(found.mean), matrix_of(found)
        return found, reference_for(mean, covariance)

    def with_chi_square(self, near: Gaussian | StudentT, reference: Mixture) -> tuple[Gaussian | StudentT, Mixture]:
        """The proposal of least chi-square from one nearby, where there is one; else that one."""
        auto = self.objective == "auto"
        if auto:
            self.objective = "hellinger"
        if far_out(self.model.with_proposal(near)).has_square is False:
            return near, reference
        kept = self.iterations, self.evaluations, self.converged, self.message
        found, wider = self.fitted(least_chi_square, np.array(near.mean), matrix_of(near), _ROUNDS)
        chi_square, error = self.chi_square(found, wider)
        other, _ = self.chi_square(near, wider)
        if far_out(self.model.with_proposal(found)).has_square is False or math.isinf(error) or chi_square > other:
            self.iterations, self.evaluations, self.converged, self.message = kept
            return near, reference
        if auto:
            self.objective = "chi-square"
        return found, wider

    def minus_elbo(self, family: Family, parameters: Floats) -> float:
        """On the same noise each time."""
        proposal = family.proposal(parameters)
        noise = np.random.default_rng(self.seed + 2**35).standard_normal((self.samples // 8, proposal.noise_dim))
        points = proposal.points(noise)
        return -float(np.mean(values_at(self.model, points) - proposal.log_density(points)))

    def log_variance(self, family: Family, parameters: Floats) -> float:
        return self.log_sumo_variance(self.model.with_proposal(family.proposal(parameters)), self.seed)

    def chi_square(self, proposal: Gaussian | StudentT, reference: Mixture) -> tuple[float, float]:
        """On samples that no fit has seen."""
        sample = sample_of(self.model, reference, self.samples, self.seed + 2**36)
        log_weight = sample.log_target - sample.log_reference
        log_square = log_weight + sample.log_target - proposal.log_density(sample.points)
        return chi_square_of(log_square, log_weight)

    def measure(self, proposal: Gaussian | StudentT, reference: Mixture) -> Quality:
        return self.quality(self.model.with_proposal(proposal), self.chi_square(proposal, reference))


class _Params(_Tuning):
    """A part of the params."""

    def __init__(self, model: Model, objective: str, params: slice | Sequence[int], *numbers: int) -> None:
        super().__init__(model, objective, *numbers)
        indices = np.arange(model.params.size)
        try:
            self.chosen = np.atleast_1d(indices[params if isinstance(params, slice) else list(params)])
        except (IndexError, TypeError):
            raise ValueError(f"params must choose among {counted(indices.size, 'param')}, got {params!r}") from None
        if self.chosen.size == 0:
            raise ValueError(f"params chooses none of the {counted(indices.size, 'param')}: {params!r}")
        self.scale = np.maximum(np.abs(model.params[self.chosen]), 0.1)

    def tuned(self) -> Tuned:
        sample = self.noise(self.seed)
        plain = np.random.default_rng(self.seed).standard_normal((self.samples // 8, self.model.noise_dim))

        def objective(x: Floats) -> float:
            model = self.at(x)
            if self.objective == "sumo-variance":
                return self.log_sumo_variance(model, self.seed)
            if self.objective == "elbo":
                return -float(np.mean(self.log_weights(model, plain if self.normal else sample[0])))
            logs, ratio = self.log_weights(model, sample[0]), sample[1]
            if self.objective in ("auto", "hellinger"):
                return 0.5 * _log_sum(logs + ratio) - _log_sum(0.5 * logs + ratio)
            return _log_sum(2.0 * logs + ratio) - 2.0 * _log_sum(logs + ratio)

        at = self.minimise(objective, self.model.params[self.chosen] / self.scale)
        best, fresh = self.at(at), self.noise(self.seed + 2**36)
        if self.objective == "auto":
            best = self.with_chi_square(objective, at, fresh)
        before, after = (self.measure(model, fresh) for model in (self.model, best))
        return self.result(best, before, after)

    def with_chi_square(self, objective: Callable[[Floats], float], at: Floats, fresh: tuple[Floats, Floats]) -> Model:
        """The params of least chi-square from some nearby, where there is one; else those."""
        near, self.objective = self.at(at), "chi-square"
        kept = self.iterations, self.evaluations, self.converged, self.message
        found = self.at(self.minimise(objective, at))
        (chi_square, error), (other, _) = self.chi_square(found, fresh), self.chi_square(near, fresh)
        if far_out(found).has_square is False or math.isinf(error) or chi_square > other:
            self.objective = "hellinger"
            self.iterations, self.evaluations, self.converged, self.message = kept
            return near
        return found

    def chi_square(self, model: Model, sample: tuple[Floats, Floats]) -> tuple[float, float]:
        logs = self.log_weights(model, sample[0])
        return chi_square_of(2.0 * logs + sample[1], logs + sample[1])

    @property
    def normal(self) -> bool:
        return self.model.noise == "normal"

    def at(self, x: Floats) -> Model:
        params = np.array(self.model.params)
        params[self.chosen] = x * self.scale
        return self.model.with_params(params)

    def noise(self, seed: int) -> tuple[Floats, Floats]:
        """Noise from the reference, and the log of the true density over the reference's."""
        random, dim = np.random.default_rng(seed), self.model.noise_dim
        if not self.normal:
            return random.random((self.samples, dim)), np.zeros(self.samples)
        scales, shares = (np.array(numbers) for numbers in _WIDER)
        z = random.standard_normal((self.samples, dim)) * random.choice(scales, (self.samples, 1), p=shares)
        square = np.sum(z**2, axis=1)[:, None]
        each = np.log(shares) - dim * np.log(scales) - 0.5 * square / scales**2
        return z, -0.5 * square[:, 0] - np.logaddexp.reduce(each, axis=1)

    def log_weights(self, model: Model, noise: Floats) -> Floats:
        if model.proposal is None:
            return values_at(model, noise)
        points = model.proposal.points(noise)
        return values_at(model, points) - model.proposal.log_density(points)

    def measure(self, model: Model, sample: tuple[Floats, Floats]) -> Quality:
        return self.quality(model, self.chi_square(model, sample))


def _log_sum(logs: Floats) -> float:
    top = float(logs.max())
    return top + math.log(float(np.sum(np.exp(logs - top)))) if math.isfinite(top) else top
