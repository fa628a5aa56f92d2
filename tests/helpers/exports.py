"""Small exports written for a test, and where the public ones are."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from features.ingest.report import BlockReport, IngestReport
from features.ingest.run import ingest
from features.tables import Tables, read

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("EMBUDO_SHARED", ROOT.parent / "shared"))

DEALS = """
[export]
as_of = "2024-01-01"
[tables.deals]
from = "deals.csv"
[tables.deals.columns]
deal_id = "id"
created_at = "created"
closed_at = "closed"
amount = "amount"
outcome = { from = "stage", values = { Won = "won", Lost = "lost", Open = "" } }
"""

HEAD = "id,created,closed,amount,stage\n"


def public(*parts: str) -> Path:
    """A folder of the public data; the test is skipped where it is not there."""
    folder = SHARED.joinpath("data", *parts)
    if not folder.is_dir():
        pytest.skip(f"the public data are not at {SHARED}; set EMBUDO_SHARED")
    return folder


def export(folder: Path, mapping: str, **files: str | bytes) -> tuple[Path, Path]:
    """Write files (``deals="…"`` is deals.csv) and a mapping; their folder and the mapping."""
    data = folder / "export"
    data.mkdir(exist_ok=True)
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        (data / (name if "." in name else f"{name}.csv")).write_bytes(raw)
    path = folder / "test.toml"
    path.write_text(mapping, encoding="utf-8")
    return data, path


def ingested(folder: Path, mapping: str, **files: str | bytes) -> tuple[Tables, IngestReport]:
    """Ingest a small export; the law of rows is checked every time."""
    data, path = export(folder, mapping, **files)
    out = folder / "out"
    report = ingest(data, path, out)
    assert report.balanced(), report.to_json()
    return read(out), report


def frame(folder: Path, table: str) -> pd.DataFrame:
    """A written table as pandas reads it."""
    return pd.read_parquet(folder / "out" / f"{table}.parquet")


def block(report: IngestReport, name: str) -> BlockReport:
    """The report of one block."""
    return next(b for b in report.blocks if b.block == name)


def counts(tallies: object) -> dict[str, int]:
    """Reason -> how often."""
    assert isinstance(tallies, dict)
    return {reason: found.n for reason, found in tallies.items()}
