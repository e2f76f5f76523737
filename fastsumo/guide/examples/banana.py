"""A model of your own: a banana, two proposals, and what each does to the tail.

    python banana.py

It writes `banana.png`. On the command line the same model is ``fastsumo run banana.py:covered``.
"""

import fastsumo as fs


def log_density(x, params):
    """A standard normal across, and a normal along the parabola ``params[0] x²``: the integral is 2π."""
    bend = x[1] - params[0] * x[0] ** 2
    return -0.5 * (x[0] ** 2 + bend**2)


MEAN, COVARIANCE, LOG_2_PI = [0.0, 0.5], [[1.5, 0.0], [0.0, 3.0]], 1.8378770664093453

# Along its arms the banana falls like exp(-|y|). A Student t covers it; a Gaussian does not, and single weights rule.
covered = fs.importance(
    log_density, fs.proposals.StudentT(MEAN, COVARIANCE, df=5), params=[0.5], log_evidence=LOG_2_PI, name="covered"
)
bare = fs.importance(
    log_density, fs.proposals.Gaussian(MEAN, COVARIANCE), params=[0.5], log_evidence=LOG_2_PI, name="bare"
)

if __name__ == "__main__":
    for model in (covered, bare):
        predicted = fs.theory.predict(model, fs.SUMO())
        found = fs.simulate(model, fs.SUMO(), trials=1_000_000)
        interval = found.interval(0.95)
        print(f"{model.name}: χ² {predicted.chi_square}, tail index {predicted.tail_index} by theory")
        print(f"  log Z {found.mean:.4f} ± {found.std_error:.4f}, 95 % {interval.low:.4f} to {interval.high:.4f}")
        print(f"  tail index {found.tail_index().estimate:.2f}, largest trial {found.extremes['value'][0]:.4g}")
        if model is covered:
            found.plot().figure.savefig("banana.png")
