"""The demo CRM: its truth is true, and its tables keep the laws of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.__main__ import main
from features.demo import SIZES, Demo, generate, write_export, write_truth
from features.demo.chain import Chain, StageMove, incidence, simulate
from features.demo.draw import micros_of
from features.demo.truth import EDGES, EVERY
from features.frames import from_frames, write
from features.ingest.mapping import load
from features.ingest.report import IngestReport
from features.ingest.run import canonical, ingest
from features.schema import TABLES
from features.tables import DAY, Floats, Instants, Ints, Meta, micros, read
from training.task.questions import QUESTIONS

KEYS = {"leads": "lead_id", "deals": "deal_id", "accounts": "account_id"}


@cache
def crm(seed: int = 7) -> Demo:
    return generate(seed, "tiny")


def at(column: pd.Series[pd.Timestamp]) -> Instants:
    """Instants in microseconds."""
    return micros_of(column)


def two_states(leave: float, close: float) -> Chain:
    """State 0 moves to 1 with chance ``leave`` a day; only from 1 can it close."""
    odds = np.log(close / (1 - close))
    rates = np.array([[0.0, leave], [0.0, 0.0]])
    return Chain(
        ("done",),
        np.array([[-50.0, odds]]),
        lambda rows, _: np.zeros((1, len(rows))),
        (StageMove(rates, lambda rows, _: np.ones(len(rows))),),
    )


# the recursion


def test_incidence_of_a_chain_that_can_be_solved_by_hand() -> None:
    """From state 1 the chance by day t is 1 - (1 - h)^t; from 0 it waits a geometric time first."""
    zero, days = np.zeros(2, np.int64), np.zeros(2, np.int64)
    curve = incidence(two_states(0.3, 0.2), zero, days, np.array([1, 0], np.int8), (1, 2, 5))
    assert curve[0, 0] == pytest.approx([1 - 0.8**t for t in (1, 2, 5)])
    by_hand = sum(0.3 * 0.7 ** (w - 1) * (1 - 0.8 ** (5 - w)) for w in range(1, 6))
    assert curve[1, 0] == pytest.approx([0.0, 0.3 * 0.2, by_hand])


@pytest.mark.parametrize("question", list(EDGES))
def test_truth_equals_a_simulation_of_the_same_chain(question: str) -> None:
    """5,000 lives of one entity, from one cutoff on, close as often as the recursion says."""
    world = crm().worlds[question]
    horizon, draws = EDGES[question][-1], 5_000
    for row in np.flatnonzero(world.path.length > 40)[[0, -1]]:
        midnight = world.path.first[row] + 30
        state = world.path.at(np.array([row]), np.array([midnight]))
        shown = np.full(draws, row)
        copies = Chain(
            world.chain.outcomes,
            world.chain.base,
            lambda rows, days, shown=shown: world.chain.log_odds(shown[rows], days),  # type: ignore[misc]
            tuple(
                StageMove(s.rates, lambda rows, days, s=s, shown=shown: s.scale(shown[rows], days))  # type: ignore[misc]
                for s in world.chain.steps
            ),
        )
        start = np.full(draws, midnight)
        lives = simulate(
            copies,
            start,
            np.repeat(state, draws),
            int(midnight) + horizon,
            np.random.default_rng(1),
        )
        exact = crm().true_curve(question, [world.ids[row]], np.array([midnight * DAY]))[0]
        for j in range(len(exact)):
            for k, edge in enumerate(EDGES[question]):
                closed = (lives.outcome == j + 1) & (lives.closed_day < midnight + edge)
                p = exact[j, k]
                error = np.sqrt(max(p * (1 - p), 1 / draws) / draws)
                assert closed.mean() == pytest.approx(p, abs=4.5 * error), (question, row, j, edge)


def test_the_edges_are_those_of_the_questions() -> None:
    """The demo may not import ``training``; here both are held together."""
    assert {name: question.edges for name, question in QUESTIONS.items()} == EDGES
    assert {question.every_days for question in QUESTIONS.values()} == {EVERY}
    for world in crm().worlds.values():
        assert QUESTIONS[world.question].entity == world.entity
        assert QUESTIONS[world.question].outcomes == world.chain.outcomes


def test_curves_rise_and_outcomes_share_the_probability() -> None:
    """Incidence never falls with the day, and competing outcomes sum to at most 1."""
    truth = crm().truth
    for question, rows in truth.groupby("question"):
        outcomes, edges = QUESTIONS[str(question)].outcomes, EDGES[str(question)]
        curve = rows["probability"].to_numpy().reshape(-1, len(outcomes), len(edges))
        assert (np.diff(curve, axis=2) >= 0).all()
        assert (curve >= 0).all() and (curve.sum(axis=1) <= 1 + 1e-9).all()


def test_the_grid_is_the_first_midnight_and_every_30_days_while_open() -> None:
    """Every truth row is of an entity open at its cutoff; none of those cutoffs is left out."""
    found = crm()
    for question, entity in (("lead_conversion", "leads"), ("churn", "accounts")):
        world = found.worlds[question]
        rows = found.truth.query("question == @question").drop_duplicates(["entity_id", "cutoff"])
        frame = found.frames[entity].set_index(KEYS[entity]).loc[world.ids]
        born = at(frame["created_at" if entity == "leads" else "customer_at"])
        closed = np.where(frame["closed_at"].isna(), np.iinfo(np.int64).max, at(frame["closed_at"]))
        stop = np.minimum(closed, micros(found.meta.as_of))
        want = [
            (key, cutoff)
            for key, b, s in zip(world.ids, born, stop, strict=True)
            for cutoff in range((b // DAY + 1) * DAY, s + 1, EVERY * DAY)
        ]
        assert list(zip(rows["entity_id"], at(rows["cutoff"]), strict=True)) == want


# the truth against what happened


def outcomes_and_truth(question: str, day: float, once: bool) -> tuple[Floats, Floats]:
    """(observed 0/1, true probability) of the scored outcome by ``day``, at matured cutoffs.

    once  only the first cutoff of each entity, so that the rows are independent
    """
    found, asked = crm(), QUESTIONS[question]
    rows = found.truth.query("question == @question and outcome == @asked.target and day == @day")
    rows = rows.drop_duplicates("entity_id") if once else rows
    frame = found.frames[asked.entity].set_index(KEYS[asked.entity]).loc[rows["entity_id"]]
    end = at(rows["cutoff"]) + int(day) * DAY
    hit = (frame["outcome"] == asked.target).to_numpy() & (at(frame["closed_at"]) < end)
    matured = end <= micros(found.meta.as_of)
    return hit[matured].astype(np.float64), rows["probability"].to_numpy()[matured]


@pytest.mark.parametrize("question", list(EDGES))
def test_outcomes_happen_as_often_as_the_truth_says(question: str) -> None:
    """In every fifth of the true probability and at every bin's end.

    When the p are true, a count of independent rows has the variance Σ p (1 - p).
    """
    for day in EDGES[question]:
        hit, p = outcomes_and_truth(question, day, once=True)
        for part in np.array_split(np.argsort(p), 5):
            error = np.sqrt((p[part] * (1 - p[part])).sum())
            assert abs(hit[part].sum() - p[part].sum()) < 4.5 * max(error, 1.0)


@pytest.mark.parametrize("question", list(EDGES))
def test_the_truth_beats_the_base_rate_by_far(question: str) -> None:
    """There is something to learn, and not everything can be known."""
    hit, p = outcomes_and_truth(question, EDGES[question][-1], once=False)

    def loss(q: Floats) -> float:
        return float(-np.mean(hit * np.log(q) + (1 - hit) * np.log(1 - q)))

    base = loss(np.full(len(hit), hit.mean()))
    assert 0.5 * base < loss(p) < 0.95 * base


def test_the_drift_turns_the_partner_source_round() -> None:
    """Before it partners convert better than the average lead, after it worse."""
    found = crm()
    leads = found.frames["leads"].set_index("lead_id")
    rows = found.truth.query(
        "question == 'lead_conversion' and outcome == 'converted' and day == 90"
    ).drop_duplicates("entity_id")
    source = leads.loc[rows["entity_id"], "source"].to_numpy()
    partner, p = source == "partner", rows["probability"].to_numpy()
    days = (at(rows["cutoff"]) - micros(found.planted["drift"]["at"])) // DAY
    before, after = days < -90, days >= 0
    assert p[before & partner].mean() > p[before].mean() + 0.03
    assert p[after & partner].mean() < p[after].mean() - 0.02


def test_a_cutoff_that_has_no_truth_is_refused() -> None:
    """Not a midnight, not open then, or a planted copy: the message says which."""
    found = crm()
    world = found.worlds["lead_conversion"]
    born = world.path.first[0] * DAY
    with pytest.raises(ValueError, match="midnight"):
        found.true_curve("lead_conversion", [world.ids[0]], np.array([born + 1]))
    with pytest.raises(ValueError, match="not open"):
        found.true_curve("lead_conversion", [world.ids[0]], np.array([born - DAY]))
    copy = next(iter(found.planted["duplicate_leads"]))
    with pytest.raises(KeyError, match="no truth"):
        found.true_curve("lead_conversion", [copy], np.array([born]))


# the tables


def test_every_column_is_canonical_or_declared() -> None:
    """``from_frames`` refuses any other column; required columns are filled."""
    found = crm()
    tables = from_frames(found.frames, found.meta)
    for name, table in tables.items():
        for column in TABLES[name].columns:
            if column.required:
                assert column.name in table.columns, (name, column.name)
        assert found.frames[name][TABLES[name].key].is_unique


def test_references_lead_somewhere() -> None:
    """Every reference is the key of a row that is there."""
    frames = crm().frames
    for name, frame in frames.items():
        for column in TABLES[name].columns:
            if column.kind == "ref" and column.references and column.name in frame:
                known = frames[column.references][TABLES[column.references].key]
                assert frame[column.name].dropna().isin(known).all(), (name, column.name)
    for entity, rows in frames["changes"].groupby("entity"):
        assert rows["entity_id"].isin(frames[str(entity)][KEYS[str(entity)]]).all()


def lives(entity: str) -> tuple[pd.Series, pd.Series]:
    """Birth and end of each entity, by key."""
    frame = crm().frames[entity].set_index(KEYS[entity])
    born = frame["customer_at"].fillna(frame["created_at"]) if entity == "accounts" else None
    return (frame["created_at"] if born is None else born), frame["closed_at"]


@pytest.mark.parametrize("entity", list(KEYS))
def test_nothing_happens_before_birth_or_after_closing(entity: str) -> None:
    """Neither activities nor changes; and closing comes after birth."""
    born, closed = lives(entity)
    activities = crm().frames["activities"].dropna(subset=[KEYS[entity]])
    changes = crm().frames["changes"].query("entity == @entity")
    happened = pd.concat(
        [
            activities.set_index(KEYS[entity])["occurred_at"],
            changes.set_index("entity_id")["changed_at"],
        ]
    )
    assert (happened >= born.loc[happened.index].to_numpy()).all()
    end = closed.loc[happened.index]
    assert ((happened < end.to_numpy()) | end.isna().to_numpy()).all()
    assert ((closed > born) | closed.isna()).all()


def test_nothing_is_known_that_was_not_known_at_the_end() -> None:
    """All facts lie before ``as_of``; only promises (renewals, due and close dates) lie beyond."""
    found = crm()
    promised = {"renews_at", "due_at", "expected_close_at", "period_start_at", "period_end_at"}
    end = pd.Timestamp(found.meta.as_of)
    for name, frame in found.frames.items():
        for column in set(frame.select_dtypes("datetimetz").columns) - promised:
            assert (frame[column].dropna() < end).all(), (name, column)


def test_the_current_value_is_the_last_change() -> None:
    """Status, stage, amount and close date of a row are what the history ends with."""
    frames = crm().frames
    last = frames["changes"].groupby(["entity", "field", "entity_id"])["value"].last()
    for entity, field in (("leads", "status"), ("deals", "stage"), ("deals", "forecast_category")):
        now = frames[entity].set_index(KEYS[entity])[field]
        assert (last[entity, field].loc[now.index] == now).all()
    deals = frames["deals"].set_index("deal_id")
    amounts = last["deals", "amount"].astype(float)
    assert amounts.to_numpy() == pytest.approx(deals.loc[amounts.index, "amount"].to_numpy())
    dates = pd.to_datetime(last["deals", "expected_close_at"])
    assert (dates == deals.loc[dates.index, "expected_close_at"]).all()


def test_a_change_begins_where_the_one_before_ended() -> None:
    """The old value of every change is the value of the change before it."""
    changes = crm().frames["changes"]
    before = changes.groupby(["entity", "field", "entity_id"])["value"].shift()
    later = before.notna()
    assert (changes["old_value"][later] == before[later]).all()


def test_the_peoples_call_follows_from_the_state_and_the_seller() -> None:
    """Whoever knows stage, pushes, discount and seller knows the call: it adds nothing."""
    found = crm()
    world = found.worlds["deal_close"]
    deals = found.frames["deals"]
    last = world.path.state[world.path.offset[1:] - 1]
    seen = pd.DataFrame(
        {"state": last, "owner": deals["owner_id"], "call": deals["forecast_category"]}
    )
    assert (seen.groupby(["state", "owner"])["call"].nunique() == 1).all()
    assert set(seen["call"]) == {"pipeline", "best case", "commit"}
    won = (deals["outcome"] == "won").groupby(deals["forecast_category"]).mean()
    assert won["commit"] > won["best case"] > won["pipeline"]


def overdue_now(found: Demo, ids: list[str], cutoffs: Instants) -> Ints:
    """Invoices overdue at each cutoff, counted from the table alone."""
    invoices = found.frames["invoices"].set_index("account_id")
    counts = []
    for key, cutoff in zip(ids, pd.to_datetime(cutoffs, unit="us", utc=True), strict=True):
        rows = invoices.loc[[key]]
        unpaid = rows["paid_at"].isna() | (rows["paid_at"] >= cutoff)
        counts.append(int(((rows["due_at"] < cutoff) & unpaid).sum()))
    return np.array(counts)


def test_the_state_can_be_read_from_the_tables() -> None:
    """Usage tier by the last sessions, overdue invoices by counting: a model can know the state."""
    found = crm()
    world = found.worlds["churn"]
    long = np.flatnonzero(world.path.length > 200)[:60]
    for age in (0, 77, 199):
        days = world.path.first[long] + age
        state = world.path.at(long, days)
        ids = [world.ids[row] for row in long]
        assert (np.minimum(overdue_now(found, ids, days * DAY), 2) == state % 3).all()
        usage = found.frames["activities"].query("kind == 'usage'").set_index("account_id")
        for key, cutoff, s in zip(ids, days * DAY, state, strict=True):
            rows = usage.loc[[key]]
            sessions = rows["sessions"].to_numpy()[at(rows["occurred_at"]) < cutoff][-1]
            assert np.digitize(sessions, [20, 60]) == s // 3


def test_meetings_held_are_the_meetings_in_the_table() -> None:
    """Leads: 0, 1, 2 or more meetings in the state is the count of the rows."""
    found = crm()
    world = found.worlds["lead_conversion"]
    rows = np.flatnonzero(world.path.length > 50)
    days = world.path.first[rows] + 50 - 1
    held = found.frames["activities"].query("kind == 'meeting' and lead_id.notna()")
    cutoff = dict(zip([world.ids[row] for row in rows], days * DAY, strict=True))
    early = at(held["occurred_at"]) < held["lead_id"].map(cutoff).fillna(0).to_numpy()
    count = held[early].groupby("lead_id").size().reindex(list(cutoff), fill_value=0)
    assert (np.minimum(count.to_numpy(), 2) == world.path.at(rows, days) % 3).all()


# what is planted


def test_the_trap_is_filled_only_after_conversion_and_no_feature() -> None:
    """It knows the outcome; being declared as not fixed, it stays out of the features."""
    found = crm()
    leads = found.frames["leads"]
    assert (leads["contract_reference"].notna() == (leads["outcome"] == "converted")).all()
    field = next(f for f in found.meta.custom["leads"] if f.name == "contract_reference")
    assert not field.fixed


def test_only_web_and_email_rows_are_late() -> None:
    """A late row comes hours to days later; what reveals the state is never late."""
    activities = crm().frames["activities"]
    late = activities[activities["available_at"].notna()]
    assert set(late["kind"]) == {"web", "email"}
    delay = late["available_at"] - late["occurred_at"]
    assert delay.min() > pd.Timedelta(hours=1) and delay.max() < pd.Timedelta(days=4)
    assert 0.01 < len(late) / len(activities) < 0.1


def test_copies_are_named_and_have_no_truth() -> None:
    """A copy has nearly its original's name and all of its fixed fields."""
    found = crm()
    leads = found.frames["leads"].set_index("lead_id")
    pairs = found.planted["duplicate_leads"]
    assert len(pairs) == round(0.01 * SIZES["tiny"][0])
    copies, originals = leads.loc[list(pairs)], leads.loc[list(pairs.values())]
    assert (copies["use_case"].to_numpy() == originals["use_case"].to_numpy()).all()
    assert (copies["name"].to_numpy() != originals["name"].to_numpy()).all()
    assert not found.truth["entity_id"].isin(set(pairs)).any()
    accounts = found.frames["accounts"].set_index("account_id")
    assert accounts.loc[list(found.planted["duplicate_accounts"]), "customer_at"].isna().all()


def test_the_bottleneck_is_where_deals_stay_longest() -> None:
    """Mean days before a forward move, by stage, from the history."""
    changes = crm().frames["changes"].query("entity == 'deals' and field == 'stage'")
    spent = changes.groupby("entity_id")["changed_at"].diff().dt.days
    mean = spent.groupby(changes["old_value"]).mean()
    assert mean["proposal"] > 1.5 * mean[["discovery", "demo"]].max()


def test_the_whitespace_is_in_logistics() -> None:
    """Most logistics customers have the add-on, few others; those named are customers without."""
    found = crm()
    accounts = found.frames["accounts"].dropna(subset=["customer_at"])
    subscriptions = found.frames["subscriptions"]
    owners = set(subscriptions.query("product == 'routing'")["account_id"])
    has = accounts["account_id"].isin(owners)
    share = has.groupby(accounts["industry"]).mean()
    assert share["logistics"] > 0.6 and share.drop("logistics").max() < 0.25
    named = found.planted["whitespace"]["accounts"]
    assert named and not owners & set(named)


# the generator


def write_canonical(demo: Demo, folder: Path) -> None:
    """The canonical data set, and the truth beside it."""
    write(folder, demo.frames, demo.meta)
    write_truth(demo, folder)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Every file of the canonical data set, byte for byte; another seed gives others."""
    write_canonical(crm(), tmp_path / "a")
    write_canonical(generate(7, "tiny"), tmp_path / "b")
    write_canonical(crm(8), tmp_path / "c")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert {"truth.parquet", "demo_truth.json", "dataset.json", "leads.parquet"} <= set(names)
    for name in names:
        first = (tmp_path / "a" / name).read_bytes()
        assert first == (tmp_path / "b" / name).read_bytes(), name
        if name != "dataset.json":
            assert first != (tmp_path / "c" / name).read_bytes(), name
    assert read(tmp_path / "a")["deals"].n == SIZES["tiny"][1]


def test_the_same_demo_gives_the_same_export(tmp_path: Path) -> None:
    """The doubled rows and their order are drawn, but always alike."""
    write_export(crm(), tmp_path / "a")
    write_export(crm(), tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_arguments_that_cannot_be_are_refused() -> None:
    """The message says what there is."""
    with pytest.raises(ValueError, match="small, medium, large"):
        generate(7, "huge")
    with pytest.raises(ValueError, match="midnight"):
        generate(7, "tiny", datetime(2026, 1, 1, 12, tzinfo=UTC))


@pytest.fixture(scope="module")
def read_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, pd.DataFrame], Meta, IngestReport]:
    """The raw export, read with its own mapping."""
    folder = tmp_path_factory.mktemp("export")
    write_export(crm(), folder)
    return canonical(folder, load(folder / "mapping.toml"))


def test_the_export_read_with_its_mapping_is_the_demo(
    read_back: tuple[dict[str, pd.DataFrame], Meta, IngestReport],
) -> None:
    """Cell by cell, whatever the export did to formats, words, order and doubled rows."""
    frames, meta, _ = read_back
    found = crm()
    assert replace(meta, consequences=[]) == found.meta  # those are of the reading
    assert set(frames) == set(found.frames)
    for name, frame in found.frames.items():
        key = TABLES[name].key
        want, got = (f.sort_values(key, ignore_index=True) for f in (frame, frames[name]))
        assert set(want.columns) == set(got.columns)
        for column in want.columns:
            same = (want[column] == got[column]) | (want[column].isna() & got[column].isna())
            assert same.all(), (name, column)


def test_the_export_is_messy_and_nothing_of_it_is_rejected(
    read_back: tuple[dict[str, pd.DataFrame], Meta, IngestReport],
) -> None:
    """Doubled rows collapse; no row is lost and no word is unknown."""
    _, _, report = read_back
    for block in report.blocks:
        assert not block.rejected and not block.repaired and not block.unknown, block.block
    assert sum(block.read - block.kept for block in report.blocks) > 100


def test_the_command_writes_export_and_truth(tmp_path: Path) -> None:
    """`python -m features demo`, then `ingest` of what it wrote."""
    out = tmp_path / "crm"
    assert main(["demo", "--size", "tiny", "--seed", "7", "--out", str(out)]) == 0
    assert {"leads.csv", "mapping.toml", "truth.parquet"} <= {p.name for p in out.iterdir()}
    ingest(out, out / "mapping.toml", tmp_path / "canonical")
    assert read(tmp_path / "canonical")["leads"].n == len(crm().frames["leads"])
