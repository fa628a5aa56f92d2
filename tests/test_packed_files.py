"""Files as people hand them over: hints, encodings, zips and spreadsheets hold the same table."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from features.ingest.mapping import load
from features.ingest.run import canonical
from features.sources.files import find, read, read_header
from features.sources.packed import Cell, readable, text
from features.sources.words import SourceError
from tests.helpers.workbooks import workbook

ROWS = [["id", "name", "amount"], ["1", "Dü", "5"], ["2", "x;y", ""]]
PLAIN = 'id;name;amount\n1;Dü;5\n2;"x;y";\n'


def table(path: Path) -> list[list[str]]:
    header = read_header(path)
    source = read(header, header.names)
    columns = [source.words[n].texts(range(len(source.row))) for n in header.names]
    return [list(header.names), *map(list, zip(*columns, strict=True))]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        ("sep=;\n" + PLAIN).encode(),
        ('\ufeff"sep=;"\r\n' + PLAIN).encode(),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        ("sep=;\n" + PLAIN).encode("utf-16-le"),
    ],
)
def test_a_table_reads_alike_however_it_was_saved(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "deals.csv"
    path.write_bytes(data)
    assert table(path) == ROWS


def test_an_empty_cell_too_many_in_every_row_shifts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deals.csv"
    path.write_text("id,name\n1,a,\n2,b,\n")
    assert table(path) == [["id", "name", "#3"], ["1", "a", ""], ["2", "b", ""]]


def test_a_row_with_one_more_value_is_still_ragged(tmp_path: Path) -> None:
    path = tmp_path / "deals.csv"
    path.write_text("id,name\n1,a,\n2,b,c\n")
    assert len(table(path)) == 1


def test_zips_and_sheets_are_files_of_their_own_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("all/deals.csv", PLAIN)
        archive.writestr("__MACOSX/._deals.csv", "not a table")
    (tmp_path / "people.csv").write_text(PLAIN)
    at = dt.datetime.fromisoformat("2025-01-15 10:30")
    (tmp_path / "companies.xlsx").write_bytes(workbook({"S": [["id", "at"], [7, at]]}))
    with readable(tmp_path) as files:
        assert [p.name for p in files] == ["companies.csv", "deals.csv", "people.csv"]
        assert table(find(files, ["deals"])[0]) == ROWS
        assert table(find(files, ["companies"])[0]) == [["id", "at"], ["7", "2025-01-15 10:30:00"]]
    assert not any(p.exists() for p in files if p.parent != tmp_path)


def test_a_name_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("deals.csv", PLAIN)
    (tmp_path / "deals.csv").write_text(PLAIN)
    with pytest.raises(SourceError, match=r"deals\.csv, which is there twice"), readable(tmp_path):
        pass


@pytest.mark.parametrize("name", ["broken.zip", "broken.xlsx"])
def test_what_cannot_be_unpacked_names_the_file_and_a_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 not whole")
    with pytest.raises(SourceError, match=f"{name}.*(unpack it yourself|save it as CSV)"):
        canonical(tmp_path, load("hubspot"))


def test_cells_of_a_spreadsheet_as_words() -> None:
    cells: list[Cell] = [
        71.0,
        0.5,
        True,
        dt.datetime.fromisoformat("2025-01-15"),
        dt.timedelta(minutes=61),
    ]
    assert [text(c) for c in cells] == ["71", "0.5", "true", "2025-01-15", "01:01:00"]
