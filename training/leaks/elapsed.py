"""Columns that count time: a call's duration, the days to closing. Until when do they count?"""

from __future__ import annotations

import re

import numpy as np
from scipy.stats import rankdata

from features.tables import NAT, Bools, Coded, Floats, Instants
from training.leaks.fields import Suspicion, percent
from training.leaks.strength import Gain

WORTH_ASKING = 0.05
"""Share of the uncertainty a column must tell alone before it is asked about."""

TIME_UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
"""Units, in the singular, of columns that count time."""

TIME_WORDS = {
    *("duration", "elapsed", "seconds", "minutes", "hours", "days", "weeks", "months"),
    *("duracion", "duración", "minutos", "horas", "dias", "días", "durata", "minuti", "giorni"),
    *("durée", "dauer"),
}
"""Words of a name that say so where no unit is given."""

FOLLOWS = 0.95
"""Rank correlation with the length of the lives from which a column is that length: a contract's
term or a plan is never so near."""

FEWEST = 20
"""Closed rows with a value that such a comparison needs."""


def counts_time(name: str, unit: str, flat: bool, gain: Gain) -> Suspicion | None:
    """A duration that tells: the data do not say when its counting stopped."""
    if gain.low < WORTH_ASKING or not _is_time(name, unit):
        return None
    dates = "a table without dates does" if flat else "the column has no history, so the data do"
    text = (
        f"it counts {unit or 'time'} and tells {percent(gain.share)} alone, and {dates} not say "
        f"until when it counts: if until the outcome, its length gives the outcome away"
    )
    return Suspicion("amber", "counts time", text)


def _is_time(name: str, unit: str) -> bool:
    word = unit.lower().split(" ")[0].removesuffix("s")
    return word in TIME_UNITS or (not word and bool(TIME_WORDS & set(_words(name))))


def _words(name: str) -> list[str]:
    """ "DaysToClose" and "days_to_close" are days, to, close."""
    return re.findall(r"[^\W_\d]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())


def follows_the_end(
    values: Coded | Floats | Instants, born: Instants, closed: Instants
) -> Suspicion | None:
    """A number or a date that is the length of the life: known only when that has ended.

    values (n,) of one column, an instant as days since birth; born, closed (n,), closed NAT where
    the life goes on.
    """
    if isinstance(values, Coded):
        return None
    missing = values == NAT if values.dtype == np.int64 else np.isnan(values)
    rows = ~missing & (closed != NAT) & (born != NAT)
    near = _correlation(np.asarray(values[rows], np.float64), (closed - born)[rows], rows)
    if near < FOLLOWS:
        return None
    text = (
        f"it follows the time from the beginning to the end (rank correlation {near:.2f} among "
        f"{int(rows.sum()):,} closed rows): it is known only when the outcome is"
    )
    return Suspicion("red", "is the time to the end", text, {"follows_life": near})


def _correlation(values: Floats, lives: Instants, rows: Bools) -> float:
    """Spearman's correlation; 0 where there are too few rows or all are alike."""
    if int(rows.sum()) < FEWEST or np.ptp(values) == 0 or np.ptp(lives) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(values), rankdata(lives))[0, 1])
