"""Large runs in one file: a grid of cells, stored, resumable, on any executor."""
