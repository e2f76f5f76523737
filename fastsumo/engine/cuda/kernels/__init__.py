"""What runs on the card. Kernels take numbers and addresses only, and memory is laid out by name here.

`tiles.py` is where trials begin; `segments.py` runs long ones, `tallying.py` keeps statistics, `weight.py` calls the
model. Each kernel is made by a function of the module ``numba.cuda``, or of one that stands in for it.
"""
