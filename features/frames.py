"""Data frames for people and files: canonical tables from frames, features as a frame.

The only room on the way to a score that knows pandas, and the endpoint does not enter it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.files import own_folder
from features.spine import Features
from features.tables import Coded, Meta, Tables, table_of


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """A frame as Arrow columns, its instants as microseconds UTC."""
    columns = {}
    for name in frame:
        column = frame[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            naive = column.dt.tz_convert("UTC").dt.tz_localize(None)
            instants = pa.array(naive.to_numpy("datetime64[us]"), from_pandas=True)
            columns[str(name)] = instants.cast(pa.timestamp("us", tz="UTC"))
        else:
            columns[str(name)] = pa.array(column, from_pandas=True)
    return pa.table(columns)


def from_frames(frames: Mapping[str, pd.DataFrame], meta: Meta | None = None) -> Tables:
    """Tables from data frames with canonical column names and types."""
    meta = meta or Meta()
    return Tables({n: table_of(n, to_arrow(f), meta) for n, f in frames.items()}, meta)


def write(folder: Path, frames: Mapping[str, pd.DataFrame], meta: Meta) -> None:
    """Write one Parquet file a table, and ``dataset.json``."""
    own_folder(folder)
    for name, frame in frames.items():
        pq.write_table(to_arrow(frame), folder / f"{name}.parquet")
    text = json.dumps(meta.to_json(), indent=2, ensure_ascii=False, sort_keys=True)
    (folder / "dataset.json").write_text(text + "\n", encoding="utf-8")


def feature_frame(features: Features) -> pd.DataFrame:
    """Features for people: entity_id, cutoff, then one column a feature."""
    data: dict[str, Any] = {
        "entity_id": features.spine.ids,
        "cutoff": pd.to_datetime(features.spine.cutoffs.astype("datetime64[us]"), utc=True),
    }
    for spec in features.specs:
        column = features.columns[spec.name]
        if isinstance(column, Coded):
            data[spec.name] = pd.Categorical.from_codes(column.codes, pd.Index(column.values))
        else:
            data[spec.name] = column
    return pd.DataFrame(data)
