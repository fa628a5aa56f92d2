"""Sheets in both databases: whole or unread, found, filtered, sorted, erased."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
import pytest

from serving.store import sheets as rooms
from serving.store.sheets import ItemRow, Sort, Wanted
from serving.store.store import Store, open_store
from tests.helpers.stored import DAY

AS_OF = 20_000 * DAY
ATTRIBUTE = {"owner": "owner_id", "position": "position"}


def _rows(n: int = 120) -> list[ItemRow]:
    """Rows with ties and holes; the body repeats what can be sorted by."""
    rng = np.random.default_rng(3)
    made = []
    for i in range(n):
        numbers = [None if rng.random() < 0.3 else float(rng.integers(0, 6)) for _ in range(3)]
        owner = None if rng.random() < 0.2 else f"o{rng.integers(3)}"
        word = None if rng.random() < 0.2 else str(rng.choice(["late", "100%_sure"]))
        label = f"Ünit_{rng.integers(1000)}"
        key: dict[str, Any] = {"label": label, "owner_id": owner, "word": word}
        key |= dict(zip(("first", "second", "third"), numbers, strict=True))
        body = {**key, "id": f"I{i:03d}", "position": i}
        made.append(ItemRow(f"I{i:03d}", entity="leads", entity_id=f"L{i:03d}", **key, body=body))
    return made


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store with one sheet."""
    opened = open_store(database_url)
    opened.sheets.write("calls", AS_OF, _rows(), {"capacity": 40}, AS_OF + DAY)
    yield opened
    opened.close()


def _expected(sort: str, falling: bool, bodies: list[dict[str, Any]]) -> list[str]:
    name = ATTRIBUTE.get(sort, sort)
    known = [b for b in bodies if b[name] is not None]
    known.sort(key=lambda b: b["position"])
    known.sort(key=lambda b: b[name], reverse=falling)
    return [b["id"] for b in known] + [b["id"] for b in bodies if b[name] is None]


@pytest.mark.parametrize("falling", [True, False])
@pytest.mark.parametrize("sort", [s for s in get_args(Sort) if s != "label"])
def test_pages_put_together_are_the_sorted_list(store: Store, sort: Sort, falling: bool) -> None:
    bodies = [dict(row.body) for row in _rows()]
    found: list[str] = []
    for skip in range(0, 140, 25):
        page = store.sheets.page("calls", Wanted(sort=sort, falling=falling, limit=25, skip=skip))
        assert page.total == 120
        found += [b["id"] for b in page.bodies]
    assert found == _expected(sort, falling, bodies)
    sheet = store.sheets.newest("calls")
    assert sheet is not None
    everything = store.sheets.rows(sheet.id, Wanted(sort=sort, falling=falling))
    assert [b["id"] for b in everything] == found
    rest = store.sheets.rows(sheet.id, Wanted(sort=sort, falling=falling, skip=110))
    assert [b["id"] for b in rest] == found[110:]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(search="i00"), lambda b: b["id"].startswith("I00")),
        (Wanted(search="ÜNIT_1", limit=500), lambda b: "Ünit_1" in b["label"]),
        (Wanted(search="%", limit=500), lambda _: False),
        (Wanted(owner_id="o1", limit=500), lambda b: b["owner_id"] == "o1"),
        (Wanted(words=("late",), limit=500), lambda b: b["word"] == "late"),
        (
            Wanted(owner_id="o1", words=("100%_sure",), limit=500),
            lambda b: b["owner_id"] == "o1" and b["word"] == "100%_sure",
        ),
    ],
)
def test_filters_are_what_a_person_means(store: Store, wanted: Wanted, fits: Any) -> None:
    expected = [row.body["id"] for row in _rows() if fits(row.body)]
    page = store.sheets.page("calls", wanted)
    assert [b["id"] for b in page.bodies] == expected
    assert page.total == len(expected)


def test_choices_count_every_row(store: Store) -> None:
    owners, words = store.sheets.choices("calls")
    bodies = [row.body for row in _rows()]
    assert owners == {o: sum(b["owner_id"] == o for b in bodies) for o in ("o0", "o1", "o2")}
    assert sum(words.values()) == sum(b["word"] is not None for b in bodies)


def test_a_newer_sheet_takes_the_place_of_the_old(store: Store) -> None:
    store.sheets.write("calls", AS_OF + DAY, _rows(3), {"capacity": 7}, AS_OF + 2 * DAY)
    page = store.sheets.page("calls", Wanted())
    assert page.total == 3
    assert page.sheet is not None
    assert page.sheet.head == {"capacity": 7}


def test_a_sheet_half_written_is_not_read_and_goes_with_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "BLOCK", 10)
    write_block = store.sheets._write_block

    def dies(sheet_id: int, block: Any) -> None:
        if block[0][0] >= 20:
            raise RuntimeError("killed")
        write_block(sheet_id, block)

    monkeypatch.setattr(store.sheets, "_write_block", dies)
    with pytest.raises(RuntimeError):
        store.sheets.write("calls", AS_OF + DAY, _rows(60), {}, AS_OF + DAY)
    assert store.sheets.page("calls", Wanted()).total == 120
    monkeypatch.undo()
    store.sheets.write("calls", AS_OF + DAY, _rows(5), {}, AS_OF + DAY)
    assert store.sheets.page("calls", Wanted()).total == 5


def test_an_erased_entity_is_gone_and_does_not_come_back(store: Store) -> None:
    counts = store.erase("leads", "L007", AS_OF)
    assert counts["sheets"] == 1
    assert store.sheets.one("calls", "I007") is None
    store.sheets.write("calls", AS_OF + DAY, _rows(), {}, AS_OF + DAY)
    assert store.sheets.one("calls", "I007") is None
    assert store.sheets.one("calls", "I008") is not None


def test_a_kind_nobody_made_is_empty(store: Store) -> None:
    assert store.sheets.newest("quality") is None
    assert store.sheets.page("quality", Wanted()).bodies == []
    assert store.sheets.choices("quality") == ({}, {})
