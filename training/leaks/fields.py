"""What the values of one field, as they stand now, give away of the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from features.tables import Bools, Ints
from training.leaks.findings import Colour
from training.leaks.strength import Gain, Target, alone, mean_of

TELLS_ALL = 0.90
"""Share of the uncertainty at which a column is the outcome in other words."""

TELLS_ALONE = 0.25
"""Share of the uncertainty that no field of a person, a company or a contract tells by itself.

The strongest honest fields of four public CRM sets tell 14 to 18 % alone (a contract's term, the
time on a web site, an amount), those that sellers wrote after the fact 28 and 56 %. There is no law
behind the number: a field above it is a question to be answered by name, not a proof."""

MISSING_TELLS = 0.05
"""Share of the uncertainty told by whether the field is filled, from which somebody should look."""

PURE = 0.99
"""Share of one outcome among the rows in question from which they count as one class only."""

NOT_CHANCE = 20.0
"""How unlikely so pure a group must be by chance: its probability is below exp(-20), 2e-9, so that
a thousand columns in a thousand data sets raise no false alarm."""

USUAL = 0.90
"""A group of one class says something only where fewer than this were to be expected in it."""

COVERS = 0.05
"""Share of the class that the group must hold: a campaign of thirty lucky leads is no leak."""


@dataclass(frozen=True)
class Suspicion:
    """One thing a check holds against a column."""

    colour: Colour
    check: str
    sentence: str
    evidence: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pure:
    """A group of rows that (nearly) all have one outcome."""

    says: str
    n: int
    share: float
    usual: float
    covers: float


def one_class(group: Bools, classes: Sequence[Target]) -> Pure | None:
    """The class that the rows of ``group`` (n,) belong to almost alone, None where there is none.

    Expected shares are those of the rows' cohorts, so a field that is new, or that young rows do
    not have yet, is not called a leak for its age.
    """
    n = int(group.sum())
    found = []
    for of in classes if n else ():
        share, usual = float(of.hit[group].mean()), float(of.expected[group].mean())
        covers = float((of.hit & group).sum() / max(of.hit.sum(), 1))
        surprising = -n * np.log(min(usual, 1 - 1e-12)) >= NOT_CHANCE
        if share >= PURE and usual <= USUAL and covers >= COVERS and surprising:
            found.append(Pure(of.says, n, share, usual, covers))
    return min(found, key=lambda pure: pure.usual, default=None)


def suspicions(
    codes: Ints, filled: Bools, goals: Sequence[Target], classes: Sequence[Target], words: bool
) -> tuple[list[Suspicion], dict[str, float], Gain]:
    """What is to be said against one field, its numbers, and what it tells alone of goals[0].

    codes    (n,) levels of its values, filled (n,) whether each row has one
    goals    what may be told: the scored outcome first, then, with dates, being closed at all
    classes  the outcomes by which groups of one class are named
    words    False where only being filled counts
    """
    kept = codes if words else filled.astype(np.int64)
    gains = [alone(kept, of) for of in goals]
    masks = [alone(filled.astype(np.int64), of) for of in goals]
    best = int(np.argmax([gain.low for gain in gains]))
    blank = int(np.argmax([gain.low for gain in masks]))
    found = _by_strength(gains[best], goals[best])
    found += _by_filling(filled, classes)
    found += _by_missing(masks[blank], goals[blank], filled)
    return found, _evidence(filled, goals[0], gains[0], masks[0]), gains[0]


def _by_strength(gain: Gain, of: Target) -> list[Suspicion]:
    if gain.low >= TELLS_ALL:
        text = (
            f"it is the outcome in other words: alone it tells {percent(gain.share)} of "
            f"what there is to know about being {of.says}"
        )
        return [Suspicion("red", "is the outcome", text)]
    if gain.low >= TELLS_ALONE:
        text = (
            f"alone it tells {percent(gain.share)} of what there is to know about being "
            f"{of.says} (AUC {gain.auc:.2f}); fields known beforehand seldom tell a quarter"
        )
        return [Suspicion("red", "tells alone", text)]
    return []


def _by_filling(filled: Bools, classes: Sequence[Target]) -> list[Suspicion]:
    for group, word in ((filled, "filled"), (~filled, "empty")):
        pure = one_class(group, classes)
        if pure is not None:
            text = (
                f"it is {word} for one class only: of {pure.n:,} rows where it is {word}, "
                f"{percent(pure.share)} are {pure.says}, where {percent(pure.usual)} were to be "
                f"expected; it is {word} in {percent(pure.covers)} of all {pure.says}"
            )
            return [Suspicion("red", f"{word} for one class", text)]
    return []


def _by_missing(gain: Gain, of: Target, filled: Bools) -> list[Suspicion]:
    if gain.low < MISSING_TELLS:
        return []
    hit, other = _shares(filled, of)
    colour: Colour = "red" if gain.low >= TELLS_ALONE else "amber"
    text = (
        f"whether it is filled tells {percent(gain.share)} of what there is to know about being "
        f"{of.says}: filled for {percent(hit)} of these, {percent(other)} of the others; it may "
        f"have been asked of those who went on"
    )
    return [Suspicion(colour, "missing tells", text)]


def _shares(filled: Bools, of: Target) -> tuple[float, float]:
    return mean_of(filled[of.hit]), mean_of(filled[~of.hit])


def _evidence(filled: Bools, of: Target, gains: Gain, mask: Gain) -> dict[str, float]:
    hit, other = _shares(filled, of)
    return {
        "told_alone": gains.share,
        "told_alone_low": gains.low,
        "told_alone_high": gains.high,
        "auc_alone": gains.auc,
        "told_by_missing": mask.share,
        "filled_hit": hit,
        "filled_other": other,
    }


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %" if abs(share) >= 0.095 else f"{100 * share:.1f} %"
