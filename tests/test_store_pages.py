"""Pages of a run: every row once, in order, what is not known last, whatever is filtered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest

from serving.store.pages import CursorError, Filters, Sort
from serving.store.scores import ScoreRow
from serving.store.store import Store, open_store
from tests.stored import CUTOFF, DAY, night, score


@pytest.fixture(scope="module")
def rows() -> list[ScoreRow]:
    """Sixty scores with ties and holes."""
    rng = np.random.default_rng(4)
    made = []
    for i in rng.permutation(60).tolist():
        amount = None if rng.random() < 0.3 else float(rng.integers(0, 5))
        owner = None if rng.random() < 0.2 else f"o{rng.integers(3)}"
        label = None if rng.random() < 0.2 else f"Ünit_{i} 100%"
        stage, grade = str(rng.choice(["new", "won_over"])), str(rng.choice(list("ABCD")))
        found = {"amount": amount, "owner_id": owner, "label": label, "stage": stage}
        made.append(score(f"E{i:02d}", float(rng.integers(0, 8)) / 8, grade=grade, **found))
    return made


@pytest.fixture
def store(database_url: str, rows: list[ScoreRow]) -> Iterator[Store]:
    """A store with one run of them."""
    opened = open_store(database_url)
    night(opened, rows)
    yield opened
    opened.close()


def _all(store: Store, **asked: Any) -> list[ScoreRow]:
    found: list[ScoreRow] = []
    after = None
    while True:
        page = store.pages.page("leads", limit=7, after=after, **asked)
        found += page.rows
        assert len(page.rows) <= 7
        if page.after is None:
            assert page.total == len(found)
            return found
        after = page.after


_OF = {"score": "probability", "owner": "owner_id"}


@pytest.mark.parametrize("falling", [True, False])
def test_every_order_has_every_row_once_and_the_unknown_last(
    store: Store, rows: list[ScoreRow], falling: bool
) -> None:
    for sort in get_args(Sort):
        found = _all(store, sort=sort, falling=falling)
        assert sorted(r.id for r in found) == sorted(r.id for r in rows)
        values = [getattr(r, _OF.get(sort, sort)) for r in found]
        known = [v for v in values if v is not None]
        assert values == [*sorted(known, reverse=falling), *[None] * (len(values) - len(known))]
        for one, following in pairwise(found):
            same = getattr(one, _OF.get(sort, sort)) == getattr(following, _OF.get(sort, sort))
            assert not same or one.id < following.id


@pytest.mark.parametrize(
    ("filters", "keep"),
    [
        (Filters(grades=("A", "B")), lambda r: r.grade in "AB"),
        (Filters(owner_id="o1"), lambda r: r.owner_id == "o1"),
        (Filters(stages=("new",), least=0.25, most=0.5), lambda r: r.stage == "new"
         and 0.25 <= r.probability <= 0.5),
        (Filters(amount_least=2, amount_most=3), lambda r: r.amount in (2.0, 3.0)),
        (Filters(search="ünIT_1"), lambda r: "Ünit_1" in (r.label or "")),
        (Filters(search="100%"), lambda r: r.label is not None),
        (Filters(search="e0"), lambda r: r.id.startswith("E0")),
        (Filters(search="_"), lambda r: r.label is not None),
        (Filters(search="no such"), lambda _: False),
    ],
)  # fmt: skip
def test_filters_keep_what_they_say(
    store: Store, rows: list[ScoreRow], filters: Filters, keep: Any
) -> None:
    assert {r.id for r in _all(store, filters=filters)} == {r.id for r in rows if keep(r)}


def test_a_list_that_was_begun_stays_on_its_run(store: Store) -> None:
    first = store.pages.page("leads", limit=7)
    night(store, [score("new")], cutoff=CUTOFF + DAY, at=CUTOFF + 2 * DAY)
    second = store.pages.page("leads", limit=7, after=first.after)
    assert second.run == first.run and second.total == 60
    assert [r.id for r in store.pages.page("leads").rows] == ["new"]
    store.runs.purge(CUTOFF + 2 * DAY)
    with pytest.raises(CursorError, match="no longer kept"):
        store.pages.page("leads", after=first.after)


@pytest.mark.parametrize("after", ["", "x", "é", "bnVsbA", "WzEsIngiLCJ5Il0", "W251bGwsMSwieCJd"])
def test_an_after_that_no_page_said_is_refused(store: Store, after: str) -> None:
    with pytest.raises(CursorError):
        store.pages.page("leads", after=after)


def test_shares_count_everyone(store: Store, rows: list[ScoreRow]) -> None:
    shares = store.pages.shares("leads")
    for counts in (shares.grades, shares.owners, shares.stages):
        assert sum(counts.values()) == len(rows)
    assert shares.owners[None] == sum(r.owner_id is None for r in rows)
    assert store.pages.page("deals").run is None and store.pages.shares("deals").grades == {}
    assert [r.id for r in store.pages.page("leads", sort="id", falling=False, skip=58).rows] == [
        "E58",
        "E59",
    ]
