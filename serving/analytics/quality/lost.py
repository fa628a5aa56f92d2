"""What reading lost, in the words of a page's language: the finding's kind, numbers and columns.

``features.ingest`` says each finding in English with all its details; pages in other languages say
the same of its kind, and keep what the details name (columns, files, codes).
"""

from __future__ import annotations

from typing import Any

from features.tables import Consequence
from serving.i18n.languages import mark
from serving.i18n.lazy_text import LazyText

_LEFT_OUT = mark("they are in no figure and no model")
_KINDS: dict[str, tuple[str, str]] = {
    "outcome_lost": (
        mark("{n} of {of} {table_word} with the outcome {outcome_word} are rejected"),
        mark(
            "rates and models of {table_word} would be wrong and are not shown; mend the export or "
            "the mapping, or accept {code} in `acknowledged`"
        ),
    ),
    "unknown_outcome": (
        mark("{n} of {of} {table_word} have an outcome or a stage that nothing explains"),
        mark("they are neither open nor closed; name their words in the mapping's outcome"),
    ),
    "open_with_close_date": (
        mark("{n} of {of} open {table_word} carry a closing date"),
        mark(
            "they count as open (reopened) and the date is not used; if they are closed, the words "
            "of their outcome are missing in the mapping"
        ),
    ),
    "never_ran": (
        mark("{n} of {of} {table_word} ended when, or before, they began"),
        mark("they are no memberships: nobody became a customer by them, and nobody left"),
    ),
    "rows_lost": (mark("{n} of {of} rows of {subject} are rejected"), _LEFT_OUT),
    "folded": (
        mark("{n} of {of} rows of {table_word} have the id of another row and other values"),
        mark("only the last of each id is kept; name `newest`, `add_up` or another key"),
    ),
    "rounded": (
        mark("{n} of {of} values of {subject} are ids that a spreadsheet has rounded"),
        mark("different records may share one id; export again with ids as text"),
    ),
    "day_order": (
        mark("no date of {columns} shows whether the day or the month is in front"),
        mark("they are read as the preset states; if that is wrong, state `dates` in the mapping"),
    ),
    "unreadable": (
        mark("{n} of {of} values of {subject} cannot be read"),
        mark("they are missing: sums, means and features are of the rest alone"),
    ),
    "period_lost": (
        mark("all {n} {table_word} of some months are rejected"),
        mark("figures of that time, and trends and seasons over it, are wrong"),
    ),
    "unlinked": (
        mark("{n} of {of} values of {subject} point to rows that are not there"),
        mark("nothing of those rows reaches them; are the ids written alike?"),
    ),
    "no_rate": (
        mark("{n} of {of} {table_word} are in a currency without a rate"),
        mark("their amounts are in no sum"),
    ),
    "rates_inverted": (
        mark("{n} of {of} rates look like foreign units per unit of the reports' currency"),
        mark("amounts would be multiplied instead of divided; then write `inverse = true`"),
    ),
    "quota_twice": (
        mark("{n} of {of} quotas are over other quotas of the same time"),
        mark("they count once: the whole is the sum of the people's own"),
    ),
    "quota_own": (
        mark("{n} of {of} quotas are over other quotas of the same time"),
        mark(
            "what is more than the people's counts as the manager's own; if it is not, leave it out"
        ),
    ),
}
"""Kind of a finding -> what was found and what it does, as patterns."""


def lost_row(found: Consequence) -> dict[str, Any]:
    """A finding as a page's row: grade, the English sentences, and those to be translated.

    ``says`` and ``does`` are ``LazyText`` as JSON; absent for a kind that has no pattern.
    """
    row: dict[str, Any] = {"grade": found.grade, "text": found.text, "effect": found.effect}
    kind, _, subject = found.code.partition(":")
    if kind not in _KINDS:
        return row
    table, _, outcome = subject.partition(".")
    values = {
        **{"n": found.rows, "of": found.of, "code": found.code, "subject": subject},
        **{"table_word": table, "outcome_word": outcome, "columns": ", ".join(found.columns)},
    }
    says, does = (LazyText(pattern, values).to_json() for pattern in _KINDS[kind])
    return row | {"says": says, "does": does}
