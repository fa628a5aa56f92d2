"""A database read by SQLAlchemy: increments equal a full load to the bit."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.connectors.contract import BudgetError, ConnectorError
from features.sync.connection import Connection, ConnectionFileError, load
from features.sync.run import canonical_of, sync
from features.tables import read
from tests.helpers.crm import digest

NOW = datetime(2026, 1, 1, tzinfo=UTC)

MAPPING = """
[export]
name = "warehouse"
currency = "EUR"
[tables.deals]
[tables.deals.columns]
deal_id = "id"
created_at = "created"
amount = "amount"
stage = "stage"
"""

CONNECTION = """
kind = "sql"
url = { env = "WAREHOUSE" }
mapping = "mapping.toml"
page = 3
overlap_minutes = 0
[tables.deals]
key = "id"
changed = "changed"
"""


class Warehouse:
    """A database and the connection to it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.path = folder, folder / "warehouse.db"
        (folder / "connections").mkdir()
        (folder / "connections" / "mapping.toml").write_text(MAPPING, encoding="utf-8")
        self.connect(CONNECTION)
        self.run(
            "CREATE TABLE deals (id INTEGER PRIMARY KEY, created TIMESTAMP, amount NUMERIC(12, 2), "
            "stage TEXT, changed TIMESTAMP)"
        )

    def connect(self, text: str) -> None:
        (self.root / "connections" / "dwh.toml").write_text(text, encoding="utf-8")

    def run(self, sql: str, *values: object) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            database.execute(sql, values)
            database.commit()

    def put(self, key: int, stage: str, minute: int) -> None:
        at = f"2025-03-01 10:{minute:02}:00.000000"
        row = (key, "2025-01-01 09:00:00.000000", key * 1.5, stage, at)
        self.run("INSERT OR REPLACE INTO deals VALUES (?, ?, ?, ?, ?)", *row)

    def connection(self) -> Connection:
        return load(self.root / "connections", "dwh")

    def sync(self, root: Path | None = None) -> dict[str, str]:
        place = root or self.root
        sync(self.connection(), place, NOW, {"WAREHOUSE": f"sqlite:///{self.path}"})
        return digest(canonical_of(place, "dwh"))


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    yield Warehouse(tmp_path)


def test_increments_and_deletes_equal_a_full_load(warehouse: Warehouse, tmp_path: Path) -> None:
    for key in range(1, 11):
        warehouse.put(key, "new", key)
    warehouse.sync()
    warehouse.put(4, "offer", 20)
    warehouse.put(11, "new", 21)
    warehouse.run("DELETE FROM deals WHERE id IN (2, 3)")
    made = warehouse.sync()
    assert made == warehouse.sync(tmp_path / "again")
    deals = read(canonical_of(tmp_path, "dwh"))["deals"]
    there = {str(i) for i in (1, *range(4, 12))}
    assert set(deals.coded("deal_id").words()) == there
    assert "offer" in deals.coded("stage").values


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=8
    )
)
def test_whatever_changes_between_syncs(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, bool]]
) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("dwh"))
    warehouse.put(100, "first", 0)
    for minute, (key, stage, gone) in enumerate(steps, 1):
        if gone:
            warehouse.run("DELETE FROM deals WHERE id = ?", key)
        else:
            warehouse.put(key, stage, minute)
        if minute % 3 == 0:
            warehouse.sync()
    assert warehouse.sync() == warehouse.sync(warehouse.root / "again")


def test_what_is_wrong_is_said(warehouse: Warehouse) -> None:
    warehouse.put(1, "new", 1)
    warehouse.connect(CONNECTION.replace('key = "id"', 'key = "ident"'))
    with pytest.raises(ConnectorError, match="no column 'ident'; it has id, created"):
        warehouse.sync()
    warehouse.connect(CONNECTION.replace("[tables.deals]", "[tables.offers]"))
    with pytest.raises(ConnectorError, match="no table or view 'offers'"):
        warehouse.sync()
    warehouse.connect(CONNECTION.replace('{ env = "WAREHOUSE" }', '"postgresql://me:pw@db/crm"'))
    with pytest.raises(ConnectionFileError, match="holds a secret"):
        warehouse.sync()
    warehouse.connect(CONNECTION)
    with pytest.raises(ConnectionFileError, match="WAREHOUSE is not set"):
        sync(warehouse.connection(), warehouse.root, NOW, {})
    assert "WAREHOUSE" not in os.environ


def test_the_calls_of_a_day_end_a_sync_and_the_next_goes_on(warehouse: Warehouse) -> None:
    for key in range(1, 20):
        warehouse.put(key, "new", key)
    warehouse.connect("calls_per_day = 4\n" + CONNECTION)
    with pytest.raises(BudgetError, match="4 calls"):
        warehouse.sync()
    warehouse.connect(CONNECTION)
    assert warehouse.sync() == warehouse.sync(warehouse.root / "again")
