"""Recurring revenue at a forecast origin: scheduled charges, or repeat purchases.

Two kinds of data: charges at regular steps (contracts; thinned by churn) and purchases (customers
who come back when they like). The gaps between charges decide (``charge_schedule.scheduled``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import DAY, Floats, Ints
from training.forecast.belief.arrival_rate import ArrivalRate, arrival_rate
from training.forecast.belief.curve_model import CurveModel
from training.forecast.belief.drift import DriftPosterior, price_drift
from training.forecast.belief.purchases import (
    OWN,
    PurchaseHistory,
    PurchaseProcess,
    fit_process,
    purchase_drift,
    purchase_history,
)
from training.forecast.belief.renewals import RECENT, RenewalModel, fit_renewals
from training.forecast.data.charge_schedule import charge_chains, scheduled
from training.forecast.data.charges import Charges


@dataclass(frozen=True)
class PurchaseModel:
    """What is believed about purchases: who bought when, the process, and who will come.

    recent  customers who came lately; pool amounts of recent later purchases
    pace    how much more often customers buy than their ages led to expect; price likewise
    """

    history: PurchaseHistory
    process: PurchaseProcess
    arrival_rate: ArrivalRate
    recent: Ints
    pool: Floats
    pace: DriftPosterior
    price: DriftPosterior


def fit_purchases(charges: Charges, origin: int, recent_days: float) -> PurchaseModel:
    """Learn the purchase process; ValueError where customers or weeks are too few."""
    found = purchase_history(charges, origin)
    process = fit_process(found)
    began = charges.began[charges.began < origin]
    arrivals = arrival_rate(began, origin, int(began.min()))
    recent = np.flatnonzero(found.age <= RECENT)
    recent = recent[np.argsort(charges.rank[found.account[recent]], kind="stable")]
    later = np.ones(len(found.amount), np.bool_)
    later[found.starts[:-1]] = False
    newer = charges.began[found.account] >= origin - round(recent_days * DAY)
    ours = later & np.repeat(newer, np.diff(found.starts))
    pool = found.amount[ours] if ours.sum() >= OWN else found.amount
    ago = found.days_ago
    return PurchaseModel(
        found,
        process,
        arrivals,
        recent,
        np.sort(pool),
        purchase_drift(found, origin),
        price_drift(origin, ago, found.amount, recent_days),
    )


def fit_recurring(
    charges: Charges, curve: CurveModel | None, origin: int, recent_days: float
) -> RenewalModel | PurchaseModel:
    """What is known before ``origin`` about either kind; ValueError where it is too little."""
    found = charge_chains(charges, origin)
    if scheduled(found, any(charges.kind)):
        return fit_renewals(charges, found, curve, origin, recent_days)
    return fit_purchases(charges, origin, recent_days)
