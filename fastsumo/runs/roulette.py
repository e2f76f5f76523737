"""`fs.roulette`: the laws of `K`, and `optimal`, which makes one for a model."""

from fastsumo.estimators.roulette import Geometric, Harmonic, HarmonicGeometric, PowerLaw, Roulette, Table
from fastsumo.runs.optimal import optimal

__all__ = ["Geometric", "Harmonic", "HarmonicGeometric", "PowerLaw", "Roulette", "Table", "optimal"]
