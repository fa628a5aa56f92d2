"""A leaf's Shapley values: the numbers a path table is made of.

For a leaf of value v whose path asks d distinct features, o_i = 1 where x meets the condition on
feature i and r_i the share of training rows that do, the Shapley value of feature i is

    v (o_i - r_i) ∫₀¹ Π_{c≠i} (r_c (1 - t) + o_c t) dt,

because ∫ t^s (1 - t)^(d-1-s) dt is the weight s! (d-1-s)! / d! of a coalition of s features; a
polynomial of degree d - 1, so ceil(d / 2) Gauss-Legendre nodes are exact. Source of the game:
Lundberg et al. 2018, "Consistent individualized feature attribution for tree ensembles", alg. 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from training.models.trees.forest import Floats, Ints

Bits = npt.NDArray[np.uint8]

TABLE_BITS = 7
"""The most conditions a table may have: 2^7 rows of 7 numbers are 7 KB a bin, well inside L1."""

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def kernel(function: _Kernel) -> _Kernel:
    """Compiled at its first call; without fast math, so a row's sums never depend on its batch."""
    return cast(_Kernel, njit(cache=True, nogil=True)(function))


class Paths(NamedTuple):
    """The regions of all trees, end to end.

    tree_at  (trees + 1,) first region of each tree
    deep     (regions,) whether it is one leaf with too many conditions for a table
    bits     (regions,) how many conditions it has
    step_at  (regions + 1,) first step of each region; a condition holds where all its steps are
             taken, and they stand together
    bit, node, side (steps,) the step's condition, counted within the region: the row goes right (0)
             or left (1) at that node, counted within the tree; ``question`` is the node's
    slot_at, feature  the features of each region
    bin_at, bin       the bins of each region
    table_at, table   its table [condition mask][bin][feature]; of a deep leaf its terms
                      [bin][quadrature node][feature][term if not, term if held, both divided out]
    """

    tree_at: Ints
    deep: npt.NDArray[np.bool_]
    bits: Ints
    step_at: Ints
    bit: Ints
    node: Ints
    side: Bits
    question: Ints
    slot_at: Ints
    feature: Ints
    bin_at: Ints
    bin: Ints
    table_at: Ints
    table: Floats


class Leaves(NamedTuple):
    """The leaves of each region and their steps from the root, from which its table is made.

    leaf_at (regions + 1,), value (leaves,), step_at (leaves + 1,), and for each step: its node (in
    the forest), the side taken, the slot of its feature, and the region's condition it belongs to
    with the answer it needs there (``want``).
    """

    leaf_at: Ints
    value: Floats
    step_at: Ints
    node: Ints
    side: Ints
    slot: Ints
    bit: Ints
    want: Ints


@kernel
def fill_tables(
    paths: Paths, leaves: Leaves, share: Floats, points: Floats, point_weights: Floats
) -> None:
    """Write ``paths.table``; ``share`` (nodes, side, bins) is what part of a node's rows go there.

    ``points[q - 1, :q]`` and ``point_weights`` are the q Gauss-Legendre nodes of [0, 1].
    """
    for region in range(len(paths.deep)):
        slots = paths.slot_at[region + 1] - paths.slot_at[region]
        bins = paths.bin_at[region + 1] - paths.bin_at[region]
        table = paths.table[paths.table_at[region] : paths.table_at[region + 1]]
        for leaf in range(leaves.leaf_at[region], leaves.leaf_at[region + 1]):
            care, want = np.zeros((2, slots), np.int64)
            for s in range(leaves.step_at[leaf], leaves.step_at[leaf + 1]):
                care[leaves.slot[s]] |= 1 << leaves.bit[s]
                want[leaves.slot[s]] |= leaves.want[s] << leaves.bit[s]
            for index in range(bins):
                k = paths.bin[paths.bin_at[region] + index]
                met = np.ones(slots)
                for s in range(leaves.step_at[leaf], leaves.step_at[leaf + 1]):
                    met[leaves.slot[s]] *= share[leaves.node[s], leaves.side[s], k]
                depth = np.sum(care != 0)
                q = (depth + 1) // 2
                terms = _terms(leaves.value[leaf], met, care, points[q - 1, :q], point_weights)
                if paths.deep[region]:
                    table[index * terms.size : (index + 1) * terms.size] = terms.ravel()
                else:
                    _tabulate(terms, care, want, index * slots, bins * slots, table)


@kernel
def _terms(value: float, met: Floats, care: Ints, points: Floats, point_weights: Floats) -> Floats:
    """Each node's and feature's factor if not met and if met, and with it divided out, times
    everything that does not depend on the row."""
    nodes = len(points)
    terms = np.zeros((nodes, len(met), 4))
    for q in range(nodes):
        t = points[q]
        scale = value * point_weights[nodes - 1, q]
        for slot in range(len(met)):
            term = terms[q, slot]
            if care[slot] == 0:
                term[:2] = 1.0
                continue
            r = met[slot]
            term[0] = r * (1.0 - t)
            term[1] = r * (1.0 - t) + t
            term[2] = -scale / (1.0 - t)
            term[3] = scale * (1.0 - r) / term[1]
    return terms


@kernel
def _tabulate(terms: Floats, care: Ints, want: Ints, at: int, width: int, table: Floats) -> None:
    """Add one leaf to a table, for every answer to the region's conditions."""
    nodes, slots = terms.shape[:2]
    for mask in range(len(table) // width):
        for q in range(nodes):
            product = 1.0
            for slot in range(slots):
                product *= terms[q, slot, 1 if mask & care[slot] == want[slot] else 0]
            for slot in range(slots):
                answer = 3 if mask & care[slot] == want[slot] else 2
                table[mask * width + at + slot] += product * terms[q, slot, answer]
