"""The compiled part of ``asof``: sorting, searching and counting within groups of events.

Arrays are int64 unless said otherwise; group g stands at positions starts[g] … starts[g + 1] - 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from features.tables import NAT

_SHORT = 24  # runs this short are sorted by insertion, longer ones merged


@njit(cache=True, nogil=True)
def grouped(codes: Any, groups: int) -> Any:
    """Stable counting sort: the rows of each group, and where each group starts."""
    starts = np.zeros(groups + 1, np.int64)
    for code in codes:
        if code >= 0:
            starts[code + 1] += 1
    for g in range(groups):
        starts[g + 1] += starts[g]
    rows = np.empty(starts[groups], np.int64)
    place = starts[:-1].copy()
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            rows[place[code]] = row
            place[code] += 1
    return rows, starts


@njit(cache=True, nogil=True)
def insertion_sort(keys: Any, order: Any, lo: int, hi: int) -> None:
    for i in range(lo + 1, hi):
        key, item, j = keys[i], order[i], i - 1
        while j >= lo and keys[j] > key:
            keys[j + 1], order[j + 1] = keys[j], order[j]
            j -= 1
        keys[j + 1], order[j + 1] = key, item


@njit(cache=True, nogil=True)
def merge_runs(keys: Any, order: Any, lo: int, middle: int, hi: int, key: Any, item: Any) -> None:
    """Merge two sorted neighbours; ``key`` and ``item`` are room for the left one."""
    if keys[middle - 1] <= keys[middle]:
        return
    left = middle - lo
    key[:left], item[:left] = keys[lo:middle], order[lo:middle]
    i, j, place = 0, middle, lo
    while i < left:
        if j < hi and keys[j] < key[i]:
            keys[place], order[place] = keys[j], order[j]
            j += 1
        else:
            keys[place], order[place] = key[i], item[i]
            i += 1
        place += 1


@njit(cache=True, nogil=True)
def sort_within(keys: Any, order: Any, starts: Any) -> None:
    """Sort ``order`` (and ``keys`` with it) within each group by key, stably and in place."""
    largest = 0
    for g in range(len(starts) - 1):
        largest = max(largest, starts[g + 1] - starts[g])
    key, item = np.empty(largest, keys.dtype), np.empty(largest, order.dtype)
    for g in range(len(starts) - 1):
        lo, hi = starts[g], starts[g + 1]
        for run in range(lo, hi, _SHORT):
            insertion_sort(keys, order, run, min(run + _SHORT, hi))
        width = _SHORT
        while width < hi - lo:
            for run in range(lo, hi - width, 2 * width):
                merge_runs(keys, order, run, run + width, min(run + 2 * width, hi), key, item)
            width *= 2


@njit(cache=True, nogil=True)
def kept_positions(keep: Any, rows: Any, starts: Any) -> Any:
    """Positions of the events whose row is kept, and where their groups start."""
    kept = np.zeros(len(starts), np.int64)
    for g in range(len(starts) - 1):
        kept[g + 1] = kept[g]
        for i in range(starts[g], starts[g + 1]):
            kept[g + 1] += keep[rows[i]]
    positions = np.empty(kept[-1], np.int64)
    place = 0
    for i in range(len(rows)):
        if keep[rows[i]]:
            positions[place] = i
            place += 1
    return positions, kept


@njit(cache=True, nogil=True)
def before_one(sorted_keys: Any, lo: int, hi: int, instant: int) -> int:
    """Position after the last key at lo … hi - 1 that is < the instant."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if sorted_keys[middle] < instant:
            lo = middle + 1
        else:
            hi = middle
    return lo


@njit(cache=True, nogil=True)
def before(sorted_keys: Any, starts: Any, groups: Any, instants: Any) -> Any:
    """Position after the last key of each row's group that is < its instant."""
    out = np.empty(len(groups), np.int64)
    for i in range(len(groups)):
        g = groups[i]
        out[i] = before_one(sorted_keys, starts[g], starts[g + 1], instants[i]) if g >= 0 else 0
    return out


@njit(cache=True, nogil=True)
def gone_one(occurred: Any, lo: int, hi: int, instant: int) -> int:
    """How many events at lo … hi - 1 occurred before the instant, in whatever order they stand."""
    gone = 0
    for place in range(lo, hi):
        gone += occurred[place] < instant
    return gone


@njit(cache=True, nogil=True)
def distinct_one(codes: Any, rows: Any, occurred: Any, lo: int, hi: int, since: int) -> Any:
    """How many different codes >= 0 the events at lo … hi - 1 have that occurred at since or later.

    Example: codes 4, 7, -1, 4 of four such events are 2 different ones.
    """
    seen = np.empty(hi - lo, np.int64)
    n = 0
    for place in range(lo, hi):
        code = codes[rows[place]]
        if code >= 0 and occurred[place] >= since:
            seen[n] = code
            n += 1
    if n == 0:
        return 0
    found = np.sort(seen[:n])
    return 1 + np.sum(found[1:] != found[:-1])


@njit(cache=True, nogil=True)
def tally(
    codes: Any, rows: Any, occurred: Any, lo: Any, hi: Any, cutoffs: Any, widths: Any, words: int
) -> Any:
    """Counts (n, words, widths + 1; the last of all time) and last occurrences (n, words)."""
    counts = np.zeros((len(lo), words, len(widths) + 1), np.int32)
    last = np.full((len(lo), words), NAT, np.int64)
    for i in range(len(lo)):
        for place in range(lo[i], hi[i]):
            word = codes[rows[place]]
            if word < 0:
                continue
            at = occurred[place]
            counts[i, word, len(widths)] += 1
            for w in range(len(widths)):
                if cutoffs[i] - at <= widths[w]:
                    counts[i, word, w] += 1
            last[i, word] = max(last[i, word], at)
    return counts, last


@njit(cache=True, nogil=True)
def summed_one(
    values: Any, rows: Any, occurred: Any, lo: int, hi: int, cutoff: int, width: int
) -> tuple[float, float]:
    """Sum and number of the known values at positions lo … hi - 1 no older than width."""
    total, n = 0.0, 0.0
    for place in range(lo, hi):
        value = values[rows[place]]
        if cutoff - occurred[place] <= width and not np.isnan(value):
            total += value
            n += 1.0
    return total, n


@njit(cache=True, nogil=True)
def summed(
    values: Any, rows: Any, occurred: Any, lo: Any, hi: Any, cutoffs: Any, width: int
) -> Any:
    """(n, 2): ``summed_one`` of each row."""
    out = np.zeros((len(lo), 2), np.float64)
    for i in range(len(lo)):
        out[i] = summed_one(values, rows, occurred, lo[i], hi[i], cutoffs[i], width)
    return out


@njit(cache=True, nogil=True)
def running_extreme(occurred: Any, starts: Any, latest: bool) -> Any:
    """Position of the latest (or earliest) occurrence among those up to each position."""
    out = np.empty(len(occurred), np.int64)
    for g in range(len(starts) - 1):
        best = starts[g]
        for i in range(starts[g], starts[g + 1]):
            if latest:
                if occurred[i] >= occurred[best]:
                    best = i
            elif occurred[i] < occurred[best]:
                best = i
            out[i] = best
    return out


@njit(cache=True, nogil=True)
def superseded(codes: Any, words: int, known: Any, leave: Any, starts: Any) -> Any:
    """When each event stops being the one that keeps its code (0 … words - 1) in sight.

    The sight of a code ends at the latest leave so far, or passes on to the code's next event.
    """
    ends = np.empty(len(codes), np.int64)
    keeper = np.full(words, -1, np.int64)  # the event that keeps each code in sight
    latest = np.empty(words, np.int64)
    for g in range(len(starts) - 1):
        for i in range(starts[g], starts[g + 1]):
            word, before = codes[i], keeper[codes[i]]
            if before >= starts[g]:
                ends[before] = min(latest[word], known[i])
                latest[word] = max(latest[word], leave[i])
            else:
                latest[word] = leave[i]
            keeper[word] = i
        for i in range(starts[g], starts[g + 1]):
            if keeper[codes[i]] == i:
                ends[i] = latest[codes[i]]
    return ends
