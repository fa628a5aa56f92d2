"""The leak audit: it names what was written after the outcome, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from features.demo import generate
from features.frames import from_frames, write
from features.ingest.run import ingest
from features.tables import DAY, CustomField, Floats, Meta, Tables, code, read
from tests.helpers.exports import ROOT, public
from training import __main__ as command
from training.leaks import Finding, LeakError, audit, refuse, table, to_text, unacknowledged
from training.leaks.fields import TELLS_ALONE, one_class
from training.leaks.history import differ
from training.leaks.rest import blocks, twins_of
from training.leaks.strength import alone, cohorts, levels, target
from training.task.dataset import question_of

END = pd.Timestamp("2025-01-01", tz="UTC")
Maker = Callable[[Any, np.random.Generator], Any]
"""How a planted column comes from what happened (n,) and from chance."""

QUESTIONS = ("lead_conversion", "deal_close", "churn")
ONE = np.zeros(4000, np.int64)


def _colours(findings: list[Finding]) -> dict[str, str]:
    return {f.column: f.colour for f in findings}


def _found(tables: Tables, name: str) -> dict[str, Finding]:
    return {f.column: f for f in audit(tables, question_of(name, tables))}


# ---- what a column tells alone


def _drawn(slope: float, seed: int = 0, n: int = 4000) -> tuple[Floats, np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    return x, random.random(n) < expit(slope * x - 1.0)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_ten_thousand_ids_tell_nothing(seed: int) -> None:
    _, hit = _drawn(0.0, seed)
    of = target("won", hit, ONE)
    ids = np.random.default_rng(seed + 1).integers(0, 10_000, len(hit)).astype(np.int64)
    for codes in (ids, np.arange(len(hit), dtype=np.int64)):
        assert alone(codes, of).low < 0.01


def test_the_outcome_tells_itself_and_a_fair_field_what_it_knows() -> None:
    x, hit = _drawn(1.0)
    of = target("won", hit, ONE)
    assert alone(hit.astype(np.int64), of).share > 0.97
    weak, strong = (alone(levels(v), of) for v in (x, x + np.where(hit, 3.0, 0.0)))
    truth = expit(x - 1.0)  # the share that knowing the truth itself would tell
    best = 1 + np.where(hit, np.log(truth), np.log(1 - truth)).mean() / of.entropy
    assert best - 0.04 < weak.share < best + 0.02 < TELLS_ALONE < strong.low
    pairs = [
        (a > b) + 0.5 * (a == b) for a in weak.shift[hit][:300] for b in weak.shift[~hit][:300]
    ]
    assert np.mean(pairs) == pytest.approx(weak.auc, abs=0.05)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_names_of_levels_do_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 6, 4000)
    of = target("won", random.random(4000) < 0.1 + 0.1 * codes, ONE)
    renamed = random.permutation(6)[codes]
    assert alone(renamed, of).share == pytest.approx(alone(codes, of).share, abs=1e-12)


def test_age_is_no_leak() -> None:
    """A field that only old rows have tells the age, and of the young nobody can have won yet."""
    random = np.random.default_rng(0)
    born = np.sort(random.integers(0, 1000, 4000)) * DAY
    hit = random.random(4000) < np.linspace(0.8, 0.02, 4000)
    old = (born < 500 * DAY).astype(np.int64)
    assert alone(old, target("won", hit, ONE)).share > 0.1
    assert alone(old, target("won", hit, cohorts(born))).share < 0.01


@given(st.lists(st.one_of(st.none(), st.floats(-5, 5), st.just(0.0)), min_size=1, max_size=80))
def test_equal_values_share_a_level_and_missing_is_level_0(values: list[float | None]) -> None:
    column = np.array([np.nan if v is None else v for v in values], np.float64)
    codes = levels(column)
    assert ((codes == 0) == np.isnan(column)).all()
    for value in np.unique(column[~np.isnan(column)]):
        assert len(np.unique(codes[column == value])) == 1


def test_a_pure_group_must_be_large_surprising_and_of_some_weight() -> None:
    hit = np.arange(4000) < 1000
    classes = [target("won", hit, ONE), target("not won", ~hit, ONE)]
    group = np.arange(4000) < 100
    pure = one_class(group, classes)
    assert pure is not None and (pure.says, pure.n, pure.covers) == ("won", 100, 0.1)
    assert one_class(np.arange(4000) < 10, classes) is None  # of no weight, and perhaps by chance
    assert one_class(np.arange(4000) < 1100, classes) is None  # not pure
    rare = [target("won", hit & (np.arange(4000) < 40), ONE)]
    assert one_class(np.arange(4000) < 12, rare) is not None  # 12 of 12, where 0.1 were expected


def test_twins_and_blocks() -> None:
    x, _ = _drawn(1.0)
    noise = np.random.default_rng(5).normal(size=4000)
    shifts = {"a": x, "b": x + 0.01 * noise, "c": noise, "none": np.zeros(4000)}
    assert twins_of("a", shifts) == ["a", "b"] and twins_of("none", shifts) == ["none"]
    half, third = x > 0, noise > 0.4
    filled = {"p": half, "q": third, "r": half.copy(), "all": x > -99, "few": x > 3.5}
    assert blocks(filled) == [["p", "r"]]


# ---- tables without dates


def _flat(columns: Mapping[str, Maker], n: int = 3000, seed: int = 0) -> Tables:
    """Leads whose fair fields tell a little; each further column is made of (hit, random)."""
    random = np.random.default_rng(seed)
    fair = {f"fair_{i}": random.normal(size=n) for i in range(5)}
    hit = random.random(n) < expit(0.5 * sum(fair.values()) - 1.0)
    made = {name: make(hit, random) for name, make in columns.items()}
    kinds = {
        c: "number" if np.asarray(v).dtype.kind == "f" else "category" for c, v in made.items()
    }
    frame = pd.DataFrame(
        {"lead_id": [f"L{i}" for i in range(n)], "outcome": _words(hit, "converted")} | fair | made
    )
    fields = [CustomField(c, "number") for c in fair]
    fields += [CustomField(c, k) for c, k in kinds.items()]  # type: ignore[arg-type]
    return from_frames({"leads": frame}, Meta(custom={"leads": fields}))


def _words(mask: Any, word: str) -> Any:
    return np.where(mask, np.array(word, object), np.array(None, object))


PLANTED: dict[str, Maker] = {
    "copy": lambda hit, _: np.where(hit, "yes", "no"),
    "noisy_copy": lambda hit, r: np.where(r.random(len(hit)) < 0.95, hit, ~hit).astype(float),
    "reason": lambda hit, r: _words(hit & (r.random(len(hit)) < 0.3), "price"),
    "loss": lambda hit, r: _words(~hit & (r.random(len(hit)) < 0.5), "no budget"),
    "seller_says": lambda hit, r: np.where(hit, 2.2, 0.0) + r.normal(size=len(hit)),
}
COPY = {"copy": PLANTED["copy"]}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_red_and_the_fair_fields_are_not(name: str) -> None:
    found = _found(_flat({name: PLANTED[name]}), "lead_conversion")
    assert found[f"leads.{name}"].colour == "red"
    assert {c for c, f in found.items() if f.colour == "red"} == {f"leads.{name}"}


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_never_suspected(seed: int) -> None:
    noise: dict[str, Maker] = {
        "word": lambda hit, r: r.choice(list("abcdef"), len(hit)),
        "number": lambda hit, r: r.normal(size=len(hit)),
        "identity": lambda hit, _: [f"i{i}" for i in range(len(hit))],
        "rare": lambda hit, r: _words(r.random(len(hit)) < 0.004, "x"),
        "half": lambda hit, r: _words(r.random(len(hit)) < 0.5, "x"),
    }
    found = _found(_flat(noise, 800, seed), "lead_conversion")
    assert {f.colour for c, f in found.items() if "fair" not in c} == {"green"}


def test_what_was_asked_of_those_who_went_on_is_amber() -> None:
    asked = _flat(
        {"asked": lambda hit, r: _words(r.random(len(hit)) < np.where(hit, 0.9, 0.5), "x")}
    )
    finding = _found(asked, "lead_conversion")["leads.asked"]
    assert (finding.colour, finding.check) == ("amber", "missing tells")
    assert finding.evidence["filled_hit"] > 0.85 > 0.55 > finding.evidence["filled_other"]


def test_too_few_outcomes_tell_nothing() -> None:
    found = _found(_flat(COPY, 40, 1), "lead_conversion")
    assert {f.colour for f in found.values()} == {"grey"}
    assert found["leads.copy"].check == "too few outcomes"


# ---- left out, acknowledged, refused


def test_a_column_left_out_is_looked_at_but_not_red() -> None:
    tables = _flat(COPY)
    tables = Tables(tables.tables, replace(tables.meta, left_out={"leads": ["copy"]}))
    finding = _found(tables, "lead_conversion")["leads.copy"]
    assert finding.colour == "grey" and finding.check == "is the outcome"
    assert finding.sentence.startswith("Left out by the mapping. It is the outcome in other words")


def test_a_red_finding_must_be_acknowledged_by_name() -> None:
    findings = list(_found(_flat(COPY), "lead_conversion").values())
    with pytest.raises(LeakError, match=r'acknowledged = \["leads\.copy"\]'):
        refuse(findings, ["leads.other"])
    refuse(findings, ["leads.copy"])
    assert unacknowledged(findings, ["leads.copy"]) == []
    assert "red: leads.copy" in to_text(findings, [])
    assert "acknowledged: leads.copy" in to_text(findings, ["leads.copy"])


def test_the_table_has_the_worst_first_and_its_numbers() -> None:
    findings = list(_found(_flat(COPY), "lead_conversion").values())
    frame = table(findings[::-1])
    assert list(frame.columns[:3]) == ["column", "colour", "check"]
    assert frame["column"].iloc[0] == "leads.copy" and frame["told_alone"].iloc[0] > 0.9
    assert len(frame) == len(findings) and len(table([])) == 0


def test_the_command_fails_with_4_until_the_leak_is_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_champion", lambda _: None)
    tables = _flat(COPY)
    frame = pd.DataFrame({"lead_id": tables["leads"].coded("lead_id").words()})
    for name in ("outcome", "copy"):
        frame[name] = tables["leads"].coded(name).words()
    meta = Meta(custom={"leads": [CustomField("copy", "category")]})
    write(tmp_path, {"leads": frame}, meta)
    assert command.main(["audit", "--data", str(tmp_path)]) == 4
    assert "red: leads.copy (is the outcome)" in capsys.readouterr().out
    assert command.main(["train", "--data", str(tmp_path), "--quiet"]) == 4
    assert 'acknowledged = ["leads.copy"]' in capsys.readouterr().out
    write(tmp_path, {"leads": frame}, replace(meta, acknowledged=["leads.copy"]))
    assert command.main(["audit", "--data", str(tmp_path), "--question", "lead_conversion"]) == 0


# ---- tables with dates


def _dated(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Deals of two years; a third won, a third lost after 5 to 90 days, the others still open."""
    random = np.random.default_rng(seed)
    created = END - pd.to_timedelta(random.integers(100, 730, n), unit="D")
    outcome = random.choice(np.array(["won", "lost", None], object), n)
    closed = created + pd.to_timedelta(random.integers(5, 90, n), unit="D")
    return pd.DataFrame(
        {
            "deal_id": [f"D{i}" for i in range(n)],
            "created_at": created,
            "outcome": outcome,
            "closed_at": closed.where(pd.notna(outcome)),
        }
    )


def _with(deals: pd.DataFrame, *custom: CustomField, **frames: pd.DataFrame) -> Tables:
    meta = Meta(as_of="2025-01-01T00:00:00Z", custom={"deals": list(custom)})
    return from_frames({"deals": deals, **frames}, meta)


def _activities(deals: pd.DataFrame, days: int, **more: Any) -> pd.DataFrame:
    """One call each, ``days`` after the deal was created."""
    return pd.DataFrame(
        {
            "activity_id": [f"A{i}" for i in range(len(deals))],
            "deal_id": deals["deal_id"].to_numpy(),
            "kind": "call",
            "occurred_at": deals["created_at"] + pd.Timedelta(days, unit="D"),
        }
        | more
    )


def test_a_field_filled_by_the_closing_is_red_though_it_tells_not_who_won() -> None:
    deals = _dated()
    deals["note"] = _words(deals["outcome"].notna(), "closed in time")
    found = _found(_with(deals, CustomField("note", "category", fixed=True)), "deal_close")
    assert found["deals.note"].colour == "red" and "closed" in found["deals.note"].sentence


def test_without_a_history_and_not_fixed_a_field_is_grey_and_says_what_it_would_be() -> None:
    deals = _dated()
    deals["note"] = _words(deals["outcome"] == "won", "thank you")
    finding = _found(_with(deals, CustomField("note", "category")), "deal_close")["deals.note"]
    assert finding.colour == "grey" and "no history" in finding.sentence
    assert "won" in finding.sentence and finding.what_to_do.startswith("Do not declare it fixed")


def _changes(deals: pd.DataFrame, value: Any, at: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "change_id": [f"C{i}" for i in range(len(deals))],
            "entity": "deals",
            "entity_id": deals["deal_id"].to_numpy(),
            "field": "stage",
            "value": value,
            "old_value": "first",
            "changed_at": at,
        }
    )


@pytest.mark.parametrize(("days_before", "colour"), [(3, "red"), (0, "green")])
def test_a_stage_that_announces_the_outcome_is_red_only_before_its_date(
    days_before: int, colour: str
) -> None:
    """The close date is often typed in: a stage said 'signed' while the deal still counted open."""
    deals = _dated()
    closed = deals[deals["outcome"].notna()]
    stage = np.where(closed["outcome"] == "won", "signed", "given up")
    deals["stage"] = "first"
    deals.loc[closed.index, "stage"] = stage
    at = closed["closed_at"] - pd.Timedelta(days_before, unit="D")
    found = _found(_with(deals, changes=_changes(closed, stage, at)), "deal_close")
    assert found["deals.stage"].colour == colour
    assert found["deals.stage"].evidence["changed_hit"] == 1.0
    assert found["deals.stage"].evidence["history_broken"] == 0.0


def test_a_history_that_lacks_the_winners_edits_is_red() -> None:
    deals = _dated()
    deals["stage"] = np.where(deals["outcome"] == "won", "third", "second")
    at = deals["created_at"] + pd.Timedelta(1, unit="D")
    found = _found(_with(deals, changes=_changes(deals, "second", at)), "deal_close")
    assert found["deals.stage"].check == "history not whole"
    assert found["deals.stage"].colour == "red"


def test_rows_that_only_winners_have_are_red_before_the_end_and_nothing_after_it() -> None:
    deals = _dated()
    won = deals[deals["outcome"] == "won"]
    for days, colour in ((2, "red"), (95, "green")):
        tables = _with(deals, activities=_activities(won, days))
        assert _found(tables, "deal_close")["activities"].colour == colour
    everyone = _with(deals, activities=_activities(deals, 2))
    assert _found(everyone, "deal_close")["activities"].colour == "green"


def test_writing_up_at_the_closing_is_seen() -> None:
    deals = _dated()
    won = (deals["outcome"] == "won").to_numpy()
    parts = []
    for i in range(6):
        calls = _activities(deals, 1)
        calls["activity_id"] += f".{i}"
        written = calls["occurred_at"].where(~won, deals["closed_at"])
        parts.append(calls.assign(available_at=written))
    calls = pd.concat(parts, ignore_index=True)
    finding = _found(_with(deals, activities=calls), "deal_close")["activities.available_at"]
    assert finding.colour == "amber" and finding.evidence["crossing_more"] == 1.0
    at_once = calls.assign(available_at=calls["occurred_at"])
    finding = _found(_with(deals, activities=at_once), "deal_close")["activities.available_at"]
    assert (finding.colour, finding.evidence["late"]) == ("green", 0.0)
    silent = _found(_with(deals, activities=calls.drop(columns="available_at")), "deal_close")
    assert silent["activities.available_at"].colour == "grey"


def test_differ_compares_words_across_vocabularies() -> None:
    a, b = code(["x", "y", None, "z"]), code(["y", "y", None, "x"])
    assert differ(a, b).tolist() == [True, False, False, True]
    one, two = np.array([1.0, np.nan, 2.0]), np.array([1.0, np.nan, np.nan])
    assert differ(one, two).tolist() == [False, False, True]


# ---- the demo CRM


@cache
def _demo(trap_fixed: bool) -> Tables:
    demo = generate(size="tiny")
    custom = {
        t: [replace(f, fixed=f.fixed or trap_fixed) if t == "leads" else f for f in fields]
        for t, fields in demo.meta.custom.items()
    }
    return from_frames(demo.frames, replace(demo.meta, custom=custom))


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("trap_fixed", [False, True])
def test_the_demo_has_its_trap_and_nothing_else(question: str, trap_fixed: bool) -> None:
    found = _found(_demo(trap_fixed), question)
    trap = found.pop("leads.contract_reference", None)
    assert {f.colour for f in found.values()} <= {"green", "grey"}
    if question == "lead_conversion":
        assert trap is not None and trap.colour == ("red" if trap_fixed else "grey")
        assert trap.check == "is the outcome" and trap.evidence["filled_hit"] == 1.0


def test_the_same_data_give_the_same_findings() -> None:
    first, second = (table(list(_found(_demo(True), "deal_close").values())) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


# ---- the public sets


def _public(
    name: str, question: str, folder: Path, change: Callable[[str], str]
) -> dict[str, Finding]:
    data = public(name)
    mapping = folder / "mapping.toml"
    text = (ROOT / "examples" / name / "mapping.toml").read_text(encoding="utf-8")
    mapping.write_text(change(text), encoding="utf-8")
    ingest(data, mapping, folder / "out")
    return _found(read(folder / "out"), question)


def _fields(table: str, kind: str, more: str = "", **columns: str) -> Callable[[str], str]:
    """Put custom fields (name = source column) under the mapping's table of them."""
    lines = "".join(
        f'{n} = {{ from = "{c}", kind = "{kind}"{more} }}\n' for n, c in columns.items()
    )
    head = f"[tables.{table}.custom]\n"
    return lambda text: text.replace(head, head + lines) if head in text else text + head + lines


AMBER = {
    "ibm_telco_churn": {"accounts.tenure"},
    "ibm_sales_win_loss": {"deals.amount", "deals.past_revenue"},
    "x_education_leads": {
        "leads.time_on_site",
        "leads.occupation",
        "leads.matters_most",
        "leads.source",
        "leads.origin",
    },
    "maven_crm_opportunities": set(),
    "olist_funnel": set(),
}


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("ibm_telco_churn", "churn"),
        ("ibm_sales_win_loss", "deal_close"),
        ("x_education_leads", "lead_conversion"),
        ("maven_crm_opportunities", "deal_close"),
        ("olist_funnel", "lead_conversion"),
    ],
)
def test_no_committed_mapping_is_red(name: str, question: str, tmp_path: Path) -> None:
    found = _public(name, question, tmp_path, lambda text: text)
    assert not [c for c, f in found.items() if f.colour == "red"]
    assert {c for c, f in found.items() if f.colour == "amber"} == AMBER[name]


def test_x_education_names_what_sellers_and_a_vendor_wrote_later(tmp_path: Path) -> None:
    words = _fields("leads", "category", tags="Tags", quality="Lead Quality")
    scores = {
        f"{what}_{how}": f"Asymmetrique {what.title()} {how.title()}"
        for what in ("activity", "profile")
        for how in ("index", "score")
    }
    vendor = _fields("leads", "category", **scores)
    found = _public("x_education_leads", "lead_conversion", tmp_path, lambda t: vendor(words(t)))
    red = {c for c, f in found.items() if f.colour == "red"}
    assert red == {"leads.tags", "leads.quality"}
    for score in scores:
        assert (found[f"leads.{score}"].colour, found[f"leads.{score}"].check) == (
            "amber",
            "filled in one go",
        )


def test_win_loss_names_the_days_to_closing(tmp_path: Path) -> None:
    days = _fields(
        "deals",
        "number",
        ', unit = "days"',
        closing="Total Days Identified Through Closing",
        qualified="Total Days Identified Through Qualified",
    )
    found = _public("ibm_sales_win_loss", "deal_close", tmp_path, days)
    assert found["deals.closing"].colour == found["deals.qualified"].colour == "amber"
    assert "deals.qualified" in found["deals.closing"].sentence
    assert not [c for c, f in found.items() if f.colour == "red"]


@pytest.mark.parametrize("fixed", [True, False])
def test_maven_names_the_close_value_and_the_account_that_only_closed_deals_have(
    fixed: bool, tmp_path: Path
) -> None:
    value = _fields("deals", "number", f", fixed = {str(fixed).lower()}", close_value="close_value")
    found = _public(
        "maven_crm_opportunities",
        "deal_close",
        tmp_path,
        lambda text: value(text).replace('deals = ["account_id"]', ""),
    )
    assert found["deals.close_value"].colour == ("red" if fixed else "grey")
    assert found["deals.close_value"].check == "is the outcome"
    assert found["deals.account_id"].colour == "red"
    assert "still open" in found["deals.account_id"].sentence


def test_olist_names_every_column_that_only_winners_have(tmp_path: Path) -> None:
    names = "business_segment lead_type lead_behaviour_profile has_company business_type sdr_id"
    columns = {name: f"win.{name}" for name in names.split()}
    winners = _fields("leads", "category", ", fixed = true", **columns)
    found = _public("olist_funnel", "lead_conversion", tmp_path, winners)
    assert {c for c, f in found.items() if f.colour == "red"} == {f"leads.{n}" for n in columns}
