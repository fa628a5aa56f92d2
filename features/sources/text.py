"""CSV text: any delimiter, encoding or compression, read once and never shifted."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from features.sources.words import (
    Advance,
    Header,
    Ragged,
    Source,
    SourceError,
    WordColumn,
    unique_names,
)
from features.tables import Ints

DELIMITERS = ",;\t|"
_SAMPLE = 1 << 17
_BLOCK = 1 << 24
_WHOLE = (1 << 31) - 1
_SALVAGES = 100
_HINT = re.compile(r"\ufeff?\"?sep=(?P<mark>[^\r\n])\"?[;,\t]*\r?\n", re.IGNORECASE)
"""A first line for spreadsheet programs that names the delimiter; it is no header."""


def csv_header(path: Path, delimiter: str, encoding: str) -> Header:
    """The header of one CSV file; what is "" is sniffed."""
    with _open(path) as file:
        sample = _take(path, file, _SAMPLE)
    encoding = encoding or _sniff_encoding(sample)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    if not text.strip():
        raise SourceError(f"{path.name} is empty: it has no header row; export it again with one")
    hint = _HINT.match(text)
    if hint:
        text = text[hint.end() :]
        delimiter = delimiter or hint["mark"]
    delimiter = delimiter or _sniff_delimiter(text)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if not rows:
        raise SourceError(f"{path.name} has no header row; export it again with one")
    first = rows[0]
    # the last row of the sample may be cut off
    if _ends_in_delimiter(rows if len(sample) < _SAMPLE else rows[:-1]):
        first = [*first, ""]
    return Header(path, *unique_names(first), encoding, delimiter, bool(hint))


def _ends_in_delimiter(rows: list[list[str]]) -> bool:
    """Whether every row but the header ends with a delimiter too many: one more cell, empty."""
    width = len(rows[0]) + 1
    return len(rows) > 1 and all(len(row) == width and not row[-1] for row in rows[1:])


def read_csv(header: Header, columns: Sequence[str], advance: Advance) -> Source:
    """The ``columns`` of one CSV file; the encoding is looked at again if the sniffed one fails."""
    try:
        return _read(header, columns, advance)
    except pa.ArrowInvalid as problem:
        if "UTF8" not in str(problem):
            raise SourceError(f"{header.path.name} cannot be read as CSV: {problem}") from problem
    return _read(replace(header, encoding=_second_choice(header.path)), columns, advance)


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _take(path: Path, file: IO[bytes], size: int) -> bytes:
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile) as problem:
        raise SourceError(
            f"{path.name} is not a whole gzip file ({problem}); copy it again"
        ) from problem


def _sniff_encoding(sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if half := _without_mark(sample):
        return half
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return _utf8_or_western(sample)
    return "utf-8-sig" if sample.startswith(codecs.BOM_UTF8) else "utf-8"


def _without_mark(sample: bytes) -> str:
    """UTF-16 without a byte-order mark: nearly every second byte of Latin text is zero; else ""."""
    if len(sample) < 4:
        return ""
    even, odd = (part.count(0) / len(part) for part in (sample[::2], sample[1::2]))
    if odd > 0.5 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.5 and odd < 0.05 else ""


def _utf8_or_western(data: bytes) -> str:
    """cp1252, unless nearly all that is not ASCII reads as UTF-8: then a few bytes are broken."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    beyond_ascii = sum(len(part) for part in pc.split_pattern_regex(text, r"[\x00-\x7f]+").as_py())
    return "utf-8-sig" if broken <= 0.1 * beyond_ascii else "cp1252"


def _second_choice(path: Path) -> str:
    with _open(path) as file:
        return _utf8_or_western(_take(path, file, -1))


def _sniff_delimiter(text: str) -> str:
    """The delimiter that cuts the first lines into the most cells, the same number in each."""

    def fitness(delimiter: str) -> tuple[float, int]:
        rows = csv.reader(io.StringIO(text), delimiter=delimiter)
        widths = [len(row) for row, _ in zip(rows, range(20), strict=False) if row]
        return (sum(w == widths[0] for w in widths) / len(widths)) * (widths[0] > 1), widths[0]

    return max(DELIMITERS, key=fitness)


class _Utf8(io.RawIOBase):
    """A file's bytes re-coded to UTF-8, ended by a newline, counted as they pass."""

    def __init__(self, header: Header, file: IO[bytes], advance: Advance) -> None:
        self.path, self.file, self.advance = header.path, file, advance
        plain = header.encoding in ("utf-8", "utf-8-sig", "")
        self.broken = header.encoding == "utf-8-sig"
        decode = codecs.getincrementaldecoder(header.encoding or "utf-8")
        self.decoder = None if plain and not self.broken else decode("replace")
        self.rest = b""
        self.last = b"\n"
        self.done = False
        self.replaced = 0

    def readable(self) -> bool:
        return True

    def _refill(self) -> None:
        raw = _take(self.path, self.file, 1 << 20)
        self.advance(len(raw))
        self.done = not raw
        data = raw
        if self.decoder is not None:
            text = self.decoder.decode(raw, final=self.done)
            self.replaced += text.count("\ufffd")
            data = text.encode("utf-8", "replace")
        self.last = data[-1:] or self.last
        self.rest = data + (b"\n" if self.done and self.last != b"\n" else b"")

    def readinto(self, buffer: Any) -> int:
        while not self.rest and not self.done:
            self._refill()
        size = min(len(buffer), len(self.rest))
        buffer[:size] = self.rest[:size]
        self.rest = self.rest[size:]
        return size


def _parse(stream: Any, header: Header, columns: Sequence[str], block: int) -> Any:
    """One pass of Arrow's reader: the table, and the ragged records it set aside."""
    ragged: list[Ragged] = []

    def aside(row: Any) -> str:
        number = len(ragged) if row.number is None else row.number - 1
        ragged.append(Ragged(number, row.expected_columns, row.actual_columns, row.text))
        return "skip"

    table = pacsv.read_csv(
        stream,
        read_options=pacsv.ReadOptions(
            column_names=list(header.names),
            skip_rows_after_names=1,
            # one thread: only then does Arrow know the number of a ragged record
            use_threads=False,
            block_size=block,
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=aside
        ),
        convert_options=pacsv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(header.names, pa.string()),
            strings_can_be_null=False,
        ),
    )
    return table, ragged


def _read(header: Header, columns: Sequence[str], advance: Advance) -> Source:
    # Arrow cannot count rows without a column, so one is read even when none is asked for
    wanted = list(columns) or [header.names[0]]

    def once(block: int) -> tuple[Any, list[Ragged], int]:
        with _open(header.path) as file:
            stream = _Utf8(header, file, advance)
            text = io.BufferedReader(stream, _BLOCK)
            if header.hint:
                text.readline()
            table, ragged = _parse(text, header, wanted, block)
        return table, ragged, stream.replaced

    try:
        table, ragged, replaced = once(_BLOCK)
    except pa.ArrowInvalid as problem:
        if "straddling" not in str(problem):
            raise
        # a cell larger than a block: nearly always a quote that is never closed
        table, ragged, replaced = once(_WHOLE)
    table, row, ragged = _salvage(header, wanted, table, ragged)
    return Source(header, _frame(table, columns), row, ragged, replaced)


def _numbers(n: int, ragged: Sequence[Ragged]) -> Ints:
    """The record numbers of the ``n`` good rows, the ragged ones standing between them."""
    all_rows = np.arange(1, n + len(ragged) + 1)
    return np.delete(all_rows, np.array([r.row - 1 for r in ragged], np.int64))


def _salvage(
    header: Header, columns: Sequence[str], table: Any, ragged: list[Ragged]
) -> tuple[Any, Ints, list[Ragged]]:
    """Read again the lines that an unclosed quote swallowed; they follow at the table's end."""
    tables, row, given_up = [table], _numbers(table.num_rows, ragged), list[Ragged]()
    pending, passes = deque(ragged), 0
    total = len(row) + len(ragged)
    while pending:
        bad = pending.popleft()
        first, newline, rest = bad.text.strip("\r\n").partition("\n")
        given_up.append(Ragged(bad.row, bad.expected, bad.found, first if newline else bad.text))
        if not newline or passes == _SALVAGES:
            continue
        passes += 1
        again, swallowed = _parse(
            io.BytesIO(("header\n" + rest + "\n").encode()), header, columns, _WHOLE
        )
        numbers = total + _numbers(again.num_rows, swallowed)
        pending.extend(Ragged(total + r.row, r.expected, r.found, r.text) for r in swallowed)
        total += again.num_rows + len(swallowed)
        tables.append(again)
        row = np.concatenate([row, numbers])
    return pa.concat_tables(tables), row, given_up


def _frame(table: Any, columns: Sequence[str]) -> dict[str, WordColumn]:
    return {name: words_of(table.column(name).dictionary_encode()) for name in columns}


def words_of(column: Any) -> WordColumn:
    """A dictionary column of Arrow, whose chunks share one vocabulary, as words."""
    if column.num_chunks == 0:
        return WordColumn(np.zeros(0, np.int32), pa.array([], pa.string()))
    codes = [c.indices.fill_null(-1).to_numpy(zero_copy_only=False) for c in column.chunks]
    return WordColumn(np.concatenate(codes).astype(np.int32), column.chunk(0).dictionary)
