"""What is compiled: scratch memory, weights of samples, and the arithmetic of trials, for one thread each.

`block.py` is where a run enters; `long.py`, `short.py`, `mlmc.py`, `jackknife.py` and `taylor.py` are kinds of
trials.
"""
