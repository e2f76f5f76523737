"""What theory says of the estimators: means, variances, costs and tails, exactly where that is known.

The public names of the package; each lives in a file of its own subject. Plain NumPy and SciPy; no kernels.
"""

from ._chi_square import chi_square, khat_of_weights
from ._far import FarOut, far_out
from ._frullani import iwae, log_evidence_of
from ._octaves import Parts, parts
from ._pairs import terms_of_sumo
from ._predict import gamma_moments, has_zero_weights, last_sample, predict, series_index, tail, tail_index
from ._quantities import ChiSquare, Prediction, Quantity
from ._runs import PowerTail, has_moment, tail_law, tail_survival
from ._taylor import best_series, centered, evidence_of

__all__ = [
    "ChiSquare",
    "FarOut",
    "Parts",
    "PowerTail",
    "Prediction",
    "Quantity",
    "best_series",
    "centered",
    "chi_square",
    "evidence_of",
    "far_out",
    "gamma_moments",
    "has_moment",
    "has_zero_weights",
    "iwae",
    "khat_of_weights",
    "last_sample",
    "log_evidence_of",
    "parts",
    "predict",
    "series_index",
    "tail",
    "tail_index",
    "tail_law",
    "tail_survival",
    "terms_of_sumo",
]
