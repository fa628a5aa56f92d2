"""Templates become pages: one environment, the filters that write numbers, dates and money."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.i18n.labels import LABELS
from serving.i18n.languages import date as long_date
from serving.i18n.languages import fixed, number, translations
from serving.i18n.lazy_text import translated
from serving.i18n.titles import titled
from serving.web.drawings import funnel, outlook, reliability, weeks
from training import charts as reports

HERE = Path(__file__).parent
REPORTS = Path(reports.__file__).parent / "templates"
STATIC = {"desk.css": "text/css; charset=utf-8", "desk.js": "text/javascript; charset=utf-8"}
NONE = "–"
"""What stands where nothing is known."""


def render(name: str, lang: str, values: Mapping[str, Any]) -> str:
    """A template in a language."""
    return environment(lang).get_template(name).render(**values)


@cache
def environment(lang: str) -> Environment:
    """The templates of a language."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translations(lang), newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {
        "money": lambda v: NONE if v is None else fixed(v, 0, lang),
        "number": lambda v: NONE if v is None else number(v, lang),
        "days": lambda v: NONE if v is None else fixed(v, 0, lang),
        "percent": lambda v, d=0: NONE if v is None else f"{fixed(100 * v, d, lang)} %",
        "points": lambda v: fixed(v, 1, lang),
        "one": lambda v: NONE if v is None else fixed(v, 1, lang),
        "titled": lambda title, field: titled(title, {"field": field}, lang),
        "text": lambda v: NONE if v in (None, "") else v,
        "date": lambda v: _date(v, lang),
        "cell": lambda v, kind: cell(v, kind, lang),
    }
    made.globals |= {"css": _address("desk.css"), "js": _address("desk.js"), "lang": lang}
    # for what the data say: a word that has a translation, else itself; never formatted
    made.globals["say"] = lambda v: _said(v, lang)
    made.globals["drawn"] = {
        "funnel": partial(funnel, lang=lang),
        "outlook": partial(outlook, lang=lang),
        "weeks": partial(weeks, lang=lang),
        "reliability": partial(reliability, lang=lang),
    }
    # an owner's name, else its id
    made.globals["who"] = lambda one, names: names.get(one, one) if one else NONE
    return made


def _said(value: Any, lang: str) -> str:
    """A value in a language: a sentence of ``serving.i18n.lazy_text``, a code, or a text."""
    translate = translations(lang).gettext
    if isinstance(value, Mapping):
        return translated(value, lang, translate)
    return translate(LABELS.get(str(value), str(value))) if value else NONE


def cell(value: Any, kind: str, lang: str) -> str:
    """A cell of a list as it is read."""
    if value in (None, ""):
        return NONE
    if kind == "percent":
        return f"{fixed(100 * value, 0, lang)} %"
    if kind in ("money", "days"):
        return fixed(value, 0, lang)
    if kind == "number":
        return number(value, lang)
    return _date(value, lang) if kind == "date" else str(value)


def _date(value: Any, lang: str) -> str:
    """An ISO text or microseconds as a day in words."""
    if value in (None, ""):
        return NONE
    if isinstance(value, str):
        at = datetime.fromisoformat(value)
        value = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)
    return long_date(int(value), lang)


@cache
def static(name: str) -> bytes:
    """A file of our own that pages load; the style with the rules of the reports' drawings."""
    own = (HERE / "static" / name).read_bytes()
    return own + _drawings() if name == "desk.css" else own


def _drawings() -> bytes:
    """The part of the reports' style that is about drawings: said once, for both."""
    style = (REPORTS / "style.css").read_text(encoding="utf-8")
    start, end = style.index("/* Drawings */"), style.index("/* one drawing stands")
    return style[start:end].encode()


def _address(name: str) -> str:
    """The file's address; it changes with its content, so that it can be kept for ever."""
    return f"/static/{name}?v={sha256(static(name)).hexdigest()[:12]}"
