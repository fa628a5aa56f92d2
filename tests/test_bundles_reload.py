"""New bundles while requests are answered: whole ones are taken up, others refused and said."""

from __future__ import annotations

import faulthandler
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from serving.bundles.check import BundleChecker, CheckResult, checked_in_fork
from serving.bundles.folder import VERDICTS, Offered, offered
from serving.bundles.load import load_predictor
from serving.bundles.outcomes import ReloadOutcome, ReloadState
from serving.bundles.publish import publish_once
from serving.bundles.reload import Reloader
from serving.http.probes import readiness
from serving.store.connection import UnavailableStore
from tests.helpers.histories import history
from tests.helpers.scored import NAMES, bundle_of
from training.models import bundle as bundles


class Clock:
    """Microseconds that a test moves."""

    now = 1

    def __call__(self) -> int:
        """Now."""
        return self.now


class Trusting:
    """Says that every bundle may be loaded, unless a test says otherwise."""

    def __init__(self) -> None:
        self.verdicts: dict[str, CheckResult | None] = {}
        self.asked: list[str] = []

    def prepare(self) -> bool:
        """Nothing to prepare."""
        return True

    def check(self, bundle: Offered) -> CheckResult | None:
        """What the test wants."""
        self.asked.append(bundle.name)
        return self.verdicts.get(bundle.name, CheckResult())

    def close(self) -> None:
        """Nothing to close."""


@cache
def _bundle(entity: str) -> bundles.Bundle:
    return bundle_of(entity, history(3))


def _write(folder: Path, version: str, entity: str = "leads") -> Path:
    place = folder / version / NAMES[entity]
    bundles.write(replace(_bundle(entity), version=version), place)
    return place


class Service:
    """The part of a worker that reloads, driven by hand."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "served"
        self.state, self.checker, self.clock = ReloadState(), Trusting(), Clock()
        self.place = SimpleNamespace(predictors={}, reload=self.state, degraded={}, store=None)
        self.reloader = Reloader(
            self.folder, self.place, self.checker, load_predictor, self.state, self.clock
        )

    def publish(self, version: str, entity: str = "leads") -> None:
        """Offer a version of an entity's model, alone."""
        publish_once({NAMES[entity]: _write(self.root, version, entity)}, self.folder)

    @property
    def versions(self) -> dict[str, str]:
        """Entity -> version in service."""
        return {e: d.scorer.bundle.version for e, d in self.place.predictors.items()}


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_without_a_folder_or_a_bundle_it_is_not_ready_and_says_why(service: Service) -> None:
    service.reloader.poll()
    assert readiness(service.place)["status"] == "not ready"
    assert "cannot be read" in service.state.note
    publish_once({}, service.folder)
    service.reloader.poll()
    said = readiness(service.place)["reasons"]
    assert said[0] == "no model is loaded" and "holds no bundle yet" in said[1]


def test_a_new_version_takes_the_old_one_s_place(service: Service) -> None:
    heard: list[ReloadOutcome] = []
    service.state.listeners.append(heard.append)
    service.publish("v1")
    service.reloader.poll()
    assert service.versions == {"leads": "v1"}
    assert readiness(service.place)["status"] == "ready"
    before = service.place.predictors
    service.reloader.poll()
    assert service.place.predictors is before, "what has not changed is left alone"
    service.clock.now = 7
    service.publish("v2")
    service.reloader.poll()
    assert service.versions == {"leads": "v2"}
    assert before["leads"].scorer.bundle.version == "v1", "a request under way keeps its desk"
    assert [(o.outcome, o.version) for o in heard] == [("loaded", "v1"), ("loaded", "v2")]
    assert service.state.last == heard[-1] and heard[-1].at == 7


def test_a_replaced_desk_is_let_go(service: Service) -> None:
    service.publish("v1")
    service.reloader.poll()
    old = weakref.ref(service.place.predictors["leads"])
    service.publish("v2")
    service.reloader.poll()
    service.reloader.poll()
    gc.unfreeze()
    assert old() is None


def _spoil(folder: Path, how: str) -> None:
    """Damage the newest offered bundle as it may happen on a disk."""
    place = offered(folder)[0][0].folder
    text = next(place.glob("*.txt"))
    raw = text.read_bytes()
    if how == "cut":
        text.write_bytes(raw[: len(raw) // 2])
    elif how == "edited":
        text.write_bytes(raw.replace(b"leaf_value=", b"leaf_value=9", 1))
    elif how == "half written":
        text.unlink()
    elif how == "without manifest":
        (place / "manifest.json").unlink()
    elif how == "more in it":
        (place / "more.txt").touch()
    else:
        text.write_bytes(raw[: len(raw) // 2])
        _sign(place)


def _sign(place: Path) -> None:
    """A manifest for whatever is there: the sums agree, the model does not."""
    manifest = orjson.loads((place / "manifest.json").read_bytes())
    for name in manifest["files"]:
        raw = (place / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}
    dumped = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)
    (place / "manifest.json").write_bytes(dumped)


DAMAGES = ["cut", "edited", "half written", "without manifest", "more in it", "cut and signed"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_bundle_is_refused_and_the_old_one_serves(service: Service, how: str) -> None:
    service.publish("v1")
    service.reloader.poll()
    service.publish("v2")
    _spoil(service.folder, how)
    service.reloader.poll()
    assert service.versions == {"leads": "v1"}
    (refused,) = service.state.refusals
    assert (refused.code, refused.version) == ("not_whole", "v1") and refused.reason
    said = readiness(service.place)
    assert said["status"] == "ready" and said["degraded"]
    (reason,) = said["reasons"]
    assert reason.startswith("lead_conversion is refused (not_whole): ")
    assert str(service.folder) in refused.reason and "/tmp" not in reason, "no folder is told"
    service.publish("v3")
    service.reloader.poll()
    assert service.versions == {"leads": "v3"} and not service.state.refusals


def test_a_bundle_that_kills_its_first_reader_kills_no_worker(service: Service) -> None:
    service.publish("v1")
    service.reloader.poll()
    service.publish("v2")
    service.checker.verdicts["lead_conversion"] = CheckResult("died", "signal 6")
    service.reloader.poll()
    assert service.versions == {"leads": "v1"}
    assert service.state.refusals[0].code == "died"
    service.checker.verdicts.clear()
    service.reloader.poll()
    assert service.versions == {"leads": "v1"}
    service.clock.now += 61_000_000  # it may have died of want of memory: another chance
    service.reloader.poll()
    assert service.versions == {"leads": "v2"} and not service.state.refusals


def test_a_worker_waits_for_another_s_verdict(service: Service) -> None:
    service.publish("v1")
    service.checker.verdicts["lead_conversion"] = None
    service.reloader.poll()
    assert service.versions == {} and not service.state.outcomes
    service.checker.verdicts["lead_conversion"] = CheckResult()
    service.reloader.poll()
    assert service.versions == {"leads": "v1"}


def test_a_folder_that_is_being_copied_is_left_alone(service: Service) -> None:
    """Without a pointer nobody says that a bundle is whole: it must have stood still."""
    source, place = _write(service.root, "v1"), service.folder / "lead_conversion"
    place.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        shutil.copy(path, place)
        service.reloader.poll()
        assert service.checker.asked == []
    service.reloader.poll()
    assert service.versions == {"leads": "v1"}


def test_two_models_cannot_answer_for_one_entity(service: Service) -> None:
    other = replace(_bundle("leads"), question={**_bundle("leads").question, "name": "other"})
    bundles.write(other, service.root / "b")
    publish_once({"a": _write(service.root, "v1"), "b": service.root / "b"}, service.folder)
    service.reloader.poll()
    assert service.versions == {"leads": "v1"}
    assert service.state.refusals[0].code == "entity_taken"


def test_without_keys_read_once_nobody_is_let_in(service: Service) -> None:
    service.publish("v1")
    service.reloader.poll()
    service.place.store = UnavailableStore("it is away")
    service.place.degraded = {"store": "it is away"}
    said = readiness(service.place)
    assert said["status"] == "not ready" and said["reasons"] == ["store: it is away"]


def test_a_load_is_judged_by_how_its_process_ends(tmp_path: Path) -> None:
    def fail(kind: type[Exception]) -> Any:
        def load(_: Path) -> None:
            raise kind("of the bundle")

        return load

    assert checked_in_fork(lambda _: None, tmp_path) == CheckResult()
    assert checked_in_fork(fail(ValueError), tmp_path).code == "not_whole"
    assert checked_in_fork(fail(RuntimeError), tmp_path).code == "unfit"

    def abort(_: Path) -> None:
        faulthandler.disable()
        os.abort()

    died = checked_in_fork(abort, tmp_path)
    assert died.code == "died" and "signal 6" in died.reason
    killed = checked_in_fork(lambda _: os.kill(os.getpid(), signal.SIGKILL), tmp_path)
    assert killed.code == "died" and "signal 9" in killed.reason


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, list[BundleChecker]]]:
    folder, made = tmp_path / "served", list[BundleChecker]()
    publish_once({"lead_conversion": _write(tmp_path, "v1")}, folder)
    yield folder, made
    for vetter in made:
        vetter.close()


def test_one_process_vets_for_all_who_share_a_folder(
    served: tuple[Path, list[BundleChecker]],
) -> None:
    """In a process of its own, once; the next waits for the verdict, then reads it."""
    folder, made = served
    first, second = BundleChecker(folder, Clock()), BundleChecker(folder, Clock())
    made += [first, second]
    (bundle,), _ = offered(folder)
    assert first.prepare() and not second.prepare()
    assert second.check(bundle) is None
    assert first.check(bundle) == CheckResult()
    assert second.check(bundle) == CheckResult()
    _spoil(folder, "cut and signed")
    (spoiled,), _ = offered(folder)
    verdict = first.check(spoiled)
    assert verdict is not None and verdict.code == "not_whole"
    assert second.check(spoiled) == verdict
    first.close()
    assert second.prepare(), "when the one that vets is gone, the next does"


def test_a_helper_that_is_killed_is_told_and_replaced(
    served: tuple[Path, list[BundleChecker]],
) -> None:
    folder, made = served
    vetter = BundleChecker(folder, Clock())
    made.append(vetter)
    (bundle,), _ = offered(folder)
    assert vetter.prepare() and vetter._helper is not None
    vetter._helper.kill()
    vetter._helper.wait()
    vetter.prepare()
    assert vetter.check(bundle) == CheckResult()


def test_a_refusal_is_not_for_ever(served: tuple[Path, list[BundleChecker]]) -> None:
    """A child may have died of want of memory: the same files get another chance."""
    folder, made = served
    clock = Clock()
    vetter = BundleChecker(folder, clock)
    made.append(vetter)
    (bundle,), _ = offered(folder)
    assert vetter.prepare()
    vetter._write(bundle, CheckResult("died", "no memory"))
    assert vetter._read(bundle) == CheckResult("died", "no memory")
    clock.now += 120_000_000
    assert vetter._read(bundle) is None


def test_a_folder_that_cannot_be_written_is_vetted_by_each(
    served: tuple[Path, list[BundleChecker]],
) -> None:
    folder, made = served
    shutil.rmtree(folder / VERDICTS, ignore_errors=True)
    (folder / VERDICTS).touch()  # as on a read-only disk: no folder can be made there
    made += [BundleChecker(folder, Clock()), BundleChecker(folder, Clock())]
    assert all(vetter.prepare() for vetter in made)
    assert made[0].check(offered(folder)[0][0]) == CheckResult()


def test_a_helper_ends_with_its_worker() -> None:
    helper = subprocess.Popen(
        [sys.executable, "-m", "serving.bundles.check"], stdin=subprocess.PIPE
    )
    assert helper.stdin is not None
    helper.stdin.close()
    end = time.monotonic() + 60
    while helper.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert helper.returncode == 0
