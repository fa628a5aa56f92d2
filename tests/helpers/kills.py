"""A sync that is killed again and again, and then left alone.

    python -m tests.helpers.kills ROOT NAME NOW KILLS SEED

A process of its own that has started no thread: each try is a fork of it, which is killed with
SIGKILL after a random time. Prints how many were killed and how many had ended before that.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from features.sync.connection import load
from features.sync.run import sync


def killed(work: Callable[[], object], kills: int, seed: int, longest: float) -> tuple[int, int]:
    """Do ``work`` in a fork and kill it, ``kills`` times: (killed, ended before)."""
    chance, dead, ended = random.Random(seed), 0, 0
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        dead += os.WIFSIGNALED(status)
        ended += os.WIFEXITED(status)
    return dead, ended


def main() -> None:
    """Kill syncs of a connection, each from where the last was killed."""
    root, name, now = Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])
    connection = load(root / "connections", name)

    def work() -> None:
        sync(connection, root, now, os.environ)

    dead, ended = killed(work, int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
    work()
    print(f"{dead} {ended}")


if __name__ == "__main__":
    main()
