"""A bundle's first load happens in a child process: LightGBM ends the process on a damaged text.

`python -m serving.bundles.check` is the helper: it has imported everything, and forks for every
folder name on its standard input. The fork loads the bundle, answers a made-up request and writes
the result; what ends the fork ends nothing else. The helper ends with its standard input, that is
with its worker.

Of the workers that share a folder, the one that holds the folder's lock checks and writes the
result where the others read it. Where the folder cannot be written, each worker checks.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

import orjson

from features.files import replace_file
from serving.bundles.folder import VERDICTS, Offered

log = logging.getLogger("embudo.reload")

PATIENCE = 240.0
"""Seconds that a load may take: the very first one on a machine compiles for most of them."""

REFUSAL_COUNTS = 60_000_000
"""Microseconds for which a refusal counts: the fork may have died of something else."""

MAY_PASS = ("died", "helper_died", "slow")
"""Refusals that may be the machine's fault: the same files get another chance after that time."""


@dataclass(frozen=True)
class CheckResult:
    """Whether a bundle may be loaded: ``code`` is "" if so, ``reason`` the same for people."""

    code: str = ""
    reason: str = ""


class BundleChecker:
    """Verdicts on the bundles of one folder, each made once for all who share it."""

    def __init__(self, folder: Path, clock: Callable[[], int], patience: float = PATIENCE) -> None:
        self._folder, self._clock, self._patience = folder / VERDICTS, clock, patience
        self._helper: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._shared = True
        self._by = f"{version('numpy')} {version('numba')} {sys.version_info[:3]}"

    def prepare(self) -> bool:
        """Become the one that vets if nobody is, with a helper at hand; whether this is the one."""
        if self._lock is None and self._shared:
            self._try_lock()
        mine = self._lock is not None or not self._shared
        if mine and (self._helper is None or self._helper.poll() is not None):
            self._start()
        return mine

    def check(self, bundle: Offered) -> CheckResult | None:
        """The result; None while another worker is about to write it."""
        known = self._read(bundle)
        if known is not None or not self.prepare():
            return known
        made = self._ask_helper(bundle.folder)
        if self._shared:
            self._write(bundle, made)
        return made

    def close(self) -> None:
        """Let the helper end."""
        if self._helper is not None and self._helper.stdin is not None:
            self._helper.stdin.close()
            self._helper.terminate()
            self._helper.wait()
            if self._helper.stdout is not None:
                self._helper.stdout.close()
        if self._lock is not None:
            self._lock.close()

    def _try_lock(self) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            held = (self._folder / "lock").open("ab")
        except OSError as wrong:
            log.info("verdicts are not shared: %s", wrong.strerror)
            self._shared = False
            return
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            return
        self._lock = held

    def _start(self) -> None:
        if self._helper is not None:
            self._helper.communicate()  # closes the pipes of the one that ended
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "serving.bundles.check"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],  # where this package is, in a Bento too
        )

    def _ask_helper(self, folder: Path) -> CheckResult:
        helper = self._helper
        assert helper is not None and helper.stdin is not None and helper.stdout is not None
        try:
            helper.stdin.write(orjson.dumps(str(folder.resolve())) + b"\n")
            helper.stdin.flush()
            if select.select([helper.stdout], [], [], self._patience)[0]:
                line = helper.stdout.readline()
                if line:
                    return CheckResult(**orjson.loads(line))
                return CheckResult("helper_died", "the helper that loads it first has died")
        except BrokenPipeError:
            return CheckResult("helper_died", "the helper that loads it first has died")
        helper.kill()
        helper.wait()
        return CheckResult("slow", f"its first load took more than {self._patience:g} s")

    def _path(self, bundle: Offered) -> Path:
        return self._folder / f"{bundle.mark}.json"

    def _read(self, bundle: Offered) -> CheckResult | None:
        try:
            state = orjson.loads(self._path(bundle).read_bytes())
            result, at = CheckResult(state["code"], state["reason"]), int(state["at"])
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return None
        if state.get("by") != self._by or (result.code and self._clock() - at > REFUSAL_COUNTS):
            return None
        return result

    def _write(self, bundle: Offered, result: CheckResult) -> None:
        state = {**asdict(result), "at": self._clock(), "by": self._by}
        try:
            kept = sorted(self._folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
            for old in kept[:-50]:
                old.unlink(missing_ok=True)
            replace_file(self._path(bundle), orjson.dumps(state))
        except OSError as wrong:  # the others vet for themselves
            log.warning("a check's result could not be kept: %s", wrong.strerror)


def checked_in_fork(load: Callable[[Path], object], folder: Path) -> CheckResult:
    """Load in a fork of this process and say how it ended."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(theirs, orjson.dumps(asdict(_tried(load, folder))))
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as message:
        outcome = message.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if outcome:
        return CheckResult(**orjson.loads(outcome))
    how = f"signal {-status}" if status < 0 else f"exit code {status}"
    return CheckResult("died", f"loading it ended the process ({how}): a model text is damaged")


def _tried(load: Callable[[Path], object], folder: Path) -> CheckResult:
    try:
        load(folder)
    except ValueError as wrong:  # a BundleError among them
        return CheckResult("not_whole", str(wrong)[:1000])
    except Exception as failure:
        return CheckResult("unfit", f"it cannot answer: {type(failure).__name__}: {failure}"[:1000])
    return CheckResult()


def main(load: Callable[[Path], object]) -> None:
    """Answer every folder on standard input with a result, a line each, until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the results
    warm = False
    for line in sys.stdin.buffer:
        folder = Path(orjson.loads(line))
        result = checked_in_fork(load, folder)
        answers.write(orjson.dumps(asdict(result)) + b"\n")
        answers.flush()
        if not (warm or result.code):
            # what is compiled now is there in every later fork, which then takes half the time; a
            # bundle that was replaced meanwhile warms nothing, and its own check says what is wrong
            warm = not _tried(load, folder).code


if __name__ == "__main__":
    from serving.bundles.load import load_predictor

    main(load_predictor)
