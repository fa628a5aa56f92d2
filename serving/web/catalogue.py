"""Every word of the pages, found where it is said: in templates, ``mark(…)`` and ``lazy(…)``.

``python -m serving messages`` keeps the catalogues of domain "pages" in step with what is found
here, as it does for the sentences; English is what the code itself says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from jinja2.ext import babel_extract

from serving.analytics.health.actions import TO_DO
from serving.analytics.kpis.catalog import chosen
from serving.analytics.kpis.definition import WARNINGS
from serving.analytics.quality.impossible import RULES
from serving.i18n.languages import FOLDER, LANGUAGES
from serving.i18n.page_words import read_catalog
from serving.web.render import HERE

SERVING = HERE.parent
CALLS = ("mark", "lazy", "_")
Key = str | tuple[str, str]


def required() -> dict[Key, str]:
    """Every message, and the file that says it; of one with a plural both forms."""
    found: dict[Key, str] = {}
    for path in sorted((HERE / "templates").glob("*.html")):
        with path.open("rb") as file:
            for _, function, said, _ in babel_extract(file, ("_", "gettext", "ngettext"), (), {}):
                said = said if isinstance(said, tuple) else (said,)
                if function == "ngettext":
                    found[str(said[0]), str(said[1])] = path.name
                elif said[0] is not None:
                    found[str(said[0])] = path.name
    for path in sorted(SERVING.rglob("*.py")):
        for said in _said(path):
            found[said] = str(path.relative_to(SERVING))
    for figure in chosen([]):
        found[figure.title] = "figures"
    for constant in (*WARNINGS, *TO_DO.values()):
        found[constant.strip()] = "figures"
    for rule in RULES:
        found[rule.says] = "quality/impossible.py"
    return {key: place for key, place in found.items() if key not in _BARE}


_BARE = ("{reason}", "{column}")
"""Patterns that are nothing but a value."""


def _said(path: Path) -> Iterator[str]:
    """First arguments, where they are literal, of the calls that mark a word."""
    text = path.read_text(encoding="utf-8")
    if not any(f"{name}(" in text for name in CALLS):
        return
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        first = node.args[0]
        known = node.func.id in CALLS and isinstance(first, ast.Constant)
        if known and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def missing(lang: str) -> list[str]:
    """What a language has no words for."""
    if lang == LANGUAGES[0]:
        return []
    known = _known(lang)
    return [str(key) for key in required() if not _spoken(known.get(key))]


def update(lang: str) -> list[str]:
    """Bring a language's catalogue in step and return what it has no words for."""
    if lang == LANGUAGES[0]:
        return []
    kept, new = _known(lang), Catalog(lang)
    for said, place in sorted(required().items(), key=lambda item: str(item[0])):
        string = kept.get(said, "" if isinstance(said, str) else ("", ""))
        new.add(said, string, locations=[(place, None)])  # type: ignore[list-item]
    with (FOLDER / lang / "LC_MESSAGES" / "pages.po").open("wb") as file:
        file.write(_HEAD.format(lang=lang).encode())
        write_po(file, new, width=0, omit_header=True)
    return missing(lang)


def _known(lang: str) -> dict[Key, str | tuple[str, ...]]:
    found: dict[Key, str | tuple[str, ...]] = {}
    for message in read_catalog(lang):
        if message.id:
            said = message.id
            key: Key = said if isinstance(said, str) else (said[0], said[1])
            string = message.string
            found[key] = string if isinstance(string, str) else tuple(string or ())
    return found


def _spoken(string: str | tuple[str, ...] | None) -> bool:
    if string is None:
        return False
    return all([string] if isinstance(string, str) else string)


_HEAD = """# The words of Embudo's pages ({lang}). `make messages` keeps the ids in step.
msgid ""
msgstr ""
"Language: {lang}\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
