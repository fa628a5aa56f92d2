"""A write-back that is killed again and again, and then left alone.

python -m tests.helpers.kills_writeback ROOT KILLS SEED LONGEST
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from features.connectors.kinds import connect
from features.sync.connection import load
from serving.cli.writeback import target_of
from serving.live.ledger import WritebackLedger
from serving.live.policy import Policy
from serving.live.writeback import About, Outcome, write_back
from serving.store.scores import ScoreRow
from tests.helpers.kills import killed

ABOUT = About("deal_close 3", 1_700_000_000_000_000, "en")


def score(key: str, probability: float, grade: str = "B") -> ScoreRow:
    """A score with a curve and two reasons."""
    reached = {30.0: probability / 4, 90.0: probability}
    curve = [{"day": day, "probability": p} for day, p in reached.items()]
    reasons = [{"sentence": f"Calls of {key}: 2 (raises the chance by 3 points)"}]
    reasons.append({"sentence": "Source: web (lowers the chance slightly)"})
    return ScoreRow(key, probability, grade, 0.3, 0.0, curve, reasons, None)


def rows(ids: list[str]) -> list[ScoreRow]:
    """One score an id; no two are equal."""
    return [score(key, 0.1037 + 0.8 * place / len(ids)) for place, key in enumerate(ids)]


def write(root: Path, ids: list[str], batch: int = 3) -> Outcome:
    """Write the scores of some deals."""
    connection = load(root / "connections", "crm")
    policy = Policy.of(connection.write)
    link = connect(connection.kind, connection, os.environ, wait=lambda _: None)
    target = target_of(link, policy, "deals")
    target.batch = batch
    ledger = WritebackLedger(root / "written.db")
    try:
        return write_back(rows(ids), ABOUT, target, ledger, policy, 1)
    finally:
        ledger.close()


def main() -> None:
    """Kill write-backs of the ids in ROOT/ids, each from where the last was killed."""
    root = Path(sys.argv[1])
    ids = (root / "ids").read_text(encoding="ascii").split()

    def work() -> None:
        write(root, ids)

    dead, ended = killed(work, int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    work()
    print(f"{dead} {ended}")


if __name__ == "__main__":
    main()
