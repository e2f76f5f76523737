"""Text for terminals, files written whole, this machine, checks of arguments. Knows nothing of trials."""
