"""Drafted mappings beside those written by hand: lines drafted right, and training from the draft.

    python -m benchmarks.draft [--lines] [--train] [--trials 4] [--outer 3] [--only olist_funnel]

The seven mappings of ``examples`` and the HubSpot, Salesforce and Pipedrive exports of the public
data. A line of the hand-written mapping is *right* when the draft reads the same values into the
same canonical column (a custom field: into a column of the table, as fixed as by hand), row for row
by key; categories up to a renaming of their words. A line that is not right is *asked* where a
question names it or the draft wrote it as a comment, *missing* where the draft is silent, and
*wrong* where it reads something else without a question. Lines without any value in the export are
not counted, nor what the draft reads beyond the hand-written mapping.

With ``--train``: log loss on held-out rows (flat tables: the same outer folds; dated ones: the
newest period) of a model trained from either; the bar is 2 %. Whether deals are looked at once or
regularly is taken from the mapping written by hand in both: the draft asks for it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real import OURS, cross_validated
from features.draft.model import MappingDraft
from features.draft.run import drafted
from features.draft.write import to_toml
from features.ingest.mapping import Mapping, load
from features.ingest.run import canonical, ingest
from features.schema import TABLES
from features.tables import CustomField, Meta, Tables, read
from training.config import Config
from training.evaluation.measures import log_losses
from training.fit.learn import learn
from training.fit.threads import one_blas_thread
from training.fit.tune import fold_data, tune
from training.task.dataset import question_of, teach

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EMBUDO_SHARED", ROOT.parent / "shared"))
NOW = datetime(2027, 1, 1, tzinfo=UTC)
SAME = 0.995
"""Share of rows that must agree."""

PIPEDRIVE = """
[export]
name = "pipedrive_dlt"
[tables.contacts]
from = "recents_response_with_null person"
[tables.contacts.columns]
contact_id = "id"
account_id = "org_id"
created_at = "add_time"
name = "name"
"""

HUBSPOT_API = """
extends = "hubspot"
[tables.accounts]
from = "hubspot_api_mock_responses mock_companies_data"
[tables.contacts]
from = "hubspot_api_mock_responses mock_contacts_with_history"
[tables.leads]
from = "hubspot_api_mock_responses mock_contacts_with_history"
[tables.deals]
from = "hubspot_api_mock_responses mock_deals_data"
"""

EXPORTS: dict[str, tuple[str, str]] = {
    **{
        n: (f"crm_exports/{n}" if n.startswith("salesforce") else n, f"examples/{n}/mapping.toml")
        for n in (
            *("ibm_sales_win_loss", "ibm_telco_churn", "maven_crm_opportunities", "olist_funnel"),
            *("salesforce_eci2020_unlabelled", "uci_online_retail", "x_education_leads"),
        )
    },
    "hubspot_dbt": ("crm_exports/hubspot_dbt", "hubspot"),
    "hubspot_dlt": ("crm_exports/hubspot_dlt", HUBSPOT_API),
    "salesforce_dbt": ("crm_exports/salesforce_dbt", "salesforce"),
    "salesforce_dev_org": ("crm_exports/salesforce_dev_org", "salesforce"),
    "pipedrive_dlt": ("crm_exports/pipedrive_dlt", PIPEDRIVE),
}
"""Name -> folder of the public data, and the hand-written mapping: a file, a preset or its text."""

TRAINED = {
    "ibm_telco_churn": "churn",
    "x_education_leads": "lead_conversion",
    "ibm_sales_win_loss": "deal_close",
    "maven_crm_opportunities": "deal_close",
    "olist_funnel": "lead_conversion",
}


@dataclass(frozen=True)
class Reading:
    """An export as a mapping reads it."""

    mapping: Mapping
    frames: dict[str, pd.DataFrame]
    meta: Meta


def read_by(data: Path, mapping: Mapping) -> Reading:
    """The canonical frames by a mapping."""
    frames, meta, _ = canonical(data, mapping, now=NOW)
    return Reading(mapping, frames, meta)


def lines_of(name: str, hand: Reading, ours: Reading, draft: MappingDraft) -> pd.DataFrame:
    """One row a line of the hand-written mapping: table, line, verdict."""
    rows = [*_columns(hand, ours, draft), *_whole(hand, ours, draft)]
    return pd.DataFrame(rows, columns=["table", "line", "verdict"]).assign(export=name)


def _columns(hand: Reading, ours: Reading, draft: MappingDraft) -> list[tuple[str, str, str]]:
    found = []
    for table, frame in hand.frames.items():
        key = TABLES[table].key
        other = ours.frames.get(table)
        fields = {f.name: f for f in hand.meta.custom.get(table, [])}
        for column in frame.columns:
            if frame[column].isna().all() or (column == key and not _mapped(hand, table, key)):
                continue
            if other is None:
                verdict = _silent(draft, table, column)
            elif column in fields:
                verdict = _custom(frame, other, key, fields[column], hand, ours, draft, table)
            else:
                verdict = _canonical(frame, other, key, column, draft, table)
            found.append((table, column, verdict))
    return found


def _mapped(reading: Reading, table: str, column: str) -> bool:
    return any(column in b.columns for b in reading.mapping.tables.values() if b.to == table)


def _canonical(
    frame: pd.DataFrame,
    other: pd.DataFrame,
    key: str,
    column: str,
    draft: MappingDraft,
    table: str,
) -> str:
    if column == key:
        same = frame[key].isin(other[key]).mean() >= SAME
    else:
        same = column in other and _agree(frame, other, key, column, column)
    if same:
        return "right"
    drafted_it = column in other and not other[column].isna().all()
    return "asked" if _asked(draft, table, column) else "wrong" if drafted_it else "missing"


def _custom(
    frame: pd.DataFrame,
    other: pd.DataFrame,
    key: str,
    field: CustomField,
    hand: Reading,
    ours: Reading,
    draft: MappingDraft,
    table: str,
) -> str:
    """A custom field has no canonical name: it is found by its source column."""
    fields = {f.name: f for f in ours.meta.custom.get(table, [])}
    source = _source(hand.mapping, table, field.name)
    names = [c for c in other.columns if c != key and _source(ours.mapping, table, c) == source]
    same = [c for c in names if _agree(frame, other, key, field.name, c)]
    alike = [c for c in same if c not in fields or fields[c].fixed == field.fixed]
    if alike:
        return "right"
    asked = any(_asked(draft, table, c) for c in names) or _left_out(draft, source)
    return "asked" if asked else "wrong" if same or names else "missing"


def _source(mapping: Mapping, table: str, column: str) -> str:
    for block in mapping.tables.values():
        if block.to == table:
            for spec in (block.columns | block.custom).get(column, ()):
                if spec.source:
                    return spec.source[0].rpartition(".")[2]
    return ""


def _agree(frame: pd.DataFrame, other: pd.DataFrame, key: str, a: str, b: str) -> bool:
    """Whether two columns hold the same, row for row by key."""
    left = frame[[key, a]].rename(columns={a: "hand"})
    right = other[[key, b]].rename(columns={b: "ours"})
    both = left.merge(right, on=key)
    if len(both) < SAME * min(len(left), len(right)) or not len(both):
        return False
    hand, ours = both["hand"], both["ours"]
    if pd.api.types.is_numeric_dtype(hand) and pd.api.types.is_numeric_dtype(ours):
        close = np.isclose(hand.astype(float), ours.astype(float), equal_nan=True)
        return bool(close.mean() >= SAME)
    hand, ours = (s.astype(object).where(s.notna(), "").astype(str) for s in (hand, ours))
    if (hand == ours).mean() >= SAME:
        return True
    renamed = hand.map(dict(zip(hand, ours, strict=True)))
    once = hand.groupby(ours).nunique().max() == 1 and a not in ("outcome", "kind", "direction")
    return bool(once and (renamed == ours).mean() >= SAME)


def _asked(draft: MappingDraft, table: str, column: str) -> bool:
    blocks = {b.name for b in draft.blocks if b.to == table} | {table}
    about = {a for q in draft.questions for a in q.about}
    return any(f"{b}.{column}" in about for b in blocks)


def _left_out(draft: MappingDraft, source: str) -> bool:
    lines = [c for b in draft.blocks for c in b.lines() if c.left_out]
    return any(isinstance(c.spec, dict) and c.spec.get("from") == source for c in lines)


def _silent(draft: MappingDraft, table: str, column: str) -> str:
    return "asked" if _asked(draft, table, column) else "missing"


def _whole(hand: Reading, ours: Reading, draft: MappingDraft) -> list[tuple[str, str, str]]:
    """The lines of ``[export]``, ``[fixed]``, ``[left_out]`` and the questions' settings."""
    found = []
    for key in ("currency", "zone"):
        wanted, got = getattr(hand.mapping, key), getattr(ours.mapping, key)
        if wanted not in ("", "UTC"):
            asked = any(f"export.{key}" in q.about for q in draft.questions)
            verdict = (
                "right" if wanted == got else "asked" if asked else "wrong" if got else "missing"
            )
            found.append(("export", key, verdict))
    if hand.mapping.as_of:
        same = hand.meta.as_of[:10] == ours.meta.as_of[:10]
        found.append(("export", "as_of", "right" if same else "wrong"))
    for part in ("fixed", "left_out"):
        for table, columns in getattr(hand.mapping, part).items():
            there = getattr(ours.mapping, part).get(table, [])
            found += [(part, f"{table}.{c}", "right" if c in there else "missing") for c in columns]
    for question, settings in hand.mapping.questions.items():
        mine = ours.mapping.questions.get(question, {})
        found += [
            ("questions", f"{question}.{k}", _setting(draft, question, k, mine.get(k) == v))
            for k, v in settings.items()
        ]
    return found


def _setting(draft: MappingDraft, question: str, key: str, same: bool) -> str:
    asked = any(f"{question}.{key}" in q.about for q in draft.questions)
    return "right" if same else "asked" if asked else "missing"


def hand_mapping(named: str, folder: Path) -> Mapping:
    """The mapping written by hand: of examples, a preset, or stated here."""
    if named.startswith("examples/"):
        return load(ROOT / named)
    if "[" not in named:
        return load(named)
    path = folder / "hand.toml"
    path.write_text(named, encoding="utf-8")
    return load(path)


@one_blas_thread
def log_loss(data: Path, mapping: Path, name: str, config: Config, outer: int) -> float:
    """Log loss in nats a row on rows that were held out of training."""
    with tempfile.TemporaryDirectory() as folder:
        ingest(data, mapping, Path(folder), now=NOW)
        tables = read(Path(folder))
        asked = load(ROOT / EXPORTS[name][1]).questions
        tables = Tables(tables.tables, replace(tables.meta, questions=asked))
        question = question_of(TRAINED[name], tables)
        if not tables.meta.as_of:
            hit, _, scores = cross_validated(tables, question, config, outer)
            return float(log_losses(hit, scores[OURS]).mean())
        teaching = teach(tables, question, config)
        folds = fold_data(teaching)
        tuned = tune(folds, teaching.encoding, config, timed=True)
        model = learn(teaching, folds, tuned.recipe, config).model
        newest = teaching.split.newest
        hit = teaching.labels(newest.valid_rows, newest.valid_end).hit
        return float(log_losses(hit, model.score(teaching.X[newest.valid_rows])).mean())


def main() -> None:
    """Print a row an export, and with ``--train`` one a data set that can train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--outer", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=list(EXPORTS), default=list(EXPORTS))
    parser.add_argument("--lines", action="store_true", help="also every line that is not right")
    asked = parser.parse_args()
    config = Config(trials=asked.trials, seed=asked.seed, threads=1, newest_share=0.01)
    timed = Config(trials=asked.trials, seed=asked.seed, threads=1)
    tables, losses = [], []
    for name in asked.only:
        where, named = EXPORTS[name]
        data = SHARED / "data" / where
        with tempfile.TemporaryDirectory() as folder:
            draft = drafted(data)
            path = Path(folder) / "draft.toml"
            path.write_text(to_toml(draft), encoding="utf-8")
            hand = hand_mapping(named, Path(folder))
            lines = lines_of(name, read_by(data, hand), read_by(data, load(path)), draft)
            tables.append(lines)
            count = Counter(lines["verdict"])
            print(name, dict(count), f"{len(draft.questions)} questions", flush=True)
            if asked.lines and set(count) != {"right"}:
                print(lines[lines["verdict"] != "right"].to_string(index=False, header=False))
            if asked.train and name in TRAINED:
                use = timed if name in ("maven_crm_opportunities", "olist_funnel") else config
                by_hand = log_loss(data, ROOT / named, name, use, asked.outer)
                ours = log_loss(data, path, name, use, asked.outer)
                losses.append((name, by_hand, ours, ours / by_hand - 1))
                print(losses[-1], flush=True)
    every = pd.concat(tables)
    table = every.groupby("export", sort=False)["verdict"].value_counts().unstack(fill_value=0)
    table = table.reindex(columns=["right", "asked", "missing", "wrong"], fill_value=0)
    table.loc["all"] = table.sum()
    table.insert(0, "lines", table.sum(axis=1))
    table["right, %"] = (100 * table["right"] / table["lines"]).round(1)
    print(f"\n{table.to_string()}")
    if losses:
        names = ["data set", "by hand", "drafted", "change"]
        print(f"\n{pd.DataFrame(losses, columns=names).round(4).to_string(index=False)}")


if __name__ == "__main__":
    main()
