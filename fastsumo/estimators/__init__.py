"""Estimators and laws of `K` as values, their plans for the engines, and their names."""
