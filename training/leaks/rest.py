"""Tables without dates: what a column holds that the others do not, and columns filled together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from features.tables import Bools, Floats
from training.leaks.elapsed import WORTH_ASKING
from training.leaks.fields import Suspicion, percent
from training.leaks.strength import Target, together

RESTS_ON = 0.10
"""Share of all that the columns know jointly which is lost without one of them."""

ALIKE = 0.90
"""Correlation of what two columns say of each row from which they are judged as one: taking away
one of two twins loses nothing, and would hide both."""

SAME_ROWS = 0.995
"""Share of rows on which two columns are both filled or both empty: filled in one go."""

SOME_ROWS = 0.05
"""Columns filled in one go are a question only where they are empty for at least this share of the
rows and filled for as many."""

ENOUGH = 20_000
"""Rows of the joint comparison; more change no decision."""


def rests_on(shifts: Mapping[str, Floats], base: Sequence[str], of: Target) -> dict[str, Suspicion]:
    """Columns without which the rest knows a tenth less, by name.

    shifts  (n,) log-odds that each column adds by itself, out of fold; base names the columns that
    are read and not red. A column outside of it is judged as if it were added.
    """
    some = np.random.default_rng(0).permutation(len(of)) < ENOUGH
    of, kept = of.take(some), {name: shift[some] for name, shift in shifts.items()}
    known: dict[tuple[str, ...], float] = {}

    def explained(names: Sequence[str]) -> float:
        key = tuple(sorted(names))
        if key not in known:
            columns = [kept[n] for n in key]
            known[key] = together(np.column_stack([*columns, np.zeros((len(of), 0))]), of).share
        return known[key]

    found: dict[str, Suspicion] = {}
    for name in kept:
        twins = twins_of(name, kept)
        if explained(twins) < WORTH_ASKING:
            continue
        rest = [b for b in base if b not in twins]
        joint, without = explained([*rest, *twins]), explained(rest)
        lost = (joint - without) / joint if joint > 0 else 0.0
        if lost >= RESTS_ON:
            found[name] = _rests(name, twins, lost, joint)
    return found


def twins_of(name: str, shifts: Mapping[str, Floats]) -> list[str]:
    """The column and those that say nearly the same of every row."""
    mine = shifts[name]
    if mine.std() == 0:
        return [name]
    same = [o for o, other in shifts.items() if o != name and _correlated(mine, other) >= ALIKE]
    return [name, *same]


def _correlated(a: Floats, b: Floats) -> float:
    return 0.0 if a.std() == 0 or b.std() == 0 else float(np.corrcoef(a, b)[0, 1])


def _rests(name: str, twins: Sequence[str], lost: float, joint: float) -> Suspicion:
    others = ", ".join(t for t in twins if t != name)
    beside = f" (judged with {others}, which say nearly the same)" if others else ""
    text = (
        f"{percent(lost)} of all that the columns know together is known from it alone{beside}, "
        f"and a table without dates does not say whether it was known before the outcome"
    )
    return Suspicion("amber", "much rests on it", text, {"lost_without": lost, "joint": joint})


def filled_together(
    filled: Mapping[str, Bools], shifts: Mapping[str, Floats], of: Target
) -> dict[str, Suspicion]:
    """Columns that are empty for the very same rows, where they tell something, by name.

    One process filled them in one go for a part of the rows; what started it is the question.
    """
    found: dict[str, Suspicion] = {}
    for block in blocks(filled):
        explained = together(np.column_stack([shifts[n] for n in block]), of)
        if explained.low < WORTH_ASKING:
            continue
        share = float(filled[block[0]].mean())
        for name in block:
            others = ", ".join(b for b in block if b != name)
            text = (
                f"it is filled for the same {percent(share)} of the rows as {others}: one process "
                f"filled them in one go, together they tell {percent(explained.share)}, and "
                f"without dates nobody can see whether it ran before the outcome"
            )
            evidence = {"filled": share, "told_together": explained.share}
            found[name] = Suspicion("amber", "filled in one go", text, evidence)
    return found


def blocks(filled: Mapping[str, Bools]) -> list[list[str]]:
    """Groups of two or more columns that are filled for the same rows, in part."""
    left = [n for n, f in filled.items() if SOME_ROWS <= float(f.mean()) <= 1 - SOME_ROWS]
    found = []
    while left:
        same = [n for n in left if (filled[n] == filled[left[0]]).mean() >= SAME_ROWS]
        left = [n for n in left if n not in same]
        if len(same) > 1:
            found.append(same)
    return found
