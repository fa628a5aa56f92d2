"""Won, lost or open, from everything an export says of a stage: flags, probability and label.

One alone is not trusted: a flag may be absent, named otherwise or of a deleted stage. They are
weighed together, and where they contradict each other nobody can tell what is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from features.ingest.values.clean import FALSE, TRUE

PARTS = ("closed", "won", "probability", "label")
"""What is weighed, in this order."""

_WON = r"won|win|gewonnen|gagn[ée]e?s?|ganad[oa]s?|vint[oa]|ganh[oa]s?|vundet|vunnet"
_LOST = r"lost|lose|verloren|perdue?s?|perdid[oa]s?|pers[oa]|tabt|tapt|f[öo]rlorad"
_NOT = r"\bnot?\s+|\bnicht\s+|\bnon\s+"
WON = re.compile(rf"(?<![a-z])(?:closed[ _-]?)?(?:{_WON})(?![a-z])|^closedwon$")
LOST = re.compile(rf"(?<![a-z])(?:closed[ _-]?)?(?:{_LOST})(?![a-z])|^closedlost$")
NEGATED = re.compile(rf"(?:{_NOT})(?:{_WON}|{_LOST})")


@dataclass(frozen=True)
class Stage:
    """What one stage, or deal, says of itself; None where nothing is said."""

    closed: bool | None
    won: bool | None
    probability: float | None
    label: str

    @staticmethod
    def of(words: list[str]) -> Stage:
        """From the words of ``PARTS``, "" where there is none."""
        closed, won, probability, label = words
        return Stage(_flag(closed), _flag(won), _share(probability), label)

    @property
    def flagged(self) -> str:
        """What the flags say: won, lost, open, closed, not won; "" nothing, "?" both ways."""
        if self.won:
            return "?" if self.closed is False else "won"
        if self.closed is False:
            return "open"
        if self.closed:
            return "closed" if self.won is None else "lost"
        return "" if self.won is None else "not won"

    @property
    def named(self) -> str:
        """What the label says: won, lost, or ""."""
        label = self.label.casefold()
        if NEGATED.search(label):
            return ""
        won, lost = WON.search(label), LOST.search(label)
        return "" if bool(won) == bool(lost) else "won" if won else "lost"

    @property
    def sure(self) -> str:
        """What the probability says: won at 1, lost at 0, open between, "" nothing."""
        if self.probability is None:
            return ""
        return {1.0: "won", 0.0: "lost"}.get(self.probability, "open")


def _flag(word: str) -> bool | None:
    folded = word.strip().lower()
    return True if folded in TRUE else False if folded in FALSE else None


def _share(word: str) -> float | None:
    try:
        value = float(word.strip().rstrip("%").replace(",", "."))
    except ValueError:
        return None
    return value / 100 if value > 1 else value


def consistent(stages: list[Stage]) -> list[Stage]:
    """The stages, with a flag called closed that means won read as what it means.

    Where stages of probability 1 are flagged and no stage of probability 0 ever is, closed is won:
    such a column has been renamed, and lost stages are not open because of it.
    """
    won, lost = ([s.closed for s in stages if s.probability == p] for p in (1.0, 0.0))
    if True not in won or True in lost or False not in lost:
        return stages
    return [replace(s, closed=None, won=s.closed if s.won is None else s.won) for s in stages]


UNKNOWN, CONTRADICTION = "nobody can tell", "contradicts itself"


def outcome_of(stage: Stage) -> str:
    """won, lost, "" (open), ``UNKNOWN`` or ``CONTRADICTION``."""
    flag, named, sure = stage.flagged, stage.named, stage.sure
    if flag in ("won", "lost"):
        other = "lost" if flag == "won" else "won"
        against = named == other or (sure == other and named != flag)
        return CONTRADICTION if against else flag
    if flag == "open":
        return CONTRADICTION if named and named == sure else ""
    said = {w for w in (named, sure) if w in ("won", "lost")}
    if flag == "?" or len(said) == 2:
        return CONTRADICTION
    word = said.pop() if said else ""
    if flag == "not won" and word == "won":
        return CONTRADICTION
    return word or (UNKNOWN if flag == "closed" else "")


def to_text(stage: Stage) -> str:
    """What a stage says of itself, for an error."""
    said = {"closed": stage.closed, "won": stage.won, "probability": stage.probability}
    parts = [f"{k} {str(v).lower()}" for k, v in said.items() if v is not None]
    return f"{stage.label!r} ({', '.join(parts) or 'nothing else'})"
