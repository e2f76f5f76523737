"""A model for fastsumo: a logistic curve through noisy points, with two unknown numbers.

    fastsumo run my_model.py --trials 1M                       the log evidence, and what the tail does
    fastsumo run my_model.py --estimator iwae:k=100            a lower bound instead
    fastsumo compare my_model.py                               estimators side by side, at equal cost
    fastsumo theory my_model.py                                what is known beforehand: chi-square, tail index

Change anything; the model is compiled anew when it has changed.
"""

import fastsumo as fs
from fastsumo.vmath import log, logaddexp  # plain Python too, but compiled to SIMD code: use them, not those of math

# Numbers that are fixed when the model is compiled.
DOSES = (-1.5, -0.5, 0.5, 1.5)
ALIVE = (4.0, 4.0, 2.0, 0.0)  # of 5 animals each
ANIMALS = 5.0


def log_density(x, params):
    """The log of prior times likelihood, up to nothing: its integral over x is the evidence.

    x has as many entries as the proposal has dimensions; params is what is given below, and can be changed without
    compiling (model.with_params). Both are read-only. Return one number, -math.inf where the density is zero; NaN and
    +inf are errors.
    """
    intercept, slope, scale = x[0], x[1], params[0]
    total = -0.5 * (intercept**2 + slope**2) / scale**2 - log(6.283185307179586 * scale**2)  # normal priors
    for i in range(len(DOSES)):
        eta = intercept + slope * DOSES[i]
        total += ALIVE[i] * eta - ANIMALS * logaddexp(0.0, eta)  # log(1 + exp(eta)), for any eta
    return total


# Trials draw x from the proposal. It must cover the density, above all in its tails: a Gaussian as narrow as this one
# has lighter tails than the prior, so that weights far out have no variance, and no estimator mends that. Student's t
# covers it. The smaller the chi-square that theory names, the better a proposal does; fs.tune finds a better one.
proposal = fs.proposals.StudentT(mean=[0.0, -1.5], covariance=[[0.6, 0.0], [0.0, 0.9]], df=5.0)

model = fs.importance(log_density, proposal, params=[2.0], name="curve")

if __name__ == "__main__":  # python my_model.py
    print(fs.simulate(model, fs.SUMO(fs.roulette.Harmonic(cap=1000)), trials=1_000_000))
