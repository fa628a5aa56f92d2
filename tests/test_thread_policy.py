"""The commands' threads: their policy stands before the libraries that start threads are loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from training.models.thread_policy import POLICY, set_policy

ROOT = Path(__file__).parents[1]

WATCHED = """
import json, os, runpy, sys
policy, seen = json.loads(sys.argv[1]), {}
def hook(event, arguments):
    if event == "import" and arguments[0] in ("numpy", "lightgbm"):
        seen.setdefault(arguments[0], {name: os.environ.get(name) for name in policy})
sys.addaudithook(hook)
package, sys.argv = sys.argv[2], ["", "--help"]
try:
    runpy.run_module(package, run_name="__main__")
except SystemExit:
    print(json.dumps(seen), file=sys.stderr)
"""


def _seen_by_libraries(package: str, **stated: str) -> dict[str, dict[str, str]]:
    """The variables as they stood when numpy and LightGBM were first imported by a command."""
    bare = {name: value for name, value in os.environ.items() if name not in POLICY}
    asked = [sys.executable, "-c", WATCHED, json.dumps(POLICY), package]
    done = subprocess.run(
        asked, cwd=ROOT, env=bare | stated, capture_output=True, text=True, check=True
    )
    found: dict[str, dict[str, str]] = json.loads(done.stderr.splitlines()[-1])
    return found


def test_a_command_needs_no_makefile() -> None:
    assert _seen_by_libraries("training") == {"numpy": POLICY, "lightgbm": POLICY}


def test_what_the_owner_has_set_stays() -> None:
    seen = _seen_by_libraries("serving", OMP_WAIT_POLICY="ACTIVE")
    own = {"OPENBLAS_NUM_THREADS": "2"}
    set_policy(own)
    assert seen["numpy"] == POLICY | {"OMP_WAIT_POLICY": "ACTIVE"}
    assert own == POLICY | {"OPENBLAS_NUM_THREADS": "2"}
