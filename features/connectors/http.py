"""Calls over HTTP: counted, retried where that helps, slowed down where the service asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from features.connectors.contract import Budget, BudgetError, ConnectorError

Login = Callable[[], Mapping[str, str]]

TRIES = 6
LONGEST = 900.0
"""Seconds that a call waits at most because the service said so; beyond it the sync ends."""

PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same call may succeed."""


class AuthError(ConnectorError):
    """The service does not accept the credentials."""


class RefusedError(ConnectorError):
    """The service refused one call for good: ``status`` and ``body`` say why."""

    def __init__(self, message: str, status: int, body: str) -> None:
        super().__init__(message)
        self.status, self.body = status, body


class UnavailableError(ConnectorError):
    """The service failed or asked to wait, again and again."""


class Http:
    """One service. A call is tried up to six times, with a longer wait each time.

    A wait is the one of ``Retry-After`` where the service names one. Every try counts in
    ``budget``. Calls that change something must be safe to repeat. ``spent`` knows the answer by
    which the service says that its own calls of the day are spent: waiting would not help.
    """

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        timeout: float = 60.0,
        wait: Callable[[float], None] = time.sleep,
        spent: Callable[[httpx.Response], bool] = lambda _: False,
    ) -> None:
        self.client = httpx.Client(base_url=base, headers=dict(headers or {}), timeout=timeout)
        self.budget, self.wait, self.spent = budget or Budget(), wait, spent
        self.said_at: datetime | None = None
        """When the service answered last, by its own clock."""
        self._login: Login | None = None
        self._logged_in, self._logging_in = True, False

    def log_in_by(self, login: Login) -> None:
        """Ask ``login`` for headers before the first call, and again where one is answered 401."""
        self._login, self._logged_in = login, False

    def json(self, method: str, path: str, **given: Any) -> Any:
        """The JSON of a call that succeeded; None where the answer is empty."""
        answer = self.send(method, path, **given)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as wrong:
            raise ConnectorError(f"{method} {path}: the answer is not JSON ({wrong})") from wrong

    def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """The answer of a call that succeeded; ConnectorError says why it did not."""
        if not self._logged_in and not self._logging_in:
            self._log_in()
        again = self._login is not None and not self._logging_in
        said = ""
        for tries in range(TRIES):
            pause = min(2.0**tries, 60.0)
            self.budget.spend()
            try:
                answer = self.client.request(method, path, **given)
            except httpx.TransportError as wrong:
                said = f"{type(wrong).__name__}: {wrong}"
            else:
                self.said_at = _date(answer.headers.get("date", "")) or self.said_at
                if answer.is_success:
                    return answer
                said = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code == 401 and again:
                    again = False
                    self._log_in()
                    continue
                if self.spent(answer):
                    raise BudgetError(f"the service's own calls of the day are spent: {said}")
                if answer.status_code not in PASSING:
                    raise _refused(method, path, answer)
                pause = retry_after(answer.headers, pause)
            if pause > LONGEST:
                raise UnavailableError(f"{method} {path}: asked to wait {pause:.0f} s: {said}")
            if tries < TRIES - 1:
                self.wait(pause)
        raise UnavailableError(f"{method} {path}: failed {TRIES} times, at last with {said}")

    def _log_in(self) -> None:
        assert self._login is not None
        self._logging_in = True  # the login itself calls through here
        try:
            self.client.headers.update(self._login())
            self._logged_in = True
        finally:
            self._logging_in = False

    def close(self) -> None:
        """End the connections."""
        self.client.close()


def retry_after(headers: Mapping[str, str], otherwise: float) -> float:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3): a number, or a date.

    A date is compared with the answer's own Date header, so that no two clocks are.
    """
    said = headers.get("retry-after", "")
    if said.strip().replace(".", "", 1).isdecimal():
        return float(said)
    until, at = _date(said), _date(headers.get("date", ""))
    return otherwise if until is None or at is None else max(0.0, (until - at).total_seconds())


def _date(said: str) -> datetime | None:
    try:
        return parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return None


def _refused(method: str, path: str, answer: httpx.Response) -> ConnectorError:
    said = f"{method} {path}: {answer.status_code} {answer.text[:500]}"
    if answer.status_code in (401, 403):
        return AuthError(f"{said}; check the credentials and their permissions")
    return RefusedError(said, answer.status_code, answer.text)
