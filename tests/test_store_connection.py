"""The store beside the requests: away at the start nobody comes in, later only writers wait."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.store.audit import AuditRow
from serving.store.connection import StoreConnection, UnavailableStore
from serving.store.errors import StoreBusyError, StoreDownError
from serving.store.store import Store, open_store


def _row(n: int) -> AuditRow:
    return AuditRow(at=n, action="score", uid=f"row-{n}")


def test_a_store_that_is_away_lets_nobody_in_and_is_tried_again(tmp_path: Path) -> None:
    url, away = f"sqlite:///{tmp_path}/s.db", [True]

    def opened(where: str) -> Store:
        if away[0]:
            raise StoreDownError("nobody answers at its address")
        return open_store(where)

    place = SimpleNamespace(store=None, journal=None, degraded={})
    keeper = StoreConnection(url, tmp_path / "journal", place, opened)
    assert isinstance(place.store, UnavailableStore) and place.journal is keeper.journal
    keeper.poll()
    with pytest.raises(StoreDownError, match="nobody answers"):
        place.store.keys.all()
    assert place.degraded["store"] == "nobody answers at its address"
    keeper.journal.append([_row(1)])
    assert not keeper.journal.drain(), "rows wait on disk"
    away[0] = False
    keeper.poll()
    assert place.store.keys.all() == [] and place.degraded["store"] == ""
    assert keeper.journal.drain() and place.store.audit.count() == 1
    keeper.stop()


def test_later_troubles_are_said_and_the_store_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SimpleNamespace(store=None, journal=None, degraded={})
    keeper = StoreConnection(f"sqlite:///{tmp_path}/s.db", tmp_path / "journal", place)
    keeper.poll()
    store = place.store

    def busy() -> None:
        raise StoreBusyError("another writer holds it")

    monkeypatch.setattr(store, "ping", busy)
    keeper.poll()
    assert place.store is store and place.degraded["store"] == "another writer holds it"
    monkeypatch.undo()
    keeper.poll()
    assert place.degraded == {"store": "", "audit": ""}
    keeper.stop()


def test_what_is_journalled_at_the_end_is_brought_to_the_store(tmp_path: Path) -> None:
    place = SimpleNamespace(store=None, journal=None, degraded={})
    url = f"sqlite:///{tmp_path}/s.db"
    keeper = StoreConnection(url, tmp_path / "journal", place)
    keeper.poll()
    keeper.journal.append([_row(1), _row(2)])
    keeper.start()
    keeper.stop()
    again = open_store(url)
    assert again.audit.count() == 2
    again.close()
