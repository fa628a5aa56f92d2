"""Keys: shown once, kept as a hash, rotated with an overlap, revoked at once."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import __main__ as serving
from serving.store.keys import KeyRefusedError, id_of
from serving.store.store import Store, open_store

HOUR = 3_600_000_000


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(database_url)
    yield opened
    opened.close()


def opens(store: Store, token: str, at: int) -> bool:
    """Whether a token is that of a key which is active."""
    key = store.keys.find(id_of(token) or "")
    return key is not None and key.matches(token) and key.active(at)


def test_a_token_opens_until_it_is_revoked(store: Store) -> None:
    assert not store.keys.any()
    key, token = store.keys.create("hubspot", ["score", "read"], 5)
    assert re.fullmatch(r"emb_[0-9a-f]{12}_[0-9a-f]{64}", token) and id_of(token) == key.id
    assert opens(store, token, 6) and store.keys.find(key.id) == key
    assert key.may("score") and key.may("read") and not key.may("admin")
    assert store.keys.revoke(key.id, 7).revoked_at == 7
    assert store.keys.revoke(key.id, 9).revoked_at == 7, "revoked again is revoked when it was"
    assert not opens(store, token, 8)
    assert store.keys.any(), "a revoked key still says that keys are needed"


@pytest.mark.parametrize(
    "token",
    ["", "emb_", "emb_x_y", "Bearer", "emb_" + "0" * 12 + "_" + "0" * 64, "\ud800", "é" * 99],
)
def test_what_is_no_token_opens_nothing(store: Store, token: str) -> None:
    key, real = store.keys.create("a", ["read"], 1)
    assert not opens(store, token, 2) and not key.matches(token)
    changed = real[:-1] + ("0" if real[-1] != "0" else "1")
    assert not opens(store, changed, 2) and key.matches(real)


def test_the_store_knows_no_secret(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    key, token = store.keys.create("a", ["admin"], 1)
    store.close()
    rows = list(sqlite3.connect(tmp_path / "s.db").execute("SELECT * FROM keys"))
    assert hashlib.sha256(token.encode()).hexdigest() in rows[0]
    secret = token.rpartition("_")[2].encode()
    assert not any(secret in file.read_bytes() for file in tmp_path.iterdir())
    assert key.digest not in repr(key)


def test_a_rotated_key_opens_until_the_overlap_ends(store: Store) -> None:
    old, old_token = store.keys.create("crm", ["score"], 0)
    new, new_token = store.keys.rotate(old.id, 10, HOUR)
    assert (new.name, new.scopes) == (old.name, old.scopes) and new.id != old.id
    for at, still in ((10, True), (9 + HOUR, True), (10 + HOUR, False)):
        assert opens(store, old_token, at) == still
        assert opens(store, new_token, at)
    with pytest.raises(KeyRefusedError, match="rotated already"):
        store.keys.rotate(old.id, 11, HOUR)


def test_a_rotation_does_not_lengthen_a_key(store: Store) -> None:
    old, token = store.keys.create("crm", ["score"], 0, expires_at=50)
    store.keys.rotate(old.id, 10, HOUR)
    assert opens(store, token, 49) and not opens(store, token, 50)
    with pytest.raises(KeyRefusedError):
        store.keys.rotate("nobody", 10)


@pytest.mark.parametrize(("name", "scopes"), [("a", []), ("a", ["root"]), (" ", ["read"])])
def test_a_key_has_a_name_and_known_scopes(store: Store, name: str, scopes: list[str]) -> None:
    with pytest.raises(KeyRefusedError):
        store.keys.create(name, scopes, 1)
    assert store.keys.all() == []


def test_use_is_noted_to_the_minute(store: Store) -> None:
    key, _ = store.keys.create("a", ["read"], 0)
    for at in (5, 6, 59_999_999, 60_000_005):
        store.keys.used(key.id, at)
        found = store.keys.find(key.id)
        assert found is not None and found.used_at == (5 if at < 60_000_005 else 60_000_005)


def test_the_commands_make_rotate_and_revoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/s.db")
    assert serving.main(["keys", "create", "crm", "--scope", "score", "--scope", "read"]) == 0
    token = capsys.readouterr().out.strip()
    key_id = str(id_of(token))
    assert serving.main(["keys", "rotate", key_id, "--hours", "0"]) == 0
    new = capsys.readouterr().out.strip()
    assert serving.main(["keys", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in listed] == ["ended", "active"]
    assert not any(token in line or new in line for line in listed)
    assert serving.main(["keys", "revoke", str(id_of(new))]) == 0
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    assert not [k for k in store.keys.all() if k.active(serving.now())]
    store.close()
    assert serving.main(["keys", "revoke", "nobody"]) == 2
    assert "there is no key 'nobody'" in capsys.readouterr().err
