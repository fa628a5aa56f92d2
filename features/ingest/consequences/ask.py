"""What reading lost, and what that does: is it all of one outcome, sign, column, reference, period?

A count says little: twenty rejected rows of forty are harmless if they are like the others, and
turn a win rate of 33 % into 100 % if they are all the lost ones. Each question below is asked of
everything that was rejected, blanked, folded together or left without its reference; what stands
out is a ``Consequence``: shown where reading is watched, and kept with the data set.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict

from features.calendar_time import Zone
from features.ingest.consequences.lost_rows import (
    folded,
    lost_rows,
    never_ran,
    one_outcome,
    one_period,
    reopened,
    unknown_outcome,
)
from features.ingest.consequences.lost_values import either_order, rounded, unreadable
from features.ingest.rows import Draft
from features.schema import TABLES
from features.tables import Consequence

QUESTIONS = (
    one_outcome,
    unknown_outcome,
    reopened,
    never_ran,
    lost_rows,
    folded,
    rounded,
    either_order,
    unreadable,
    one_period,
)


def consequences(drafts: Dict[str, Draft], company: Zone) -> list[Consequence]:
    """Every finding of the drafts after their rows were checked; the gravest first."""
    found = [f for draft in drafts.values() for ask in QUESTIONS for f in ask(draft, company)]
    # rows that are lost by outcome are lost by month too: the first says it all
    tilted = [
        f.code.split(":")[1].split(".")[0] for f in found if f.code.startswith("outcome_lost")
    ]
    found = [f for f in found if f.code not in {f"period_lost:{table}" for table in tilted}]
    rounded_keys = {
        f"rounded:{table}.{TABLES[table].key}"
        for table in drafts
        if any(f.code == f"folded:{table}" and f.wrong for f in found)
    }
    found = [f for f in found if f.code not in rounded_keys]
    return sorted(found, key=lambda f: not f.wrong)
