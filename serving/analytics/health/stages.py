"""How long deals stay in each stage and where they go from there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.estimates import mask, numbers
from serving.analytics.kpis.pipeline import stage_shares
from serving.analytics.kpis.survival import Curve, kaplan_meier
from training.stats.intervals import wilson

SLOW = 0.9
"""A stay longer than this share of its stage's stays is slow."""
LATELY = 365
"""Days that count as lately, beside a stage's own past."""

STAGES = {
    "stage": "the stage, in the order in which deals see them",
    "stays": "stays that began before the instant, those that still last included",
    "open": "deals in the stage now",
    "usual_days": "median days of a stay (Kaplan-Meier: open stays are censored)",
    "low": "lower end of its 95 % interval (Brookmeyer-Crowley)",
    "high": "upper end; infinite where it cannot be told",
    "slow_after": "days that nine of ten stays do not exceed; missing where that is not reached",
    "usual_before": "median days of the stays that began more than a year before the instant",
    "usual_lately": "median days of those that began in the last year",
    "won_in_the_end": "share won of the closed deals that were ever in the stage",
}
MOVES = {
    "stage": "the stage",
    "to": "where deals went from there: another stage, won or lost",
    "n": "stays that ended so",
    "of": "all stays in the stage that have ended",
    "share": "n / of",
    "low": "lower end of its 95 % interval (Wilson)",
    "high": "upper end",
    "usual_days": "median days of the stays that ended so (of ended ones only)",
}


def curve_of(stays: pd.DataFrame) -> Curve:
    """The Kaplan-Meier curve of some stays, in days."""
    return kaplan_meier(numbers(stays, "days"), mask(stays, "ended"))


def stage_table(asof: AsOfFrames) -> pd.DataFrame:
    """One row a stage; columns ``STAGES``."""
    won = stage_shares(asof)
    rows = [_stage(asof, stage, won) for stage in asof.stays.order]
    return pd.DataFrame(rows, columns=list(STAGES))


def _stage(asof: AsOfFrames, stage: str, won: pd.Series) -> list[object]:
    stays = asof.stays.frame[asof.stays.frame["stage"] == stage]
    curve = curve_of(stays)
    lately = stays["entered_at"] >= asof.instant - pd.Timedelta(days=LATELY)
    return [
        stage,
        len(stays),
        int((~stays["ended"]).sum()),
        curve.quantile(0.5),
        *curve.quantile_interval(0.5),
        curve.quantile(SLOW),
        curve_of(stays[~lately]).quantile(0.5),
        curve_of(stays[lately]).quantile(0.5),
        float(won.get(stage, np.nan)),
    ]


def move_table(asof: AsOfFrames) -> pd.DataFrame:
    """One row a stage and a way out of it; columns ``MOVES``."""
    stays = asof.stays.frame
    ended = stays[mask(stays, "ended") & stays["to"].notna()]
    rows = []
    for stage in asof.stays.order:
        of = ended[ended["stage"] == stage]
        for to in (*asof.stays.order, "won", "lost"):
            gone = of[of["to"] == to]
            if len(gone):
                usual = float(np.median(numbers(gone, "days")))
                k, n = len(gone), len(of)
                rows.append([stage, to, k, n, k / n, *wilson(k, n), usual])
    return pd.DataFrame(rows, columns=list(MOVES))
