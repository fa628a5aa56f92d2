"""A data set as an export of an earlier day would have held it: rows gone, fields set back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from features.frames import from_frames
from features.schema import OUTCOMES, TABLES
from features.tables import Meta, Tables, instant_text

LATER = {"invoices": ("paid_at",), "subscriptions": ("ended_at",), "owners": ("ended_at",)}
"""Instants that are written once something has happened."""


def rewound(frames: Mapping[str, pd.DataFrame], meta: Meta, at: int) -> Tables:
    """Only what was known before ``at`` (microseconds), the fields in ``changes`` as they stood."""
    end = pd.Timestamp(at, unit="us", tz="UTC")
    kept = {name: _known(frame, name, end) for name, frame in frames.items()}
    for name, columns in LATER.items():
        for column in columns:
            if name in kept and column in kept[name]:
                kept[name][column] = kept[name][column].where(kept[name][column] < end)
    for name in OUTCOMES:
        if name in kept:
            kept[name] = _reopened(kept[name], end)
    for entity, rows in frames["changes"].groupby("entity"):
        kept[str(entity)] = _set_back(kept[str(entity)], str(entity), rows, end)
    return from_frames(kept, replace(meta, as_of=instant_text(at)))


def _known(frame: pd.DataFrame, name: str, end: pd.Timestamp) -> pd.DataFrame:
    born = frame[TABLES[name].born]
    seen = born.isna() | (born < end)
    if "available_at" in frame:
        seen &= frame["available_at"].isna() | (frame["available_at"] < end)
    if name in ("owners", "quotas"):
        seen |= True  # plans, and people who will join, are known beforehand
    return frame[seen].reset_index(drop=True)


def _reopened(frame: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    later = frame["closed_at"] >= end
    out = frame.copy()
    for column in ("closed_at", "outcome", "closed_amount"):
        if column in out:
            out[column] = out[column].mask(later)
    if "customer_at" in out:
        out["customer_at"] = out["customer_at"].mask(out["customer_at"] >= end)
    return out


def _set_back(
    frame: pd.DataFrame, entity: str, changes: pd.DataFrame, end: pd.Timestamp
) -> pd.DataFrame:
    """Each field that changed later takes the value it had: the first later change's old one."""
    out, key = frame.copy(), TABLES[entity].key
    later = changes[changes["changed_at"] >= end].sort_values("changed_at", kind="stable")
    for name, rows in later.groupby("field"):
        old = rows.drop_duplicates("entity_id").set_index("entity_id")["old_value"]
        here = out[key].isin(old.index)
        values = out.loc[here, key].map(old)
        column = str(name)
        if isinstance(out[column].dtype, pd.DatetimeTZDtype):
            values = pd.to_datetime(values, utc=True, format="ISO8601").astype(out[column].dtype)
        elif out[column].dtype == np.float64:
            values = values.astype(np.float64)
        out.loc[here, column] = values
    return out
