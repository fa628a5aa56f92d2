"""From a path to its route's template: the bounded label of metrics, logs and traces."""

from __future__ import annotations

import re
from collections.abc import Iterable

UNKNOWN = "other"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"})
_HOLE = re.compile(r"\{[^}]*\}")


class RouteTemplates:
    """The templates of an app's routes, such as ``/v1/leads/{entity_id}/score``."""

    def __init__(self, templates: Iterable[str]) -> None:
        known = [t for t in dict.fromkeys(templates) if ":path}" not in t]
        self._plain = {t: t for t in known if "{" not in t}
        self._holed = [(_pattern(t), t) for t in known if "{" in t]

    def of(self, path: str) -> str:
        """The template that the path is an instance of, or ``UNKNOWN``."""
        plain = self._plain.get(path)
        if plain is not None:
            return plain
        for pattern, template in self._holed:
            if pattern.fullmatch(path):
                return template
        return UNKNOWN


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in _HOLE.split(template)))


def method_of(method: str) -> str:
    """The method, or ``UNKNOWN`` for a word that is none."""
    return method if method in METHODS else UNKNOWN
