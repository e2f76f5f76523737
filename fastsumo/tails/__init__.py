"""What a heavy-tailed sample allows one to say: tail indices, intervals for a mean, and diagnostics.

The public names of the package; each lives in a file of its own subject. Plain NumPy and SciPy on arrays or
on a `Summary`; no kernels. Figures are in `fastsumo.plot`.
"""

from ._checks import TailWarning
from ._choose import choose_k
from ._describe import (
    MaxToSum,
    MeanExcess,
    TailQQ,
    VarianceGrowth,
    max_to_sum,
    mean_excess,
    tail_qq,
    variance_growth,
)
from ._diagnose import Diagnosis, diagnose, trials_needed
from ._gpd import GPDFit, gpd_fit
from ._histogram import Histogram, histogram_quantile, log_histogram, merge_histograms
from ._index import HillPath, TailIndex, hill_path, tail_index
from ._intervals import Interval, mean_interval
from ._khat import (
    ParetoKhat,
    convergence_rate,
    khat_threshold,
    min_sample_size,
    pareto_khat,
    psis_tail_length,
)
from ._quantiles import quantile, quantile_interval
from ._summary import Summary, Trace, summarize, trace
from ._tests import DropLargest, IndexTest, TailConstantTest, drop_largest, index_test, tail_constant_test

__all__ = [
    "Diagnosis",
    "DropLargest",
    "GPDFit",
    "HillPath",
    "Histogram",
    "IndexTest",
    "Interval",
    "MaxToSum",
    "MeanExcess",
    "ParetoKhat",
    "Summary",
    "TailConstantTest",
    "TailIndex",
    "TailQQ",
    "TailWarning",
    "Trace",
    "VarianceGrowth",
    "choose_k",
    "convergence_rate",
    "diagnose",
    "drop_largest",
    "gpd_fit",
    "hill_path",
    "histogram_quantile",
    "index_test",
    "khat_threshold",
    "log_histogram",
    "max_to_sum",
    "mean_excess",
    "mean_interval",
    "merge_histograms",
    "min_sample_size",
    "pareto_khat",
    "psis_tail_length",
    "quantile",
    "quantile_interval",
    "summarize",
    "tail_constant_test",
    "tail_index",
    "tail_qq",
    "trace",
    "trials_needed",
    "variance_growth",
]
