"""Settings that must stand before numpy and LightGBM are loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import Cluster, running

# Threads that spin while they wait cost several times the work itself as soon as anything else runs
# on the same cores: one matrix of 200 columns took OpenBLAS's two threads 100 times as long as one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# no test depends on the clock: a busy machine is not a defect
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL cluster, one for each process of the tests."""
    with running() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind: what uses it is tested on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.schema()


TOGETHER = {"test_desk_pages": "pages", "test_desk_chromium": "pages"}
"""Files that share something dear to make (``tests.desked``): one process runs them all."""

LONGEST = (
    *("test_sync_tryton", "test_bento", "pages", "test_desk_command", "test_figures_laws"),
    *("test_supervisor", "test_forecast_origin", "test_notebooks", "test_forecast_outputs_cli"),
    *("test_nightly", "test_schemathesis", "test_under_load", "test_contracts"),
)
"""What takes longest begins first, so that both processes are busy to the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file runs in one process (``--dist loadgroup``), the longest files first."""

    def group(item: pytest.Item) -> str:
        return TOGETHER.get(item.path.stem, item.path.stem)

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda i: LONGEST.index(group(i)) if group(i) in LONGEST else len(LONGEST))
