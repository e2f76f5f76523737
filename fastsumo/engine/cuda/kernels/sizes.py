"""Sizes and places that kernels and the host agree on."""

from fastsumo.statistics.tally import BINS_PER_OCTAVE, CANDIDATES_AT, GROUPS
from fastsumo.trial.sizes import SHORT, TILE

THREADS = GROUPS  # of a block that runs a tile: one for each group of trials
WARPS = THREADS // 32
POWER_THREADS = 128  # of a block that adds up the powers of a tile
ALL = 0xFFFFFFFF  # the threads of a warp
GROUP_SIZE = TILE // GROUPS  # trials of a tile that are in one group
SHORT_OCTAVES = SHORT.bit_length()  # of K
KEYS = SHORT + 2  # values of K that are counted in a tile

TALLY_BYTES = CANDIDATES_AT  # of one copy of a tally, without candidates
CANDIDATES = 1 << 17  # room for those of one launch ...
CANDIDATE = 4  # ... numbers each: |value - center|, value, trial, terms

NEAR_BINS = 24 * 2 * BINS_PER_OCTAVE  # of the histogram, that a block counts for itself: distances of 2^-16 to 2^8
FIRST_BIN = (1023 - 16) * 2 * BINS_PER_OCTAVE

DONE, ASIDE = 1, 2  # what became of a tile: it is run, or it is for the CPU

# Counters of a launch.
FOUND_RECORDS, FOUND_SEGMENTS, FOUND_ROWS = 0, 1, 2
FOUND_WAITING, FOUND_ASIDE = 3, 4  # trials for the host to share out, or for `alone.py`; and those for the CPU
FOUND_CANDIDATES, FOUND_SIZE = 5, 8

# A record: a stretch of a long trial. Its segments are numbered from SEGMENTS on, and the sums down their lanes are in
# rows of 16 from ROWS on. OWN: where its state is kept. BAD: whether a weight was outside the linear range.
TRIAL, TERMS, START, COUNT, ROWS, SEGMENTS, OWN, BAD, RECORD_SIZE = 0, 1, 2, 3, 4, 5, 6, 7, 8
STATE = 8  # numbers of the state of a trial
GIANT = 2**16  # samples; a trial of more is shared out by the host ...
ALONE = 2**22  # ... or is the CPU's, if nothing but one warp can run it
STRETCH = 2048  # samples whose weights are folded, as on the CPU
