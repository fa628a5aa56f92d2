"""What reading lost of a question's own table: rates that are wrong before anything is learned."""

from __future__ import annotations

from features.schema import TABLES
from features.tables import Tables
from training.leaks.findings import Finding
from training.task.questions import Question

CHECK = "lost at reading"


def of_reading(tables: Tables, question: Question) -> list[Finding]:
    """A finding for everything that reading lost of the entity's rows, outcomes and dates.

    Red where rates are wrong by construction ("all lost deals have no closing date"): a model of
    what is left would learn that deals are always won.
    """
    entity = question.entity
    own = [f"{entity}.{c}" for c in ("outcome", "closed_at", TABLES[entity].born)]
    return [
        Finding(
            column=lost.code,
            colour="red" if lost.wrong else "amber",
            check=CHECK,
            sentence=f"{lost.text[:1].upper()}{lost.text[1:]}.",
            what_to_do=f"{lost.effect[:1].upper()}{lost.effect[1:]}.",
            n=lost.rows,
        )
        for lost in tables.meta.consequences
        if any(lost.touches(c) for c in own)
    ]
