"""What every connector gives: streams of pages, each with the position from which to go on.

A page and the position after it are kept in one transaction, so a reader that is killed anywhere
goes on as if it had not been. A position is plain JSON and only its connector understands it:
``{}`` is the beginning of the first full load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from features.schema import Kind

Body = Mapping[str, Any]
"""One record: column -> text, number, boolean or None, as it will stand in the raw table."""

Position = dict[str, Any]


class ConnectorError(RuntimeError):
    """A CRM or database did not do what was asked; the message says what to do."""


@dataclass(frozen=True)
class RawRecord:
    """One record of a raw table; ``parent`` is the "table/key" with which it goes."""

    table: str
    key: str
    body: Body
    parent: str = ""


@dataclass(frozen=True)
class RecordPage:
    """What one call brought, and where to go on.

    rows      records, new or changed; of one key the last counts
    position  from which the stream goes on once this page is kept
    gone      (table, key) of records that are no longer there; their children go with them
    replaced  (table, parent) whose earlier children are no longer there: the page has all of them
    """

    rows: Sequence[RawRecord]
    position: Position
    gone: Sequence[tuple[str, str]] = ()
    replaced: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Field:
    """One column of a raw table as the CRM describes it.

    custom   made by the company
    history  a long history of the same stream has the field's changes, under the same name
    values   id -> name as it is now, where ids are staged; of a list, ids are parted by ";"
    """

    name: str
    kind: Kind
    label: str = ""
    custom: bool = False
    history: bool = False
    values: Mapping[str, str] = field(default_factory=dict)

    def shown(self, value: Any) -> Any:
        """A staged value with names for ids."""
        if not self.values or value is None:
            return value
        return ";".join(self.values.get(part, part) for part in str(value).split(";"))


@dataclass(frozen=True)
class Stream:
    """One kind of record: the raw tables its pages fill, and the fields of each.

    hidden  staged tables that are no raw tables: ``derived`` makes one of them
    """

    name: str
    tables: Mapping[str, Sequence[Field]]
    hidden: frozenset[str] = frozenset()


class Staged(Protocol):
    """What has been read so far, for connectors that ask only for what is new."""

    def keys(self, table: str, parent: str = "") -> set[str]:
        """The keys of a raw table, or of one parent's children."""
        ...

    def among(self, table: str, keys: Iterable[str]) -> set[str]:
        """Those of ``keys`` that a raw table has."""
        ...

    def bodies(self, table: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every record of a raw table, by key."""
        ...


class Connector(Protocol):
    """One kind of CRM, connected.

    sweep_every  how often ``living`` is asked for deletes; 0: at every sync
    """

    sweep_every: timedelta

    def streams(self) -> Sequence[Stream]:
        """The kinds of record there are, in the order in which they are read."""
        ...

    def pages(self, stream: Stream, position: Position, staged: Staged) -> Iterator[RecordPage]:
        """All that is new or changed since ``position``, oldest first."""
        ...

    def living(self, stream: Stream) -> Mapping[str, Iterable[str]]:
        """Table -> every key that exists, where deletes can only be found so; else nothing."""
        ...

    def derived(self, staged: Staged) -> Mapping[str, Iterable[Body]]:
        """Raw tables computed from those that were read."""
        ...

    def clock(self) -> datetime | None:
        """When the CRM answered last, by its own clock; None where it does not say."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


@dataclass
class Budget:
    """Calls a day: ``take`` counts one and says how many were made; 0 is no limit."""

    limit: int = 0
    take: Callable[[], int] = field(default=lambda: 0)

    def spend(self) -> None:
        """Count one call; BudgetError where the day's calls are spent."""
        made = self.take()
        if self.limit and made > self.limit:
            raise BudgetError(
                f"the {self.limit:,} calls of calls_per_day are spent; the rest is read tomorrow, "
                f"or raise calls_per_day in the connection's file"
            )


class BudgetError(ConnectorError):
    """The calls of the day are spent."""
