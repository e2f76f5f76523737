"""Rows of log weights that were computed elsewhere: no model is evaluated and nothing drawn."""
