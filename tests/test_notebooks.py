"""The notebooks run from top to bottom on a tiny demo, and show what they say they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from features.demo import generate, write_export
from features.ingest.run import ingest
from features.tables import micros, read
from features.timeline import Timeline
from serving.scoring.batch import open_ids
from serving.scoring.scorer import Scorer
from tests.helpers.trained import NAME, once
from training.registry import registry

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export, its canonical data set, and a champion in mlruns."""
    place = tmp_path_factory.mktemp("notebooks")
    write_export(generate(size="tiny"), place / "export")
    ingest(place / "export", place / "export" / "mapping.toml", place / "canonical")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        kept = registry.log_run(once().run, place)
        registry.promote(kept.name, kept.version, root=place)
    return place


def _run(name: str, company: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The outputs of each code cell, run where Jupyter would run it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("EMBUDO_EXPORT", str(company / "export"))
    monkeypatch.setenv("EMBUDO_MAPPING", str(company / "export" / "mapping.toml"))
    monkeypatch.setenv("EMBUDO_DATA", str(company / "canonical"))
    monkeypatch.setenv("EMBUDO_ROOT", str(company))
    monkeypatch.setenv("EMBUDO_QUESTION", NAME)
    path = NOTEBOOKS / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    at = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=at).execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def _text(outputs: list[Any]) -> str:
    """Everything a cell printed or displayed, as text."""
    parts = []
    for out in outputs:
        data = out.get("data", {})
        parts += [out.get("text", ""), data.get("text/markdown", ""), data.get("text/html", "")]
    return "\n".join(parts)


def _pictures(cells: list[Any]) -> int:
    return sum("image/png" in out.get("data", {}) for outputs in cells for out in outputs)


def _rows(outputs: list[Any]) -> int:
    """Rows of the table a cell shows."""
    return _text(outputs).split("<tbody>")[1].count("<tr>")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_are_kept_without_outputs_and_thin(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert len(cells) <= 16
    for cell in cells:
        assert cell.source.count("\n") < 32
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            assert "\nclass " not in cell.source


def test_an_export_is_explored(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = _run("explore_export", company, monkeypatch)
    _, read_in, asked, known, months, leaks = cells
    assert "deals" in _text(read_in) and "900" in _text(read_in).replace(",", "")
    assert "lead_conversion, deal_close, churn; here: Question(name='deal_close'" in _text(asked)
    tables = read(company / "canonical")
    assert _rows(asked) == len(tables) and f"<td>{tables['deals'].n}</td>" in _text(asked)
    assert "days_in_stage" in _text(known) and "activities_30d" in _text(known)
    assert _pictures(cells) == 1
    shares = [float(v) for v in re.findall(r"<td>(\d\.\d+)</td>", _text(months))]
    assert len(shares) > 12 and all(0 <= share <= 1 for share in shares)
    assert "deals." in _text(leaks) and _rows(leaks) > 5


def test_a_model_is_reviewed(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = _run("review_model", company, monkeypatch)
    _, listed, chosen, board, gains = cells[:5]
    assert "champion" in _text(listed) and NAME in _text(listed)
    assert once().judgement.verdict.sentence in _text(chosen)
    for other in ("embudo", "base rate", "logistic", "plain LightGBM", "naive Bayes"):
        assert other in _text(board)
    assert f"{once().judgement.value('auc'):.6f}" in _text(board)
    assert _rows(gains) == len(once().judgement.comparisons)
    assert _pictures(cells) == 4, "the last is shap's own waterfall of one score"
    assert " open, mean score 0." in _text(cells[-1]) and "× trees" in _text(cells[-1])


def test_what_if_asks_the_endpoint_twice(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = _run("what_if", company, monkeypatch)
    told = [re.search(r"^(\S+): (\d+\.\d)% to be won", _text(c), re.M) for c in cells[2:4]]
    assert told[0] and told[1] and told[0][1] == told[1][1]
    tables = read(company / "canonical")
    cutoff, scorer = micros(tables.meta.as_of), Scorer(registry.load(NAME, root=company))
    assert told[0][1] in open_ids(scorer, tables, cutoff)
    batch = scorer.score(Timeline(tables), [told[0][1]], cutoff).probability[0]
    assert told[0][2] == f"{batch:.1%}"[:-1], "what the batch says of the same record"
    curves, reasons = cells[4:]
    assert _pictures(cells) == 1 and _rows(curves) == scorer.bundle.model.blend.c.shape[0]
    shown = re.findall(r"<td>(\d\.\d+)</td>", _text(curves))
    assert shown[-2] != shown[-1], "two meetings are no news to the model"
    assert "what if" in _text(reasons) and _rows(reasons) >= 5
