"""The kinds of trial that an engine knows, as numbers that compiled code compares. Estimators are in `estimators`."""

SUMO, IWAE, SINGLE_TERM, JVI, MLMC, TAYLOR = 0, 1, 2, 3, 4, 5
ALONE = JVI, MLMC, TAYLOR  # whose long trials do not go by segments
