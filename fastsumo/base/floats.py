"""What NumPy does with floating-point errors here: its defaults, whatever the user has told it to do with his own."""

from __future__ import annotations

import numpy as np

own_errstate = np.errstate(divide="warn", over="warn", invalid="warn", under="ignore")  # to decorate what users call
