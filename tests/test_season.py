"""Features that stay out: those the mapping names, and a calendar that does not help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers.learning import world
from tests.helpers.trained import CONFIG, NAME, tables
from training.fit import season
from training.fit.parts import TreeParams
from training.fit.tune import FoldData, most_rounds
from training.task.dataset import question_of, teach

WORLD = world(3000, 2, 2)


def _fold() -> FoldData:
    """The world's first half to learn from and its second to judge."""
    half = np.arange(1500)
    rest, at = half + 1500, np.zeros(1500, np.int64)
    X, labels = WORLD.X, WORLD.labels
    return FoldData(X[half], labels.take(half), at, X[rest], labels.take(rest), at)


@pytest.mark.parametrize(("column", "pays"), [("x0", True), ("noise", False)])
def test_a_calendar_gains_only_where_it_means_something(column: str, pays: bool) -> None:
    fold = _fold()
    gain = season._gain(fold, WORLD.encoding, {column})
    assert (gain >= season.LEAST) == pays


def test_without_leaves_out_features_and_groups_by_name() -> None:
    question = question_of(NAME, tables())
    whole = teach(tables(), question, CONFIG)
    less = teach(tables(), replace(question, without=("season", "age")), CONFIG)
    gone = set(whole.encoding.names) - set(less.encoding.names)
    assert gone == {"month", "days_to_quarter_end", "age"}
    assert any("left out as the mapping asks" in note for note in less.notes)
    np.testing.assert_array_equal(whole.less(gone).X, less.X)
    assert whole.less(gone).encoding == less.encoding


def test_a_name_that_is_no_feature_is_an_error_with_the_nearest() -> None:
    question = replace(question_of(NAME, tables()), without=("monht",))
    with pytest.raises(ValueError, match="did you mean 'month'"):
        teach(tables(), question, CONFIG)


@pytest.mark.parametrize("wrong", ["month", ["month", 3]])
def test_without_is_a_list_of_names(wrong: Any) -> None:
    with pytest.raises(ValueError, match="without is a list of names"):
        question_of(NAME, tables()).with_overrides({"without": wrong})


def test_rounds_are_bounded_by_leaves() -> None:
    wide, narrow = TreeParams(num_leaves=16, max_depth=4), TreeParams(num_leaves=4, max_depth=2)
    assert most_rounds(wide, 1, 1) == 1500 and most_rounds(wide, 6, 2) == 250
    assert most_rounds(narrow, 1, 1) == 2000
    assert replace(narrow, learning_rate=0.05).stop_after == 50
    assert replace(narrow, learning_rate=0.2).stop_after == 13
