"""Settings that must stand before numpy and LightGBM are loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.helpers.postgres import Cluster, running

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


LONGEST = (
    *(
        "test_sync_tryton",
        "test_bento",
        "test_desk_pages",
        "test_desk_chromium",
        "test_desk_command",
        "test_figures_laws",
    ),
    *("test_supervisor", "test_forecast_origin", "test_notebooks", "test_forecast_outputs_cli"),
    *("test_nightly", "test_schemathesis", "test_under_load", "test_contracts"),
)
"""What takes longest begins first, so that both processes are busy to the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; each runs in one process (``--dist loadfile``)."""
    places = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
