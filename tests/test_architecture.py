"""The house stands: imports run one way, and the dear or dangerous ones have one door each."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("features", "training", "serving")
MAY_REACH = {
    "features": ("features",),
    "training.charts": ("training.charts",),
    "training.stats": ("features", "training.stats"),
    "training.models": ("features", "training.models", "training.stats"),
    "training": ("features", "training"),
    "serving": ("features", "training.charts", "training.models", "training.stats", "serving"),
}
FLOORS = (
    "features.schema, features.calendar_time, features.files",
    "features.tables, features.connectors",
    "features, features.sources, training.stats",
    "features.record",
    "features.definitions, features.frames, features.frozen, features.questions",
    "features.catalog, features.reference",
    "features.ingest",
    "features.demo, features.sync, features.definitions.glossary, features.draft.values",
    "features.draft",
    "features.__main__, training.models.curves, training.models.trees, training.charts",
    "training.models.encoding, training.models.baselines, training.config",
    "training.models.linear",
    "training.models, training.task, training.forecast.data",
    "training.registry, training.leaks, training.evaluation",
    "training.reports.model",
    "training.fit",
    "training.forecast.belief",
    "training.forecast.simulate",
    "training.forecast.results",
    "training.forecast.backtest, training.forecast.planning",
    "training.forecast.publish",
    "training.reports.forecast",
    "training.cli",
    "training.__main__",
    "serving.settings, serving.store, serving.store.migrations.versions, serving.i18n",
    "serving.scoring, serving.analytics.asof, serving.analytics.routing, serving.live",
    "serving.bundles, serving.analytics.kpis, serving.analytics.quality, serving.web.record",
    "serving.telemetry, serving.analytics.accounts, serving.analytics.health",
    "serving.analytics, serving.analytics.lists, serving.http",
    "serving.http.routes",
    "serving.http.openapi, serving.web",
    "serving.app, serving.process",
    "serving.service, serving.cli",
    "serving.process.worker, serving.__main__",
)
"""From the ground up: a module imports its own package and lower floors. A package's modules stand
on one floor; a module named here stands alone on its own: what a package is built on, and what
puts everything together."""

TOGETHER = {
    "features.ingest.values": "features.ingest",
    "features.ingest.consequences": "features.ingest",
    "features.draft.blocks": "features.draft",
}
"""Packages that are one with their parent."""

DOORS = {
    "mlflow": ("training/registry/registry.py", "training/registry/pyfunc.py"),
    "optuna": ("training/fit/tune.py",),
    "bentoml": ("serving/service.py", "serving/cli/bento.py"),
    "shap": ("training/models/outcome.py", "training/registry/plots.py"),
    "statsforecast": ("training/forecast/backtest/baselines.py",),
}


def _files() -> list[Path]:
    return [p for top in OURS for p in sorted((ROOT / top).rglob("*.py"))]


@cache
def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_module(path): path for path in _files()}
UNITS = {unit: i for i, floor in enumerate(FLOORS) for unit in floor.split(", ")}


def _ours(path: Path) -> set[str]:
    """The modules of ours that a file imports: of ``from a import b``, a.b where that is one."""
    names = {name for name in _imports(path) if name.split(".")[0] in OURS}
    return {n if n in MODULES else n.rpartition(".")[0] for n in names} & set(MODULES)


def _unit(module: str) -> str:
    """What of FLOORS a module belongs to: itself, or its package."""
    if module in UNITS:
        return module
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    return TOGETHER.get(package, package)


def test_every_package_has_a_floor() -> None:
    """And nothing stands in the table that is not there."""
    bare = {m for m in MODULES if MODULES[m].name == "__init__.py" and not _ours(MODULES[m])}
    assert {_unit(module) for module in MODULES if module not in bare} <= set(UNITS)
    assert set(UNITS) <= {_unit(module) for module in MODULES}


def test_imports_run_downward() -> None:
    upward = [
        f"{module} -> {other}"
        for module, path in MODULES.items()
        for other in _ours(path)
        if (there := _unit(other)) != (here := _unit(module))
        and there in UNITS
        and UNITS[there] >= UNITS[here]
    ]
    assert upward == []


def test_products_and_their_parts_stay_apart() -> None:
    """Serving reads models and drawings of training, and nothing else; features read neither."""
    strangers = [
        f"{module} -> {name}"
        for module, path in MODULES.items()
        for name in _imports(path)
        if name.split(".")[0] in OURS and not name.startswith(_reach(module))
    ]
    assert strangers == []


def _reach(module: str) -> tuple[str, ...]:
    if module == "serving.__main__":  # it builds and promotes
        return (*MAY_REACH["serving"], "training.registry.registry")
    return next(may for part, may in MAY_REACH.items() if f"{module}.".startswith(f"{part}."))


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {module: _ours(path) - {module} for module, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


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


EDGES = (
    "__main__",
    "features.sync.command",
    "serving.service",
    "serving.scoring.batch",
    "serving.cli.serve",
)
"""Where commands and the service begin: time is an argument everywhere else."""


def test_only_the_edges_read_the_clock() -> None:
    for module, path in MODULES.items():
        if module.endswith(EDGES):
            continue
        text = path.read_text(encoding="utf-8")
        for clock in CLOCKS:
            assert clock not in text, f"{path} reads the clock: {clock}"


def test_a_class_name_exists_once() -> None:
    places: dict[str, list[str]] = {}
    for path in _files():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert twice == {}


def test_no_folder_is_crowded() -> None:
    held: dict[str, int] = {}
    for path in _files():
        if not path.name.startswith("__"):
            folder = str(path.parent.relative_to(ROOT))
            held[folder] = held.get(folder, 0) + 1
    assert {f: n for f, n in held.items() if n > 16} == {}


COMPARING = {
    "features.asof",  # what happened before a cutoff
    "features.asof_kernels",
    "features.timeline",  # the end of the data
    "serving.analytics.asof.frames",
    "serving.analytics.asof.known",
    "serving.analytics.asof.windows",  # months and quarters around an instant
    "serving.analytics.accounts.goals",
    "serving.analytics.accounts.steps",
    "serving.scoring.predictor",  # a question about the future of what is asked
    "serving.store.scores",
    "serving.web.record.past",
    "training.task.questions",  # labels: what happened after a cutoff
    "training.task.splits",  # folds: cutoffs among themselves
    "training.evaluation.challenge",
    "training.forecast.backtest.baselines",
    "training.forecast.belief.curve_model",
}
"""Modules that compare an instant with a cutoff; everything else asks ``features.rows_asof`` or
``features.asof``. The list may only get shorter."""


def _compares_a_cutoff(path: Path) -> bool:
    ordered = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare) and any(isinstance(op, ordered) for op in node.ops):
            inside = list(ast.walk(node))
            words = {n.id for n in inside if isinstance(n, ast.Name)}
            words |= {n.attr for n in inside if isinstance(n, ast.Attribute)}
            if words & {"cutoff", "cutoffs", "as_of"}:
                return True
    return False


def test_a_cutoff_is_compared_in_few_places() -> None:
    assert {m for m, path in MODULES.items() if _compares_a_cutoff(path)} == COMPARING
