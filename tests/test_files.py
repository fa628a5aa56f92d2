"""CSV for people: what a spreadsheet would run is text, and everything else stays what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.files import FORMULA, own_folder, safe_text, write_csv

EVIL = '=HYPERLINK("http://x","y")'


@given(st.text())
def test_no_text_begins_as_a_formula_and_no_other_text_changes(text: str) -> None:
    safe = safe_text(text)
    assert not safe.startswith(FORMULA)
    assert safe == text or (text.startswith(FORMULA) and safe == "'" + text)


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_no_cell_and_no_title_is_a_formula_whatever_holds_the_text(
    tmp_path: Path, dtype: str
) -> None:
    frame = pd.DataFrame(
        {
            "name": pd.Series([EVIL, "Ada", None], dtype=dtype),
            "@title": [-1.5, 2.0, None],
            "at": pd.to_datetime(pd.Series(["2026-01-02", None, "2026-01-03"]), utc=True),
        }
    )
    path = write_csv(frame, tmp_path / "made" / "list.csv")
    read = pd.read_csv(path)
    assert read["name"].tolist()[:2] == ["'" + EVIL, "Ada"] and pd.isna(read["name"][2])
    assert read["'@title"].tolist()[:2] == [-1.5, 2.0], "a negative number stays a number"
    assert read["at"][0] == "2026-01-02T00:00:00Z"


def test_an_empty_table_keeps_its_titles(tmp_path: Path) -> None:
    path = write_csv(pd.DataFrame({"a": [], "b": []}), tmp_path / "empty.csv")
    assert path.read_text() == "a,b\n"


def test_the_guard_needs_no_pandas() -> None:
    """A Bento serves lists without it."""
    code = "import sys, features.files, serving.web.csv; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    """And one that was shared on purpose stays so."""
    made = own_folder(tmp_path / "reports")
    assert made.stat().st_mode & 0o077 == 0
    made.chmod(0o750)
    assert own_folder(made).stat().st_mode & 0o777 == 0o750
