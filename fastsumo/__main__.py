"""``python -m fastsumo``: the command line. Nothing else lives here; see `cli`."""

import sys

from fastsumo.cli import main

if __name__ == "__main__":  # workers of a cluster import it too
    sys.exit(main())
