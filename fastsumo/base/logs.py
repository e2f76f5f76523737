"""The logger of the package, ``fastsumo``, which says nothing until its user sets up logging."""

from __future__ import annotations

import logging

LOGGER = logging.getLogger("fastsumo")
LOGGER.addHandler(logging.NullHandler())  # what a library does, so that warnings of its own are not printed either
