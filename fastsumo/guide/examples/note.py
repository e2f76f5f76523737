"""The note's figures: SUMO on a mixture in the plane, its mean, variance and tail.

    python note.py

The note is an unpublished one on the variance of SUMO, with which this project began. It writes `note.png`, the run,
`note_target.png`, the target beside its proposal, and `note_variance.png`, what each octave of K adds to the variance.
"""

import math

import fastsumo as fs

CAPS = (10, 100, 1000, 10_000)

if __name__ == "__main__":
    note = fs.models.note()
    r = fs.simulate(note, fs.SUMO(fs.roulette.Harmonic()), trials=10_000_000)
    print(r)
    r.plot().savefig("note.png")
    fs.plot.density(note).figure.savefig("note_target.png")

    print(f"\nCapped, the variance is finite and grows by χ² log 10 = {note.chi_square * math.log(10):.2f} a decade:")
    for cap in CAPS:
        estimator = fs.SUMO(fs.roulette.Harmonic(cap=cap))
        capped, predicted = fs.simulate(note, estimator, trials=3_000_000), fs.theory.predict(note, estimator)
        mean = f"mean {capped.mean:.4f} ± {capped.std_error:.4f} (exactly {predicted.mean.value:.4f})"
        print(f"  K ≤ {cap:6}: {mean}, variance {capped.variance:.3f} (theory {predicted.variance.value:.3f})")
    fs.plot.variance(note).figure.savefig("note_variance.png")
