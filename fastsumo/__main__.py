"""``python -m fastsumo``: the command line. Nothing else lives here; see `cli.py`."""

import sys

from fastsumo.cli import main

sys.exit(main())
