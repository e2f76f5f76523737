"""Benchmarks of fastsumo and the peers they run beside. Not installed with the package."""
