"""README's own request, inside the process: processor time of the whole answer.

    python -m benchmarks.readme_request [--root .] [--rounds 4]

Needs the demo's champion (`make demo`). From the parsed body to the answer's parts: contract,
features, score, curve, reasons in words. With five reasons and without, in turn; the median and the
tenth and ninety-ninth percentile of 1,300 calls each.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from features.tables import Floats
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from training.models.bundle import read
from training.registry import registry

CALLS, WARM = 1_500, 200
AT = 1_767_258_000_000_000
LEAD: dict[str, Any] = {
    "lead_id": "L-1001",
    "created_at": "2025-12-10T14:02:00Z",
    "source": "referral",
    "country": "Germany",
    "employees": 240,
    "owner_id": "O04",
    "status": "engaged",
    "custom": {"company_fit": 81, "use_case": "automation"},
}


def measured(predictor: Predictor, reasons: int) -> Floats:
    """Milliseconds of processor of each call after the first ``WARM``."""
    body = {"as_of": "2026-01-01T09:00:00Z", "reasons": reasons, "records": [{"lead": LEAD}]}
    spent = np.empty(CALLS)
    for call in range(CALLS):
        begin = time.process_time_ns()
        predictor.answer(body, AT, "benchmark")
        spent[call] = (time.process_time_ns() - begin) / 1e6
    return spent[WARM:]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="folder of mlruns")
    parser.add_argument("--rounds", type=int, default=4)
    chosen = parser.parse_args()
    bundle = read(registry.champion_folder("lead_conversion", chosen.root))
    predictor = Predictor(Scorer(bundle))
    print(f"{len(bundle.features)} features, load {os.getloadavg()[0]:.1f}")
    print("| reasons | median ms | p10 | p99 |\n|---|---|---|---|")
    for turn in range(chosen.rounds):
        reasons = 0 if turn % 2 else 5
        spent = measured(predictor, reasons)
        low, middle, high = np.quantile(spent, [0.1, 0.5, 0.99])
        print(f"| {reasons} | {middle:.2f} | {low:.2f} | {high:.2f} |")


if __name__ == "__main__":
    main()
