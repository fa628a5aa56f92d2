"""A weighted sum of two boosters, as the text of one: more trees, their leaves scaled."""

from __future__ import annotations

import re

_STUMP = "num_leaves=1\nnum_cat=0\nleaf_value=0\nis_linear=0\nshrinkage=1\n\n\n"
"""A tree that adds nothing, for the classes that the second booster does not know."""


def weighted_sum(first: str, of_first: float, second: str, of_second: float, classes: int) -> str:
    """The text of of_first · ``first`` + of_second · ``second``.

    first   a model of ``classes`` trees a round; its header, columns and bin column are kept
    second  a model of one class on the same leading columns: it moves class 1, or with one class
            the only one
    """
    head, trees, tail = _parts(first)
    _, more, _ = _parts(second)
    blocks = [_scaled(tree, of_first) for tree in trees]
    for tree in more:
        around = [_STUMP] * classes
        around[1 if classes > 1 else 0] = _scaled(tree, of_second)
        blocks += around
    blocks = [f"Tree={t}\n{block}" for t, block in enumerate(blocks)]
    sizes = " ".join(str(len(block.encode())) for block in blocks)
    return re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", head) + "".join(blocks) + tail


def _parts(text: str) -> tuple[str, list[str], str]:
    """Header, the trees without their "Tree=" lines, and the rest from "end of trees" on."""
    body, mark, rest = text.partition("end of trees")
    head, *trees = re.split(r"(?m)^Tree=\d+\n", body)
    return head, trees, mark + rest


def _scaled(tree: str, factor: float) -> str:
    """The tree with the values of its leaves times ``factor``; the numbers survive exactly."""

    def times(found: re.Match[str]) -> str:
        values = [repr(float(v) * factor) for v in found[2].split()]
        return f"{found[1]}={' '.join(values)}"

    return re.sub(r"(?m)^(leaf_value|internal_value)=(.*)$", times, tree)
