"""Files as words: which are there, what their columns are called, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from features.sources.parquet import parquet_header, read_parquet
from features.sources.text import csv_header, read_csv
from features.sources.words import Advance, Header, Source, SourceError

SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet")


def listed(data: Path) -> list[Path]:
    """The readable files of a folder by name, or the one file itself."""
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise SourceError(f"no file or folder {data}; give the export's folder or file")
    files = (p for p in data.iterdir() if p.is_file() and p.name.lower().endswith(SUFFIXES))
    return sorted(files, key=lambda p: p.name)


def stem(path: Path) -> str:
    """The file's name without its suffix ("deals" for deals.csv.gz)."""
    known = [s for s in SUFFIXES if path.name.lower().endswith(s)]
    return path.name[: -len(max(known, key=len))] if known else path.name


def find(files: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """The files meant by the first of ``names`` that any has.

    A name is a file's name with or without suffix, or a pattern such as ``sales_*.csv``; case
    does not matter. A pattern may mean several files.
    """
    for name in names:
        low = name.lower()
        found = [p for p in files if fnmatch(p.name.lower(), low) or fnmatch(stem(p).lower(), low)]
        if found:
            return found
    return []


def is_parquet(path: Path) -> bool:
    """Whether the file's name says Parquet."""
    return path.suffix.lower() == ".parquet"


def read_header(path: Path, delimiter: str = "", encoding: str = "") -> Header:
    """The header of one file; ``delimiter`` and ``encoding`` are sniffed where not stated."""
    return parquet_header(path) if is_parquet(path) else csv_header(path, delimiter, encoding)


def read(header: Header, columns: Sequence[str], advance: Advance = lambda _: None) -> Source:
    """The ``columns`` of one file (unique names of its header), every cell a word.

    Ragged records are set aside, never shifted; a quote that is never closed costs its own line
    only.
    """
    if is_parquet(header.path):
        return read_parquet(header, columns, advance)
    return read_csv(header, columns, advance)
