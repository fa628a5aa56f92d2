"""The demo CRM as an export of an earlier day would have been: no later row, no later value."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from features.schema import TABLES

KEYS = {"deals": "deal_id", "leads": "lead_id", "accounts": "account_id"}
CLOSING = {
    "deals": ("closed_at", "outcome", "closed_amount"),
    "leads": ("closed_at", "outcome", "contract_reference"),
    "accounts": ("closed_at", "outcome"),
    "subscriptions": ("ended_at",),
    "invoices": ("paid_at",),
}
"""Table -> its closing instant, and what is known only from then on."""


def export_at(frames: Mapping[str, pd.DataFrame], at: int) -> dict[str, pd.DataFrame]:
    """The frames as they stood just before ``at`` (microseconds)."""
    cut = pd.Timestamp(at, unit="us", tz="UTC")
    out = {name: _born(frame, name, cut) for name, frame in frames.items()}
    for name, columns in CLOSING.items():
        later = out[name][columns[0]] >= cut
        for column in columns:
            out[name][column] = out[name][column].mask(later)
    changes = frames["changes"]
    later_ones = changes[changes["changed_at"] >= cut]
    for name, key in KEYS.items():
        _rewind(out[name], key, later_ones[later_ones["entity"] == name])
    customers = out["accounts"]["customer_at"]
    out["accounts"]["customer_at"] = customers.mask(customers >= cut)
    return out


def _born(frame: pd.DataFrame, name: str, cut: pd.Timestamp) -> pd.DataFrame:
    born = frame[TABLES[name].born]
    known = born.isna() | (born < cut)
    if "available_at" in frame:
        known &= ~(frame["available_at"] >= cut)
    return frame[known].reset_index(drop=True)


def _rewind(frame: pd.DataFrame, key: str, later: pd.DataFrame) -> None:
    """Give every field that changed later the value it had before its first later change."""
    first = later.sort_values("changed_at").drop_duplicates(["entity_id", "field"])
    for field, rows in first.groupby("field"):
        before = frame[key].map(dict(zip(rows["entity_id"], rows["old_value"], strict=True)))
        if str(field).endswith("_at"):
            before = pd.to_datetime(before, utc=True, format="ISO8601").astype(frame[field].dtype)
        elif pd.api.types.is_numeric_dtype(frame[field]):
            before = before.astype(float)
        changed = frame[key].isin(rows["entity_id"])
        frame[field] = frame[field].mask(changed, before)
