"""The event that a question of a company's own waits for, as its mapping states it.

event = "invoices"                                       the customer's next invoice is issued
event = { table = "invoices", at = "paid_at" }           … or paid
event = { table = "subscriptions", where = { plan = ["paid"] } }
event = { field = "stage", becomes = ["demo"] }          the deal reaches a stage
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from features.schema import OUTCOMES, TABLES


@dataclass(frozen=True)
class Event:
    """Rows of a table by the entity's key, or a field of the entity that takes a value.

    at       the instant column of ``table`` that dates the event
    where    (column, words): the row's word is one of them, in any case
    field, becomes  instead of a table: the field, and the words it becomes, in any case
    """

    table: str = ""
    at: str = ""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    field: str = ""
    becomes: tuple[str, ...] = ()

    @staticmethod
    def of(raw: Any, entity: str, question: str) -> Event:
        """Read what a mapping states; ValueError says what is wrong and what may stand there."""
        stated = _table_of(raw) if isinstance(raw, str) else raw
        if not isinstance(stated, Mapping) or ("table" in stated) == ("field" in stated):
            raise ValueError(
                f'question {question}: event names a table, as "invoices" or '
                f'{{ table = "invoices", at = "paid_at" }}, or a field, as '
                f'{{ field = "stage", becomes = ["demo"] }}; got {raw!r}'
            )
        known = {"table", "at", "where"} if "table" in stated else {"field", "becomes"}
        if further := sorted(set(stated) - known):
            raise ValueError(f"question {question}: event has no setting {', '.join(further)}")
        if "field" in stated:
            words = _words(stated.get("becomes"), question, "becomes")
            return Event(field=str(stated["field"]), becomes=words)
        return _of_table(stated, entity, question)

    def to_json(self) -> dict[str, Any]:
        """What ``of`` reads."""
        if self.field:
            return {"field": self.field, "becomes": list(self.becomes)}
        where = {column: list(words) for column, words in self.where}
        return {"table": self.table, "at": self.at, "where": where}


def _table_of(raw: str) -> dict[str, str]:
    table, _, at = raw.partition(".")
    return {"table": table, "at": at} if at else {"table": table}


def _of_table(stated: Mapping[str, Any], entity: str, question: str) -> Event:
    table, key = str(stated["table"]), TABLES[entity].key
    mine = [t for t in TABLES if t != entity and TABLES[t].column(key) is not None]
    if table not in mine:
        raise ValueError(
            f"question {question}: event cannot be a row of {table!r}: only tables with {key} "
            f"belong to one of {entity}; there are {', '.join(mine)}"
        )
    at = str(stated.get("at") or TABLES[table].born)
    column = TABLES[table].column(at)
    if column is None or column.kind != "instant":
        instants = [c.name for c in TABLES[table].columns if c.kind == "instant"]
        raise ValueError(
            f"question {question}: event at {at!r} is no instant of {table}; there are "
            f"{', '.join(instants)}"
        )
    where = stated.get("where") or {}
    if not isinstance(where, Mapping):
        raise ValueError(f"question {question}: event where is a table of column = words")
    pairs = ((str(c), _words(w, question, f"where {c}")) for c, w in where.items())
    return Event(table=table, at=at, where=tuple(pairs))


def _words(raw: Any, question: str, what: str) -> tuple[str, ...]:
    words = [raw] if isinstance(raw, str) else raw
    if not isinstance(words, list | tuple) or not words or not all(map(_is_word, words)):
        raise ValueError(
            f'question {question}: {what} is a word or a list, as ["demo"]; got {raw!r}'
        )
    return tuple(str(w) for w in words)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def known_entity(raw: Any, question: str) -> str:
    """The entity a question is about; ValueError where there is none of that name."""
    if raw not in OUTCOMES:
        raise ValueError(
            f"question {question}: entity must be one of {', '.join(OUTCOMES)}, got {raw!r}"
        )
    return str(raw)
