"""What theory gives back: numbers that say how far to believe them. No formula lives here."""

from __future__ import annotations

import math
import textwrap
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from fastsumo.base.shown import Shown
from fastsumo.base.text import NARROWEST, WIDTH, Column, Rows
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.labels import label

Kind = Literal["exact", "first-order", "infinite", "unknown"]
_KINDS = ("exact", "first-order", "unknown", "infinite")  # from good to bad


@dataclass(frozen=True)
class Quantity:
    """A number, and what kind of knowledge it is.

    Attributes
    ----------
    value : float
        NaN where it is not known or does not exist.
    kind : {"exact", "first-order", "infinite", "unknown"}
        "exact" to its ``error``; "first-order" for the leading term in the number of samples, where what follows is
        small, or for a tail; "infinite" for what diverges, and for a mean that does not exist since ``E |value|``
        diverges.
    error : float
        Of what is exact: 0 of a closed form, else of a quadrature. Of what is of first order in a chi-square from a
        pilot, the standard error that it has from there.

    Examples
    --------
    >>> Quantity(0.5, "exact"), Quantity(0.5, "exact", 2e-7)
    (0.5 (exact), 0.5 ± 2e-07 (exact))
    """

    value: float
    kind: Kind
    error: float = field(default=0.0, compare=False)

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        if self.kind in ("infinite", "unknown"):
            return self.kind
        size = abs(self.value)
        rounding = min(1e-10, 1e-4 * size) if size > 1e-12 else 1e-10  # of what is exact: not worth a word
        error = (
            f" ± {self.error:.2g}" if self.error > max(1e-9 * size, rounding if self.kind == "exact" else 0.0) else ""
        )
        return f"{self.value:.10g}{error} ({self.kind})"

    def or_so(self, other: Quantity) -> Quantity:
        """With what it is from another, which differs by a standard error of what both were made from.

        Examples
        --------
        >>> Quantity(2.0, "first-order").or_so(Quantity(2.25, "first-order"))
        2 ± 0.25 (first-order)
        """
        apart = abs(other.value - self.value)
        return replace(self, error=self.error + apart) if math.isfinite(apart) else self

    def times(self, other: Quantity) -> Quantity:
        """The product, as well known as the worse of the two; infinite where either is.

        Examples
        --------
        >>> Quantity(0.5, "exact").times(Quantity(4.0, "first-order"))
        2 (first-order)
        """
        worse = max(self.kind, other.kind, key=_KINDS.index)
        if worse == "infinite":
            return INFINITE
        if worse == "unknown":
            return UNKNOWN
        error = self.error * abs(other.value) + other.error * abs(self.value)
        return Quantity(self.value * other.value, worse, error)


INFINITE = Quantity(math.inf, "infinite")
UNKNOWN = Quantity(math.nan, "unknown")


@dataclass(frozen=True)
class ChiSquare:
    """``Var(w) / Z^2`` of a model's weights.

    Attributes
    ----------
    value : float
        Infinite where the weights have no variance; NaN where it is not known.
    error : float
        Standard error of a pilot, or the error of a quadrature; 0 where it was declared, or follows from the tails.
    source : {"declared", "tails", "quadrature", "pilot", "unknown"}
        "tails" where the weights far out show that there is no variance.
    why : str
        Why it is not known, or why there is no more than a pilot.

    Examples
    --------
    >>> ChiSquare(0.5, 0.01, "pilot"), float(ChiSquare(0.5, 0.0, "declared"))
    (0.5 ± 0.01 (pilot), 0.5)
    """

    value: float
    error: float
    source: str
    why: str = ""

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        if math.isnan(self.value):
            return "unknown"
        error = f" ± {self.error:.2g}" if self.error > 1e-9 * (1.0 + abs(self.value)) else ""
        return f"{self.value:.10g}{error} ({self.source})"


@dataclass(frozen=True)
class Prediction(Shown):
    """What theory says of an estimator on a model.

    Attributes
    ----------
    model : str
    estimator : Estimator
    mean, variance : Quantity
        Of one trial's value.
    cost : Quantity
        Expected importance samples of one trial.
    variance_times_cost : Quantity
        The variance that a budget of one importance sample buys: the figure to compare estimators by; of
        ``variance_of_mean``.
    tail_index, tail_constant : Quantity
        ``P(|value - log Z| > x)`` is about ``tail_constant * x**-tail_index``, both sides together; the
        index is infinite (a value, not the kind) where the tail is lighter than any power.
    chi_square : ChiSquare
    notes : tuple of str
        What a reader of the numbers should know.
    variance_of_mean : Quantity
        Times the number of trials: ``variance`` where they are independent, less for whole blocks of stratified ones.

    Examples
    --------
    >>> import fastsumo as fs
    >>> found = fs.theory.predict(fs.models.gamma(2.0), fs.IWAE(10))
    >>> found.mean, found.variance, found.cost, found.tail_index.value
    (-0.02520828131 (exact), 0.05127082294 (exact), 10 (exact), inf)
    """

    model: str
    estimator: Estimator
    mean: Quantity
    variance: Quantity
    cost: Quantity
    variance_times_cost: Quantity
    tail_index: Quantity
    tail_constant: Quantity
    chi_square: ChiSquare
    notes: tuple[str, ...] = ()
    variance_of_mean: Quantity = UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON but for NaN and infinities; quantities as value, kind and error where there is one.

        The estimator is text.

        Returns
        -------
        dict

        Examples
        --------
        >>> import fastsumo as fs
        >>> fs.theory.predict(fs.models.note(), fs.ELBO()).to_dict()["cost"]
        {'value': 1.0, 'kind': 'exact'}
        """
        numbers = asdict(self) | {"estimator": label(self.estimator, "exact")}
        for value in numbers.values():
            if isinstance(value, dict) and value.get("error") == 0.0 and "kind" in value:
                del value["error"]
        return numbers

    def text(self, width: int = WIDTH) -> str:
        """What ``print`` shows, in at most ``width`` columns.

        Parameters
        ----------
        width : int
            At least 40.

        Returns
        -------
        str

        Examples
        --------
        >>> import fastsumo as fs
        >>> fs.theory.predict(fs.models.note(), fs.ELBO()).text().splitlines()[0]
        'ELBO() on note, by theory'
        """
        width = max(width, NARROWEST)
        lines = [_wrapped(self._title(), width)]
        lines += [_wrapped(f"  {name:<16} {value}", width, 19) for name, value in self._rows()]
        return "\n".join(lines + [_wrapped(f"  note: {note}", width) for note in self.notes])

    def _title(self) -> str:
        return f"{label(self.estimator)} on {self.model}, by theory"

    def _rows(self) -> Rows:
        names = ["mean", "variance", "cost", "variance_times_cost", "tail_index", "tail_constant", "chi_square"]
        if self.estimator.plan().stratified > 1:
            names.insert(2, "variance_of_mean")
        return Rows((name.replace("_", " ").replace("times", "x"), repr(getattr(self, name))) for name in names)

    def _blocks(self) -> list[Rows | list[Column]]:
        return [Rows([("", self._title())]), self._rows(), Rows(("note", note) for note in self.notes)]

    def __str__(self) -> str:
        return self.text()


def _wrapped(line: str, width: int, indent: int = 4) -> str:
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_on_hyphens=False)
