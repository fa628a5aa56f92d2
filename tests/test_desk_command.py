"""`python -m serving desk` and `report --desk`: from a data set to sheets and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from features.demo import generate
from features.frames import write
from features.tables import DAY
from serving import __main__ as serving
from serving.analytics.lists.options import DeskOptions
from serving.cli import CommandError, NoModelError
from serving.cli.desk import read_rules, with_work
from serving.store.sheets import Wanted
from serving.store.store import open_store
from serving.web.lists import LISTINGS
from tests.helpers import trained
from training.models import bundle as bundles


def test_a_data_set_becomes_sheets_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = generate(size="tiny")
    write(tmp_path / "data", demo.frames, demo.meta)
    bundle = trained.once().bundle
    bundles.write(bundle, tmp_path / "bundle")
    monkeypatch.setattr(serving, "champions", lambda _: {bundle.name: tmp_path / "bundle"})
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    account = str(demo.frames["subscriptions"]["account_id"].iloc[-1])
    goals = tmp_path / "goals.csv"
    goals.write_text(
        f"account_id,measure,target,start,due\n{account},products,9,2025-10-01,2026-06-30\n"
    )
    rules = tmp_path / "routing.toml"
    rules.write_text("[routing]\nmove = 0.1\n")
    root = ["--root", str(tmp_path)]
    asked = ["--data", str(tmp_path / "data"), "--margin", "0.7", "--capacity", "12"]
    more = ["--goals", str(goals), "--rules", str(rules)]
    assert serving.main([*root, "desk", *asked, *more]) == 0
    said = capsys.readouterr().out
    for kind in LISTINGS:
        assert f"{kind}: " in said
    store = open_store(url)
    calls = store.sheets.newest("calls")
    assert calls is not None and calls.head["capacity"] == 12
    pipeline = store.sheets.newest("pipeline")
    assert pipeline is not None
    assert pipeline.head["bottlenecks"][0]["stage"] == demo.planted["bottleneck"]["deals.stage"]
    plan = store.sheets.one("accounts", account)
    assert plan is not None
    assert plan["goals"][0]["target"] == 9
    store.close()
    assert serving.main([*root, "report", "--desk", "--out", str(tmp_path / "out")]) == 0
    assert {p.stem for p in (tmp_path / "out").glob("*.html")} == set(LISTINGS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[routing]\nmoove = 1\n", "no rule 'moove'"),
        ("[routing\n", "is not TOML"),
        ("[routing]\nmove = -1\n", "a cost of 0 or more"),
        ('[routing]\nmove = "far"\n', "a cost of 0 or more, got 'far'"),
    ],
)
def test_rules_that_are_none_say_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "routing.toml"
    path.write_text(text)
    with pytest.raises(CommandError, match=said):
        read_rules(path)


def test_a_flat_table_lists_its_scored_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = generate(size="tiny")
    flat = type(demo.meta)(currency="EUR", custom=demo.meta.custom)
    write(tmp_path / "data", {"deals": demo.frames["deals"]}, flat)
    dated = trained.once().bundle
    bundles.write(replace(dated, question={**dated.question, "flat": True}), tmp_path / "bundle")
    monkeypatch.setattr(serving, "champions", lambda _: {dated.name: tmp_path / "bundle"})
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    root = ["--root", str(tmp_path)]
    assert serving.main([*root, "desk", "--data", str(tmp_path / "data")]) == 0
    store = open_store(url)
    scores, pipeline = store.sheets.newest("scores"), store.sheets.newest("pipeline")
    assert scores is not None and pipeline is not None
    rows = store.sheets.rows(scores.id, Wanted())
    assert len(rows) == scores.total == len(demo.frames["deals"])
    found = [row["probability"] for row in rows]
    assert found == sorted(found, reverse=True)
    assert "needs dates" in pipeline.head["empty"]
    store.close()


def test_without_a_model_every_list_that_needs_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is a deal without a name, an account or an amount shown as "–" or as money of 0."""
    demo = generate(size="tiny")
    deals = demo.frames["deals"].assign(name=None, amount=None)
    changes = demo.frames["changes"]
    changes = changes[changes["field"] != "amount"]
    write(tmp_path / "data", {**demo.frames, "deals": deals, "changes": changes}, demo.meta)

    def none(root: Path) -> dict[str, Path]:
        raise LookupError(f"no model has been promoted in {root}")

    monkeypatch.setattr(serving, "champions", none)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    root = ["--root", str(tmp_path)]
    assert serving.main([*root, "desk", "--data", str(tmp_path / "data")]) == 0
    assert "no model has been promoted" in capsys.readouterr().out
    store = open_store(url)
    rows = {kind: store.sheets.newest(kind) for kind in LISTINGS}
    assert all(rows[kind] and rows[kind].total for kind in ("pipeline", "figures", "accounts"))  # type: ignore[union-attr]
    assert "There are no scores" in rows["calls"].head["empty"]  # type: ignore[union-attr]
    pipeline = rows["pipeline"]
    assert pipeline is not None
    assert pipeline.head["value"] is None, "what is not known is not 0"
    named = store.sheets.rows(pipeline.id, Wanted())
    assert all(row["name"] for row in named)
    store.close()


def test_a_missing_model_has_its_own_exit_code(tmp_path: Path) -> None:
    """`make desk` goes on after this one alone."""
    with pytest.raises(NoModelError, match="no model has been promoted"):
        serving.champions(tmp_path)
    asked = [
        "--root",
        str(tmp_path),
        "score",
        "--data",
        str(tmp_path),
        "--no-store",
        "--out",
        str(tmp_path / "scores"),
    ]
    demo = generate(size="tiny")
    write(tmp_path, demo.frames, demo.meta)
    assert serving.main(asked) == 3


def test_what_people_wrote_on_the_pages_is_in_the_next_lists(tmp_path: Path) -> None:
    """Done today and put off until tomorrow are set aside; what is over is not; the newest answer
    about an owner counts."""
    now = 1_767_225_600_000_000
    store = open_store(f"sqlite:///{tmp_path / 'work.db'}")
    add = store.feedback.add
    add("deals", "done", "done", None, "maria", None, now - DAY)
    add("deals", "old", "done", None, "maria", None, now - 30 * DAY)
    add("leads", "later", "snooze", {"until": now + DAY}, "maria", None, now - DAY)
    add("leads", "over", "snooze", {"until": now - 1}, "maria", None, now - 2 * DAY)
    for at, accepted in ((now - 2, True), (now - 1, False)):
        add("accounts", "A1", "owner", {"to": "O2", "accepted": accepted}, "maria", None, at)
    goal = {"measure": "mrr", "target": 900.0, "start": now - DAY, "due": now + 90 * DAY}
    add("accounts", "A1", "goal", goal, "maria", None, now - DAY)
    found = with_work(DeskOptions(), store, now)
    assert found.set_aside == {("deals", "done"), ("leads", "later")}
    assert found.rejected == {("accounts", "A1", "O2")}
    assert [(g.account_id, g.measure, g.target) for g in found.goals] == [("A1", "mrr", 900.0)]
    store.close()
