"""Path tables: what a row's path through the trees is worth to each feature, compiled.

A *region* is a subtree, in one tree restricted to some bins, whose conditions are few enough for
one table: 2^conditions rows of one number per bin and feature. The rows of X are taken in blocks,
column by column, with the regions in the outer loop, so one table serves a whole block while it is
in the nearest cache. A single leaf with more conditions keeps the terms a table would be made of.

All kernels that call one another live in this file: numba's cache looks for changes in the
kernel's own file only (and compiles the kinds of ``forest`` in as numbers).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.models.trees.forest import (
    BIN,
    CATEGORY,
    NAN_LEFT,
    NAN_RIGHT,
    ZERO_LEFT,
    ZERO_RIGHT,
    Floats,
    Forest,
    Ints,
)
from training.models.trees.shapley import Bits, Paths, kernel

BLOCK = 256
"""Rows explained together."""

REGIONS = 64
"""Regions of which one row's table rows are copied together: some 20 KB, well inside L1."""

_ZERO = float(np.float32(1e-35))
"""LightGBM takes anything this near zero for zero (kZeroThreshold, a float)."""

Offsets = npt.NDArray[np.int32]


@kernel
def _below(kind: int, limit: float, x: float) -> bool:
    """Whether a number goes left, as LightGBM decides. Source: include/LightGBM/tree.h."""
    missing = np.isnan(x)
    if kind >= ZERO_RIGHT and (missing or abs(x) <= _ZERO):
        return kind == ZERO_LEFT
    if missing:
        return kind == NAN_LEFT
    return (0.0 if abs(x) <= _ZERO else x) <= limit


@kernel
def _code(x: float, words: int) -> int:
    """The category's place in a bitset of so many words; -1 (goes right) if it has none."""
    if not (-1.0 < x < 32.0 * words):
        return -1
    return int(x)


@kernel
def margins(forest: Forest, X: Floats, raw: Floats) -> None:
    """Add every tree's leaf value to ``raw`` (rows, bins, classes), bin by bin.

    The bins walk down together and part only where a tree splits on the bin.
    """
    # Fields become locals, here and below: a field read in a loop is counted as a reference.
    roots, child, value = forest.root, forest.child, forest.value
    feature, threshold, kind = forest.feature, forest.threshold, forest.kind
    at, size, bitset, bins_left = (
        forest.bitset_at,
        forest.bitset_size,
        forest.bitset,
        forest.bins_left,
    )
    rows, bins, classes = raw.shape
    nodes, walkers = np.empty(bins + 1, np.int64), np.empty(bins + 1, np.int64)
    everyone = (1 << bins) - 1
    for row in range(rows):
        for tree in range(len(roots)):
            nodes[0], walkers[0], waiting = roots[tree], everyone, 1
            while waiting > 0:
                waiting -= 1
                node, here = nodes[waiting], walkers[waiting]
                while node >= 0:
                    if kind[node] == BIN:
                        left = here & bins_left[node]
                        if left != 0 and left != here:
                            nodes[waiting] = child[node, 0]
                            walkers[waiting] = here & ~left
                            waiting += 1
                            here = left
                        node = child[node, 1 if left != 0 else 0]
                        continue
                    x = X[row, feature[node]]
                    if kind[node] == CATEGORY:
                        code = _code(x, size[node])
                        went = code >= 0 and bitset[at[node] + (code >> 5)] >> (code & 31) & 1
                    else:
                        went = _below(kind[node], threshold[node], x)
                    node = child[node, 1 if went else 0]
                for k in range(bins):
                    if here >> k & 1:
                        raw[row, k, tree % classes] += value[~node]


@kernel
def explain(
    forest: Forest, paths: Paths, X: Floats, weights: Floats, apart: bool, out: Floats
) -> None:
    """Contributions of X (rows, features) into ``out`` (rows, bins, outcomes, features).

    ``apart``: every bin and outcome by itself, ``weights`` unused; otherwise their sum weighted by
    ``weights`` (rows, bins, outcomes), into ``out`` (rows, 1, 1, features).
    """
    features = X.shape[1]
    bins, outcomes = out.shape[1:3] if apart else weights.shape[1:3]
    classes = outcomes + 1 if outcomes > 1 else 1
    for start in range(0, len(X), BLOCK):
        rows = min(BLOCK, len(X) - start)
        columns = np.empty((features, rows))
        for r in range(rows):
            for f in range(features):
                columns[f, r] = X[start + r, f]
        weight = np.ones((bins, classes, rows))
        if not apart:
            _weigh(weights, start, weight)
        total = np.zeros((bins * classes if apart else 1, features, rows))
        if rows == 1:
            _explain_row(forest, paths, columns, weight, apart, total)
        else:
            _explain_block(forest, paths, columns, weight, apart, total)
        _hand_out(total, start, classes if apart else 1, out)


@kernel
def _weigh(weights: Floats, start: int, weight: Floats) -> None:
    """Outcome weights as class weights: class 0 is in every margin, with a minus."""
    bins, classes, rows = weight.shape
    for r in range(rows):
        for k in range(bins):
            if classes == 1:
                weight[k, 0, r] = weights[start + r, k, 0]
                continue
            weight[k, 0, r] = 0.0
            for j in range(classes - 1):
                weight[k, j + 1, r] = weights[start + r, k, j]
                weight[k, 0, r] -= weights[start + r, k, j]


@kernel
def _hand_out(total: Floats, start: int, classes: int, out: Floats) -> None:
    """A block's totals (bins and classes, features, rows) as rows of ``out``, minus class 0."""
    _, bins, outcomes, features = out.shape
    for r in range(total.shape[2]):
        for k in range(bins):
            for j in range(outcomes):
                for f in range(features):
                    if classes == 1:
                        value = total[k, f, r]
                    else:
                        value = total[k * classes + j + 1, f, r] - total[k * classes, f, r]
                    out[start + r, k, j, f] = value


@kernel
def _largest(sizes: Ints) -> int:
    """The largest size; 0 of none."""
    largest = 0
    for size in sizes:
        largest = max(largest, size)
    return largest


@kernel
def _explain_row(
    forest: Forest, paths: Paths, columns: Floats, weight: Floats, apart: bool, total: Floats
) -> None:
    """``_explain_block`` of one row: the same sums in the same order, each step for many regions.

    Every question is answered once; then, some regions at a time, their tables' rows are copied
    side by side and summed. The tables lie all over the memory: copies that wait for nothing are
    fetched many at a time, sums that read in place wait for each.
    """
    answers = _answers(forest, columns)
    place, width = _places_in_tables(paths, answers)
    tree_at, deep, bin_at, bin_of = paths.tree_at, paths.deep, paths.bin_at, paths.bin
    slot_at, feature, table = paths.slot_at, paths.feature, paths.table
    classes, tree = weight.shape[1], 0
    held = np.empty(_largest(paths.bits), np.uint8)
    near = np.empty(REGIONS * _largest(width))
    for start in range(0, len(deep), REGIONS):
        end, cell = min(start + REGIONS, len(deep)), 0
        for region in range(start, end):
            for i in range(width[region]):
                near[cell + i] = table[place[region] + i]
            cell += width[region]
        cell = 0
        for region in range(start, end):
            while region >= tree_at[tree + 1]:
                tree += 1
            c, first, slots = tree % classes, slot_at[region], slot_at[region + 1] - slot_at[region]
            bin_from, bins = bin_at[region], bin_at[region + 1] - bin_at[region]
            if deep[region]:
                _hold_row(paths, region, answers, held)
                _add_deep_row(paths, region, held, c, weight, apart, total)
            elif apart:
                for index in range(bins):
                    own = bin_of[bin_from + index] * classes + c
                    for i in range(slots):
                        total[own, feature[first + i], 0] += near[cell + index * slots + i]
            else:
                for i in range(slots):
                    f = feature[first + i]
                    value = total[0, f, 0]
                    for index in range(bins):
                        value += weight[bin_of[bin_from + index], c, 0] * near[cell + i]
                        cell += slots
                    total[0, f, 0] = value
                    cell -= bins * slots
            cell += width[region]


@kernel
def _add_deep_row(
    paths: Paths, region: int, held: Bits, c: int, weight: Floats, apart: bool, total: Floats
) -> None:
    """``_add_deep`` of one row, for all bins of a region of class ``c``."""
    terms, feature, cell = paths.table, paths.feature, paths.table_at[region]
    first, slots = paths.slot_at[region], paths.slot_at[region + 1] - paths.slot_at[region]
    for index in range(paths.bin_at[region], paths.bin_at[region + 1]):
        k = paths.bin[index]
        own = k * weight.shape[1] + c if apart else 0
        for _ in range((slots + 1) // 2):
            product = weight[k, c, 0]
            for i in range(slots):
                product *= terms[cell + 4 * i + held[i]]
            for i in range(slots):
                total[own, feature[first + i], 0] += product * terms[cell + 4 * i + 2 + held[i]]
            cell += 4 * slots


@kernel
def _answers(forest: Forest, columns: Floats) -> Bits:
    """Which side (1 left) the one row of ``columns`` takes at every question."""
    feature, threshold, kind = forest.feature, forest.threshold, forest.kind
    at, size, bitset = forest.bitset_at, forest.bitset_size, forest.bitset
    answers = np.zeros(len(forest.asked_at), np.uint8)
    for question, node in enumerate(forest.asked_at):
        if kind[node] == BIN:  # its column is none of the record's
            continue
        x = columns[feature[node], 0]
        if kind[node] == CATEGORY:
            code = _code(x, size[node])
            left = code >= 0 and (bitset[at[node] + (code >> 5)] >> (code & 31) & 1) != 0
        else:
            left = _below(kind[node], threshold[node], x)
        answers[question] = left
    return answers


@kernel
def _places_in_tables(paths: Paths, answers: Bits) -> tuple[Ints, Ints]:
    """Where each region's table has what the answers say, and how wide; a deep leaf has no table.

    A table's row is the mask of the conditions that hold. Example: three conditions of which the
    second fails are mask 0b101, row 5; a condition asked twice (x <= 7, then x <= 3) is one bit.
    """
    deep, bits, step_at = paths.deep, paths.bits, paths.step_at
    bit, side, question = paths.bit, paths.side, paths.question
    slot_at, bin_at = paths.slot_at, paths.bin_at
    place, width = paths.table_at.copy(), np.zeros(len(deep), np.int64)
    for region in range(len(deep)):
        if deep[region]:
            continue
        missed = 0
        for s in range(step_at[region], step_at[region + 1]):
            missed |= (answers[question[s]] ^ side[s]) << bit[s]
        bins, slots = bin_at[region + 1] - bin_at[region], slot_at[region + 1] - slot_at[region]
        width[region] = bins * slots
        place[region] += ((1 << bits[region]) - 1 - missed) * width[region]
    return place, width


@kernel
def _hold_row(paths: Paths, region: int, answers: Bits, held: Bits) -> None:
    """Which of a deep leaf's conditions the row meets."""
    held[: paths.bits[region]] = 1
    for s in range(paths.step_at[region], paths.step_at[region + 1]):
        held[paths.bit[s]] &= answers[paths.question[s]] ^ paths.side[s] ^ 1


@kernel
def _explain_block(
    forest: Forest, paths: Paths, columns: Floats, weight: Floats, apart: bool, total: Floats
) -> None:
    """Add what every region says of every row of the block."""
    rows, classes = columns.shape[1], weight.shape[1]
    tree_at, deep, bits, table = paths.tree_at, paths.deep, paths.bits, paths.table
    slot_at, feature = paths.slot_at, paths.feature
    bin_at, bin_of, cells = paths.bin_at, paths.bin, paths.table_at
    went = np.empty((_largest(np.diff(forest.tree_node)), rows), np.uint8)
    held = np.empty((_largest(bits), rows), np.uint8)
    offset, product = np.empty(rows, np.int32), np.empty(rows)
    for tree in range(len(tree_at) - 1):
        decide(forest, tree, columns, went)
        c = tree % classes
        for region in range(tree_at[tree], tree_at[tree + 1]):
            slots = slot_at[region + 1] - slot_at[region]
            own_features = feature[slot_at[region] : slot_at[region + 1]]
            bins = bin_at[region + 1] - bin_at[region]
            _hold(paths, region, went, held)
            if not deep[region]:
                _rows_of_table(held, bits[region], bins * slots, offset)
            cell = cells[region]
            for index in range(bin_at[region], bin_at[region + 1]):
                k = bin_of[index]
                own = total[k * classes + c if apart else 0]
                if deep[region]:
                    _add_deep(table, cell, own_features, held, weight[k, c], product, own)
                    cell += (slots + 1) // 2 * slots * 4
                else:
                    _add_table(table, cell, own_features, offset, weight[k, c], own)
                    cell += slots


@kernel
def decide(forest: Forest, tree: int, columns: Floats, went: Bits) -> None:
    """Which side every row takes at every node of the tree."""
    feature, threshold, kinds = forest.feature, forest.threshold, forest.kind
    at, size, bitset = forest.bitset_at, forest.bitset_size, forest.bitset
    first = forest.tree_node[tree]
    for node in range(first, forest.tree_node[tree + 1]):
        kind, limit = kinds[node], threshold[node]
        if kind == BIN:  # its column is none of the record's
            continue
        x, side = columns[feature[node]], went[node - first]
        if kind == CATEGORY:
            for r in range(len(x)):
                code = _code(x[r], size[node])
                side[r] = code >= 0 and bitset[at[node] + (code >> 5)] >> (code & 31) & 1
        elif kind >= ZERO_RIGHT or abs(limit) <= _ZERO:
            for r in range(len(x)):
                side[r] = _below(kind, limit, x[r])
        # Spelled out, for then the compiler compares eight rows at a time.
        elif kind == NAN_RIGHT:
            for r in range(len(x)):
                side[r] = x[r] <= limit
        else:
            for r in range(len(x)):
                side[r] = not (x[r] > limit)


@kernel
def _hold(paths: Paths, region: int, went: Bits, held: Bits) -> None:
    """Which of the region's conditions every row meets."""
    step_at, bits, nodes, sides = paths.step_at, paths.bit, paths.node, paths.side
    rows, first = went.shape[1], step_at[region]
    for s in range(first, step_at[region + 1]):
        bit, node, other = bits[s], nodes[s], sides[s] ^ 1
        if s == first or bit != bits[s - 1]:
            for r in range(rows):
                held[bit, r] = went[node, r] ^ other
        else:
            for r in range(rows):
                held[bit, r] &= went[node, r] ^ other


@kernel
def _rows_of_table(held: Bits, bits: int, width: int, offset: Offsets) -> None:
    """Where the table's row for the conditions each row meets begins."""
    for r in range(len(offset)):
        offset[r] = 0
    for bit in range(bits):
        step = np.int32(width << bit)
        for r in range(len(offset)):
            offset[r] += held[bit, r] * step


@kernel
def _add_table(
    table: Floats, cell: int, feature: Ints, offset: Offsets, weight: Floats, total: Floats
) -> None:
    for i in range(len(feature)):
        f = feature[i]
        for r in range(len(offset)):
            total[f, r] += weight[r] * table[cell + i + offset[r]]


@kernel
def _add_deep(
    terms: Floats,
    cell: int,
    feature: Ints,
    held: Bits,
    weight: Floats,
    product: Floats,
    total: Floats,
) -> None:
    """The formula of ``shapley``, quadrature node by quadrature node."""
    slots, rows = len(feature), len(product)
    for _ in range((slots + 1) // 2):
        for r in range(rows):
            product[r] = weight[r]
        for i in range(slots):
            low, high = terms[cell + 4 * i], terms[cell + 4 * i + 1]
            for r in range(rows):
                product[r] *= high if held[i, r] else low
        for i in range(slots):
            low, high, f = terms[cell + 4 * i + 2], terms[cell + 4 * i + 3], feature[i]
            for r in range(rows):
                total[f, r] += product[r] * (high if held[i, r] else low)
        cell += 4 * slots
