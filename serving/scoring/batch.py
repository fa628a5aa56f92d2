"""Every open entity scored at one cutoff, in blocks, into one Parquet file, whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from features.files import own_folder
from features.schema import TABLES
from features.tables import Tables
from features.timeline import Timeline
from serving.i18n.languages import LANGUAGES
from serving.scoring.scorer import Scored, Scorer
from serving.store.scores import ScoreRow
from training.models.bundle import Bundle

BLOCK = 5_000
"""Entities scored, and held in memory, at a time."""


def open_ids(scorer: Scorer, tables: Tables, cutoff: int) -> list[str]:
    """The entities that can be asked about at ``cutoff`` (microseconds), in the table's order."""
    table = tables[scorer.entity]
    unknown, unborn, closed = scorer.standing(table, cutoff)
    keys = table.coded(TABLES[scorer.entity].key)
    rows = np.flatnonzero(~unknown & ~unborn & ~closed & (keys.codes >= 0))
    return [keys.values[code] for code in keys.codes[rows].tolist()]


def score_all(
    bundle: Bundle,
    tables: Tables,
    cutoff: int,
    out: Path,
    block: int = BLOCK,
    progress: bool = False,
    lang: str = LANGUAGES[0],
    prior: float | None = None,
) -> int:
    """Score every open entity of ``tables`` into the file ``out`` and return how many.

    Sentences in ``lang``. A ``prior`` is the stated base rate, by default the bundle's. The file is
    as ``write_rows`` has it.
    """
    scorer = Scorer(bundle)
    tables = scorer.seen_by(tables)
    ids = open_ids(scorer, tables, cutoff)
    blocks = _blocks(scorer, tables, ids, cutoff, block, progress, lang, prior)
    write_rows(scorer, (rows_of(scorer, scored) for scored in blocks), cutoff, out)
    return len(ids)


def rows_of(scorer: Scorer, scored: Scored) -> list[ScoreRow]:
    """Scores as they are kept and written, one row an entity."""
    days = [] if scorer.flat else list(scorer.edges)
    rows = zip(scored.curve.tolist(), scored.reasons, scored.track_record, strict=True)
    return [
        ScoreRow(
            scored.ids[i],
            float(scored.probability[i]),
            scored.grades[i],
            scored.baseline,
            float(scored.others[i]),
            [{"day": d, "probability": p} for d, p in zip(days, curve, strict=False)],
            [reason.to_json() for reason in reasons],
            None if receipt is None else receipt.to_answer(),
        )
        for i, (curve, reasons, receipt) in enumerate(rows)
    ]


def write_rows(
    scorer: Scorer, blocks: Iterable[Sequence[ScoreRow]], cutoff: int, out: Path
) -> None:
    """Write scores, a block at a time, to the Parquet file ``out``.

    Columns: id, cutoff (UTC; null for a flat question), probability, grade, day_<d> (probability by
    each bin's end), baseline, reasons (JSON, largest first), others, receipt (JSON: how past scores
    like this turned out), model, model_version. The file is written beside its place and renamed: a
    reader sees the old one or the new one.
    """
    own_folder(out.parent)
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    os.close(handle)
    try:
        with pq.ParquetWriter(name, _schema(scorer)) as writer:
            for rows in blocks:
                writer.write_table(_table(scorer, rows, cutoff))
        Path(name).chmod(0o600)
        Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _blocks(
    scorer: Scorer,
    tables: Tables,
    ids: list[str],
    cutoff: int,
    block: int,
    progress: bool,
    lang: str,
    prior: float | None,
) -> Iterator[Scored]:
    timeline = Timeline(tables)
    label = f"scoring {scorer.entity}"
    with tqdm(total=len(ids), desc=label, unit="row", disable=not progress) as bar:
        for start in range(0, len(ids), block):
            some = ids[start : start + block]
            yield scorer.score(timeline, some, cutoff, lang=lang, prior=prior)
            bar.update(len(some))


def _days(scorer: Scorer) -> list[str]:
    return [] if scorer.flat else [f"day_{edge:g}" for edge in scorer.edges]


def _schema(scorer: Scorer) -> pa.Schema:
    days = [(name, pa.float64()) for name in _days(scorer)]
    return pa.schema(
        [
            ("id", pa.string()),
            ("cutoff", pa.timestamp("us", tz="UTC")),
            ("probability", pa.float64()),
            ("grade", pa.string()),
            *days,
            ("baseline", pa.float64()),
            ("reasons", pa.string()),
            ("others", pa.float64()),
            ("receipt", pa.string()),
            ("model", pa.string()),
            ("model_version", pa.string()),
        ]
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _table(scorer: Scorer, rows: Sequence[ScoreRow], cutoff: int) -> pa.Table:
    n = len(rows)
    cutoffs = [None if scorer.flat else cutoff] * n
    columns = {
        "id": [row.id for row in rows],
        "cutoff": pa.array(cutoffs, pa.timestamp("us", tz="UTC")),
        "probability": [row.probability for row in rows],
        "grade": [row.grade for row in rows],
        **{d: [row.curve[k]["probability"] for row in rows] for k, d in enumerate(_days(scorer))},
        "baseline": [row.baseline for row in rows],
        "reasons": [_json(row.reasons) for row in rows],
        "others": [row.others for row in rows],
        "receipt": [_json(row.receipt) for row in rows],
        "model": [scorer.bundle.name] * n,
        "model_version": [scorer.bundle.version] * n,
    }
    return pa.table(columns, schema=_schema(scorer))
