"""How the command ends, as the shell sees it."""

OK, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130
