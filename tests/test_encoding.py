"""Words become codes learned in training; the matrix never depends on who else is in the batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.spine import Features, FeatureSpec, Spine
from features.tables import Coded, Floats, code
from training.models.encoding import Encoding

Words = Sequence[str | None]


def features(**columns: Words | Sequence[float]) -> Features:
    """Features of numbers, and of categories where a value is a word or None."""
    specs: list[FeatureSpec] = []
    held: dict[str, Floats | Coded] = {}
    for name, values in columns.items():
        if any(isinstance(v, str) or v is None for v in values):
            specs.append(FeatureSpec(name, "leads", "category", "", "", "", name))
            held[name] = code(None if v is None else str(v) for v in values)
        else:
            specs.append(FeatureSpec(name, "leads", "number", "", "", "", name))
            held[name] = np.array(values, np.float64)
    n = len(next(iter(columns.values())))
    spine = Spine("leads", [str(i) for i in range(n)], np.zeros(n, np.int64))
    return Features(spine, specs, held)


TRAINING = features(
    source=["web"] * 4 + ["ads"] * 3 + ["fair"] + [None] * 2,
    size=[1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
)


def test_codes_follow_frequency_and_rare_words_share_zero() -> None:
    encoding = Encoding.fit(TRAINING, min_count=2)
    assert encoding.levels == {"source": ["web", "ads"]}
    expected = [1, 1, 1, 1, 2, 2, 2, 0, np.nan, np.nan]
    np.testing.assert_array_equal(encoding.matrix(TRAINING)[:, 0], expected)
    np.testing.assert_array_equal(encoding.matrix(TRAINING)[:, 1], TRAINING.columns["size"])
    assert encoding.names == ["source", "size"]
    assert encoding.categorical == [0]


def test_at_most_max_levels_words_are_kept() -> None:
    assert Encoding.fit(TRAINING, min_count=1, max_levels=1).levels == {"source": ["web"]}


def test_a_word_never_seen_is_other_and_a_missing_one_stays_missing() -> None:
    new = features(source=["tv", None, "ads"], size=[np.nan, 1.0, 2.0])
    matrix = Encoding.fit(TRAINING, min_count=2).matrix(new)
    np.testing.assert_array_equal(matrix, [[0, np.nan], [np.nan, 1], [2, 2]])


def test_column_order_and_further_columns_do_not_matter() -> None:
    encoding = Encoding.fit(TRAINING, min_count=2)
    turned = Features(
        TRAINING.spine,
        TRAINING.specs[::-1],
        {"new": np.ones(10), **dict(reversed(TRAINING.columns.items()))},
    )
    np.testing.assert_array_equal(encoding.matrix(turned), encoding.matrix(TRAINING))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"source": ["web", None]}, "knows a feature 'size' that these features lack"),
        ({"source": ["web", None], "size": ["1", "2"]}, "'size' was a number in training"),
        ({"source": [1.0, 2.0], "size": [1.0, 2.0]}, "'source' was a category in training"),
        ({"source": ["web", None], "size": [1.0, np.inf]}, "infinite values in size"),
    ],
)
def test_other_columns_are_an_error_and_never_a_wrong_score(
    columns: dict[str, Words | Sequence[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Encoding.fit(TRAINING, min_count=2).matrix(features(**columns))


def test_useless_columns_are_named_and_stay() -> None:
    training = features(
        same=[3.0] * 12,
        never=[np.nan] * 12,
        sometimes=[3.0] * 11 + [np.nan],
        rare=["a", "b", "c"] * 4,
        word=["a"] * 12,
    )
    encoding = Encoding.fit(training, min_count=5)
    assert encoding.useless == ["same", "never", "rare", "word"]
    assert encoding.matrix(training).shape == (12, 5)


column = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=40)


@given(column, st.integers(1, 5), st.integers(0, 3))
def test_one_record_at_a_time_gives_the_rows_of_the_batch(
    words: Words, min_count: int, max_levels: int
) -> None:
    batch = features(word=[*words, None])
    encoding = Encoding.fit(batch, min_count, max_levels)
    whole = encoding.matrix(batch)
    for i in range(len(batch)):
        one = encoding.matrix(batch.take(np.array([i])))  # keeps the words of the whole batch
        alone = encoding.matrix(features(word=[[*words, None][i], None]))[:1]
        np.testing.assert_array_equal(one, whole[i : i + 1])
        np.testing.assert_array_equal(alone, whole[i : i + 1])


@given(column, st.randoms(use_true_random=False))
def test_row_order_does_not_change_the_codes(words: Words, random: Random) -> None:
    shuffled = list(words)
    random.shuffle(shuffled)
    there = Encoding.fit(features(word=[*words, None]), min_count=1)
    again = Encoding.fit(features(word=[*shuffled, None]), min_count=1)
    assert there == again


def test_words_listed_twice_are_one_level() -> None:
    twice = Coded(np.array([0, 1, 2, 2], np.int32), ["a", "b", "a"])
    batch = Features(features(x=["a"] * 4).spine, features(x=["a"]).specs, {"x": twice})
    encoding = Encoding.fit(batch, min_count=1)
    assert encoding.levels == {"x": ["a", "b"]}
    np.testing.assert_array_equal(encoding.matrix(batch)[:, 0], [1, 2, 1, 1])


def test_json_round_trip() -> None:
    encoding = Encoding.fit(TRAINING, min_count=2)
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert again == encoding
    matrix: Floats = again.matrix(TRAINING)
    np.testing.assert_array_equal(matrix, encoding.matrix(TRAINING))
