"""What changed between two forecasts of one period: a waterfall whose steps add up exactly.

Two measures, because they answer two questions. ``pipeline`` is the open amount that people date
into the period: a win or a loss leaves it, so it is the waterfall that sales teams know.
``expected`` is the mean of the simulated bookings: what was closed, what open deals are expected
to bring, and what deals not created yet are; it shows what moved the forecast itself.

Every deal's contribution is rounded to cents once, and all sums are sums of whole cents: so the
steps make up the difference to the cent, not to the last rounding of a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import NAT, Bools, Instants, Ints
from training.forecast.results.bridge_steps import (
    EXPECTED,
    Bridge,
    BridgeSpan,
    cents,
    step,
    steps,
    taken,
)

CENT = 0.01
MOST = 1e15
"""Cents beyond which an amount is a typing error."""


@dataclass(frozen=True)
class _Pair:
    """Both standings of the same deals side by side; a deal that one lacks is ``absent`` there."""

    ids: pd.Index
    was: pd.DataFrame
    now: pd.DataFrame
    span: BridgeSpan

    @property
    def created(self) -> Bools:
        """Not in the CRM then, and begun since."""
        begun = _instants(self.now, "created")
        found: Bools = self.state(self.was, "absent") & (
            (begun == NAT) | (begun >= self.span.since)
        )
        return found

    def state(self, frame: pd.DataFrame, word: str) -> Bools:
        return np.asarray(frame["status"] == word, np.bool_)

    def due(self, frame: pd.DataFrame) -> Bools:
        """Open, and dated into the period."""
        at = _instants(frame, "due")
        return self.state(frame, "open") & (at >= self.span.start) & (at < self.span.end)

    def won(self, frame: pd.DataFrame) -> Bools:
        """Won within the period."""
        at = _instants(frame, "closed")
        return self.state(frame, "won") & (at >= self.span.start) & (at < self.span.end)


def _instants(frame: pd.DataFrame, column: str) -> Instants:
    return frame[column].fillna(NAT).to_numpy(np.int64)


def _pair(was: pd.DataFrame, now: pd.DataFrame, span: BridgeSpan) -> _Pair:
    ids = was.index.union(now.index)
    sides = []
    for frame in (was, now):
        side = frame.reindex(ids)
        side["status"] = side["status"].astype(object).where(side["status"].notna(), "absent")
        sides.append(side)
    return _Pair(ids, sides[0], sides[1], span)


def pipeline_bridge(was: pd.DataFrame, now: pd.DataFrame, span: BridgeSpan) -> Bridge:
    """The open amount dated into the period, from the standing ``was`` to the standing ``now``.

    Both are indexed by deal_id, with status ("open", "won", "lost"), amount (its own currency, as
    of the origin), rate (reporting currency per unit, as of the origin), due and closed (instants).
    A deal that moves and changes its amount takes two steps: the move at the old amount, then the
    change.
    """
    pair = _pair(was, now, span)
    before, after = pair.due(pair.was), pair.due(pair.now)
    then, later = _worth(pair.was, pair.was["rate"]), _worth(pair.now, pair.now["rate"])
    at_new_rate = _worth(pair.was, pair.now["rate"].fillna(pair.was["rate"]))
    value, reached = np.where(before, then, 0), np.where(after, later, 0)
    step = _moves(pair, before, after)
    stays = pair.state(pair.was, "open") & after
    # what comes in by a move comes at the old amount, where that was stated
    came = np.where(stays & ~before, then, np.where(after & ~before, later, 0))
    moved = np.where(before & ~after, -value, came)
    rates = np.where(stays, at_new_rate - then, 0)
    change = np.where(stays, later - at_new_rate, 0)
    rows = [(step, moved), (np.full(len(step), "rates"), rates)]
    rows.append((np.where(change > 0, "amount_up", "amount_down"), change))
    deals = taken(pair.ids, rows)
    start, end = int(value.sum()), int(reached.sum())
    return Bridge(span.period, "pipeline", start, end, steps(deals), deals)


def _worth(frame: pd.DataFrame, rate: pd.Series[float]) -> Ints:
    return cents((frame["amount"] * rate).to_numpy(np.float64))


def _moves(pair: _Pair, before: Bools, after: Bools) -> np.ndarray:
    """The step each deal took into the period's pipeline or out of it; "" where it took none."""
    was, now = pair.was, pair.now
    old, new = _instants(was, "due"), _instants(now, "due")
    into, out = after & ~before, before & ~after
    here = pair.state(now, "open")
    cases: list[tuple[Bools, str]] = [
        (into & pair.created, "created"),
        (into & ~pair.state(was, "open"), "reopened"),
        (into & (old != NAT) & (old < pair.span.start), "slipped_in"),
        (into, "pulled_in"),
        (out & pair.state(now, "absent"), "removed"),
        (out & pair.state(now, "won"), "won"),
        (out & pair.state(now, "lost"), "lost"),
        (out & here & (new >= pair.span.end), "pushed_out"),
        (out, "pulled_out"),
    ]
    return np.select([c for c, _ in cases], [w for _, w in cases], "")


def expected_bridge(
    was: pd.DataFrame, now: pd.DataFrame, span: BridgeSpan, means: tuple[float, float]
) -> Bridge:
    """The mean of the simulated bookings in the period, then and now.

    Standings as in ``pipeline_bridge``, with ``expected``: what the deal is expected to bring to
    the period (a deal won in it: what was booked). ``means`` are the means of the whole, whose rest
    is what deals not created yet are expected to bring. A deal's difference goes to the one thing
    that happened to it: closed, created or moved. Of a deal whose amount alone changed, the step is
    what it would bring less had the amount stayed; the rest is time.
    """
    pair = _pair(was, now, span)
    value, reached = cents(pair.was["expected"].to_numpy()), cents(pair.now["expected"].to_numpy())
    event, change = _events(pair), reached - value
    by_amount = np.where(
        np.isin(event, ("amount_up", "amount_down")), _by_amount(pair, reached), change
    )
    rest = np.full(len(event), "reassessed")
    whole = [round(mean * 100) for mean in means]
    unborn = whole[1] - whole[0] - int(change.sum())
    deals = taken(pair.ids, [(event, by_amount), (rest, change - by_amount)])
    table = steps(deals, EXPECTED)
    if unborn:
        table = pd.concat([table, step("not_created", unborn, 0, EXPECTED)], ignore_index=True)
    return Bridge(span.period, "expected", whole[0], whole[1], table, deals)


def _by_amount(pair: _Pair, reached: Ints) -> Ints:
    """What each deal is expected to bring now, less what it would had its amount stayed."""
    old, new = (frame["amount"].to_numpy(np.float64) for frame in (pair.was, pair.now))
    ratio = np.divide(old, new, out=np.ones(len(old)), where=~np.isnan(old) & (new > CENT))
    # an amount that was typed in wrong by many orders of magnitude is no reason to overflow
    stayed: Ints = np.round(np.clip(reached * ratio, 0, MOST)).astype(np.int64)
    return reached - stayed


def parts_bridge(parts: Mapping[str, tuple[float, float]], span: BridgeSpan) -> Bridge:
    """The mean of a stream in the period, then and now, by its parts and their "whole".

    What rounding to cents leaves goes to the last part.
    """
    whole = [round(mean * 100) for mean in parts["whole"]]
    moved = {p: round((b - a) * 100) for p, (a, b) in parts.items() if p != "whole"}
    last = list(moved)[-1]
    moved[last] += whole[1] - whole[0] - sum(moved.values())
    rows = [step(part, change, 0) for part, change in moved.items() if change]
    table = pd.concat(rows, ignore_index=True) if rows else step(last, 0, 0).iloc[:0]
    nobody = pd.DataFrame({"deal_id": [], "step": [], "cents": np.array([], np.int64)})
    return Bridge(span.period, "recurring", whole[0], whole[1], table, nobody)


def _events(pair: _Pair) -> np.ndarray:
    """The one thing that happened to each deal, the weightiest first."""
    was, now = pair.was, pair.now
    before, after = pair.due(was), pair.due(now)
    old, new = _instants(was, "due"), _instants(now, "due")
    amounts = now["amount"].to_numpy(np.float64) - was["amount"].to_numpy(np.float64)
    still = pair.state(was, "open") & pair.state(now, "open")
    cases: list[tuple[Bools, str]] = [
        (pair.created, "created"),
        (pair.state(was, "absent"), "reopened"),
        (pair.state(now, "absent"), "removed"),
        (~pair.state(was, "open") & pair.state(now, "open"), "reopened"),
        (~pair.state(was, "won") & pair.won(now), "won"),
        (~pair.state(was, "won") & pair.state(now, "won"), "won_elsewhere"),
        (~pair.state(was, "lost") & pair.state(now, "lost"), "lost"),
        (still & after & ~before & (old != NAT) & (old < pair.span.start), "slipped_in"),
        (still & after & ~before, "pulled_in"),
        (still & before & ~after & (new >= pair.span.end), "pushed_out"),
        (still & before & ~after, "pulled_out"),
        (amounts > 0, "amount_up"),
        (amounts < 0, "amount_down"),
    ]
    return np.select([c for c, _ in cases], [w for _, w in cases], "reassessed")
