"""Real data: whether cold made the O-rings of the space shuttle fail.

    python real_data.py

Twenty-three launches before the accident of 1986: the temperature, and whether an O-ring was damaged (Dalal, Fowlkes &
Hoadley, J. American Statistical Association 84, 1989). Two logistic regressions, one with the temperature and one
without; the difference of their log evidences is the log of the Bayes factor. It writes `real_data.png`.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import fastsumo as fs

FAHRENHEIT = [66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58]
DAMAGED = [0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1]
PRIOR_SCALE = 2.0

if __name__ == "__main__":
    cold = (70.0 - np.array(FAHRENHEIT)) / 10.0
    columns = np.column_stack([np.ones_like(cold), cold])
    models = {
        "with temperature": fs.models.logistic_regression(columns, DAMAGED, PRIOR_SCALE, "student"),
        "without": fs.models.logistic_regression(columns[:, :1], DAMAGED, PRIOR_SCALE, "student"),
    }
    found = {}
    for name, model in models.items():
        found[name] = r = fs.simulate(model, fs.MLMC(), trials=1_000_000)  # unbiased, with a variance
        print(f"log evidence {name}: {r.mean:.5f} ± {r.std_error:.5f}")
    one, other = found.values()
    difference, error = one.mean - other.mean, math.hypot(one.std_error, other.std_error)
    print(f"log Bayes factor {difference:.4f} ± {error:.4f}: the odds go up {math.exp(difference):.2f} times")

    scales = np.geomspace(0.5, 16.0, 11)
    for name, model in models.items():  # a parameter of the model: nothing is compiled again
        runs = [fs.simulate(model.with_params([scale]), fs.MLMC(), trials=50_000) for scale in scales]
        plt.errorbar(scales, [r.mean for r in runs], [2 * r.std_error for r in runs], label=name, capsize=2)
    plt.xscale("log")
    plt.xlabel("standard deviation of the prior")
    plt.ylabel("log evidence ± 2 standard errors")
    plt.legend()
    plt.savefig("real_data.png")
