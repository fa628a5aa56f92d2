"""Examples of the fields of a forecast, by shape."""

from __future__ import annotations

from typing import Any

_START, _END = "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"
_SHAPES: dict[str, dict[str, Any]] = {
    "PeriodOut": {"name": "2026-Q1", "kind": "quarter", "start": _START, "end": _END},
    "RateOut": {"currency": "USD", "rate": 0.92, "rate_at": _START},
    "ForecastRow": {
        "stream": "bookings",
        "dimension": "all",
        "value": "all",
        "period": "2026-Q1",
        "kind": "quarter",
        "start": _START,
        "end": _END,
        "part": "whole",
        "mean": 412000.0,
        "p10": 350000.0,
        "p50": 408000.0,
        "p90": 480000.0,
        "n": 64.0,
    },
    "TargetOut": {
        "dimension": "all",
        "value": "all",
        "period": "2026-Q1",
        "target": 450000.0,
        "covered": 1.0,
        "closed": 120000.0,
        "p50": 408000.0,
        "mean": 412000.0,
        "chance": 0.24,
        "gap": 42000.0,
        "left": 330000.0,
        "due": 610000.0,
        "coverage": 1.85,
        "commit": 300000.0,
        "best_case": 420000.0,
    },
    "QuantilesOut": {
        "stream": "bookings",
        "period": "2026-Q1",
        "levels": [0.1, 0.5, 0.9],
        "values": [350000.0, 408000.0, 480000.0],
    },
    "DriverOut": {
        "period": "2026-Q1",
        "deal_id": "D-2044",
        "name": "Acme GmbH",
        "owner": "O04",
        "stage": "proposal",
        "category": "commit",
        "expected_close_at": "2026-03-20T00:00:00Z",
        "amount": 18000.0,
        "probability": 0.44,
        "mean": 8100.0,
        "influence": 0.06,
    },
    "StepOut": {"step": "won", "name": "won", "amount": 32000.0, "n": 3},
    "BridgeOut": {
        "period": "2026-Q1",
        "measure": "expected",
        "since": "2026-02-23T00:00:00Z",
        "start": 380000.0,
        "end": 412000.0,
    },
    "CoverOut": {
        "period": "2026-Q1",
        "confidence": 0.8,
        "target": 450000.0,
        "chance": 0.24,
        "due": 610000.0,
        "times": 1.3,
        "more": 183000.0,
        "deals": 11.0,
        "coverage": 1.85,
    },
    "CapacityOut": {
        "topic": "ramp",
        "name": "months until a new seller is at full strength",
        "value": 4.0,
        "low": 3.0,
        "high": 6.0,
        "n": 9.0,
        "unit": "months",
        "basis": "measured",
        "why": "first wins of nine sellers",
    },
    "ForecastOut": {
        "as_of": "2026-03-02T00:00:00Z",
        "expires": _END,
        "expired": False,
        "data": "64186def",
        "currency": "EUR",
        "level": 0.8,
        "draws": 10000,
        "shock": 0.12,
        "notes": ["amounts in USD at 0.92 of 2026-01-01"],
        "dimension": "all",
        "dimensions": ["all", "team"],
    },
}
_BRIDGE = {**_SHAPES["BridgeOut"], "steps": [_SHAPES["StepOut"]]}
_LISTS = {
    "rates": "RateOut",
    "periods": "PeriodOut",
    "table": "ForecastRow",
    "targets": "TargetOut",
    "quantiles": "QuantilesOut",
    "drivers": "DriverOut",
    "cover": "CoverOut",
    "capacity": "CapacityOut",
}

BY_SHAPE: dict[tuple[str, str], Any] = {
    **{
        (shape, field): value
        for shape, fields in _SHAPES.items()
        for field, value in fields.items()
    },
    **{("ForecastOut", field): [_SHAPES[shape]] for field, shape in _LISTS.items()},
    ("ForecastOut", "bridges"): [_BRIDGE],
    ("BridgeOut", "steps"): _BRIDGE["steps"],
}
