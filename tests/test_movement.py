"""How the pipeline moved, by hand; and what won deals did next, where it was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.frames import from_frames
from features.tables import micros
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.health.movement import movement, quarter_end, summary, weekly
from serving.analytics.health.next_steps import Z, _best
from serving.analytics.kpis.pipeline import open_deals
from tests.helpers.figures_company import META, asof, at, frame, frames


def _moves(since: str, until: str = "2025-01-01T00:00:00+00:00") -> set[tuple[str, str]]:
    found = movement(asof(until), at(since))
    return set(zip(found["kind"], found["deal_id"], strict=True))


def test_every_move_of_a_week_by_hand() -> None:
    """d5 was created on 30 November and pushed from 10 to 20 December on the fifth."""
    assert _moves("2024-12-04") == {("pushed", "d5")}
    assert _moves("2024-11-29", "2024-12-03T00:00:00+00:00") == {("created", "d5")}
    assert _moves("2024-08-05", "2024-08-12T00:00:00+00:00") == {("won", "d3")}
    assert _moves("2024-02-27", "2024-03-05T00:00:00+00:00") == {("lost", "d2")}


def test_a_deal_that_leaves_the_quarter_is_told_apart_and_a_cut_is_a_second_move() -> None:
    changed = frames()
    new = frame(
        "entity entity_id field value old_value changed_at",
        (
            "deals",
            "d5",
            "expected_close_at",
            "2025-01-20T00:00:00Z",
            "2024-12-20T00:00:00Z",
            "2024-12-20",
        ),
        ("deals", "d5", "amount", "30", "50", "2024-12-20"),
    )
    changed["changes"] = pd.concat([changed["changes"], new], ignore_index=True)
    deals = changed["deals"]
    last = deals["deal_id"] == "d5"
    deals.loc[last, "expected_close_at"] = at("2025-01-20")
    deals["amount"] = deals["amount"].where(~last, 30.0)
    then = AsOfFrames(from_frames(changed, META), micros("2024-12-24T00:00:00+00:00"))
    found = movement(then, at("2024-12-17")).set_index("kind")
    assert set(found.index) == {"out of the quarter", "down"}
    assert (found.loc["down", "before"], found.loc["down", "after"]) == (50, 30)
    assert {row["kind"]: row["deals"] for row in summary(found.reset_index())} == {
        "out of the quarter": 1,
        "down": 1,
    }


def test_the_quarter_ends_where_the_company_says() -> None:
    then = asof().calendar
    assert quarter_end(then, at("2024-12-31")) == at("2025-01-01")
    assert quarter_end(then, at("2025-01-01")) == at("2025-04-01")


def test_value_by_week_ends_with_what_is_open_now() -> None:
    found = weekly(asof(), 4)
    assert len(found) == 5
    assert found["value"].iloc[-1] == open_deals(asof())["amount"].sum()


def test_the_step_that_won_deals_took_is_found_with_its_numbers() -> None:
    """80 of 100 won deals had a meeting within the next 14 days, 20 of 100 lost ones; calls tell
    nothing, and a meeting on day 20 counts for nobody."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    ids = [f"d{i}" for i in range(200)]
    stays = pd.DataFrame({"deal_id": ids, "outcome": ["won"] * 100 + ["lost"] * 100})
    stays["start"] = start
    met = [*ids[:80], *ids[100:120]]
    days = [3] * len(met) + [5] * 200 + [20] * 200
    done = pd.DataFrame(
        {
            "deal_id": [*met, *ids, *ids],
            "kind": ["meeting"] * len(met) + ["call"] * 200 + ["meeting"] * 200,
            "at": [start + pd.Timedelta(days=d) for d in days],
        }
    )
    best = _best(done, stays)
    assert best == {
        "kind": "meeting",
        "won_share": 0.8,
        "lost_share": 0.2,
        "n_won": 100,
        "n_lost": 100,
    }
    shuffled = stays.assign(outcome=np.tile(["won", "lost"], 100))
    assert _best(done, shuffled) is None, f"no difference is sure at {Z} standard errors"
