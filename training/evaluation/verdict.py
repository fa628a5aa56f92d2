"""The decision in words: does the model beat what is easier, and may it ship?

The rule, on the newest period and in nats of log loss a row, always by the paired 95 % interval:

1. fewer than 10 entities with the outcome or without it: **too little data**;
2. the gain over the base rate is above zero with its whole interval? If not, and the gain is
   positive and would show with at most three times as many further outcomes: **too little data**;
   otherwise **no skill**;
3. the gain over the best of the other baselines is above zero with its whole interval: **better**;
   otherwise **no better**. The best is picked on the test rows themselves, to our disadvantage.

Only "better" and "no better" may be promoted: they beat the base rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from training.evaluation.measures import Estimate
from training.evaluation.scoreboard import Comparison

Word = Literal["better", "no better", "no skill", "too little data"]

FEWEST = 10
"""Entities with and without the outcome below which no interval is to be believed."""

PATIENCE = 3.0
"""How many times the present outcomes may be missing before it is called no skill."""


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
        return Verdict("no better", f"{skill}, but {best.against} is ahead by {_text(lost)}.", True)
    more = _more(gain, best.outcomes)
    wait = "" if more is None else f" Roughly {more} more outcomes would tell."
    said = f"{skill}, and cannot be told from {best.against}: difference {_text(gain)}.{wait}"
    return Verdict("no better", said, True, more)


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
    wait = (
        "more of the same data would not help: it needs other columns or a longer history"
        if more is None
        else f"even a gain of this size would take roughly {more} more outcomes to show"
    )
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
