"""A real Tryton read over its API: what is read is what is there, whatever happens on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.crm.company import Company
from examples.crm.server import Server
from features.connectors.http import AuthError, Http, UnavailableError
from features.connectors.kinds import connect
from features.connectors.tryton import Tryton
from features.sync.connection import Connection
from features.sync.run import SyncError, canonical_of, sync
from features.tables import Tables, instant_text, read
from tests.helpers.crm import DAY, busy_company, connection, digest, tryton

pytestmark = pytest.mark.usefixtures("company")

NOW = datetime(2100, 1, 1, tzinfo=UTC)
"""One instant for every sync of a test, later than all that the server's clock says."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tryton(tmp_path_factory.mktemp("tryton"), ahead=-40 * DAY) as started:
        yield started


@pytest.fixture(scope="module")
def company(server: Server) -> Company:
    made, _ = busy_company(server)
    return made


def ids_of(company: Company, *states: str) -> list[int]:
    where = [["state", "in", list(states)]]
    return [r["id"] for r in company.tryton.search_read("sale.opportunity", where, ["state"])]


def full_load(server: Server, root: Path) -> dict[str, str]:
    """What a sync that begins from nothing makes of the server as it is now."""
    sync(connection(server, root / "connections"), root, NOW, {})
    return digest(canonical_of(root, "crm"))


def tables(root: Path) -> Tables:
    return read(canonical_of(root, "crm"))


def test_the_data_set_says_what_tryton_says(
    server: Server, company: Company, tmp_path: Path
) -> None:
    sync(connection(server, tmp_path / "connections"), tmp_path, NOW, {})
    deals = tables(tmp_path)["deals"]
    names = ["state", "amount", "party", "source", "description"]
    there = {str(r["id"]): r for r in company.tryton.search_read("sale.opportunity", [], names)}
    assert deals.coded("deal_id").words() == sorted(there)
    stages = deals.coded("stage").words()
    amounts = deals.number("amount").tolist()
    sources = deals.coded("source").words()
    for i, key in enumerate(sorted(there)):
        shown = there[key]
        assert stages[i] == shown["state"]
        assert amounts[i] == float(shown["amount"]["decimal"])
        assert sources[i] == shown["source"]
    assert tables(tmp_path).meta.currency == "EUR"


def test_custom_fields_come_with_their_labels_and_types(server: Server, tmp_path: Path) -> None:
    sync(connection(server, tmp_path / "connections"), tmp_path, NOW, {})
    meta = tables(tmp_path).meta
    found = {(t, f.name): (f.kind, f.label) for t, fs in meta.custom.items() for f in fs}
    assert found[("accounts", "staff")] == ("number", "People employed")
    assert found[("deals", "product_interest")] == ("category", "Product of interest")
    assert "retail" in tables(tmp_path)["accounts"].coded("industry").values


def test_history_replays_as_tryton_remembers_it(
    server: Server, company: Company, tmp_path: Path
) -> None:
    """Every stage that ``changes`` holds at an instant is what Tryton shows as of that instant."""
    sync(connection(server, tmp_path / "connections"), tmp_path, NOW, {})
    changes = tables(tmp_path)["changes"]
    rows = zip(
        changes.coded("entity_id").words(),
        changes.coded("field").words(),
        changes.coded("value").words(),
        changes.instant("changed_at").tolist(),
        strict=True,
    )
    stages = [(i, v, at) for i, f, v, at in rows if f == "stage"]
    assert len(stages) > 40
    for entity, value, at in stages[::5]:
        when = datetime.fromtimestamp(at / 1e6, UTC).replace(tzinfo=None)
        names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        moment = {"__class__": "datetime", **{n: getattr(when, n) for n in names}}
        (then,) = company.tryton.call(
            "model.sale.opportunity.read",
            [int(entity or 0)],
            ["state"],
            context={"_datetime": moment},
        )
        assert then["state"] == value, instant_text(at)


def test_increments_and_deletes_equal_a_full_load_to_the_bit(
    server: Server, company: Company, tmp_path: Path
) -> None:
    link = connection(server, tmp_path / "connections")
    sync(link, tmp_path, NOW, {})
    server.set_clock(-9 * DAY)
    open_ids = ids_of(company, "lead", "opportunity")
    company.note(open_ids[:2], "called again")
    company.change(open_ids[:3], {"description": "renamed", "source": "fair"})
    company.delete(open_ids[3:5])
    server.set_clock(-8 * DAY)
    company.convert(ids_of(company, "opportunity")[:1])
    summary = sync(link, tmp_path, NOW, {})
    assert summary.removed == {"opportunity": 2}
    assert summary.read["opportunity"] < summary.records["opportunity"]
    assert digest(canonical_of(tmp_path, "crm")) == full_load(server, tmp_path / "again")


def test_a_record_that_changes_while_it_is_read_is_read_again(
    server: Server, company: Company, tmp_path: Path
) -> None:
    """Between two pages a record moves, a new one comes and one goes."""
    link = connection(server, tmp_path / "connections", page=4)
    server.set_clock(-7 * DAY)
    done: list[str] = []

    def each(stream: str, _: int) -> None:
        if stream == "opportunity" and not done:
            done.append(stream)
            seen, later = ids_of(company, "lead")[0], ids_of(company, "lead")[-1]
            company.change([seen], {"description": "moved under the reader"})
            company.delete([later])
            (party,) = company.customers([{"name": "New one"}])
            row = company.tryton.search_read("sale.opportunity", [], ["employee"], limit=1)[0]
            today = datetime(2025, 1, 1, tzinfo=UTC).date()
            company.opportunities(
                [{"party": party, "employee": row["employee"], "amount": 5.0, "start_date": today}]
            )

    sync(link, tmp_path, NOW, {}, each=each)
    assert done
    names = tables(tmp_path)["deals"].coded("name").words()
    assert "moved under the reader" in names
    # the party of the new one came after parties had been read: the next sync has it
    sync(link, tmp_path, NOW, {})
    assert digest(canonical_of(tmp_path, "crm")) == full_load(server, tmp_path / "again")


def test_what_was_committed_late_is_read_after_all(
    server: Server, company: Company, tmp_path: Path
) -> None:
    """A change whose instant lies before the latest that was seen: the overlap covers it."""
    link = connection(server, tmp_path / "connections", overlap_minutes=60)
    server.set_clock(-6 * DAY)
    company.change(ids_of(company, "lead")[:1], {"description": "on time"})
    sync(link, tmp_path, NOW, {})
    server.set_clock(-6 * DAY - 1800)
    company.change(ids_of(company, "lead")[1:2], {"description": "half an hour late"})
    sync(link, tmp_path, NOW, {})
    assert "half an hour late" in tables(tmp_path)["deals"].coded("name").words()
    assert digest(canonical_of(tmp_path, "crm")) == full_load(server, tmp_path / "again")


def test_killed_twenty_times_it_is_the_same_to_the_bit(server: Server, tmp_path: Path) -> None:
    """SIGKILL at random moments; the clock of the server is a year ahead, which matters to none."""
    expected = full_load(server, tmp_path / "whole")
    connection(server, tmp_path / "connections")
    given = [str(tmp_path), "crm", NOW.isoformat(), "20", "7", "1.2"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.kills", *given],
        capture_output=True,
        text=True,
        check=True,
    )
    dead, ended = map(int, done.stdout.split())
    assert dead >= 10, "the kills came too late to mean anything"
    assert dead + ended == 20
    assert digest(canonical_of(tmp_path, "crm")) == expected


def test_most_records_gone_at_once_is_asked_about(server: Server, tmp_path: Path) -> None:
    class Blind(Tryton):
        """As where the user of the connection has lost a permission."""

        def living(self, stream):  # type: ignore[no-untyped-def]
            return {stream.name: []}

    link = connection(server, tmp_path / "connections")
    sync(link, tmp_path, NOW, {})
    before = digest(canonical_of(tmp_path, "crm"))
    blind = Blind(Http(f"{server.url}/"), server.user, server.password)
    with pytest.raises(SyncError, match="--accept-deletes"):
        sync(link, tmp_path, NOW, {}, connector=blind)
    assert digest(canonical_of(tmp_path, "crm")) == before


def test_a_new_field_is_said_and_read_from_the_beginning(server: Server, tmp_path: Path) -> None:
    class Older(Tryton):
        """The same Tryton before the company added a field."""

        def _field_records(self, model: str) -> list[dict[str, str]]:
            return [r for r in super()._field_records(model) if r["name"] != "staff"]

    link = connection(server, tmp_path / "connections")
    older = Older(Http(f"{server.url}/"), server.user, server.password)
    sync(link, tmp_path, NOW, {}, connector=older)
    assert "staff" not in {f.name for f in tables(tmp_path).meta.custom.get("accounts", [])}
    summary = sync(link, tmp_path, NOW, {})
    assert any("party: new field 'staff'" in said for said in summary.said)
    assert digest(canonical_of(tmp_path, "crm")) == full_load(server, tmp_path / "again")


def test_a_wrong_password_and_a_server_that_is_away(server: Server, tmp_path: Path) -> None:
    link = connection(server, tmp_path / "connections")
    (tmp_path / "connections" / "password").write_text("wrong", encoding="ascii")
    pauses: list[float] = []
    with pytest.raises(AuthError, match="check the credentials"):
        sync(link, tmp_path, NOW, {}, wait=pauses.append)
    assert pauses == []
    raw = {**link.settings, "url": "http://127.0.0.1:9/crm"}
    away = Connection("crm", "tryton", raw, link.secrets, {}, link.path)
    with pytest.raises(UnavailableError, match="failed 6 times"):
        connect("tryton", away, {}, wait=pauses.append).streams()
    assert pauses == [1, 2, 4, 8, 16]


def test_the_command(server: Server, tmp_path: Path) -> None:
    connection(server, tmp_path / "connections")
    command = [sys.executable, "-m", "features", "sync", "crm", "--root", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "opportunity_history:" in done.stdout
    status = json.loads((tmp_path / "data" / "sync" / "crm" / "status.json").read_text())
    assert status["records"]["opportunity"] > 0
    assert status["calls"] > 0
    late = datetime.now(UTC) - datetime.fromisoformat(status["at"])
    assert late < timedelta(minutes=5)
