"""Columns of the figures' frames: words, instants, look-ups that keep their type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.tables import Floats, Instants, Ints, Table


def stamps(instants: Instants) -> pd.Series:
    """Microseconds as timestamps (UTC), NaT where missing."""
    return pd.Series(instants.astype("datetime64[us]")).dt.tz_localize("UTC")


def texts(words: Sequence[str | None]) -> pd.Series:
    """Words, NaN where missing."""
    return pd.Series(list(words), dtype="str")


def words_of(table: Table, rows: Ints, columns: Mapping[str, str]) -> pd.DataFrame:
    """Word columns of some rows: name here -> name in the table."""
    return pd.DataFrame({n: texts(table.coded(c).take(rows).words()) for n, c in columns.items()})


def looked_up(keys: pd.Series, values: pd.Series) -> pd.Series:
    """The value of each key, missing where it has none, of the type of ``values`` even if empty."""
    return values.reindex(keys).set_axis(keys.index)


def days(since: pd.Series, until: pd.Series | pd.Timestamp) -> Floats:
    """Days between instants, NaN where either is missing."""
    found: Floats = (until - since).dt.total_seconds().to_numpy(np.float64) / 86_400
    return found
