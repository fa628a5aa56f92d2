"""Zip archives, spreadsheets and JSON, unpacked into CSV files for as long as they are read."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from python_calamine import CalamineError, CalamineWorkbook

from features.sources.files import SUFFIXES, listed, stem
from features.sources.objects import OBJECTS, tables_in
from features.sources.words import SourceError

SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
"""Spreadsheets that are read."""

PACKED = (".zip", *SHEETS, *OBJECTS)

Cell = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta


@contextmanager
def readable(data: Path) -> Iterator[list[Path]]:
    """The files of an export, by name; what is packed is unpacked until the block ends.

    A zip gives its files under their own names, a spreadsheet one file a sheet that has rows:
    under the spreadsheet's name where it is the only one, else under ``name sheet``. A name that
    would occur twice raises SourceError.
    """
    if data.is_file() and not _packed(data):
        yield [data]
        return
    packed = [data] if data.is_file() else sorted(p for p in data.glob("*") if _packed(p))
    plain = [] if data.is_file() else listed(data)
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        problems = []
        for path in packed:
            try:
                _unpack(path, Path(folder), plain)
            except SourceError as problem:
                problems.append(str(problem))
        if problems:
            raise SourceError("; ".join(problems))
        yield sorted([*plain, *listed(Path(folder))], key=lambda p: p.name)


def _packed(path: Path) -> bool:
    # "~$" begins the lock that a spreadsheet program leaves beside an open file
    return path.suffix.lower() in PACKED and path.is_file() and not path.name.startswith("~$")


def _unpack(path: Path, folder: Path, plain: list[Path]) -> None:
    if path.suffix.lower() == ".zip":
        _unzip(path, folder, plain)
    elif path.suffix.lower() in OBJECTS:
        _spread(path, folder, plain)
    else:
        _unroll(path, folder, plain)


def _spread(path: Path, folder: Path, plain: list[Path]) -> None:
    """Write every list of objects as a CSV file."""
    found = tables_in(path)
    if not found:
        raise SourceError(f"{path.name} holds no list of objects; give the records themselves")
    for name, rows in found.items():
        own = f"{path.stem} {name.replace('/', '_')}" if name else path.stem
        columns = dict.fromkeys(column for row in rows for column in row)
        target = _target(folder, f"{own}.csv", path, plain)
        with target.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(columns))
            writer.writeheader()
            writer.writerows(rows)


def _target(folder: Path, name: str, origin: Path, plain: list[Path]) -> Path:
    target = folder / name
    if target.exists() or any(p.name.lower() == name.lower() for p in plain):
        raise SourceError(f"{origin.name} holds {name}, which is there twice; keep one of the two")
    return target


def _unzip(path: Path, folder: Path, plain: list[Path]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = PurePosixPath(entry.filename).name
                if entry.is_dir() or name.startswith("."):
                    continue
                if not name.lower().endswith((*SUFFIXES, *SHEETS, *OBJECTS)):
                    continue
                target = _target(folder, name, path, plain)
                with archive.open(entry) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
                if target.suffix.lower() in (*SHEETS, *OBJECTS):
                    _unpack(target, folder, plain)
                    target.unlink()
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as problem:
        raise SourceError(
            f"{path.name} cannot be unpacked ({problem}); unpack it yourself and give the folder"
        ) from problem


def _unroll(path: Path, folder: Path, plain: list[Path]) -> None:
    """Write every sheet that has rows as a CSV file."""
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        sheets = {n: workbook.get_sheet_by_name(n).to_python() for n in workbook.sheet_names}
    except (CalamineError, OSError) as problem:
        raise SourceError(
            f"{path.name} cannot be read as a spreadsheet ({problem}); save it as CSV"
        ) from problem
    filled = {name: rows for name, rows in sheets.items() if rows}
    if not filled:
        raise SourceError(f"{path.name} has no rows in any sheet; export it again")
    for name, rows in filled.items():
        own = stem_of(path) if len(filled) == 1 else f"{stem_of(path)} {name.replace('/', '_')}"
        target = _target(folder, f"{own}.csv", path, plain)
        with target.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([[text(cell) for cell in row] for row in rows])


def stem_of(path: Path) -> str:
    """The name without the suffix, of a spreadsheet too."""
    return path.stem if path.suffix.lower() in PACKED else stem(path)


def text(cell: Cell) -> str:
    """A spreadsheet's cell as a word: ISO 8601 dates, whole numbers without ".0".

    A time of 00:00:00 is left out: a spreadsheet keeps days as instants.
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time()
        return cell.date().isoformat() if midnight else cell.isoformat(sep=" ")
    if isinstance(cell, dt.timedelta):
        minutes, seconds = divmod(int(cell.total_seconds()), 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else str(cell)
