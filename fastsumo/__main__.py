"""``python -m fastsumo``: the command line. Nothing else lives here; see `cli`."""

import sys

from fastsumo.cli import main

sys.exit(main())
