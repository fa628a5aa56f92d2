"""The drafted mapping as a commented TOML file, and as a summary for the terminal."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from features.draft.model import DraftedBlock, DraftedLine, MappingDraft, OpenQuestion

TOP = 3
"""Questions that stand at the top; the others stand behind them, in short."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 100


def to_toml(draft: MappingDraft) -> str:
    """The mapping as ``features ingest`` reads it, every line with its evidence."""
    lines = [*_intro(draft)]
    if draft.extends:
        lines += [f"extends = {text(draft.extends)}", ""]
    lines += ["[export]", *_each(draft.export)]
    for block in draft.blocks:
        lines += ["", *_block(block)]
    for part, listed in (("fixed", draft.fixed), ("left_out", draft.left_out)):
        if listed:
            lines += ["", f"[{part}]", *_each(list(listed.values()))]
    for question, line in draft.settings.items():
        lines += ["", f"# [questions.{question}]", *_each([line])]
    if draft.not_read:
        lines += ["", "# Files that nothing is read from:"]
        lines += [line for said in _not_read(draft) for line in _comment(said)]
    return "\n".join(lines) + "\n"


def _not_read(draft: MappingDraft) -> list[str]:
    """One sentence for every reason, with the files it is true of."""
    files: dict[str, list[str]] = {}
    for name, why in draft.not_read.items():
        files.setdefault(why, []).append(name)
    return [f"{', '.join(names)}: {why}" for why, names in files.items()]


def _intro(draft: MappingDraft) -> Iterator[str]:
    yield "# A draft by `python -m features draft`. A line says what it rests on, how sure it is:"
    yield "# sure, likely or unsure. What begins with # is not read; take the # away to have it."
    ranked = draft.ranked()
    if ranked:
        yield "#"
        yield (
            "# Only a person can answer:" if len(ranked) > 1 else "# Only a person can answer this:"
        )
    for i, question in enumerate(ranked[:TOP], 1):
        yield from _numbered(i, question)
    if ranked[TOP:]:
        yield "#"
        yield "# Smaller doubts:"
    for question in ranked[TOP:]:
        yield from _comment(question.text, "#   - ", "#     ")
    yield ""


def _numbered(i: int, question: OpenQuestion) -> list[str]:
    stop = " (Nothing can be read before this is answered.)" if question.stops else ""
    return _comment(question.text + stop, f"#   {i}. ", "#      ")


def _comment(said: str, first: str = "#   ", then: str = "#     ") -> list[str]:
    plain = re.sub(r"[\x00-\x1f\x7f]+", " ", said)
    return textwrap.wrap(plain, _WIDTH, initial_indent=first, subsequent_indent=then)


def _block(block: DraftedBlock) -> Iterator[str]:
    yield from _comment(block.evidence, "# ", "# ")
    yield f"[tables.{key(block.name)}]"
    if block.to != block.name:
        yield f"to = {text(block.to)}"
    if block.source:
        yield f"from = {text(block.source)}"
    yield from _each(block.head)
    for part, lines in (
        ("columns", block.columns),
        ("custom", block.custom),
        ("fields", block.fields),
    ):
        if lines:
            yield ""
            yield f"[tables.{key(block.name)}.{part}]"
            yield from _each(lines)
    for note in block.notes:
        yield from _comment(note, "# not read, ", "#   ")


def _each(lines: list[DraftedLine]) -> Iterator[str]:
    for line in lines:
        written = f"{key(line.name)} = {value(line.spec)}"
        said = f"# {line.sure}: {re.sub(chr(10), ' ', line.evidence)}"
        said = re.sub(r"[\x00-\x1f\x7f]+", " ", said)
        prefix = "# " if line.left_out else ""
        if len(written) + len(said) < _WIDTH + 20:
            yield f"{prefix}{written}  {said}"
        else:
            yield said
            yield f"{prefix}{written}"


def key(name: str) -> str:
    """A key of a TOML table, quoted where it must be."""
    return name if _BARE.fullmatch(name) else text(name)


def text(word: str) -> str:
    """A TOML basic string."""
    escaped = json.dumps(word, ensure_ascii=False)
    return escaped.replace("\x7f", "\\u007f")


def value(spec: Any) -> str:
    """A TOML value in one line."""
    if isinstance(spec, bool):
        return str(spec).lower()
    if isinstance(spec, int | float):
        return repr(spec)
    if isinstance(spec, str):
        return text(spec)
    if isinstance(spec, dict):
        return "{ " + ", ".join(f"{key(k)} = {value(v)}" for k, v in spec.items()) + " }"
    return "[" + ", ".join(value(v) for v in spec) + "]"


def summary(draft: MappingDraft, path: str) -> str:
    """What was understood and what is asked, for the terminal."""
    lines = []
    if draft.extends:
        lines.append(f"this is a {draft.extends} export: the draft extends that preset")
    for block in draft.blocks:
        drafted = [x for x in (*block.columns, *block.custom, *block.fields) if not x.left_out]
        out = sum(x.left_out for x in block.lines())
        said = f"{block.source or block.name} -> {block.to}: {len(drafted)} columns"
        lines.append(said + (f", {out} left out for you to decide" if out else ""))
    if draft.not_read:
        some, more = list(draft.not_read)[:6], len(draft.not_read) - 6
        lines.append(f"not read: {', '.join(some)}" + (f" and {more} more" if more > 0 else ""))
    ranked = draft.ranked()
    for i, question in enumerate(ranked[:TOP], 1):
        lines += ["", *textwrap.wrap(f"question {i}: {question.text}", _WIDTH)]
    if ranked[TOP:]:
        lines += ["", f"and {len(ranked) - TOP} smaller doubts, at the top of the draft"]
    return "\n".join([*lines, "", f"written to {path}"])
