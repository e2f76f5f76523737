"""A tile of trials by one block: draw `K`, sort by falling `K`, run the short trials, add them up; note the long ones.

Threads take 32 neighbours of the sorted trials at a time, which have about as many samples. Where a model raises there
is no weight, as where it returns NaN: the host runs such a tile on a CPU, which says what was raised.
"""

from typing import Any

from numba import float64, int32, int64, types, uint8, uint16, uint64

from fastsumo.engine.cuda.kernels.record import Kind, reader
from fastsumo.engine.cuda.kernels.sizes import (
    ALL,
    ALONE,
    ASIDE,
    BAD,
    COUNT,
    DONE,
    FOUND_ASIDE,
    FOUND_RECORDS,
    FOUND_ROWS,
    FOUND_SEGMENTS,
    FOUND_SIZE,
    FOUND_WAITING,
    GIANT,
    KEYS,
    NEAR_BINS,
    OWN,
    POWER_THREADS,
    RECORD_SIZE,
    ROWS,
    SEGMENTS,
    SHORT_OCTAVES,
    START,
    TALLY_BYTES,
    TERMS,
    THREADS,
    TRIAL,
    WARPS,
)
from fastsumo.engine.cuda.kernels.tallying import tallying
from fastsumo.engine.cuda.kernels.weight import pair_on_card, weight_of
from fastsumo.engine.shapes import Shape
from fastsumo.jit.memory import floats, halves, ints, octets, quarters, words
from fastsumo.jit.options import inlined
from fastsumo.trial import kinds
from fastsumo.trial.draw import placed, samples_of, terms_of
from fastsumo.trial.scalar import jackknife_value, level_value, prefix_value, series_value
from fastsumo.trial.segments import depth_of
from fastsumo.trial.sizes import LANES, SEGMENT, TILE

_PART = TILE // WARPS  # trials of a tile that one warp sorts
_COUNTS = WARPS * KEYS
_KEPT, _INSIDE = 0, 1  # shared counters: short trials of the tile, those of them that ended inside the linear range

SIGNATURE = types.void(
    types.int64,  # address of the params
    types.uint64,  # first trial
    types.int64,  # how many
    types.int64,  # trials of a tile, which begins at a multiple of it
    types.int64,  # of the counters of the launch
    types.int64,  # of what becomes of each tile
    types.int64,  # of values by place, `TILE` for each tile ...
    types.int64,  # ... of trials of the tile by place ...
    types.int64,  # ... of K by trial of the tile, 0 for a long trial ...
    types.int64,  # ... and of where those of each K begin, `KEYS` for each tile, the first for all short ones
    types.int64,  # of records ...
    types.int64,  # ... and for how many there is room
    types.int64,  # of the record of each segment ...
    types.int64,  # ... and for how many
    types.int64,  # rows of sums for which there is room
    types.int64,  # of trials that wait, and then of those set aside, two numbers each ...
    types.int64,  # ... and for how many of either there is room
    types.int64,  # of values by trial, or 0: then they are written by place, for `tally_kernel`
    types.int64,  # of K by trial, or 0
)


def value_of(kind: Kind) -> Any:
    """How the value of a short trial is made of a weight."""
    known = {kinds.MLMC: level_value, kinds.JVI: jackknife_value, kinds.TAYLOR: series_value}
    return known.get(kind.kind, prefix_value)


def tile_kernel(function: Any, shape: Shape, kind: Kind, cuda: Any, pair: Any = pair_on_card) -> Any:
    """The kernel, for a model's function and a kind of trial."""
    read = reader(kind)
    value_of_trial = value_of(kind)(weight_of(function, shape, cuda, pair))
    by_segments, stratified = kind.kind not in kinds.ALONE, kind.stratified

    @inlined
    def draw(params, trial):
        u = pair(trial, uint64(0), uint64(0), params.key)[0]
        return terms_of(params, placed(params, trial, u) if stratified else u)

    @inlined
    def note_long(params, trial, terms, found_at, records_at, records, owners_at, segments, rows, aside_at, room):
        """Give a long trial a record with room for its sums; or leave it to the host."""
        found, samples = ints(found_at, FOUND_SIZE), samples_of(params, terms)
        if by_segments and samples <= GIANT:
            wanted = (samples + SEGMENT - 1) // SEGMENT
            depth = (wanted - 1) * (SEGMENT // LANES) + depth_of(samples - (wanted - 1) * SEGMENT)
            at = cuda.atomic.add(found, FOUND_RECORDS, 1)
            segment = cuda.atomic.add(found, FOUND_SEGMENTS, wanted)
            row = cuda.atomic.add(found, FOUND_ROWS, depth)
            fits = at < records and segment + wanted <= segments and row + depth <= rows
            if at < records:
                record = ints(records_at + 8 * RECORD_SIZE * at, RECORD_SIZE)
                words(records_at + 8 * RECORD_SIZE * at, 1)[TRIAL] = trial
                record[TERMS], record[START], record[COUNT] = terms, 0, (samples if fits else 0)
                record[ROWS], record[SEGMENTS], record[OWN], record[BAD] = row, segment, at, 0
            owners = ints(owners_at, segments)
            for s in range(segment, min(segment + wanted, segments)):
                owners[s] = at if fits else -1
            if fits:
                return
        waits = by_segments or samples <= ALONE
        at = cuda.atomic.add(found, FOUND_WAITING if waits else FOUND_ASIDE, 1)
        if at < room:  # the host looks whether it was enough
            place = aside_at + 16 * ((0 if waits else room) + at)
            words(place, 1)[0], ints(place, 2)[1] = trial, terms

    def run_tiles(
        params_at,
        first,
        n,
        tile,
        found_at,
        status_at,
        sorted_at,
        order_at,
        short_at,
        places_at,
        records_at,
        records,
        owners_at,
        segments,
        rows,
        aside_at,
        room,
        values_at,
        terms_at,
    ):
        order = cuda.shared.array(TILE, uint16)
        short = cuda.shared.array(TILE, uint8)
        counts = cuda.shared.array(_COUNTS, int32)
        places = cuda.shared.array(KEYS, int32)
        few = cuda.shared.array(2, int32)
        params = read(params_at)
        t, block = int64(cuda.threadIdx.x), int64(cuda.blockIdx.x)
        warp, lane = t >> 5, t & 31
        begin = (first & ~uint64(tile - 1)) + uint64(block) * uint64(tile)
        start = max(begin, first)
        size, longest = int64(min(begin + uint64(tile), first + uint64(n)) - start), max(params.longest_short, 0)
        # Count, for each warp's part of the tile, the trials of each K.
        for i in range(t, WARPS * KEYS, THREADS):
            counts[i] = 0
        if t < 2:
            few[t] = 0
        cuda.syncthreads()
        for i in range(warp * _PART + lane, min((warp + 1) * _PART, size), 32):
            k = draw(params, start + uint64(i))
            short[i] = k if k <= longest else 0
            if k <= longest:
                cuda.atomic.add(counts, warp * KEYS + k, 1)
        cuda.syncthreads()
        # Where those of each K begin, and those of each warp among them.
        for k in range(t, KEYS, THREADS):
            run = 0
            for w in range(WARPS):
                here = counts[w * KEYS + k]
                counts[w * KEYS + k] = run
                run += here
            places[k] = run
        cuda.syncthreads()
        if t == 0:
            run = 0
            for k in range(longest, 0, -1):
                here = places[k]
                places[k] = run
                run += here
            few[_KEPT] = run
        cuda.syncthreads()
        kept = int64(few[_KEPT])
        # Sort by falling K, trials of the same K by number.
        for r in range(_PART // 32):
            i = warp * _PART + r * 32 + lane
            k = int64(short[i]) if i < size else 0
            alike = cuda.match_any_sync(ALL, int32(k))
            before = cuda.popc(alike & ((int64(1) << lane) - 1))
            if k > 0:
                order[places[k] + counts[warp * KEYS + k] + before] = i
            cuda.syncwarp()
            if k > 0 and before == 0:
                counts[warp * KEYS + k] += cuda.popc(alike)
            cuda.syncwarp()
        cuda.syncthreads()
        # Run, 32 neighbours a warp; every other round backwards, so that no warp has all the longest.
        inside, by_trial = 0, values_at != 0
        values = floats(values_at + 8 * int64(start - first) if by_trial else sorted_at + 8 * TILE * block, TILE)
        for r in range((kept + THREADS - 1) // THREADS):
            p = (r * WARPS + (WARPS - 1 - warp if r & 1 else warp)) * 32 + lane
            if p < kept:
                i = int64(order[p])
                value, is_inside = value_of_trial(params, start + uint64(i), int64(short[i]))
                values[i if by_trial else p] = value
                inside += 1 if is_inside else 0
        cuda.atomic.add(few, _INSIDE, inside)
        cuda.syncthreads()
        done = int64(few[_INSIDE]) == kept
        if t == 0:
            ints(status_at, block + 1)[block] = DONE if done else ASIDE
        if done:
            terms = ints(terms_at + 8 * int64(start - first), TILE)
            for i in range(t, size, THREADS):
                k = int64(short[i])
                if k == 0:
                    trial = start + uint64(i)
                    k = draw(params, trial)
                    note_long(
                        params, trial, k, found_at, records_at, records, owners_at, segments, rows, aside_at, room
                    )
                if by_trial:
                    terms[i] = k
        if not by_trial:
            kept_order, kept_short = quarters(order_at + 2 * TILE * block, TILE), octets(short_at + TILE * block, TILE)
            for i in range(t, size, THREADS):
                kept_order[i], kept_short[i] = order[i], short[i]
            kept_places = halves(places_at + 4 * KEYS * block, KEYS)
            for k in range(t, KEYS, THREADS):
                kept_places[k] = kept if k == 0 else places[k]

    run_tiles.__name__ = f"run_tiles_{kind.kind}"
    return run_tiles


TALLY = types.void(
    types.int64,  # address of the params
    types.uint64,  # first trial
    types.int64,  # how many
    types.int64,  # trials of a tile
    types.float64,  # centre
    types.int64,  # address of the copies of the tally
    types.int64,  # how many
    types.int64,  # of the counters of the launch
    types.int64,  # of the candidates
    *(types.int64,) * 5,  # of what becomes of each tile, and so on, as above
)


def tally_kernel(kind: Kind, cuda: Any) -> Any:
    """Add the short trials of tiles to a tally, but for their powers; a block takes tiles in turn."""
    read = reader(kind)
    tally_tile, add_bins, gather, release, count_group, *_ = tallying(cuda)

    def tally_tiles(
        params_at,
        first,
        n,
        tile,
        center,
        tally,
        copies,
        found_at,
        candidates_at,
        status_at,
        sorted_at,
        order_at,
        short_at,
        places_at,
    ):
        order = cuda.shared.array(TILE, uint16)
        short = cuda.shared.array(TILE, uint8)
        places = cuda.shared.array(KEYS, int32)
        bins = cuda.shared.array(NEAR_BINS, int32)
        params, t = read(params_at), int64(cuda.threadIdx.x)
        own, longest = tally + (int64(cuda.blockIdx.x) % copies) * TALLY_BYTES, max(params.longest_short, 0)
        begin = first & ~uint64(tile - 1)
        tiles = (int64(first - begin) + n + tile - 1) // tile
        held, trials = (int64(-1), int64(0), int64(0), int64(0)), 0
        for i in range(t, NEAR_BINS, THREADS):
            bins[i] = 0
        for at in range(int64(cuda.blockIdx.x), tiles, int64(cuda.gridDim.x)):
            cuda.syncthreads()
            kept = int64(halves(places_at + 4 * KEYS * at, KEYS)[0])
            if ints(status_at, tiles)[at] == DONE and kept > 0:
                start = max(begin + uint64(at) * uint64(tile), first)
                size = int64(min(begin + uint64(at + 1) * uint64(tile), first + uint64(n)) - start)
                for i in range(t, size, THREADS):
                    order[i] = quarters(order_at + 2 * TILE * at, TILE)[i]
                    short[i] = octets(short_at + TILE * at, TILE)[i]
                for k in range(t, KEYS, THREADS):
                    places[k] = halves(places_at + 4 * KEYS * at, KEYS)[k]
                cuda.syncthreads()
                values, sorted_tile = floats(sorted_at + 8 * TILE * at, TILE), (order, short, places)
                where = own, tally, found_at, candidates_at
                total, found = tally_tile(params, center, *where, start, size, kept, longest, values, sorted_tile, bins)
                held, trials = gather(own, t, held, total), trials + found
        release(own, t, held)
        count_group(own, t, trials)
        cuda.syncthreads()
        add_bins(own, bins)

    return tally_tiles


POWERS = types.void(
    types.int64,  # address of the params
    types.uint64,  # first trial
    types.int64,  # how many
    types.int64,  # trials of a tile
    types.float64,  # centre
    types.int64,  # address of the copies of the tally
    types.int64,  # how many
    types.int64,  # of what becomes of each tile
    types.int64,  # of values by place
    types.int64,  # of where those of each K begin
)


def powers_kernel(kind: Kind, cuda: Any) -> Any:
    """Add the powers of the short trials of tiles to a tally, a tile a block, a thread for each octave and power.

    They read the same values one after the other, from shared memory; the other threads help to fetch these.
    """
    read = reader(kind)
    add_octave = tallying(cuda).add_octave

    def add_powers(params_at, first, n, tile, center, tally, copies, status_at, sorted_at, places_at):
        values = cuda.shared.array(TILE, float64)
        places = cuda.shared.array(KEYS, int32)
        t, at, begin = int64(cuda.threadIdx.x), int64(cuda.blockIdx.x), first & ~uint64(tile - 1)
        kept = int64(halves(places_at + 4 * KEYS * at, KEYS)[0])
        if ints(status_at, at + 1)[at] != DONE or kept == 0:
            return
        params, fetched = read(params_at), floats(sorted_at + 8 * TILE * at, TILE)
        for i in range(t, kept, POWER_THREADS):
            values[i] = fetched[i]
        for k in range(t, KEYS, POWER_THREADS):
            places[k] = halves(places_at + 4 * KEYS * at, KEYS)[k]
        cuda.syncthreads()
        if t < 4 * SHORT_OCTAVES:
            start, longest = max(begin + uint64(at) * uint64(tile), first), max(params.longest_short, 0)
            own = tally + (at % copies) * TALLY_BYTES
            add_octave(params, center, own, start, longest, values, places, t >> 2, t & 3)

    return add_powers
