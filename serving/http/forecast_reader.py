"""The newest kept forecast, and the part of it that is asked for: JSON in, JSON out.

``python -m training forecast`` keeps a folder for each origin and a file ``newest`` that names the
folder to answer from; both change in one step, so what is read here is always whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from features.tables import micros
from training.models.kept_forecasts import (
    FILE,
    UnreadableForecastError,
    newest_folder,
    read,
)

PARAMETERS = ("stream", "dimension", "period", "kind", "scenario")
"""What an asker may narrow the answer by."""

ADDED = ("combination", "corrections", "growth", "scenarios")
"""Lists that forecasts hold since they listen to their record."""


class NoForecast(LookupError):  # noqa: N818  # a state of the folder
    """No forecast is kept yet."""


class BadForecast(ValueError):  # noqa: N818
    """What is kept cannot be read."""


class BadQuery(ValueError):  # noqa: N818
    """A parameter, or its value, is not one; ``code`` names which."""

    def __init__(self, code: str, parameter: str, message: str) -> None:
        super().__init__(message)
        self.code, self.parameter = code, parameter


@dataclass
class ForecastReader:
    """The folder of kept forecasts; a file is read again when it has changed."""

    root: Path
    _read: tuple[tuple[str, int, int], dict[str, Any]] | None = field(default=None, repr=False)

    def newest(self) -> dict[str, Any]:
        """The forecast that ``newest`` names; NoForecast or BadForecast says what to do."""
        folder = newest_folder(self.root)
        if folder is None:
            raise NoForecast(
                f"no forecast is kept in {self.root.name}/ yet; make one with "
                f"`python -m training forecast --data …`"
            )
        try:
            found = (folder / FILE).stat()
            mark = (folder.name, found.st_mtime_ns, found.st_size)
            if self._read is None or self._read[0] != mark:
                self._read = (mark, as_answer(read(folder).state))
        except (OSError, UnreadableForecastError) as wrong:
            raise BadForecast(
                f"the forecast kept in {self.root.name}/ cannot be read ({type(wrong).__name__}); "
                f"make it anew with `python -m training forecast --data … --replace`"
            ) from wrong
        return self._read[1]


def as_answer(state: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an answer with the whole of a kept forecast: rows of one shape each."""
    settings = state["settings"]
    return {
        "as_of": state["origin"],
        "expires": state["expires"],
        "data": state["data"],
        "currency": state["currency"],
        "level": settings["level"],
        "draws": settings["draws"],
        "shock": state["shock"],
        "rates": state["rates"],
        "notes": state["notes"],
        "periods": state["periods"],
        "table": state["table"],
        "targets": state["targets"],
        "quantiles": [
            {"stream": stream, "period": period, "levels": state["levels"], "values": values}
            for stream, by_period in state["quantiles"].items()
            for period, values in by_period.items()
        ],
        "drivers": [
            {"period": period, **row} for period, rows in state["drivers"].items() for row in rows
        ],
        "bridges": state["bridges"],
        "cover": state["cover"],
        "capacity": state["capacity"],
        # a forecast kept by an earlier version has none of these
        **{name: state.get(name, []) for name in ADDED},
    }


def answer(forecast: Mapping[str, Any], query: Mapping[str, str], now: int) -> dict[str, Any]:
    """The part of a forecast (``as_answer``) that ``query`` asks for; ``now`` in microseconds.

    Without ``dimension`` of the whole company; without ``period`` and ``kind`` of every period;
    without ``stream`` of every stream. BadQuery for a parameter or a value that is none.
    """
    _check(forecast, query)
    kind, period = query.get("kind"), query.get("period")
    periods = [
        p for p in forecast["periods"] if kind in (None, p["kind"]) and period in (None, p["name"])
    ]
    asked = {
        "period": {p["name"] for p in periods},
        "dimension": {query.get("dimension", "all")},
        "stream": {query["stream"]} if "stream" in query else set(known(forecast)["stream"]),
    }
    if "scenario" in query:
        asked["scenario"] = {query["scenario"]}
    found = dict(forecast)
    for name in ("table", "targets", "quantiles", "drivers", "bridges", "cover", *ADDED):
        found[name] = [
            row
            for row in forecast[name]
            if all(row[column] in may for column, may in asked.items() if column in row)
        ]
    return found | {
        "periods": periods,
        "dimension": query.get("dimension", "all"),
        "dimensions": known(forecast)["dimension"],
        "expired": micros(forecast["expires"]) <= now,
    }


def known(forecast: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values each parameter may have."""

    def values(rows: list[dict[str, Any]], column: str) -> list[str]:
        return list(dict.fromkeys(row[column] for row in rows))

    return {
        "stream": values(forecast["table"], "stream"),
        "dimension": values(forecast["table"], "dimension"),
        "period": values(forecast["periods"], "name"),
        "kind": values(forecast["periods"], "kind"),
        "scenario": values(forecast["scenarios"], "scenario"),
    }


def _check(forecast: Mapping[str, Any], query: Mapping[str, str]) -> None:
    for name in query:
        if name not in PARAMETERS:
            message = _not_one(name, "parameter", list(PARAMETERS))
            raise BadQuery("unknown_field", name, message)
    for name, values in known(forecast).items():
        if name in query and query[name] not in values:
            message = _not_one(query[name], f"{name} in this forecast", values)
            raise BadQuery("unknown_word", name, message)


def _not_one(given: str, what: str, values: list[str]) -> str:
    # another period is never what was meant, however alike the names are
    near = [] if what.startswith("period") else get_close_matches(given, values, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(values)}"
    return f"{given[:80]!r} is no {what}; {hint}"
