"""The line: bounded, in order, together; nobody pays for another's fault."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from features.tables import micros
from serving.scoring import queue
from serving.scoring.batch import open_ids
from serving.scoring.faults import ContractError
from serving.scoring.predictor import Predictor, ScoreRequest
from serving.scoring.queue import AT_ONCE, Overloaded, RequestQueue, TooLate
from serving.scoring.sample import record_of
from tests.helpers.api import LEAD, NOW, desks
from tests.helpers.histories import history


class Spy:
    """A desk that says how many requests it was given at a time."""

    def __init__(self, desk: Predictor) -> None:
        self.predictor, self.turns = desk, list[int]()

    def answer_all(self, requests: list[ScoreRequest]) -> Any:
        """As the desk."""
        self.turns.append(len(requests))
        if len(requests) > 1 and any(r.request_id == "fault" for r in requests):
            raise RuntimeError("together")
        if requests[0].request_id == "fault":
            raise RuntimeError("alone")
        return self.predictor.answer_all(requests)


@pytest.fixture(scope="module")
def desk() -> Predictor:
    return desks("leads")["leads"]


def _request(n: int, **more: Any) -> ScoreRequest:
    lead = {"lead": {**LEAD["lead"], "lead_id": f"id {n}"}}
    return ScoreRequest({"records": [lead], **more}, NOW + n, f"r{n}")


def _all(line: RequestQueue, desk: Any, requests: list[ScoreRequest], size: int = 100) -> list[Any]:
    async def ask() -> list[Any]:
        asked = [line.answer(desk, request, size) for request in requests]
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(ask())


def test_what_waits_is_scored_together_as_if_alone(desk: Predictor) -> None:
    """To the last bit, with dates, languages, priors and numbers of reasons of their own."""
    odd: list[dict[str, Any]] = [
        {},
        {"as_of": "2023-12-20T00:00:00Z"},
        {"lang": "es"},
        {"prior": 0.2},
        {"reasons": 0},
        {"reasons": 1},
        {"compare_to": {"as_of": "2023-12-10T00:00:00Z"}},
    ]
    requests = [_request(n, **odd[n % len(odd)]) for n in range(21)]
    spy = Spy(desk)
    got = _all(RequestQueue(64, 5), spy, requests)
    assert spy.turns == [21]
    for request, answer in zip(requests, got, strict=True):
        assert answer == desk.answer(request.body, request.now, request.request_id, request.lang)


def test_the_same_record_may_be_asked_about_twice_at_once(desk: Predictor) -> None:
    first, second = _all(RequestQueue(8, 5), desk, [_request(1), _request(1)])
    assert first == second == desk.answer(_request(1).body, NOW + 1, "r1")


def test_a_turn_is_short(desk: Predictor) -> None:
    spy = Spy(desk)
    got = _all(RequestQueue(100, 5), spy, [_request(n) for n in range(AT_ONCE + 5)])
    assert spy.turns == [AT_ONCE, 5] and len(got) == AT_ONCE + 5


def test_a_fault_is_only_its_own_request_s(desk: Predictor) -> None:
    requests = [
        _request(0),
        ScoreRequest({}, NOW, "fault"),
        _request(2),
        ScoreRequest([], NOW, "r"),
    ]
    good, fault, also, refused = _all(RequestQueue(8, 5), Spy(desk), requests)
    assert good["request_id"] == "r0" and also["request_id"] == "r2"
    assert str(fault) == "alone" and isinstance(refused, ContractError)


def test_a_full_line_turns_away_at_once(desk: Predictor) -> None:
    got = _all(RequestQueue(4, 5), desk, [_request(n) for n in range(7)])
    assert [isinstance(one, Overloaded) for one in got] == [False] * 4 + [True] * 3
    assert got[-1].seconds >= 1


def test_the_line_is_empty_again(desk: Predictor) -> None:
    line = RequestQueue(4, 5)
    _all(line, desk, [_request(n) for n in range(4)])
    assert line.length == 0
    assert "results" in _all(line, desk, [_request(1)])[0]


class Slow:
    """A desk that works until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def answer_all(self, requests: list[ScoreRequest]) -> Any:
        """Wait, then say who asked."""
        self.go.wait(10)
        return [{"request_id": request.request_id} for request in requests]


def test_large_requests_have_a_line_of_their_own(desk: Predictor) -> None:
    """They wait in threads: a single record passes them."""
    slow, line = Slow(), RequestQueue(16, 10)

    async def ask() -> list[Any]:
        large = [
            asyncio.ensure_future(line.answer(slow, _request(n), queue.SMALL_BODY + 1))  # type: ignore[arg-type]
            for n in range(4)
        ]
        small = await line.answer(desk, _request(9), 100)
        assert line.length == 2
        slow.go.set()
        return [small, *await asyncio.gather(*large, return_exceptions=True)]

    small, *large = asyncio.run(ask())
    assert small["request_id"] == "r9"
    assert [isinstance(one, Overloaded) for one in large] == [False, False, True, True]
    assert line.length == 0


def test_many_records_are_a_large_request(desk: Predictor) -> None:
    records = [{"lead": {**LEAD["lead"], "lead_id": str(n)}} for n in range(50)]
    spy = Spy(desk)
    (got,) = _all(RequestQueue(16, 10), spy, [ScoreRequest({"records": records}, NOW, "many")])
    assert len(got["results"]) == 50


def test_a_request_has_its_time() -> None:
    """A large one that is late still takes its place, so that the bound is one."""
    slow, line = Slow(), RequestQueue(16, 0.05)

    async def ask() -> None:
        with pytest.raises(TooLate):
            await line.answer(slow, _request(1), queue.SMALL_BODY + 1)  # type: ignore[arg-type]
        assert line.length == 1
        slow.go.set()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not line.length:
                return

    asyncio.run(ask())
    assert line.length == 0


def test_who_waited_too_long_is_not_worked_on(desk: Predictor) -> None:
    spy = Spy(desk)
    (got,) = _all(RequestQueue(4, -1.0), spy, [_request(1)])
    assert isinstance(got, TooLate) and spy.turns == []


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
def test_one_body_sent_by_many_at_once_is_one_computation(
    entity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its account's facts, changes and activities: none sees another's, all get the same."""
    desk = desks(entity)[entity]
    tables = history(3)
    key = open_ids(desk.scorer, tables, micros("2023-12-24T00:00:00Z"))[0]
    body = {"records": [record_of(tables, entity, key)], "as_of": "2023-12-24T00:00:00Z"}
    alone = desk.answer(body, NOW, "r")
    asked = list[int]()
    score = desk.scorer.score

    def count(timeline: Any, ids: list[str], *more: Any, **named: Any) -> Any:
        asked.append(len(ids))
        return score(timeline, ids, *more, **named)

    monkeypatch.setattr(desk.scorer, "score", count)
    together = desk.answer_all([ScoreRequest(body, NOW, "r")] * 3)
    assert together == [alone] * 3 and "probability" in alone["results"][0]
    assert sum(asked) == 3
