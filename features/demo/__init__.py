"""A seeded CRM whose true probabilities are known.

Leads, deals and customers live as daily Markov chains (``chain``) over a small state that the CRM
shows; the chance of each day's events follows from that state, fixed fields, the season and a drift
after one of the three years. The true probability of every outcome by every day is therefore
computed exactly, and a test can ask how far a model is from it. What drives each truth is told at
the top of ``leads``, ``deals`` and ``accounts``; all else is there to be looked through.

Compare a model with ``truth``, not only with what happened: in the newest fifth of a small CRM the
mean of what happened strays by two to five points from that of the true probabilities, in a medium
one by about one. The expected log loss, -mean(p log q + (1 - p) log(1 - q)), has no such noise.

Planted, and listed in ``demo_truth.json``:

* the drift: from one day on the source "partner" turns from good to bad, everybody converts a
  little more, the competitor "Norte" wins more, retail customers leave more;
* the trap: leads.contract_reference is filled only after conversion. It is declared as not fixed,
  so it is no feature; a careless user who declares it fixed learns it, and the leak audit must
  say so;
* duplicates: one lead and one account in a hundred is entered again under another key and a nearly
  equal name; the copies have no truth;
* the bottleneck: deals leave the stage "proposal" at a third of the pace of the stages before;
* the whitespace: most logistics customers have the add-on "routing"; those who lack it are named;
* late rows: some web and e-mail activities become available hours to days later. Rows that reveal
  the state (meetings, usage, changes, invoices) are never late, so the truth stays attainable.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.demo import accounts, deals, leads
from features.demo.crm import Crm, draw_crm
from features.demo.draw import DemoPeriod
from features.demo.export import MAPPING, write_files
from features.demo.truth import true_curve, truth_frame
from features.demo.world import World
from features.ingest.mapping import load
from features.tables import DAY, Floats, Instants, Meta, instant_text, micros

SIZES: dict[str, tuple[int, int, int]] = {
    "tiny": (1_500, 900, 500),
    "small": (4_000, 3_000, 1_200),
    "medium": (20_000, 12_000, 6_000),
    "large": (200_000, 100_000, 40_000),
}
"""Leads, deals and customers; tiny is for tests."""
HISTORY = 1096
"""Days of history: three years."""
DATES = {"deals": ["expected_close_at"], "owners": ["started_at"]}
"""Columns that hold days and no time, as the export's reader finds them."""
DRIFT = 365
"""Day of the drift: early enough that the newest period can be learnt from the days since."""
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Demo:
    """The generated CRM.

    frames   canonical tables, without the doubled rows that the raw export has
    truth    question, entity_id, cutoff, outcome, day, probability; see ``truth_frame``
    planted  what was hidden in the data, in JSON types
    worlds   question -> the simulated entities, for other cutoffs
    """

    frames: dict[str, pd.DataFrame]
    meta: Meta
    truth: pd.DataFrame
    planted: dict[str, Any]
    worlds: dict[str, World]

    def true_curve(
        self,
        question: str,
        ids: Sequence[str],
        cutoffs: Instants,
        edges: Sequence[float] | None = None,
    ) -> Floats:
        """The true incidence (n, outcomes, bins) at midnights UTC at which the entities are open.

        An entity that is unknown, a planted copy or not open then is an error.
        """
        world = self.worlds[question]
        place = {key: row for row, key in enumerate(world.ids)}
        unknown = next((key for key in ids if key not in place), None)
        if unknown is not None:
            raise KeyError(f"{world.entity} {unknown!r} has no truth: unknown, or a planted copy")
        return true_curve(world, np.array([place[key] for key in ids]), cutoffs, edges)


def generate(seed: int = 7, size: str = "small", as_of: datetime = AS_OF) -> Demo:
    """Generate a CRM of one of ``SIZES``, with three years of history up to ``as_of``, a midnight.

    The same arguments give the same data to the last bit.
    """
    if size not in SIZES:
        raise ValueError(f"no size {size!r}; there are {', '.join(SIZES)}")
    end = micros(as_of)
    if end % DAY:
        raise ValueError(f"as_of must be a midnight UTC, got {as_of}; the demo lives in whole days")
    start = end // DAY - HISTORY
    calendar = DemoPeriod(start, start + DRIFT, end // DAY)
    crm = draw_crm(np.random.default_rng(seed), calendar, SIZES[size])
    worlds = {world.question: world for world in crm.worlds.values()}
    mapping = load(MAPPING)
    meta = Meta(
        instant_text(end), mapping.currency, mapping.custom(), mapping=mapping.name, dates=DATES
    )
    return Demo(crm.frames, meta, truth_frame(worlds), _planted(crm, calendar), worlds)


def _planted(crm: Crm, calendar: DemoPeriod) -> dict[str, Any]:
    skill = {o: round(float(s), 4) for o, s in zip(crm.owners.ids, crm.owners.skill, strict=True)}
    return {
        "drift": {
            "at": instant_text(calendar.drift * DAY),
            "leads.source=partner": leads.PARTNER_TURN,
            "leads": leads.BASE_MOVE,
            "deals.competitor=Norte": deals.STRONGER,
            "accounts.industry=retail": accounts.RETAIL_CRISIS,
        },
        "trap": "leads.contract_reference",
        "duplicate_leads": crm.duplicate_leads,
        "duplicate_accounts": crm.duplicate_accounts,
        "bottleneck": {"deals.stage": deals.BOTTLENECK},
        "whitespace": {"product": accounts.ADD_ON, "accounts": crm.whitespace},
        "owner_skill": skill,
    }


def write_export(demo: Demo, folder: Path) -> None:
    """Write the raw export as CSV files with the ``mapping.toml`` that reads them.

    Doubled rows, mixed case, local times, n/a: ``ingest`` gives ``demo.frames`` again.
    """
    write_files(demo.frames, demo.meta.as_of, folder)


def write_truth(demo: Demo, folder: Path) -> None:
    """Write ``truth.parquet`` and ``demo_truth.json`` (what was planted)."""
    folder.mkdir(parents=True, exist_ok=True)
    demo.truth.to_parquet(folder / "truth.parquet", index=False)
    text = json.dumps(demo.planted, indent=2, ensure_ascii=False)
    (folder / "demo_truth.json").write_text(text + "\n", encoding="utf-8")
