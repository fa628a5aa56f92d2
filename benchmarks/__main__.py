"""`python -m benchmarks`: the quick benchmarks, one after the other, with their tables.

`python -m benchmarks.truth` and `python -m benchmarks.real` take longer and run by themselves.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

QUICK = ("windows", "reasons", "one_record")
ROOT = Path(__file__).parents[1]


def main() -> int:
    """Run each in a process of its own, so that peak memory is its own; 0 if all ran."""
    failed = 0
    for name in QUICK:
        print(f"\n== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
