"""The window features in SQL, written from the words of docs/features.md, not from the code.

Every expression is over ``seen``: the rows of a table that a spine row can see, which is those that
were known before its cutoff: ``greatest(at, available_at) < cutoff``. A window of d days holds what
occurred from ``cutoff - d`` on.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from features.schema import ACTIVITY_KINDS, DIRECTIONS, TABLES
from features.spine import Spine
from features.tables import DAY, NAT, Coded, Floats, Tables

Sql = dict[str, str]
"""Feature -> its SQL aggregate; an aggregate that gives a list names every answer a tie allows."""


def inside(days: int) -> str:
    """Occurred in the last ``days`` days."""
    return f"(happened >= cutoff - {days * DAY})"


def count(where: str = "true") -> str:
    """How many seen rows."""
    return f"count(happened) FILTER ({where})"


def since_last(where: str = "true") -> str:
    """Days since the last seen row."""
    return f"(max(cutoff) - max(happened) FILTER ({where})) / {DAY}"


def total(value: str, where: str = "true") -> str:
    """Sum of the known values, 0 where there are none."""
    return f"coalesce(sum({value}) FILTER ({where}), 0)"


def last(value: str, known: bool = False) -> str:
    """The value of the last seen row (of the last with a known value): a list, for ties."""
    kept = f"happened = {'last_' + value if known else 'last'}"
    return f"list(DISTINCT {value}) FILTER ({kept} AND {value} IS NOT NULL)"


def activities() -> Sql:
    """What leads, deals and accounts know of their own activities."""
    wanted = {
        "activities_total": count(),
        "activity_trend": f"{count(inside(30))} - {count(f'NOT {inside(30)} AND {inside(60)}')}",
        "days_since_activity": since_last(),
        "days_since_first_activity": f"(max(cutoff) - min(happened)) / {DAY}",
        "active_days_30d": f"count(DISTINCT happened // {DAY}) FILTER ({inside(30)})",
        "activity_kinds": "count(DISTINCT kind)",
        "last_activity_kind": last("kind"),
        "last_activity_outcome": last("outcome"),
        "activity_pages_mean_90d": f"avg(pages) FILTER ({inside(90)})",
        "activity_pages_last": last("pages", known=True),
        "activity_tool_last": last("tool"),
        "activity_tool_kinds_90d": f"count(DISTINCT tool) FILTER ({inside(90)})",
    }
    for d in (7, 30, 90):
        wanted[f"activities_{d}d"] = count(inside(d))
        wanted[f"activity_pages_sum_{d}d"] = total("pages", inside(d))
    for d in (30, 90):
        wanted[f"activity_minutes_{d}d"] = total("duration", inside(d))
    return wanted | _by_word("kind", ACTIVITY_KINDS, (7, 30, 90)) | _directions()


def _by_word(column: str, words: tuple[str, ...], windows: tuple[int, ...]) -> Sql:
    wanted: Sql = {}
    for word in words:
        of_word = f"{column} = '{word}'"
        wanted |= {f"{word}_{d}d": count(f"{of_word} AND {inside(d)}") for d in windows}
        wanted[f"{word}_total"] = count(of_word)
        wanted[f"days_since_{word}"] = since_last(of_word)
    return wanted


def _directions() -> Sql:
    wanted = _by_word("direction", DIRECTIONS, (7, 30))
    return {name: sql for name, sql in wanted.items() if not name.endswith("_total")}


def at_account() -> Sql:
    """Activities anywhere at the account of a lead or deal."""
    windows = {f"account_activities_{d}d": count(inside(d)) for d in (30, 90)}
    return windows | {"days_since_account_activity": since_last()}


def invoices() -> Sql:
    """An account's bills, in the reporting currency."""
    paid = "paid_at < cutoff"
    wanted = {
        "days_since_invoice": since_last(),
        "last_invoice": last("euros"),
        "days_between_invoices": "CASE WHEN count(happened) > 1 THEN "
        f"(max(happened) - min(happened)) / {DAY} / (count(happened) - 1) END",
        "overdue_invoices": count(f"due_at < cutoff AND NOT coalesce({paid}, false)"),
        "late_payments_180d": count(
            f"{paid} AND paid_at > due_at AND paid_at >= cutoff - {180 * DAY}"
        ),
        "mean_days_late": f"avg((paid_at - due_at) / {DAY}) FILTER ({paid})",
    }
    for d in (30, 90, 365):
        wanted[f"invoices_{d}d"] = count(inside(d))
        wanted[f"invoiced_{d}d"] = total("euros", inside(d))
    return wanted


def contracts() -> Sql:
    """An account's subscriptions."""
    runs = "NOT coalesce(ended_at < cutoff, false)"
    return {
        "contracts": count(runs),
        "contracts_ended": count(f"NOT {runs}"),
        "products": "count(DISTINCT product)",
        "mrr": total("euros", runs),
        "seats": total("seats", runs),
        "contract_age": since_last(),
        "contract_product": last("product"),
    }


def moves(entity: str) -> Sql:
    """A lead's or deal's stages, and how a deal's amount and close date were moved."""
    field = {"leads": "status", "deals": "stage"}.get(entity)
    if field is None:
        return {}
    of_field = f"field = '{field}'"
    wanted = {
        f"days_in_{field}": since_last(of_field),
        f"{field}_moves": count(of_field),
        f"{field}_moves_30d": count(f"{of_field} AND {inside(30)}"),
    }
    if entity == "deals":
        later = "field = 'expected_close_at' AND date_to > date_from"
        wanted |= {
            "close_date_pushes": count(later),
            "close_date_pushes_30d": count(f"{later} AND {inside(30)}"),
            "close_date_pulls": count(later.replace(">", "<")),
            "amount_raises": count("field = 'amount' AND number_to > number_from"),
            "amount_cuts": count("field = 'amount' AND number_to < number_from"),
        }
    return wanted


_CHANGES = """(
    SELECT *, try_cast(value AS DOUBLE) AS number_to, try_cast(left(value, 10) AS DATE) AS date_to,
        coalesce(try_cast(old_value AS DOUBLE), lag(number_to) OVER before) AS number_from,
        coalesce(try_cast(left(old_value, 10) AS DATE), lag(date_to) OVER before) AS date_from
    FROM changes WHERE entity = '{entity}'
    WINDOW before AS (PARTITION BY entity_id, field
        ORDER BY greatest(changed_at, coalesce(available_at, changed_at)), place))"""

_EUROS = """(
    SELECT t.*, {amount} * CASE WHEN coalesce(t.currency, 'EUR') = 'EUR' THEN 1 ELSE (
        SELECT arg_max(r.rate, r.rate_at) FROM fx_rates r
        WHERE r.currency = t.currency AND r.rate_at < t.{at}) END AS euros
    FROM {table} t)"""


class Oracle:
    """A database that holds the tables and a spine."""

    def __init__(self, tables: Tables, spine: Spine) -> None:
        self.tables, self.spine = tables, spine
        self.db = duckdb.connect(config={"threads": 1})
        for name in TABLES:
            self.db.register(name, _arrow(tables, name))
        rows = {"id": spine.ids, "cutoff": spine.cutoffs, "line": np.arange(len(spine))}
        self.db.register("spine", pa.table(rows))

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def answers(self) -> dict[str, list[Any]]:
        """Every window feature of the spine's entity, one answer a spine row."""
        entity = self.spine.entity
        key = TABLES[entity].key
        found = self._ask(activities(), "activities", f"e.{key} = s.id", known=("pages",))
        found |= self._ask(moves(entity), _CHANGES.format(entity=entity), "e.entity_id = s.id")
        if entity != "accounts":
            account = f"SELECT account_id FROM {entity} WHERE {key} = s.id"
            return found | self._ask(at_account(), "activities", f"e.account_id = ({account})")
        billed = _EUROS.format(amount="amount", table="invoices", at="issued_at")
        running = _EUROS.format(amount="mrr", table="subscriptions", at="started_at")
        own = "e.account_id = s.id"
        found |= self._ask(invoices(), billed, own, "issued_at")
        return found | self._ask(contracts(), running, own, "started_at")

    def _ask(
        self, wanted: Sql, table: str, joined: str, at: str = "", known: tuple[str, ...] = ()
    ) -> dict[str, list[Any]]:
        if not wanted:
            return {}
        at = at or ("changed_at" if "changes" in table else "occurred_at")
        lasts = "".join(
            f", max(happened) FILTER ({v} IS NOT NULL) OVER (PARTITION BY line) AS last_{v}"
            for v in known
        )
        named = ", ".join(f'{sql} AS "{name}"' for name, sql in wanted.items())
        query = f"""WITH seen AS (
            SELECT s.line, s.cutoff, e.* FROM spine s
            LEFT JOIN (SELECT *, {at} AS happened FROM {table}) e
            ON {joined} AND greatest(happened, coalesce(available_at, happened)) < s.cutoff
        ), told AS (SELECT *, max(happened) OVER (PARTITION BY line) AS last{lasts} FROM seen)
        SELECT {named} FROM told GROUP BY line ORDER BY line"""
        columns = list(zip(*self.db.execute(query).fetchall(), strict=True))
        return {name: list(told) for name, told in zip(wanted, columns, strict=True)}


def _arrow(tables: Tables, name: str) -> pa.Table:
    """A table with NULL for what is missing, instants as microseconds, and its row numbers."""
    table = tables[name]
    columns: dict[str, Any] = {"place": np.arange(table.n)}
    for column in dict.fromkeys(
        [*(c.name for c in TABLES[name].columns), "available_at", *table.columns]
    ):
        values = table.columns.get(column)
        if isinstance(values, Coded):
            columns[column] = pa.array(values.words(), pa.string())
        elif values is not None and values.dtype == np.int64:
            columns[column] = pa.array(values, mask=values == NAT)
        elif values is not None:
            columns[column] = pa.array(values, mask=np.isnan(values))
        else:
            kind = pa.int64() if column.endswith("_at") else pa.string()
            columns[column] = pa.nulls(table.n, kind)
    return pa.table(columns)


def as_floats(answers: list[Any]) -> Floats:
    """Answers as numbers, NaN where there is none."""
    return np.array([np.nan if a is None else float(a) for a in answers])
