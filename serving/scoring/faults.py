"""What can be wrong with a request, under our own stable codes and in words that help."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from features.schema import LARGEST_NUMBER

TOO_LARGE = (
    f"a number beyond {LARGEST_NUMBER:.0e} is a typing error, not a fact; "
    "leave the field out if it is not known"
)


NO_INSTANT = (
    "an instant before 1900 or after 2199 is a typing error, not a fact; "
    "leave the field out if it is not known"
)


@dataclass(frozen=True)
class Fault:
    """What is wrong, where (a dotted path into the body), and what to do."""

    code: str
    path: str
    message: str


@dataclass(frozen=True)
class RecordFault:
    """A record that was not scored; the others were."""

    index: int
    id: str | None
    fault: Fault

    def to_json(self) -> dict[str, Any]:
        """Its entry in ``results``."""
        return {"index": self.index, "id": self.id, "error": asdict(self.fault)}


class ContractError(ValueError):
    """A request that cannot be read at all."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.path or 'body'}: {fault.message}")
        self.fault = fault


_CODES = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "too_long": "too_long",
    "string_too_long": "too_long",
    "too_short": "too_short",
    "string_too_short": "too_short",
    "greater_than_equal": "number_too_large",
    "less_than_equal": "number_too_large",
    "finite_number": "number_too_large",
    "greater_than": "not_a_share",
    "less_than": "not_a_share",
    "literal_error": "unknown_language",
    "bad_instant": "bad_instant",
    "instant_without_zone": "instant_without_zone",
    "number_too_large": "number_too_large",
    "not_a_share": "not_a_share",
    "unknown_word": "unknown_word",
    "bad_text": "bad_text",
}
"""The library's kinds of error under our stable codes; every other kind is ``wrong_type``."""

_SAID = {
    "missing": "this field is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "float_type": "must be a number, without quotes",
    "greater_than_equal": TOO_LARGE,
    "less_than_equal": TOO_LARGE,
    "finite_number": TOO_LARGE,
    "greater_than": "must lie strictly between 0 and 1",
    "less_than": "must lie strictly between 0 and 1",
}


def fault_of(error: ValidationError, model: type[BaseModel], prefix: str) -> Fault:
    """The first error; a misspelt field before the missing one it explains."""
    errors = error.errors(include_url=False, include_input=False)
    found = [(e["loc"], _CODES.get(e["type"], "wrong_type"), _message(e, model)) for e in errors]
    return fault_among(found, prefix)


def fault_among(found: Sequence[tuple[tuple[int | str, ...], str, str]], prefix: str) -> Fault:
    """The first of some faults (place, code, message), and how many more there are."""
    place, code, message = next((f for f in found if f[1] == "unknown_field"), found[0])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Fault(code, path(prefix, place), message + more)


def _message(first: ErrorDetails, model: type[BaseModel]) -> str:
    if first["type"] == "extra_forbidden":
        return _unknown(model, first["loc"])
    return _SAID.get(first["type"]) or first["msg"][:1].lower() + first["msg"][1:]


def _unknown(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    here: Any = model
    for step in loc[:-1]:
        if isinstance(step, str):
            here = _inner(here.model_fields[step].annotation)
    return unknown_field(str(loc[-1]), list(here.model_fields))


def unknown_field(name: str, known: Sequence[str]) -> str:
    """What to say of a field that is none of those known."""
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"no such field; did you mean {near[0]!r}?"
    own = "; the company's own fields belong inside 'custom'"
    return f"no such field{own if 'custom' in known else ''}"


def _inner(annotation: Any) -> Any:
    """The model inside ``X | None`` or ``list[X] | None``."""
    while inside := get_args(annotation):
        annotation = inside[0]
    return annotation


def path(prefix: str, loc: tuple[int | str, ...]) -> str:
    """A dotted path such as records[3].lead.custom.fit."""
    text = prefix
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
