"""Parameters of a query, as strict as a body: unknown and repeated names, odd values are told."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from starlette.requests import Request

from serving.http.errors import Problem


def read_params(request: Request, known: Sequence[str]) -> dict[str, str]:
    """The query's parameters; a Problem for one that is unknown or given twice."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise Problem("duplicate_key", f"{name[:80]!r} is given more than once", name[:80])
        if name not in known:
            near = difflib.get_close_matches(name[:80], known, 1)
            there = f"there are {', '.join(known) or 'none'}"
            message = f"no such parameter; {f'did you mean {near[0]!r}?' if near else there}"
            raise Problem("unknown_field", message, name[:80])
        found[name] = value
    return found


def whole(params: dict[str, str], name: str, default: int, most: int) -> int:
    """A parameter as a whole number from 1 to ``most``; a Problem for another."""
    given = params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and 1 <= int(given) <= most):
        message = f"must be a whole number from 1 to {most}, got {given[:40]!r}"
        raise Problem("bad_number", message, name)
    return int(given)
