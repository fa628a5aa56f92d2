"""A page is plain data, then one template: sections of words, figures and tables.

The file that comes out stands alone: style and drawings are inside it, nothing is fetched, there is
no script, and a content policy in its head forbids both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent


@dataclass(frozen=True)
class PageTable:
    """Cells as they are read; the first ``words`` columns are words, the rest align as numbers.

    What follows a line break in a cell (an interval, say) stands small under it.

    marked  numbers of the rows that the reader should look at first
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    caption: str = ""
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """One drawing: a title that says what is seen, how to read it, and the same as a table."""

    title: str
    svg: str
    reading: str = ""
    table: PageTable | None = None

    @property
    def drawing(self) -> Markup:
        """The SVG, whose texts were escaped as it was drawn."""
        return Markup(self.svg)


@dataclass(frozen=True)
class Section:
    """One question of the reader and its answer.

    anchor    name of the section in the page's address
    asks      the question it answers, as a line under the title
    facts     (term, what it is) in two columns
    points    sentences as a list
    """

    anchor: str
    title: str
    asks: str = ""
    paragraphs: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[PageTable] = ()
    points: Sequence[str] = ()
    after: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """A whole page; ``keys`` are the numbers to remember: (number, what it is, its interval)."""

    kicker: str
    title: str
    standfirst: str
    keys: Sequence[tuple[str, str, str]] = ()
    sections: Sequence[Section] = field(default_factory=list)
    footer: Sequence[str] = ()
    language: str = "en"


def render(page: Page) -> str:
    """The page as one HTML file."""
    loader = FileSystemLoader(HERE / "templates")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = Markup((HERE / "templates" / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("page.html").render(page=page, style=style)
