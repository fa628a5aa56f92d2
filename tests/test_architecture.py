"""The house stands: imports run one way, and the dear or dangerous ones have one door each."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("features", "training", "serving")
MAY_REACH = {
    "features": ("features",),
    "training.charts": ("training.charts",),
    "training.models": ("features", "training.models"),
    "training": ("features", "training"),
    "serving": ("features", "training.charts", "training.models", "serving"),
}
DOORS = {
    "mlflow": ("training/registry/registry.py", "training/registry/pyfunc.py"),
    "optuna": ("training/fit/tune.py",),
    "bentoml": ("serving/service.py", "serving/cli/bento.py"),
    "shap": ("training/models/outcome.py", "training/registry/plots.py"),
    "statsforecast": ("training/forecast/backtest/baselines.py",),
}


def _files() -> list[Path]:
    return [p for top in OURS for p in sorted((ROOT / top).rglob("*.py"))]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def _floor(path: Path) -> str:
    place = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return next(floor for floor in MAY_REACH if place.startswith(floor))


@pytest.mark.parametrize("path", _files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    allowed = MAY_REACH[_floor(path)]
    if path.relative_to(ROOT) == Path("serving/__main__.py"):
        allowed = (*allowed, "training.registry.registry")  # it builds and promotes
    for name in _imports(path):
        if name.split(".")[0] in OURS:
            assert name.startswith(allowed), f"{path.name} may not import {name}"


@pytest.mark.parametrize("package", sorted(DOORS))
def test_dear_packages_have_one_door(package: str) -> None:
    users = {
        str(p.relative_to(ROOT))
        for p in _files()
        if any(name.split(".")[0] == package for name in _imports(p))
    }
    assert users <= set(DOORS[package])


def test_no_pickle_anywhere() -> None:
    banned = {"pickle", "cloudpickle", "joblib", "dill", "skops", "shelve", "marshal"}
    for path in _files():
        used = {name.split(".")[0] for name in _imports(path)} & banned
        assert not used, f"{path} imports {used}"


def test_scoring_loads_nothing_dear() -> None:
    """A fresh process that can score has no registry, tuner, plotter, data frame or booster."""
    code = (
        "import sys, serving.scoring.scorer\n"
        "dear = {'mlflow', 'optuna', 'shap', 'bentoml', 'matplotlib', 'sklearn', 'duckdb'}\n"
        "print(sorted(dear & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


CLOCKS = (
    "datetime.now",
    "Timestamp.now",
    "time.time(",
    "time_ns(",
    "datetime.utcnow",
    "today(",
)


def test_only_the_edges_read_the_clock() -> None:
    edges = {"__main__.py", "service.py", "batch.py", "serve.py"}
    for path in _files():
        if path.name in edges:
            continue
        text = path.read_text(encoding="utf-8")
        for clock in CLOCKS:
            assert clock not in text, f"{path} reads the clock: {clock}"


# Names that two rooms share and that are still to be told apart. The list may only get shorter.
SHARED = {
    *("Calendar", "Connection", "Draft", "Drift", "Ledger", "Page"),
    *("Row", "Settings", "Source", "Step", "Stream", "Target"),
}


def test_a_class_name_exists_once() -> None:
    places: dict[str, list[str]] = {}
    for path in _files():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert {n: w for n, w in twice.items() if n not in SHARED} == {}


def test_no_folder_is_crowded() -> None:
    held: dict[str, int] = {}
    for path in _files():
        if not path.name.startswith("__"):
            folder = str(path.parent.relative_to(ROOT))
            held[folder] = held.get(folder, 0) + 1
    assert {f: n for f, n in held.items() if n > 16} == {}
