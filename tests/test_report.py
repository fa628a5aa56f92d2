"""The report: its tables obey their laws, its words say what the numbers are, and it stands alone.

The golden text is what a reader sees of one small report; `EMBUDO_GOLDEN=write` writes it anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frozen import frozen
from features.tables import DAY, Tables
from serving.analytics.asof.history import history as happened
from serving.scoring.scorer import Scorer
from serving.web.record.page import page_of as record_of
from serving.web.record.page import page_of_any, record_page
from tests.helpers.histories import START, history, seeds
from tests.helpers.reading import text_of
from tests.helpers.reported import judged, subject
from tests.helpers.scored import bundle_of
from training.evaluation import drivers, slices
from training.evaluation.gains import gains_beside, gains_table
from training.evaluation.holdout import HoldoutResult
from training.evaluation.measures import kept_inside
from training.evaluation.scoreboard import measure
from training.models import bundle as bundles
from training.reports.model.page import model_page, page_of

GOLDEN = Path(__file__).parent / "golden" / "report.txt"


def _scored(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, scores with ties, and entities."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(1, 4, n), 2)
    return rng.random(n) < p, p, rng.integers(0, n // 2, n)


def test_gains_of_a_constant_are_chance_and_of_the_truth_are_best() -> None:
    hit, _, entities = _scored(1)
    chance = gains_table(hit, np.full(len(hit), 0.3), entities, draws=20)
    np.testing.assert_allclose(chance["captured"], chance["share"], atol=1e-12)
    np.testing.assert_allclose(chance["lift"][1:], 1, atol=1e-12)
    best = gains_table(hit, hit.astype(float), entities, draws=20)
    np.testing.assert_allclose(
        best["captured"], np.minimum(best["share"] / hit.mean(), 1), atol=1e-12
    )


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_gains_rise_agree_with_lift_and_forget_the_order(seed: int) -> None:
    hit, p, entities = _scored(seed)
    if hit.all() or not hit.any():
        return
    table = gains_table(hit, p, entities, draws=30)
    captured = table["captured"].to_numpy()
    assert captured[0] == 0 and captured[-1] == pytest.approx(1)
    assert (np.diff(captured) >= -1e-12).all()
    lift = measure(hit, p, entities, 0.2, draws=30).set_index("measure")["value"]
    found = table.set_index(table["share"].round(2))["lift"]
    assert found[0.1] == pytest.approx(lift["lift_10"])
    assert found[0.2] == pytest.approx(lift["lift_20"])
    order = np.random.default_rng(seed).permutation(len(hit))
    again = gains_beside(hit[order], {"p": p[order]})["p"]
    np.testing.assert_allclose(again, captured, atol=1e-12)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_parts_add_up_to_the_whole(seed: int) -> None:
    hit, p, entities = _scored(seed)
    names = [f"part {i % 3}" for i in range(len(hit))]
    table = slices.by_part(hit, p, entities, names, 0.2, 1, draws=20)
    assert table["n"].sum() == len(hit) and table["outcomes"].sum() == hit.sum()
    weights = table["n"] / len(hit)
    assert (table["gap"] * weights).sum() == pytest.approx((kept_inside(p) - hit).mean())
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()
    seen = slices.rates(hit, entities, names)
    pd.testing.assert_frame_equal(seen[["part", "n", "observed"]], table[["part", "n", "observed"]])


@given(st.lists(st.integers(1, 9), min_size=2, max_size=12))
def test_the_promised_auc_is_the_expected_share_of_right_pairs(tenths: list[int]) -> None:
    p = np.array(tenths) / 10
    right = pairs = 0.0
    for i, a in enumerate(p):
        for j, b in enumerate(p):
            if i != j:
                pairs += a * (1 - b)
                right += a * (1 - b) * ((a > b) + 0.5 * (a == b))
    assert slices.promised_auc(p) == pytest.approx(right / pairs)


def test_a_planted_weakness_is_found_and_small_parts_are_left_out() -> None:
    rng = np.random.default_rng(4)
    n = 3000
    p = rng.beta(2, 5, n)
    names = np.where(np.arange(n) % 3 == 0, "bad", "good")
    hit = rng.random(n) < np.where(names == "bad", p * 0.4, p)
    names[:10] = "tiny"
    table = slices.by_part(hit, p, np.arange(n), names.tolist(), 0.28, draws=100)
    assert set(table["part"]) == {"bad", "good"}
    found = slices.weaknesses(table, 0.0)
    assert found["part"].tolist() == ["bad"] and "too high" in found["how"].iloc[0]
    assert slices.weaknesses(table, 0.5).empty, "what is off everywhere is no failing of a part"


def test_effects_are_summed_by_reason_and_shown_by_value() -> None:
    effects = np.array([[1.0, -1.0, 0.5], [-1.0, 1.0, 0.5]])
    table = drivers.importance(effects, ["a", "a", "b"], ["x", "y"], draws=20)
    assert table["group"].tolist() == ["b", "a"] and table["size"].tolist() == [0.5, 0.0]
    assert table["share"].sum() == pytest.approx(1)
    assert drivers.largest(effects * [1, 0, 1], 3) == [0, 2]
    np.testing.assert_allclose(
        drivers.ranks(np.array([3.0, np.nan, 1.0, 1.0])), [5 / 6, np.nan, 1 / 3, 1 / 3]
    )
    few = drivers.by_value(np.array([0.0, 1.0, 1.0, np.nan]), np.array([1.0, 2.0, 4.0, 9.0]))
    assert few["effect"].tolist() == [1.0, 3.0, 9.0] and few["n"].tolist() == [1, 2, 1]
    words = drivers.by_word(np.array([1.0, 0.0, np.nan]), np.array([1.0, 2.0, 3.0]), ["web"])
    assert words["word"].tolist() == ["missing", drivers.RARE, "web"]


def test_the_words_shown_are_those_met_most() -> None:
    """A word frequent in training and absent since is not in the way of those that are met."""
    values = np.repeat(np.arange(3.0, 13.0), np.arange(1, 11))
    words = [f"w{i}" for i in range(1, 13)]
    table = drivers.by_word(values, values / 10, words).set_index("word")
    assert set(table.index) == {*words[4:], "all others"}
    assert table.loc["all others", "n"] == 3 and table["n"].sum() == len(values)


def test_the_report_reads_as_it_did() -> None:
    text = text_of(model_page(subject()))
    if os.environ.get("EMBUDO_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("dated", [False, True])
def test_every_section_is_there_with_its_numbers(dated: bool) -> None:
    page = page_of(subject(dated))
    anchors = [s.anchor for s in page.sections]
    assert anchors == [
        *("asked", "verdict", "order", "calibration", "time"),
        *("track-record", "drivers", "leaks", "weak", "unknown"),
    ]
    figures = [f for s in page.sections for f in s.figures]
    assert all(f.table is not None and f.table.rows for f in figures), "a table for each drawing"
    names = re.findall(r'<svg[^>]*aria-labelledby="([^"]*)"', model_page(subject(dated)))
    assert len(set(names)) == len(names) == len(figures)
    titles = [f.title for f in figures]
    assert ("Outcomes by month" in titles) is dated and ("By when it happens" in titles) is dated
    for figure in figures:
        assert figure.table is not None
        assert {len(row) for row in figure.table.rows} == {len(figure.table.head)}


def test_what_is_not_known_is_said() -> None:
    page = page_of(subject())
    unknown = " ".join(page.sections[-1].points)
    assert "no dates" in unknown and "recency sort" in unknown and "causes" in unknown
    dated = " ".join(page_of(subject(True)).sections[-1].points)
    assert "too recent" in dated
    nothing = page_of(replace(subject(), findings=None))
    leaks = next(s for s in nothing.sections if s.anchor == "leaks")
    assert "No leak audit was made" in leaks.paragraphs[0]


def test_what_is_alike_is_said_once_and_what_does_nothing_is_not_drawn() -> None:
    columns = ["column", "colour", "check", "sentence", "what_to_do"]
    rows = [(f"deals.c{i}", "grey", "nothing found", "No feature reads it.", "") for i in range(3)]
    rows.append(("deals.stage", "red", "filled for one class", "It tells.", "leave it out."))
    of = subject()
    silent = replace(of, effects=of.effects * 0, findings=pd.DataFrame(rows, columns=columns))
    sections = {s.anchor: s for s in page_of(silent).sections}
    table = sections["leaks"].tables[0]
    assert [row[1] for row in table.rows] == ["deals.stage", "deals.c0, deals.c1, deals.c2"]
    assert table.marked == {0} and "Leave it out." in table.rows[0][3]
    assert "Nothing does" in sections["drivers"].paragraphs[0] and not sections["drivers"].figures


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize("hits", [0, 1, 8])
def test_few_rows_or_one_class_still_make_a_page(dated: bool, hits: int) -> None:
    """A report never stops a training: what eight rows cannot define is a dash."""
    of = subject(dated)
    judgement = HoldoutResult(**judged(of.teaching, of.judgement.rows[:8], np.arange(8) < hits))
    few = replace(
        of,
        judgement=judgement,
        rows=judgement.rows,
        values=of.values[:8],
        effects=of.effects[:8],
    )
    assert len(page_of(few).sections) == 10
    assert "nan" not in text_of(model_page(few)).split()


def test_words_of_the_data_cannot_become_markup() -> None:
    html = model_page(subject())
    assert "<b>pro" not in html and "&lt;b&gt;pro &amp; co&lt;/b&gt;" in html


def _open(seed: int) -> tuple[Scorer, Tables, str, int]:
    tables = history(seed)
    scorer = Scorer(bundle_of("deals", tables))
    cutoff = START + 45 * DAY
    unknown, unborn, closed = scorer.standing(tables["deals"], cutoff)
    rows = np.flatnonzero(~unknown & ~unborn & ~closed)
    words = tables["deals"].coded("deal_id").words()
    return scorer, tables, str(words[rows[0]]) if len(rows) else "", cutoff


@given(seeds)
@settings(max_examples=8, deadline=None)
def test_a_record_page_knows_nothing_of_the_future(seed: int) -> None:
    scorer, tables, key, cutoff = _open(seed)
    if not key:
        return
    page = record_page(scorer, tables, key, cutoff)
    assert page == record_page(scorer, frozen(tables, cutoff), key, cutoff)
    assert all(h.at < cutoff for h in happened(tables, "deals", key, cutoff))


def test_the_reasons_of_a_record_lead_to_its_score() -> None:
    scorer, tables, key, cutoff = next(o for o in map(_open, range(20)) if o[2])
    page = record_of(scorer, tables, key, cutoff)
    assert [s.anchor for s in page.sections] == ["curve", "why", "receipt", "moved", "history"]
    table = next(s for s in page.sections if s.anchor == "why").figures[0].table
    assert table is not None
    moved = sum(float(row[2].replace("−", "-")) for row in table.rows)
    start = float(page.keys[2][0].split("\u00a0")[0])
    own = float(page.keys[0][0].split("\u00a0")[0])
    assert start + moved == pytest.approx(own, abs=0.05 * len(table.rows) + 1)


def test_a_record_that_cannot_be_asked_about_says_why() -> None:
    scorer, tables, key, cutoff = next(o for o in map(_open, range(20)) if o[2])
    with pytest.raises(ValueError, match="no deals with key 'nobody'"):
        record_page(scorer, tables, "nobody", cutoff)
    with pytest.raises(ValueError, match="choose --as-of while it"):
        record_page(scorer, tables, key, START - 400 * DAY)


def test_a_record_finds_the_bundle_that_knows_its_table(tmp_path: Path) -> None:
    scorer, tables, key, cutoff = next(o for o in map(_open, range(20)) if o[2])
    bundles.write(scorer.bundle, tmp_path / "deals")
    name, page = page_of_any({"deal_close": tmp_path / "deals"}, tables, key, cutoff)
    assert name == f"deal_close-{key}.html"
    assert page == record_page(scorer, tables, key, cutoff)
    with pytest.raises(ValueError, match="no table that deal_close"):
        page_of_any({"deal_close": tmp_path / "deals"}, tables, "no/body", cutoff)
