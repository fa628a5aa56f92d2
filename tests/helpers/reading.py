"""A page as a reader sees it: a line a heading, paragraph, fact, list item or table row."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._line, self._hidden = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "svg", "title")
        if tag in ("h1", "h2", "h3", "p", "li", "tr", "caption", "summary") or (
            tag == "div" and not attrs
        ):
            self._flush("#" * int(tag[1]) + " " if re.fullmatch(r"h\d", tag) else "")
        if tag in ("th", "td", "dd", "small"):
            self._line += " | "

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "svg", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._line += " ".join(data.split(" ")).replace("\n", "")

    def _flush(self, begin: str) -> None:
        if self._line.strip(" |#"):
            self.lines.append(self._line.strip())
        self._line = begin

    def text(self) -> str:
        """All of it."""
        self._flush("")
        return "\n".join(self.lines) + "\n"


def text_of(html: str) -> str:
    """What a page says, without its drawings."""
    reader = _Read()
    reader.feed(html)
    return reader.text()
