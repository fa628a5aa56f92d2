"""New bundles come into service while requests are answered.

A thread looks at the served folder. A new bundle is checked (``serving.bundles.check``), loaded
beside the old predictor, and takes its place by one assignment: a request takes its predictor once,
so it is answered by the old version or by the new one. A refused bundle changes nothing; the reason
is kept.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Protocol
from weakref import ref

from serving.bundles.check import MAY_PASS, REFUSAL_COUNTS, CheckResult
from serving.bundles.folder import Offered, offered
from serving.bundles.outcomes import ReloadOutcome, ReloadState
from serving.scoring.predictor import Predictor

log = logging.getLogger("embudo.reload")

PAUSE = 0.25
"""Seconds between two looks."""


class Predictors(Protocol):
    """Where the predictors stand: ``Scorer.slot`` -> Predictor, replaced whole."""

    predictors: Mapping[str, Predictor]


class Checks(Protocol):
    """Decides whether a bundle may be loaded."""

    def prepare(self) -> bool: ...
    def check(self, bundle: Offered) -> CheckResult | None: ...
    def close(self) -> None: ...


class Reloader:
    """Keeps ``place.predictors`` in step with a folder; ``poll`` is one comparison."""

    def __init__(
        self,
        folder: Path,
        place: Predictors,
        checker: Checks,
        load: Callable[[Path], Predictor],
        state: ReloadState,
        clock: Callable[[], int],
    ) -> None:
        self.folder, self.place, self.checker = folder, place, checker
        self.load, self.state, self.clock = load, state, clock
        self._settled: dict[str, str] = {}
        self._glimpsed: dict[str, str] = {}
        self._replaced: list[ref[Predictor]] = []
        self._stop = Event()
        self._thread = Thread(target=self._run, name="embudo-reload", daemon=True)

    def start(self) -> None:
        """Look now, and from now on."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception as failure:
                # the thread must outlive whatever a file system or a library thinks of next
                log.exception("a look at the served folder failed")
                self.state.set_note(f"a look at the served folder failed: {type(failure).__name__}")
            self._stop.wait(PAUSE)
        self.checker.close()

    def poll(self) -> None:
        """Take up what is new and whole, refuse what is not."""
        self._collect_replaced()
        try:
            found, problems = offered(self.folder)
        except (OSError, ValueError) as wrong:
            self.state.set_note(f"the served folder cannot be read: {wrong}")
            return
        self.state.offer(bundle.name for bundle in found)
        self.state.set_note(_note(self.folder, found, problems))
        for bundle in found:
            if self._is_settled(bundle) or not self._stands_still(bundle):
                continue
            result = self.checker.check(bundle)
            if result is not None:
                self._settled[bundle.name] = bundle.mark
                self._settle(bundle, result)
        # afterwards: a helper takes seconds of processor, and what was checked before needs none
        self.checker.prepare()

    def _is_settled(self, bundle: Offered) -> bool:
        """Whether nothing has to be done: the same files, or none too late for another chance."""
        if self._settled.get(bundle.name) != bundle.mark:
            return False
        last = self.state.outcomes.get(bundle.name)
        passing = last is not None and last.code in MAY_PASS
        return last is None or not passing or self.clock() - last.at <= REFUSAL_COUNTS

    def _stands_still(self, bundle: Offered) -> bool:
        """Whether it was the same at the last look: one that is being copied is left alone."""
        before = self._glimpsed.get(bundle.name)
        self._glimpsed[bundle.name] = bundle.mark
        return bundle.settled or before == bundle.mark

    def _settle(self, bundle: Offered, result: CheckResult) -> None:
        if result.code:
            self._refuse(bundle, result.code, result.reason)
            return
        try:
            predictor = self._loaded(bundle.folder)
        except (ValueError, KeyError, TypeError, OSError) as wrong:
            self._refuse(bundle, "not_whole", str(wrong))
            return
        entity, serving = predictor.scorer.slot, predictor.scorer.bundle
        other = self.place.predictors.get(entity)
        if other is not None and other.scorer.bundle.name != serving.name:
            message = (
                f"{other.scorer.bundle.name} answers for {entity} already: serve one of the two"
            )
            self._refuse(bundle, "entity_taken", message)
            return
        self.place.predictors = {**self.place.predictors, entity: predictor}
        if other is not None:
            self._replaced.append(ref(other))
        log.info("serving %s, version %s", serving.name, serving.version)
        made = ReloadOutcome(bundle.name, "loaded", "", "", serving.version, self.clock())
        self.state.add(made)

    def _loaded(self, folder: Path) -> Predictor:
        """A predictor whose objects the garbage collector leaves alone.

        A model is some hundred thousand objects that live as long as it serves. Frozen, they are
        not walked by every full collection among requests, which takes tens of milliseconds.
        """
        gc.disable()
        try:
            predictor = self.load(folder)
            gc.freeze()
        finally:
            gc.enable()
        return predictor

    def _collect_replaced(self) -> None:
        """Collect a replaced predictor that something still holds: a cycle that is frozen stays."""
        held = [predictor for predictor in self._replaced if predictor() is not None]
        if held:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        self._replaced = []

    def _refuse(self, bundle: Offered, code: str, reason: str) -> None:
        log.error("bundle %s is refused (%s): %s", bundle.name, code, reason)
        version = self._version_of(bundle.name)
        self.state.add(ReloadOutcome(bundle.name, "refused", code, reason, version, self.clock()))

    def _version_of(self, name: str) -> str:
        loaded = (predictor.scorer.bundle for predictor in self.place.predictors.values())
        return next((b.version for b in loaded if b.name == name), "")


def _note(folder: Path, found: list[Offered], problems: Mapping[str, str]) -> str:
    message = [f"{name}: {reason}" if name else reason for name, reason in problems.items()]
    if not found and not message:
        message = [f"{folder} holds no bundle yet"]
    return "; ".join(message)
