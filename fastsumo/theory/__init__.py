"""What theory says of the estimators: means, variances, costs and tails, exactly where that is known.

The public names of the package; each lives in a file of its own subject. Plain NumPy and SciPy; no kernels.
"""

from ._chi_square import chi_square
from ._frullani import iwae, log_evidence_of
from ._octaves import Parts, parts
from ._predict import gamma_moments, last_sample, moment_exists, predict, tail_index
from ._quantities import ChiSquare, Prediction, Quantity
from ._runs import PowerTail, tail_law, tail_survival

__all__ = [
    "ChiSquare",
    "Parts",
    "PowerTail",
    "Prediction",
    "Quantity",
    "chi_square",
    "gamma_moments",
    "iwae",
    "last_sample",
    "log_evidence_of",
    "moment_exists",
    "parts",
    "predict",
    "tail_index",
    "tail_law",
    "tail_survival",
]
