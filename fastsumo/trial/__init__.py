"""What a trial is to every engine: counters of the random numbers, the law of `K` and its draw, coefficients, bins."""
