"""Figures show the numbers they were given, with units, and leave no global state."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib import _pylab_helpers
from matplotlib.figure import Figure

from training.registry import plots


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def test_importance_is_the_mean_size_largest_on_top() -> None:
    effects = np.array([[0.1, -2.0, 0.0], [-0.3, 2.0, 0.0]])
    axes = plots.importance(effects, ["size", "source", "age"], most=2).axes[0]
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert widths == pytest.approx([0.2, 2.0])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["size", "source"]
    assert "log-odds" in axes.get_xlabel() and "n = 2" in axes.get_xlabel()
    with pytest.raises(ValueError, match="a column a name"):
        plots.importance(effects, ["size"])


def test_the_beeswarm_draws_missing_values_too() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 4))
    values[::5, 1] = np.nan
    figure = plots.beeswarm(rng.normal(size=(60, 4)), values, list("abcd"), most=3)
    assert "log-odds" in figure.axes[0].get_xlabel()
    assert _png(figure).startswith(b"\x89PNG")


def test_reliability_and_curve_have_labels_and_units() -> None:
    table = pd.DataFrame(
        {
            "predicted": [0.1, 0.4],
            "observed": [0.12, 0.35],
            "low": [0.05, 0.2],
            "high": [0.2, 0.5],
            "n": [50, 50],
        }
    )
    axes = plots.reliability(table).axes[0]
    assert "probability" in axes.get_xlabel() and "n = 100" in axes.get_ylabel()
    dated = table.assign(day=[7.0, 30.0], baseline=[0.1, np.nan])
    figure = plots.curve(dated)
    assert "days" in figure.axes[0].get_xlabel()
    legend = figure.axes[0].get_legend()
    assert legend is not None and len(legend.get_texts()) == 3
    assert _png(figure).startswith(b"\x89PNG")
    without = plots.curve(dated.assign(baseline=np.nan)).axes[0].get_legend()
    assert without is not None and len(without.get_texts()) == 2


def test_no_figure_is_left_to_pyplot() -> None:
    plots.beeswarm(np.ones((5, 2)), np.ones((5, 2)), ["a", "b"])
    assert _pylab_helpers.Gcf.get_num_fig_managers() == 0
