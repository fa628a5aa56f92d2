"""The Bento: built offline, copied elsewhere, and run there with nothing but what it asks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest

from serving.cli import CommandError
from serving.cli.bento import PACKAGES, _bundles, pinned
from serving.process.trial import free_port, send
from tests.helpers.histories import history
from tests.helpers.scored import bundle_of
from training.models import bundle as bundles

ROOT = Path(__file__).parents[1]
LEAD = {"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}}
BODY = {"as_of": "2024-01-01T00:00:00Z", "records": [LEAD]}
NEEDLESS = {
    "mlflow",
    "optuna",
    "shap",
    "lightgbm",
    "scikit-learn",
    "pandas",
    "matplotlib",
    "duckdb",
}

# Python imports this by itself in every process of the run: whatever the Bento does not ask for
# is, for that process, not installed.
BLOCK = """
import os, re, sys
from importlib import metadata
from importlib.abc import MetaPathFinder

asked = set(os.environ["BENTO_ASKS_FOR"].split())
owners = metadata.packages_distributions()
exact = lambda name: re.sub(r"[-_.]+", "-", name).lower()

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        of = owners.get(name.partition(".")[0], ())
        of = {exact(owner) for owner in of}
        if of and not of & (asked | {"pip", "setuptools"}):
            raise ModuleNotFoundError(f"the Bento does not ask for {name}", name=name)

sys.meta_path.insert(0, Block())
found = metadata.distribution
def distribution(name):
    if exact(name) not in asked | {"pip", "setuptools"}:
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.distribution = distribution
"""


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Bento with one bundle, built by the command and copied elsewhere."""
    folder = tmp_path_factory.mktemp("bento")
    bundle = bundle_of("leads", history(3))
    bundles.write(bundle, folder / "bundles" / "lead_conversion")
    command = [sys.executable, "-m", "serving", "bento", "--bundles", str(folder / "bundles")]
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [*command, "--out", str(folder / "built")],
        cwd=ROOT,
        env={**os.environ, **offline, "BENTOML_HOME": str(folder / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "with lead_conversion" in done.stdout
    return (folder / "built").rename(folder / "elsewhere")


def _asked(bento: Path) -> dict[str, str]:
    text = (bento / "env/python/requirements.txt").read_text(encoding="utf-8")
    return dict(line.split("==") for line in text.split())


def test_it_asks_for_exactly_what_was_tested_and_for_nothing_of_training(bento: Path) -> None:
    asked = _asked(bento)
    assert {name: version(name) for name in asked} == asked
    assert not NEEDLESS & set(asked)
    assert {re.sub(r"\[.*", "", name) for name in PACKAGES} <= set(asked)
    held = {str(p.relative_to(bento / "src")) for p in (bento / "src").rglob("*.py")}
    assert "serving/service.py" in held and "training/models/bundle.py" in held
    assert not any(p.startswith(("tests/", "training/registry", "benchmarks/")) for p in held)


def test_an_extra_and_what_it_needs_are_pinned() -> None:
    found = dict(line.split("==") for line in pinned(["psycopg[binary]"]))
    assert "psycopg-binary" in found and "typing-extensions" in found


RUNS = {
    "its own launcher": (["serving", "serve", "--workers", "1", "--bundles", "bundles"], "src"),
    "bentoml": (["bentoml", "serve", ".", "--host", "127.0.0.1"], "."),
}
METRICS = {command[0]: free_port() for command, _ in RUNS.values()}
"""The ports of the metrics pages."""


@pytest.fixture(scope="module")
def addresses(bento: Path) -> Iterator[dict[str, str]]:
    """The Bento run in both ways, from its own folder, and ready."""
    with ExitStack() as stack:
        starting = {
            way: stack.enter_context(_started(command, bento / folder, bento))
            for way, (command, folder) in RUNS.items()
        }
        for address, child, log in starting.values():
            _wait(f"{address}/readyz", child, log)
        yield {way: address for way, (address, _, _) in starting.items()}


@contextmanager
def _started(
    command: list[str], folder: Path, bento: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """A command run in a folder where only what the Bento asks for is installed."""
    port, beside = free_port(), bento.parent
    block, log = beside / "block", beside / f"{command[0]}.log"
    block.mkdir(exist_ok=True)
    (block / "sitecustomize.py").write_text(BLOCK, encoding="utf-8")
    own = {k: v for k, v in os.environ.items() if not k.startswith(("EMBUDO_", "PYTHONPATH"))}
    own |= {"BENTO_ASKS_FOR": " ".join(_asked(bento)), "PYTHONPATH": str(block)}
    own |= {"EMBUDO_METRICS_PORT": str(METRICS[command[0]]), "BENTOML_DO_NOT_TRACK": "True"}
    own |= {"BENTOML_HOME": str(beside / "home"), "DATABASE_URL": f"sqlite:///{log}.db"}
    # a new folder has no compiled kernels: as plain Python they give the same and start at once
    own |= {"NUMBA_DISABLE_JIT": "1"}
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)],
            cwd=folder,
            env=own,
            stdout=out,
            stderr=out,
        )
        try:
            yield f"http://127.0.0.1:{port}", child, log
        finally:
            child.terminate()
            child.wait(30)


def _wait(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    end, said = time.monotonic() + 120, ""
    while time.monotonic() < end and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError as not_ready:
            said = not_ready.read().decode()
        except OSError as not_there:
            said = str(not_there)
        time.sleep(0.3)
    pytest.fail(f"never ready: {said}\n{log.read_text(encoding='utf-8', errors='replace')[:3000]}")


@pytest.mark.parametrize("way", RUNS)
def test_it_serves_from_its_own_folder(addresses: dict[str, str], way: str) -> None:
    """The built bundle answers; our page of metrics is there, and BentoML's own is not."""
    answer: dict[str, Any] = send(addresses[way], "leads", BODY)
    (result,) = answer["results"]
    assert 0 < result["probability"] < 1 and result["reasons"]
    assert answer["model"]["version"] == "v-test"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{addresses[way]}/metrics", timeout=5)
    assert refused.value.code == 404 and orjson.loads(refused.value.read())["code"] == "not_found"
    page = f"http://127.0.0.1:{METRICS[RUNS[way][0][0]]}/metrics"
    with urllib.request.urlopen(page, timeout=10) as shown:
        text = shown.read().decode()
    assert 'embudo_records_total{entity="leads",result="scored"} 1.0' in text
    assert "bentoml" not in text


def test_a_folder_without_bundles_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds no bundle"):
        _bundles(tmp_path)
