"""Trials on an NVIDIA GPU, with the bits of the CPU; `engine.py` opens it."""
