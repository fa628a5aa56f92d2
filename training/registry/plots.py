"""Drawing, apart from computing: figures of the tables and effects, for people and the registry.

Figures are made without pyplot's global state. Colours are those of Okabe and Ito (2008), told
apart by colour-blind readers; meaning never rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from features.tables import Floats

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"


def importance(effects: Floats, groups: Sequence[str], most: int = 15) -> Figure:
    """Mean size of each group's effect on the score, largest first.

    effects (n, G): log-odds by group, as ``explain`` gives them summed into groups.
    """
    _require(effects, groups)
    sizes = np.abs(effects).mean(axis=0) if len(effects) else np.zeros(len(groups))
    order = np.argsort(-sizes, kind="stable")[:most][::-1]
    figure, axes = _figure(7, 1 + 0.3 * max(len(order), 1))
    axes.barh([groups[g] for g in order], sizes[order], color=BLUE)
    axes.set_xlabel(f"mean |effect| on the score, log-odds (n = {len(effects)})")
    return figure


def beeswarm(effects: Floats, values: Floats, names: Sequence[str], most: int = 15) -> Figure:
    """Every row's effects, one line a feature, coloured by the feature's value (grey: missing).

    effects (n, F) in log-odds; values (n, F), categories as codes.
    """
    _require(effects, names)
    figure, axes = _figure(8, 1.5 + 0.35 * min(most, max(len(names), 1)))
    import shap  # noqa: PLC0415  # costs two seconds, and few commands draw

    # shap takes the quantiles of every column for its colours, and there are none of nothing
    known = np.where(np.isnan(values).all(axis=0), 0.0, values)
    explained = shap.Explanation(values=effects, data=known, feature_names=list(names))
    shap.plots.beeswarm(
        explained, max_display=most, ax=axes, show=False, plot_size=None, color="cividis"
    )
    axes.set_xlabel(f"effect on the score, log-odds (n = {len(effects)})")
    return figure


def reliability(table: pd.DataFrame) -> Figure:
    """Observed share against predicted probability (``evaluate.reliability``), 95 % intervals."""
    figure, axes = _figure(5.5, 5.5)
    x, y = table["predicted"].to_numpy(float), table["observed"].to_numpy(float)
    ends = [y - table["low"].to_numpy(float), table["high"].to_numpy(float) - y]
    top = float(np.nanmax([0.05, *x, *table["high"].to_numpy(float)])) * 1.05
    axes.plot([0, top], [0, top], color=GREY, linestyle="--", label="perfect")
    axes.errorbar(x, y, yerr=np.maximum(ends, 0), fmt="o", color=BLUE, label="bins, 95 % interval")
    axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    axes.set_xlabel("predicted probability by the horizon")
    axes.set_ylabel(f"observed share (n = {int(table['n'].sum())} rows)")
    axes.legend(loc="upper left", frameon=False)
    return figure


def curve(table: pd.DataFrame) -> Figure:
    """Mean predicted against observed share by day (``evaluate_curve.curve_table``)."""
    figure, axes = _figure(7, 4.5)
    day, seen = table["day"].to_numpy(float), table["observed"].to_numpy(float)
    ends = [seen - table["low"].to_numpy(float), table["high"].to_numpy(float) - seen]
    axes.plot(day, table["predicted"], color=BLUE, marker="s", label="predicted, mean")
    axes.errorbar(
        day, seen, yerr=np.maximum(ends, 0), fmt="o", color=ORANGE, label="observed, 95 % interval"
    )
    if table["baseline"].notna().any():
        axes.plot(day, table["baseline"], color=GREY, linestyle="--", label="training rows")
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.set_xlabel("days after the cutoff")
    axes.set_ylabel("share with the outcome by that day")
    axes.legend(loc="upper left", frameon=False)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _require(effects: Floats, names: Sequence[str]) -> None:
    if effects.ndim != 2 or effects.shape[1] != len(names):
        raise ValueError(f"effects must be (n, {len(names)}), a column a name, got {effects.shape}")
