"""The decision in words: does the model beat what is easier, and may it ship?

The rule, on the newest period and in nats of log loss a row, always by the paired 95 % interval:

1. fewer than 10 entities with the outcome or without it: **too little data**;
2. the gain over the base rate is above zero with its whole interval? If not, and the gain is
   positive and would show with at most three times as many further outcomes: **too little data**;
   otherwise **no skill**;
3. the gain over the best of the other baselines is above zero with its whole interval: **better**;
   below zero with its whole interval: **worse**; otherwise **as good as** it. The best is picked on
   the test rows themselves, to our disadvantage.

Only "better" and "as good as" may be promoted: they beat the base rate and are behind nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from training.evaluation.measures import Estimate
from training.evaluation.scoreboard import Comparison

Word = Literal["better", "as good as", "worse", "no skill", "too little data"]

FEWEST = 10
"""Entities with and without the outcome below which no interval is to be believed."""

PATIENCE = 3.0
"""How many times the present outcomes may be missing before it is called no skill."""


REALISTIC = 100.0
"""How many times the present outcomes a company may wait for; beyond, no number is given."""


@dataclass(frozen=True)
class Verdict:
    """One word, a sentence that gives the numbers, and whether the model may be promoted.

    more_outcomes  roughly how many further outcomes would decide; None if none are needed, or if
                   more of the same would not help
    """

    word: Word
    sentence: str
    promotable: bool
    more_outcomes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def verdict(base: Comparison, others: Sequence[Comparison] = ()) -> Verdict:
    """Judge a model by its comparison with the base rate and with the other baselines."""
    if min(base.outcomes, base.misses) < FEWEST:
        return _too_few(base)
    if not base.log_loss.low > 0:
        return _unproven(base)
    skill = f"The model beats the base rate by {_text(base.log_loss)}"
    if not others:
        return Verdict("better", f"{skill}; there was no other baseline to beat.", True)
    return _against(skill, min(others, key=lambda c: c.log_loss.value))


def _against(skill: str, best: Comparison) -> Verdict:
    gain = best.log_loss
    if gain.low > 0:
        said = f"{skill}, and the best of the others, {best.against}, by {_text(gain)}."
        return Verdict("better", said, True)
    if gain.high < 0:
        lost = Estimate(-gain.value, -gain.high, -gain.low, gain.n)
        said = (
            f"{skill}, but {best.against} is better by {_text(lost)}, beyond chance: it may not be "
            f"promoted while a simpler way is better."
        )
        return Verdict("worse", said, False)
    more = _more(gain, best.outcomes)
    said = (
        f"{skill}, and is as good as {best.against}: the difference of {_text(gain)} is not beyond "
        f"chance. {_wait(more, best.outcomes)}"
    )
    return Verdict("as good as", said.rstrip(), True, more)


def _wait(more: int | None, outcomes: int) -> str:
    """How many more outcomes would show a difference; "" where more of the same would not."""
    if more is None:
        return ""
    if more > REALISTIC * outcomes:
        return "No realistic number of outcomes would tell them apart."
    return f"Roughly {more:,} more outcomes would tell."


def _too_few(base: Comparison) -> Verdict:
    short = "with" if base.outcomes <= base.misses else "without"
    have = min(base.outcomes, base.misses)
    needed = _more(base.log_loss, base.outcomes)
    more = max(FEWEST - have, needed or 0)
    said = (
        f"Only {have} entities {short} the outcome in the newest period: no interval can be "
        f"trusted below {FEWEST}. Roughly {more} more are needed."
    )
    return Verdict("too little data", said, False, more)


def _unproven(base: Comparison) -> Verdict:
    more = _more(base.log_loss, base.outcomes)
    shown = f"{_text(base.log_loss)} over the base rate on {base.outcomes} outcomes"
    if more is not None and more <= PATIENCE * base.outcomes:
        said = (
            f"The model gains {shown}: not beyond chance. Roughly {more} more outcomes would tell."
        )
        return Verdict("too little data", said, False, more)
    if more is None:
        wait = "more of the same data would not help: it needs other columns or a longer history"
    elif more > REALISTIC * base.outcomes:
        wait = "no realistic number of outcomes would show a gain of this size"
    else:
        wait = f"it would take roughly {more:,} more outcomes to show a gain of this size"
    return Verdict("no skill", f"No skill in this data: the gain is {shown}; {wait}.", False, more)


def _more(gain: Estimate, outcomes: int) -> int | None:
    """Further outcomes until the interval would leave zero: its width falls with 1/sqrt(n)."""
    width = gain.value - gain.low
    if not (gain.value > 0 and math.isfinite(width)):
        return None
    factor = (width / gain.value) ** 2
    return max(1, math.ceil(outcomes * (factor - 1)))


def _text(e: Estimate) -> str:
    return f"{e.value:.4f} nats of log loss a row ({e.low:.4f} to {e.high:.4f})"
