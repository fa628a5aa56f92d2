"""What each feature did to the trees between two records; what did not change did nothing.

The players are the features and a coalition's members take their value from the later
record, the others from the earlier one: the Shapley value of that game, tree by tree (Lundberg et
al. 2020, "From local explanations to global understanding", the interventional algorithm with one
background record). A leaf is reached by the coalitions that hold all of a set A and none of a set
B, so a member of A earns v (|A|-1)! |B|! / (|A|+|B|)! and one of B loses v |A|! (|B|-1)! / (…)!.
A feature on whose splits both records agree is in neither set, and so are the bins.
"""

from __future__ import annotations

import math

import numpy as np

from features.tables import Floats, Ints
from training.models.trees.forest import BIN, Forest
from training.models.trees.paths import decide
from training.models.trees.shapley import Bits, kernel

_FACTORIALS = np.array([math.factorial(i) for i in range(171)], np.float64)


def trees_between(forest: Forest, before: Floats, after: Floats, weights: Floats) -> Floats:
    """(n, F) Shapley values of the trees' margins from ``before`` to ``after``, both (n, F).

    weights (n, K, J), one a margin; a row sums to Σ weights (margins(after) - margins(before)).
    """
    n, features = before.shape
    columns = np.zeros((features + 1, 2 * n))  # the last is the bin's, where the answer is unused
    columns[:-1] = np.concatenate([before, after]).T
    of_class = _class_weights(weights)
    out = np.zeros((n, features))
    for tree in range(len(forest.root)):
        nodes = int(forest.tree_node[tree + 1] - forest.tree_node[tree])
        went = np.zeros((nodes, 2 * n), np.uint8)
        decide(forest, tree, columns, went)
        _tree_between(forest, tree, went, of_class[tree % len(of_class)], _FACTORIALS, out)
    return out


def _class_weights(weights: Floats) -> Floats:
    """(classes, n, K): a margin is its class's score less that of class 0, "open"."""
    of_margin = np.moveaxis(weights, 2, 0)
    if len(of_margin) > 1:
        of_margin = np.concatenate([-of_margin.sum(axis=0)[None], of_margin])
    return np.ascontiguousarray(of_margin)


@kernel
def _tree_between(
    forest: Forest, tree: int, went: Bits, weight: Floats, factorial: Floats, out: Floats
) -> None:
    """Add one tree's values to ``out`` (n, F); ``went`` (nodes, 2n) holds before, then after."""
    root, child, value = forest.root, forest.child, forest.value
    feature, kind, bins_left = forest.feature, forest.kind, forest.bins_left
    first, n = forest.tree_node[tree], len(out)
    side = np.zeros(out.shape[1], np.int64)  # of each feature on the path: 1 after, -1 before
    depth = len(went) + 2
    waiting, known, way = np.empty((3, depth), np.int64)
    trail = np.empty(depth, np.int64)
    for r in range(n):
        for k in range(weight.shape[1]):
            if weight[r, k] == 0.0:
                continue
            waiting[0], known[0], way[0], todo, length = root[tree], 0, 0, 1, 0
            while todo > 0:
                todo -= 1
                node = waiting[todo]
                while length > known[todo]:
                    length -= 1
                    side[trail[length]] = 0
                if way[todo] != 0:  # this branch is the other answer of the feature kept in trail
                    side[trail[length]] = way[todo]
                    length += 1
                while node >= 0:
                    if kind[node] == BIN:
                        node = child[node, bins_left[node] >> k & 1]
                        continue
                    old, new = went[node - first, r], went[node - first, n + r]
                    f = feature[node]
                    if old != new and side[f] == 0:
                        waiting[todo], known[todo], way[todo] = child[node, old], length, -1
                        todo += 1
                        trail[length], side[f] = f, 1
                        length += 1
                    node = child[node, new if side[f] == 1 else old]
                _pay(value[~node] * weight[r, k], trail[:length], side, factorial, out[r])
            while length > 0:
                length -= 1
                side[trail[length]] = 0


@kernel
def _pay(value: float, trail: Ints, side: Ints, factorial: Floats, out: Floats) -> None:
    """Share one leaf's value among the features its path depends on."""
    later = 0
    for f in trail:
        later += side[f] == 1
    earlier = len(trail) - later
    every = factorial[len(trail)]
    for f in trail:
        if side[f] == 1:
            out[f] += value * factorial[later - 1] * factorial[earlier] / every
        else:
            out[f] -= value * factorial[later] * factorial[earlier - 1] / every
