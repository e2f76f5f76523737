"""A big study: laws by seeds, in one file that is stopped and resumed at will.

    python big_study.py                      a million trials a cell
    python big_study.py 1e9                  goes on from there, to a billion

Stop it with Ctrl-C, and run it again. On a cluster give `Study.run` an executor, see ``fastsumo guide clusters``. It
writes `big_study.study`, and a page about it, `big_study.html`.
"""

import sys

import fastsumo as fs

CAPS = (10, 100, 1000, 10_000)
LAWS = [fs.SUMO(fs.roulette.Harmonic(cap=cap)) for cap in CAPS]
OTHERS = [fs.SUMO(fs.roulette.PowerLaw(0.75, cap=1000)), fs.IWAE(11)]

if __name__ == "__main__":
    trials = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000
    study = fs.Study("big_study.study")
    study.add("note", LAWS + OTHERS, trials=trials, seeds=range(2))
    study.run()
    for row in study.rows():
        print(f"{row['model']:10} {row['estimator']:62} {row['mean']:9.5f} ± {row['std_error']:.5f}")
    study.report("big_study.html")
