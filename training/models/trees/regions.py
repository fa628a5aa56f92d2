"""Trees restricted to a bin, cut into the regions whose path tables explain them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from training.models.trees.forest import BIN, Floats, Forest, Ints
from training.models.trees.shapley import TABLE_BITS, Leaves, Paths, fill_tables

Step = tuple[int, int]
"""A node, and the side taken there: 1 is left."""


def shares(forest: Forest, covers: Floats) -> tuple[Floats, Floats]:
    """What part of a node's rows goes right and left, (nodes, 2, bins); what part of a tree's
    rows reaches each leaf, (leaves, bins).

    ``covers`` (leaves, bins) counts rows. Where a bin has none below a node the counts of the
    whole model stand in; a split on the bin itself sends all of bin k where k goes.
    """
    nodes, bins = len(forest.kind), covers.shape[1]
    rows = np.zeros((nodes, bins))
    for node in range(nodes - 1, -1, -1):  # a parent comes before its children
        rows[node] = sum(_at(rows, covers, child) for child in forest.child[node])
    share = np.empty((nodes, 2, bins))
    for node in range(nodes):
        whole = max(float(forest.rows[node]), 1.0)
        for side, child in enumerate(forest.child[node]):
            usual = float(_at(forest.rows, forest.leaf_rows, child)) / whole
            mine = _at(rows, covers, child)
            share[node, side] = np.where(rows[node] > 0, mine / np.maximum(rows[node], 1), usual)
        if forest.kind[node] == BIN:
            left = forest.bins_left[node] >> np.arange(bins) & 1
            share[node] = np.stack([1 - left, left])
    return share, _reach(forest, share)


def _at(of_nodes: Floats, of_leaves: Floats, child: int) -> Floats:
    values: Floats = of_nodes[child] if child >= 0 else of_leaves[~child]
    return values


def _reach(forest: Forest, share: Floats) -> Floats:
    nodes, _, bins = share.shape
    at_node, at_leaf = np.ones((nodes, bins)), np.ones((len(forest.value), bins))
    for node in range(nodes):
        for side, child in enumerate(forest.child[node]):
            arriving = at_node[node] * share[node, side]
            if child >= 0:
                at_node[child] = arriving
            else:
                at_leaf[~child] = arriving
    return at_leaf


@dataclass
class _Region:
    """A region being cut out: its conditions, its features, and each leaf's way to it."""

    bins: list[int]
    conditions: list[list[Step]]
    features: list[int]
    leaves: list[tuple[int, list[tuple[int, int, int, int, int]]]] = field(default_factory=list)


class _RestrictedTree:
    """One tree as some bins see it: splits on the bin are followed, not asked."""

    def __init__(self, forest: Forest, tree: int, bins: list[int]) -> None:
        self.forest, self.bins = forest, bins
        self.root = self._resolve(int(forest.root[tree]))

    def _resolve(self, child: int) -> int:
        while child >= 0 and self.forest.kind[child] == BIN:
            left = int(self.forest.bins_left[child]) >> self.bins[0] & 1
            child = int(self.forest.child[child, left])
        return child

    def _sides(self, node: int) -> tuple[int, int]:
        right, left = self.forest.child[node]
        return self._resolve(int(right)), self._resolve(int(left))

    def _splits(self, child: int) -> list[int]:
        """The nodes at and below ``child``."""
        if child < 0:
            return []
        return [child] + [node for side in self._sides(child) for node in self._splits(side)]

    def regions(self, child: int, path: list[Step]) -> Iterator[_Region]:
        """The regions at and below ``child``: as large as one table allows."""
        above = list(dict.fromkeys(int(self.forest.feature[node]) for node, _ in path))
        inside = self._splits(child)
        if child >= 0 and len(above) + len(inside) > TABLE_BITS:
            for side, below in enumerate(self._sides(child)):
                yield from self.regions(below, [*path, (child, side)])
        elif above or inside:
            yield self._cut(child, path, above, inside)

    def _cut(self, child: int, path: list[Step], above: list[int], inside: list[int]) -> _Region:
        """Conditions: one per feature asked on the way, then one per split inside."""
        feature = self.forest.feature
        conditions = [[step for step in path if feature[step[0]] == f] for f in above]
        conditions += [[(node, 1)] for node in inside]
        features = list(dict.fromkeys([*above, *(int(feature[node]) for node in inside)]))
        region = _Region(self.bins, conditions, features)
        slot = {f: i for i, f in enumerate(features)}
        bit = {node: len(above) + i for i, node in enumerate(inside)}
        way = [(n, s, slot[int(feature[n])], above.index(int(feature[n])), 1) for n, s in path]
        waiting = [(child, way)]
        while waiting:
            at, way = waiting.pop()
            if at < 0:
                region.leaves.append((~at, way))
                continue
            for side, below in enumerate(self._sides(at)):
                step = (at, side, slot[int(feature[at])], bit[at], side)
                waiting.append((below, [*way, step]))
        return region


def _alike(forest: Forest, tree: int, bins: int) -> list[list[int]]:
    """The bins that see the same tree, together."""
    own = slice(forest.tree_node[tree], forest.tree_node[tree + 1])
    left = forest.bins_left[own][forest.kind[own] == BIN]

    def view(k: int) -> tuple[int, ...]:
        return tuple((left >> k & 1).tolist())

    return [list(same) for _, same in groupby(sorted(range(bins), key=view), key=view)]


def cut(forest: Forest, share: Floats) -> Paths:
    """All regions of all trees, their tables filled; ``share`` as from ``shares``."""
    bins = share.shape[2]
    per_tree = []
    for tree in range(len(forest.root)):
        views = [_RestrictedTree(forest, tree, same) for same in _alike(forest, tree, bins)]
        per_tree.append([region for view in views for region in view.regions(view.root, [])])
    regions = [region for some in per_tree for region in some]
    first_node = np.repeat(forest.tree_node[:-1], [len(some) for some in per_tree])
    sizes = np.array([len(some) for some in per_tree])
    paths = _pack(regions, first_node, sizes, forest.question)
    most = max((len(region.features) for region in regions), default=1)
    fill_tables(paths, _pack_leaves(regions, forest), share, *_quadrature((most + 1) // 2))
    return paths


def _starts(sizes: list[int] | Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64))]).astype(np.int64)


def _ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _pack(regions: list[_Region], first_node: Ints, per_tree: Ints, question: Ints) -> Paths:
    sizes = [len(r.bins) * _table_size(r) for r in regions]
    steps = [
        (bit, node - int(first), side, node)
        for r, first in zip(regions, first_node, strict=True)
        for bit, condition in enumerate(r.conditions)
        for node, side in condition
    ]
    return Paths(
        tree_at=_starts(per_tree),
        deep=np.array([len(r.conditions) > TABLE_BITS for r in regions], dtype=np.bool_),
        bits=_ints([len(r.conditions) for r in regions]),
        step_at=_starts([sum(map(len, r.conditions)) for r in regions]),
        bit=_ints([bit for bit, _, _, _ in steps]),
        node=_ints([node for _, node, _, _ in steps]),
        side=np.array([side for _, _, side, _ in steps], dtype=np.uint8),
        question=question[_ints([node for _, _, _, node in steps])],
        slot_at=_starts([len(r.features) for r in regions]),
        feature=_ints([f for r in regions for f in r.features]),
        bin_at=_starts([len(r.bins) for r in regions]),
        bin=_ints([k for r in regions for k in r.bins]),
        table_at=_starts(sizes),
        table=np.zeros(sum(sizes)),
    )


def _table_size(region: _Region) -> int:
    slots = len(region.features)
    if len(region.conditions) > TABLE_BITS:
        return (slots + 1) // 2 * slots * 4
    return int(2 ** len(region.conditions)) * slots


def _pack_leaves(regions: list[_Region], forest: Forest) -> Leaves:
    leaves = [leaf for region in regions for leaf in region.leaves]
    steps = np.array([step for _, way in leaves for step in way], dtype=np.int64).reshape(-1, 5)
    node, side, slot, bit, want = np.ascontiguousarray(steps.T)
    # A deep leaf has no table, so its bits matter only by being there: any path length will do.
    np.minimum(bit, 62, out=bit)
    return Leaves(
        leaf_at=_starts([len(region.leaves) for region in regions]),
        value=forest.value[_ints([leaf for leaf, _ in leaves])],
        step_at=_starts([len(way) for _, way in leaves]),
        node=node,
        side=side,
        slot=slot,
        bit=bit,
        want=want,
    )


def _quadrature(most: int) -> tuple[Floats, Floats]:
    """The Gauss-Legendre nodes and weights of [0, 1], row q - 1 holding the q of them."""
    points, weights = np.zeros((2, most, most))
    for q in range(1, most + 1):
        at, weight = np.polynomial.legendre.leggauss(q)
        points[q - 1, :q], weights[q - 1, :q] = (at + 1) / 2, weight / 2
    return points, weights
