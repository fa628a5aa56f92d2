"""What one training leaves behind, as metrics and as a folder of files, before any registry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
from matplotlib.figure import Figure

from features.files import write_csv
from training.models import bundle as bundles
from training.models.bundle import Bundle

REPORT = "report.html"
JUDGED = "judged"


@dataclass(frozen=True)
class TrainingRun:
    """Everything one training leaves behind.

    board    ``evaluate.scoreboard``; ``model`` is the name of our row in it
    folds    ``Split.table()``; notes are the sentences beside it
    params   the settings used, tuned or given
    mapping  text of the mapping the data were read with
    tables   further tables by name, kept as CSV; figures by name, kept as PNG
    report   the report as one HTML file; "" where none was made
    judged   the bundle that the newest period judged, before the refit on all rows; None where the
             bundle itself was judged
    """

    bundle: Bundle
    board: pd.DataFrame
    folds: pd.DataFrame
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    mapping: str = ""
    notes: Sequence[str] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    model: str = "model"
    report: str = ""
    judged: Bundle | None = None


def metrics(run: TrainingRun) -> dict[str, float]:
    """Every finite value of the board by key, with its ends.

    ``log_loss``, ``log_loss.low``, ``log_loss.high`` are the model's;
    ``naive_bayes/log_loss`` and so on are a baseline's.
    """
    found = {}
    for row in run.board.to_dict("records"):
        prefix = "" if row["model"] == run.model else f"{file_name(str(row['model']))}/"
        for end, column in (("", "value"), (".low", "low"), (".high", "high")):
            if math.isfinite(row[column]):
                found[f"{prefix}{row['measure']}{end}"] = float(row[column])
    return found


def write_files(run: TrainingRun, folder: Path) -> None:
    """Write the run's files into an empty folder.

    bundle/ and judged/ (``bundle.write``), report.html, mapping.toml, params.json, notes.txt,
    features.csv, and tables/ (the board, the folds and the others, as CSV), figures/ (PNG).
    """
    bundles.write(run.bundle, folder / "bundle")
    if run.judged is not None:
        bundles.write(run.judged, folder / JUDGED)
    option = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    (folder / "params.json").write_bytes(orjson.dumps(dict(run.params), str, option))
    (folder / "mapping.toml").write_text(run.mapping, encoding="utf-8")
    (folder / "notes.txt").write_text("".join(f"{n}\n" for n in run.notes), encoding="utf-8")
    if run.report:
        (folder / REPORT).write_text(run.report, encoding="utf-8")
    specs = pd.DataFrame([spec.to_json() for spec in run.bundle.features])
    write_csv(specs, folder / "features.csv")
    for part in ("tables", "figures"):
        (folder / part).mkdir()
    for name, table in {"board": run.board, "folds": run.folds, **run.tables}.items():
        write_csv(table, folder / "tables" / f"{file_name(name)}.csv")
    for name, figure in run.figures.items():
        figure.savefig(folder / "figures" / f"{file_name(name)}.png", dpi=120)


def file_name(name: str) -> str:
    """A name as files and metric keys may have it: lower case, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "unnamed"
