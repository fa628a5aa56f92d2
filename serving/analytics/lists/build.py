"""All sheets of a data set, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from features.tables import Tables
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.definition import Given
from serving.analytics.lists.accounts import accounts
from serving.analytics.lists.calls import calls
from serving.analytics.lists.figures import figures
from serving.analytics.lists.options import DeskOptions
from serving.analytics.lists.pipeline import moves, pipeline
from serving.analytics.lists.quality import quality_list
from serving.analytics.lists.scored import scored_list
from serving.analytics.lists.sheets import Sheet
from serving.analytics.lists.territories import territories
from serving.scoring.scorer import Scorer


def sheets(
    tables: Tables,
    as_of: int,
    scorers: Mapping[str, Scorer],
    scores: Mapping[str, pd.DataFrame],
    given: Given,
    options: DeskOptions,
) -> Iterator[Sheet]:
    """One sheet after the other. scores: question -> the batch's table of open entities.

    A sheet that the data cannot fill is empty and its head says why under ``empty``.
    """
    asof = AsOfFrames(tables, as_of)
    common = {"currency": tables.meta.currency, "owners": _owner_names(asof)}
    for sheet in (
        calls(asof, scores, options),
        scored_list(tables, scorers, scores),
        pipeline(asof, scores),
        moves(asof),
        accounts(asof, scorers, options),
        quality_list(asof, list(scorers.values()), options),
        figures(asof, given),
        territories(tables, asof, scores, options),
    ):
        yield replace(sheet, head={**sheet.head, **common})


def _owner_names(asof: AsOfFrames) -> dict[str, str]:
    """The name of every owner who has one, by id."""
    named = asof.owners[["owner", "name"]].dropna()
    return {str(one): str(name) for one, name in named.itertuples(index=False)}
