"""The far tail: probabilities of 10⁻¹⁴, by strata of K, under two laws.

    python far_tail.py

Plain trials would need 10¹⁹ samples for the last line of the first table and its error. It writes `far_tail.png`.
"""

import matplotlib.pyplot as plt

import fastsumo as fs

LAWS = {
    "the paper's law, x P": (fs.roulette.HarmonicGeometric(), 1, [1e2, 1e4, 1e6, 1e8, 1e10, 1e12]),
    "the harmonic law, x² P": (fs.roulette.Harmonic(), 2, [1e1, 2e1, 5e1, 1e2]),
}

if __name__ == "__main__":
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for ax, (name, (law, power, distances)) in zip(axes, LAWS.items(), strict=True):
        s = fs.stratify(fs.models.note(), fs.SUMO(law), cost=5e7, seed=1)
        print(f"{name}, by {s.cost:,} samples in {len(s.strata)} strata:")
        for row in s.tail(distances):
            x, p, error, missing = (row[name] for name in ("x", "probability", "std_error", "missing"))
            scaled = f"scaled {p * x**power:.4f} ± {error * x**power:.4f}"
            print(f"  x = {x:.0e}: P = {p:.3e} ± {error:.0e}, {scaled}; out of reach {missing:.0e}")
        s.plot(ax)
        ax.set_title(name, pad=30)
    figure.savefig("far_tail.png")
