"""A LightGBM model as flat arrays, read from the text LightGBM itself writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

NAN_RIGHT, NAN_LEFT, ZERO_RIGHT, ZERO_LEFT, CATEGORY, BIN = range(6)
"""How a node decides: on a number (which way NaN goes, or NaN and zero), a category, the bin."""

MOST_BINS = 62
"""The bins that go left at a node are the bits of one int64."""

_INFINITY = 1e300
"""LightGBM writes an infinite threshold as this."""


class Forest(NamedTuple):
    """All trees of a model end to end; a child c >= 0 is a node, c < 0 is leaf ``~c``.

    root      (trees,) like a child       tree_node (trees + 1,) first node of each tree
    feature   (nodes,) column of X        tree_leaf (trees + 1,) first leaf of each tree
    threshold (nodes,) x <= threshold goes left
    kind      (nodes,) NAN_RIGHT … BIN
    child     (nodes, 2) right, left: indexed by "went left"
    bitset_at, bitset_size (nodes,) the categories that go left: words of ``bitset``
    bins_left (nodes,) of a BIN node: bit k is set where bin k goes left
    rows      (nodes,) training rows LightGBM saw; leaf_rows, value (leaves,)
    question  (nodes,) the number of what the node asks, the same wherever it is asked again
    asked_at  (questions,) a node that asks it
    """

    root: Ints
    tree_node: Ints
    tree_leaf: Ints
    feature: Ints
    threshold: Floats
    kind: Ints
    child: Ints
    bitset_at: Ints
    bitset_size: Ints
    bitset: Words
    bins_left: Ints
    rows: Floats
    leaf_rows: Floats
    value: Floats
    question: Ints
    asked_at: Ints


def parse(text: str, features: int, bins: int, classes: int) -> Forest:
    """The trees of ``booster.model_to_string()``; with ``bins`` > 1 the last column is the bin.

    ValueError where the text is cut short or damaged, or is not a model of these sizes.
    """
    if not 1 <= bins <= MOST_BINS:
        raise ValueError(f"bins must be 1 to {MOST_BINS}, got {bins}")
    head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
    if "\nend of trees" not in text or not head.startswith("tree"):
        raise ValueError(
            "not a whole LightGBM text model (no 'tree' header or no 'end of trees'): "
            "pass booster.model_to_string()"
        )
    _check_head(_fields(head), len(blocks), features + (bins > 1), classes)
    if not blocks:
        raise ValueError("the model has no trees: train at least one iteration")
    trees = [_tree(_fields(block), t, features, bins) for t, block in enumerate(blocks)]
    return _join(trees)


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.splitlines())
    return {key: value for key, _, value in pairs}


def _check_head(head: Mapping[str, str], trees: int, columns: int, classes: int) -> None:
    stated = len(head.get("tree_sizes", "").split())
    if stated != trees:
        raise ValueError(f"damaged model: its header promises {stated} trees, it holds {trees}")
    if "average_output" in head:
        raise ValueError("random forests (boosting=rf) average their trees: train with gbdt")
    if (got := _number(head, "num_tree_per_iteration")) != classes:
        raise ValueError(f"expected {classes} trees per iteration, the model has {got}")
    if (got := _number(head, "max_feature_idx") + 1) != columns:
        raise ValueError(f"expected a model of {columns} columns (bin included), it has {got}")


def _numbers(fields: Mapping[str, str], key: str, size: int) -> Floats:
    values = np.array(fields.get(key, "").split(), dtype=np.float64)
    if len(values) != size:
        raise ValueError(f"damaged model: {key} should have {size} values, got {len(values)}")
    return values


def _number(fields: Mapping[str, str], key: str) -> int:
    return int(_numbers(fields, key, 1)[0])


def _tree(fields: Mapping[str, str], number: int, features: int, bins: int) -> Forest:
    """One tree as a forest of its own."""
    if fields.get("is_linear", "0") != "0":
        raise ValueError("linear trees have no path tables: train with linear_tree=false")
    leaves = _number(fields, "num_leaves")
    nodes = leaves - 1
    if nodes == 0:
        return _stump(_numbers(fields, "leaf_value", 1))
    column = _numbers(fields, "split_feature", nodes).astype(np.int64)
    threshold = _numbers(fields, "threshold", nodes)
    decision = _numbers(fields, "decision_type", nodes).astype(np.int64)
    child = np.stack(
        [_numbers(fields, key, nodes).astype(np.int64) for key in ("right_child", "left_child")], 1
    )
    _check_shape(child, column, features + (bins > 1), number)
    at, size, bitset = _categories(fields, decision, threshold)
    threshold = np.where(np.abs(threshold) >= _INFINITY, np.copysign(np.inf, threshold), threshold)
    tree = Forest(
        root=np.zeros(1, np.int64),
        tree_node=np.array([0, nodes]),
        tree_leaf=np.array([0, leaves]),
        feature=column,
        threshold=threshold,
        kind=_kinds(decision, threshold),
        child=child,
        bitset_at=at,
        bitset_size=size,
        bitset=bitset,
        bins_left=np.zeros(nodes, np.int64),
        rows=_numbers(fields, "internal_count", nodes),
        leaf_rows=_numbers(fields, "leaf_count", leaves),
        value=_numbers(fields, "leaf_value", leaves),
        question=np.arange(nodes),
        asked_at=np.arange(nodes),
    )
    return _with_bins(tree, features, bins)


def _stump(value: Floats) -> Forest:
    """A tree without a split."""
    none, floats = np.zeros(0, np.int64), np.zeros(0)
    return Forest(
        root=np.array([-1]),
        tree_node=np.array([0, 0]),
        tree_leaf=np.array([0, 1]),
        feature=none,
        threshold=floats,
        kind=none,
        child=np.zeros((0, 2), np.int64),
        bitset_at=none,
        bitset_size=none,
        bitset=np.zeros(0, np.uint32),
        bins_left=none,
        rows=floats,
        leaf_rows=np.zeros(1),
        value=value,
        question=none,
        asked_at=none,
    )


def _check_shape(child: Ints, column: Ints, columns: int, number: int) -> None:
    """Every node but the root and every leaf has one parent, and a parent comes before its child.

    Damaged children would send the kernels round in circles or out of their arrays.
    """
    nodes = len(child)
    inner = np.sort(child[child >= 0])
    leaves = np.sort(~child[child < 0])
    whole = (
        np.array_equal(inner, np.arange(1, nodes))
        and np.array_equal(leaves, np.arange(nodes + 1))
        and bool(np.all((child < 0) | (child > np.arange(nodes)[:, None])))
    )
    if not whole or column.min() < 0 or column.max() >= columns:
        raise ValueError(f"damaged model: tree {number} has impossible children or columns")


def _kinds(decision: Ints, threshold: Floats) -> Ints:
    """LightGBM's decision_type: bit 0 categorical, bit 1 default left, bits 2-3 missing type.

    Source: include/LightGBM/tree.h. Without a missing type (0) NaN is read as 0.0, so the
    threshold says which way it goes.
    """
    missing = (decision >> 2) & 3
    left = np.where(missing == 0, threshold >= 0.0, (decision >> 1) & 1)
    kind = np.where(missing == 1, ZERO_RIGHT, NAN_RIGHT) + left
    return np.where(decision & 1 == 1, CATEGORY, kind).astype(np.int64)


def _categories(
    fields: Mapping[str, str], decision: Ints, threshold: Floats
) -> tuple[Ints, Ints, Words]:
    """Where each categorical node's bitset begins, its length in words, and all words."""
    sets = _number(fields, "num_cat")
    at, size = np.zeros((2, len(decision)), np.int64)
    if sets == 0:
        return at, size, np.zeros(0, np.uint32)
    bounds = _numbers(fields, "cat_boundaries", sets + 1).astype(np.int64)
    words = _numbers(fields, "cat_threshold", int(bounds[-1])).astype(np.uint32)
    chosen = decision & 1 == 1
    which = threshold[chosen].astype(np.int64)
    if np.any(np.diff(bounds) < 0) or bounds[0] != 0 or np.any((which < 0) | (which >= sets)):
        raise ValueError("damaged model: a categorical split points outside its bitsets")
    at[chosen] = bounds[which]
    size[chosen] = np.diff(bounds)[which]
    return at, size, words


def _with_bins(tree: Forest, features: int, bins: int) -> Forest:
    """Splits on the last column (the bin) become BIN nodes that know which bins go left."""
    for node in np.flatnonzero((tree.feature == features) & (bins > 1)).tolist():
        tree.bins_left[node] = sum(int(_bin_goes_left(tree, node, k)) << k for k in range(bins))
        tree.kind[node] = BIN
    return tree


def _bin_goes_left(tree: Forest, node: int, k: int) -> bool:
    kind = tree.kind[node]
    if kind == CATEGORY:
        at, size = tree.bitset_at[node], tree.bitset_size[node]
        return k // 32 < size and bool(int(tree.bitset[at + k // 32]) >> (k % 32) & 1)
    if k == 0 and kind in (ZERO_LEFT, ZERO_RIGHT):
        return bool(kind == ZERO_LEFT)
    return bool(k <= tree.threshold[node])


def _join(trees: list[Forest]) -> Forest:
    """Trees end to end, their children, leaves and bitsets renumbered."""
    nodes = np.cumsum([0] + [len(t.kind) for t in trees])
    leaves = np.cumsum([0] + [len(t.value) for t in trees])
    words = np.cumsum([0] + [len(t.bitset) for t in trees])

    def moved(child: Ints, t: int) -> Ints:
        renumbered: Ints = np.where(child >= 0, child + nodes[t], child - leaves[t])
        return renumbered

    joined = {
        name: np.concatenate([getattr(tree, name) for tree in trees])
        for name in Forest._fields
        if name not in ("tree_node", "tree_leaf", "root", "child", "bitset_at", *_QUESTIONS)
    }
    question, asked_at = _questions(joined["feature"], joined["kind"], joined["threshold"])
    return Forest(
        question=question,
        asked_at=asked_at,
        tree_node=nodes,
        tree_leaf=leaves,
        root=np.concatenate([moved(tree.root, t) for t, tree in enumerate(trees)]),
        child=np.concatenate([moved(tree.child, t) for t, tree in enumerate(trees)]),
        bitset_at=np.concatenate([tree.bitset_at + words[t] for t, tree in enumerate(trees)]),
        **joined,
    )


_QUESTIONS = ("question", "asked_at")


def _questions(feature: Ints, kind: Ints, threshold: Floats) -> tuple[Ints, Ints]:
    """The number of each node's question, and a node that asks each question.

    Boosting asks the same again and again: a column of 255 histogram bins has 254 thresholds, and
    2,000 trees of 30 nodes ask 60,000 times. Splits on categories and on the bin stay apart.
    """
    apart = np.where(kind >= CATEGORY, np.arange(len(kind)), -1)
    asked = np.column_stack([feature, kind, threshold.view(np.int64), apart])
    _, first, number = np.unique(asked, axis=0, return_index=True, return_inverse=True)
    return number.astype(np.int64), first.astype(np.int64)
