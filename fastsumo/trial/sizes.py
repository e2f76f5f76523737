"""Sizes that decide in which order a trial's sums are taken, and so its last bits: every engine keeps to them."""

TILE = 4096  # trials whose statistics are summed in float64; sums are exact between tiles
SHORT = 128  # a trial of at most this many samples is summed one sample after the other
LANES = 16  # a longer one in this many stretches side by side, ...
SEGMENT = 1024  # ... so many samples at a time
ROW_PILOT = 128  # samples that say roughly where the weights of a row of data lie
CENTER_GRID = (
    2.0**8
)  # a centre of Taylor's series that is estimated is a multiple of 1 / CENTER_GRID: bits are lost there
