"""How a feature is declared: a short function, its docstring, and what it needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from features.spine import FeatureSpec
from features.tables import Coded, Floats
from features.view import View

Column = Floats | Coded
Compute = Callable[..., Column]
Title = str | Callable[..., str]


@dataclass(frozen=True)
class Definition:
    """One feature: what it is, what must hold facts for it to exist, and how it is computed.

    needs      "table.column" or "table.column=word"; all must hold at least one fact
    template   the name with its variants unfilled, for the glossary; says: the meaning likewise
    variants   what the variants may be
    """

    spec: FeatureSpec
    needs: tuple[str, ...]
    compute: Callable[[View], Column]
    template: str
    says: str
    variants: Mapping[str, Sequence[object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """The definitions of one module, in the order of its lines."""

    definitions: list[Definition] = field(default_factory=list)

    def feature(
        self,
        entities: str,
        source: str,
        group: str,
        *,
        unit: str = "",
        kind: Literal["number", "category"] = "number",
        name: str = "",
        needs: Iterable[str] = (),
        own: bool = False,
        over: Mapping[str, Sequence[object]] | None = None,
        title: Title = "",
        absent: Title = "",
    ) -> Callable[[Compute], Compute]:
        """Declare the decorated function as a feature of ``entities`` (words).

        ``over`` lists variants: each combination is a feature of its own and is passed to the
        function; ``name``, ``group``, ``needs`` and the docstring are filled with it. ``{entity}``
        is filled everywhere too. ``title`` and ``absent`` are those of ``FeatureSpec``, or a
        function of the variant's words that gives them ("Calls in the last {days} days": words are
        filled in, numbers stay blanks); without a title the docstring is the title.
        """

        def declare(function: Compute) -> Compute:
            template = name or function.__name__
            text = inspect.getdoc(function) or ""
            names = list(over or {})
            for entity in entities.split():
                for values in product(*(over or {}).values()):
                    variant = dict(zip(names, values, strict=True))
                    fill = {k: str(v) for k, v in variant.items()} | {"entity": entity}
                    words = {k: v for k, v in variant.items() if isinstance(v, str)}
                    numbers = {k: str(v) for k, v in variant.items() if k not in words}
                    spec = FeatureSpec(
                        name=template.format(**fill),
                        entity=entity,
                        kind=kind,
                        meaning=text.format(**fill),
                        unit=unit,
                        source=source.format(**fill),
                        group=group.format(**fill),
                        own=own,
                        title=_phrase(title or text.removesuffix("."), words),
                        fills=numbers,
                        absent=_phrase(absent, words),
                    )
                    filled = tuple(n.format(**fill) for n in needs)
                    self.definitions.append(
                        Definition(
                            spec, filled, _bind(function, variant), template, text, over or {}
                        )
                    )
            return function

        return declare


def _phrase(title: Title, words: Mapping[str, str]) -> str:
    """A title for a variant's words; its numbers stay blanks."""
    if callable(title):
        return title(**words)
    for name, word in words.items():
        title = title.replace(f"{{{name}}}", word)
    return title


def _bind(function: Compute, variant: Mapping[str, object]) -> Callable[[View], Column]:
    return lambda view: function(view, **variant)
