"""Random CRM histories for the property tests, and one entity's part of a data set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from features.frames import from_frames
from features.schema import ACTIVITY_KINDS, DIRECTIONS, TABLES
from features.tables import DAY, Bools, Coded, CustomField, Floats, Meta, Table, Tables, code

START = 1_700_000_000_000_000 // DAY * DAY
META = Meta(
    as_of="2024-01-01T00:00:00+00:00",
    currency="EUR",
    custom={
        "activities": [CustomField("pages", "number"), CustomField("tool", "category")],
        "leads": [CustomField("fit", "number", fixed=True), CustomField("use", "category", True)],
        "deals": [CustomField("rival", "category", fixed=True)],
        "accounts": [CustomField("plan_b", "boolean", fixed=True)],
    },
)
seeds = st.integers(0, 2**32 - 1)


def _at(rng: np.random.Generator, n: int, missing: float = 0.0) -> pd.Series:
    """Instants on a grid of half days over 60 days, so that ties and edges are common."""
    at = pd.Series(START + rng.integers(0, 120, n) * (DAY // 2)).astype("datetime64[us, UTC]")
    return at.mask(rng.random(n) < missing)


def _pick(
    rng: np.random.Generator, words: tuple[str, ...], n: int, missing: float = 0.1
) -> list[str | None]:
    return [None if rng.random() < missing else words[rng.integers(len(words))] for _ in range(n)]


def _numbers(rng: np.random.Generator, n: int, missing: float = 0.2) -> Floats:
    return np.where(rng.random(n) < missing, np.nan, rng.normal(0, 100, n) / 3)


def history(seed: int, size: int = 12) -> Tables:
    """A small random CRM: every table, late rows, missing values, ties."""
    rng = np.random.default_rng(seed)
    ids = {t: tuple(f"{t[:2]}{i}" for i in range(5)) for t in ("leads", "deals", "accounts")}
    owners, contacts = ("o1", "o2", "o3"), ("c1", "c2", "c3")
    frames = {t: _entities(rng, t, ids, owners, contacts) for t in ids}
    n = int(rng.integers(0, size * 4))
    occurred = _at(rng, n)
    late = pd.to_timedelta(rng.integers(0, 10, n) * (rng.random(n) < 0.3), unit="D")
    frames["activities"] = pd.DataFrame(
        {
            "activity_id": [f"x{i}" for i in range(n)],
            "lead_id": _pick(rng, ids["leads"], n, 0.4),
            "deal_id": _pick(rng, ids["deals"], n, 0.4),
            "account_id": _pick(rng, ids["accounts"], n, 0.4),
            "kind": _pick(rng, ACTIVITY_KINDS, n),
            "direction": _pick(rng, DIRECTIONS, n),
            "outcome": _pick(rng, ("ok", "no"), n),
            "duration": _numbers(rng, n),
            "occurred_at": occurred,
            "available_at": occurred + late,
            "pages": _numbers(rng, n),
            "tool": _pick(rng, ("a", "b", "c"), n),
        }
    )
    frames["changes"] = _changes(rng, ids, int(rng.integers(0, size * 2)))
    m = int(rng.integers(0, size))
    started = _at(rng, m)
    frames["subscriptions"] = pd.DataFrame(
        {
            "subscription_id": [f"s{i}" for i in range(m)],
            "account_id": _pick(rng, ids["accounts"], m, 0),
            "product": _pick(rng, ("p", "q"), m),
            "mrr": _numbers(rng, m),
            "seats": _numbers(rng, m),
            "currency": _pick(rng, ("EUR", "USD", "CHF"), m),
            "started_at": started,
            "renews_at": started + pd.Timedelta(days=30),
            "term_days": np.full(m, 30.0),
            "ended_at": (started + pd.to_timedelta(rng.integers(1, 40, m), unit="D")).mask(
                rng.random(m) < 0.5
            ),
        }
    )
    issued = _at(rng, m)
    frames["invoices"] = pd.DataFrame(
        {
            "invoice_id": [f"i{i}" for i in range(m)],
            "account_id": _pick(rng, ids["accounts"], m, 0),
            "amount": _numbers(rng, m),
            "currency": _pick(rng, ("EUR", "USD"), m),
            "issued_at": issued,
            "due_at": issued + pd.Timedelta(days=10),
            "paid_at": (issued + pd.to_timedelta(rng.integers(1, 40, m), unit="D")).mask(
                rng.random(m) < 0.4
            ),
        }
    )
    frames["owners"] = pd.DataFrame(
        {"owner_id": list(owners), "team": ["n", "s", None], "started_at": _at(rng, 3, 0.3)}
    )
    frames["contacts"] = pd.DataFrame(
        {
            "contact_id": list(contacts),
            "account_id": _pick(rng, ids["accounts"], 3),
            "title": ["boss", None, "clerk"],
            "created_at": _at(rng, 3, 0.3),
        }
    )
    frames["fx_rates"] = pd.DataFrame(
        {
            "rate_id": ["f1", "f2", "f3"],
            "currency": ["USD", "USD", "CHF"],
            "rate_at": _at(rng, 3),
            "rate": [0.9, 0.8, 1.1],
        }
    )
    return from_frames(frames, META)


def _entities(
    rng: np.random.Generator,
    table: str,
    ids: dict[str, tuple[str, ...]],
    owners: tuple[str, ...],
    contacts: tuple[str, ...],
) -> pd.DataFrame:
    n = len(ids[table])
    words = {
        "leads": ("converted", "disqualified"),
        "deals": ("won", "lost"),
        "accounts": ("churned",),
    }[table]
    created, outcome = _at(rng, n), _pick(rng, words, n, 0.4)
    closed = (created + pd.to_timedelta(rng.integers(1, 40, n), unit="D")).where(
        pd.Series(outcome).notna()
    )
    frame = pd.DataFrame(
        {
            TABLES[table].key: ids[table],
            "owner_id": _pick(rng, owners, n),
            "created_at": created,
            "outcome": outcome,
            "closed_at": closed,
        }
    )
    if table != "accounts":
        frame["account_id"] = _pick(rng, ids["accounts"], n)
        frame["contact_id"] = _pick(rng, contacts, n)
        frame["source"] = _pick(rng, ("web", "event"), n)
    if table == "leads":
        frame["fit"], frame["use"] = _numbers(rng, n), _pick(rng, ("a", "b"), n)
        frame["status"] = _pick(rng, ("new", "working"), n)
    if table == "deals":
        frame["stage"], frame["amount"] = _pick(rng, ("s1", "s2"), n), np.abs(_numbers(rng, n))
        frame["currency"], frame["rival"] = _pick(rng, ("EUR", "USD"), n), _pick(rng, ("r",), n)
        frame["expected_close_at"] = created + pd.to_timedelta(rng.integers(1, 60, n), unit="D")
    if table == "accounts":
        frame["industry"], frame["customer_at"] = _pick(rng, ("x", "y"), n), created
        frame["plan_b"] = [True, False, None, True, False]
    return frame


def _changes(rng: np.random.Generator, ids: dict[str, tuple[str, ...]], n: int) -> pd.DataFrame:
    rows = []
    for i in range(n):
        entity, field = [
            ("leads", "status"),
            ("deals", "stage"),
            ("deals", "amount"),
            ("deals", "expected_close_at"),
            ("leads", "owner_id"),
        ][rng.integers(5)]
        value = {
            "status": ("new", "working"),
            "stage": ("s1", "s2", "s3"),
            "amount": ("10", "20.5"),
            "expected_close_at": ("2023-12-01T00:00:00+00:00", "2024-02-01"),
            "owner_id": ("o1", "o2"),
        }[field]
        rows.append(
            (
                f"ch{i}",
                entity,
                ids[entity][rng.integers(5)],
                field,
                value[rng.integers(len(value))],
                value[0] if rng.random() < 0.5 else None,
            )
        )
    frame = pd.DataFrame(
        rows, columns=["change_id", "entity", "entity_id", "field", "value", "old_value"]
    ).astype("string")
    frame["changed_at"] = _at(rng, n)
    frame["available_at"] = frame["changed_at"] + pd.to_timedelta(
        rng.integers(0, 3, n) * (rng.random(n) < 0.2), unit="D"
    )
    return frame


def frames_of(tables: Tables) -> dict[str, pd.DataFrame]:
    """Tables as frames, to be written as a canonical data set."""
    made = {}
    for name, table in tables.tables.items():
        columns = {}
        for column, values in table.columns.items():
            if isinstance(values, Coded):
                columns[column] = pd.Series(values.words(), dtype="string")
            elif values.dtype == np.int64:
                at = pd.Series(values.astype("datetime64[us]"))
                columns[column] = at.dt.tz_localize("UTC")
            else:
                columns[column] = pd.Series(values)
        made[name] = pd.DataFrame(columns)
    return made


def part_of(tables: Tables, entity: str, entity_id: str) -> Tables:
    """What a CRM would send with one record: its row, its own rows, its account and contact."""
    own = _where(tables, entity, TABLES[entity].key, entity_id)
    account = entity_id if entity == "accounts" else _ref(tables, own, entity, "account_id")
    contact = "" if entity == "accounts" else _ref(tables, own, entity, "contact_id")
    key = TABLES[entity].key
    keep = {
        entity: own,
        "accounts": _where(tables, "accounts", "account_id", account),
        "contacts": _where(tables, "contacts", "contact_id", contact)
        | _where(tables, "contacts", "account_id", account),
        "activities": _where(tables, "activities", key, entity_id)
        | _where(tables, "activities", "account_id", account),
        "changes": _where(tables, "changes", "entity_id", entity_id),
        "subscriptions": _where(tables, "subscriptions", "account_id", account),
        "invoices": _where(tables, "invoices", "account_id", account),
    }
    if entity == "accounts":
        keep["deals"] = _where(tables, "deals", "account_id", account)
    return Tables({t: _rows(tables, t, rows) for t, rows in keep.items()}, tables.meta)


def _where(tables: Tables, table: str, column: str, word: str) -> Bools:
    coded = tables[table].coded(column)
    found: Bools = coded.codes == (coded.values.index(word) if word in coded.values else -2)
    return found


def _ref(tables: Tables, own: np.ndarray, entity: str, column: str) -> str:
    return tables[entity].coded(column).take(np.flatnonzero(own)).words()[0] or ""


def _rows(tables: Tables, table: str, keep: Bools) -> Table:
    rows = np.flatnonzero(keep)
    columns = {}
    for name, column in tables[table].columns.items():
        taken = column.take(rows) if isinstance(column, Coded) else column[rows]
        columns[name] = code(taken.words()) if isinstance(taken, Coded) else taken
    return Table(table, len(rows), columns)
