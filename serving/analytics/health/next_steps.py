"""What similar won deals did next: matched history, with the numbers behind it.

A deal that has been d days in a stage is matched with the closed deals that were still in that
stage after as many days (in its early or its late half, parted at the stage's median stay). For
each kind of activity the share of later won deals that had one in the next 14 days stands beside
that of later lost ones. The kind with the largest surely positive difference is the next step. It
is what won deals did, not what an activity causes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import Bools, Floats
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.stage_spells import StageSpells

NEXT = pd.Timedelta(days=14)
LEAST = 20
"""Won and lost deals that a comparison needs, each."""
Z = 1.96
COLUMNS = ["stage", "late", "kind", "won_share", "lost_share", "n_won", "n_lost"]


def steps_of_won(asof: AsOfFrames) -> pd.DataFrame:
    """The step of each stage and half (``late``), where one is sure; columns ``COLUMNS``."""
    spells = asof.stays
    rows = []
    for stage in spells.order:
        stays = spells.frame[(spells.frame["stage"] == stage) & spells.frame["ended"]]
        stays = stays[stays["outcome"].isin(("won", "lost"))]
        if stays.empty:
            continue
        half = float(stays["days"].median())
        for late in (False, True):
            some = stays[stays["days"] >= half] if late else stays
            start = some["entered_at"] + pd.to_timedelta(half if late else 0.0, unit="D")
            best = _best(asof.activities, some.assign(start=start))
            if best is not None:
                rows.append({"stage": stage, "late": late, **best})
    return pd.DataFrame(rows, columns=COLUMNS)


def halves(spells: StageSpells) -> dict[str, float]:
    """The median stay of each stage among ended stays of closed deals, by which halves part."""
    over = spells.frame[spells.frame["ended"] & spells.frame["outcome"].isin(("won", "lost"))]
    return {str(k): float(v) for k, v in over.groupby("stage")["days"].median().items()}


def _best(activities: pd.DataFrame, stays: pd.DataFrame) -> dict[str, object] | None:
    won = (stays["outcome"] == "won").to_numpy(np.bool_)
    n_won, n_lost = int(won.sum()), int((~won).sum())
    if min(n_won, n_lost) < LEAST:
        return None
    done = activities[activities["deal_id"].notna()][["deal_id", "at", "kind"]]
    near = done.merge(stays[["deal_id", "start"]], on="deal_id")
    near = near[(near["at"] > near["start"]) & (near["at"] <= near["start"] + NEXT)]
    found, least = None, 0.0
    for kind, some in near.groupby("kind"):
        had: Bools = stays["deal_id"].isin(some["deal_id"]).to_numpy(np.bool_)
        a, b = float(had[won].mean()), float(had[~won].mean())
        low = a - b - Z * float(np.sqrt(_spread(a, n_won) + _spread(b, n_lost)))
        if low > least:
            least = low
            found = {
                "kind": str(kind),
                "won_share": a,
                "lost_share": b,
                "n_won": n_won,
                "n_lost": n_lost,
            }
    return found


def _spread(share: float, n: int) -> float:
    """Variance of a share, with two cases more of either kind (Agresti and Coull)."""
    p = (share * n + 2) / (n + 4)
    return p * (1 - p) / (n + 4)


def is_late(days: Floats, stages: pd.Series, half: dict[str, float]) -> Bools:
    """(n,) whether each open deal is in the late half of its stage."""
    medians = stages.map(half).to_numpy(np.float64)
    late: Bools = days >= medians
    return late
