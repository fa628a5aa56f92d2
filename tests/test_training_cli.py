"""python -m training: what each command prints, and the exit codes that scripts rely on."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.helpers.companies import canonical, customers
from training.__main__ import main

TRAIN = ["train", "--trials", "2", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of this module keep their models, and two data sets."""
    place = tmp_path_factory.mktemp("company")
    canonical(place / "good", customers())
    canonical(place / "noise", customers(skill=0.0))
    return place


@pytest.fixture(autouse=True)
def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands write below the test's folder, not below the repository."""
    _redirect(monkeypatch, folder)


def _redirect(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("training.__main__.ROOT", folder)
    monkeypatch.setattr("training.__main__.STUDIES", folder / "mlruns" / "studies")


@pytest.fixture(scope="module")
def first(folder: Path) -> str:
    """What the first training said; it was promoted."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as said:
        _redirect(patch, folder)
        assert main([*TRAIN, "--data", str(folder / "good"), "--promote"]) == 0
    return said.getvalue()


def _fails(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert main(words) == code
    return capsys.readouterr().err


def test_a_training_says_what_it_saw_and_what_became_of_it(first: str) -> None:
    assert first.startswith("churn:\n")
    assert "400 snapshots of 400 accounts, 2 features" in first
    assert "note: the table has no dates" in first
    for model in ("embudo", "base rate", "naive Bayes", "logistic", "plain LightGBM"):
        assert f"    {model} " in first
    assert "as good as: The model beats the base rate by" in first
    assert "registered as churn version 1 (run " in first
    assert "promoted: churn version 1 is champion" in first


def test_versions_are_listed_promoted_and_rolled_back(
    first: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first and main([*TRAIN, "--data", str(folder / "good"), "--seed", "3"]) == 0
    assert "version 2" in capsys.readouterr().out
    assert main(["promote", "churn", "2", "--reason", "spring data"]) == 0
    assert capsys.readouterr().out == "churn version 2 is champion\n"
    assert main(["models"]) == 0
    header, newest, older = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["name", "version", "aliases", "promotable"]
    assert newest.split()[:3] == ["churn", "2", "champion"]
    assert older.split()[:3] == ["churn", "1", "previous"]
    assert main(["rollback", "churn", "--reason", "too many calls"]) == 0
    assert capsys.readouterr().out == "churn version 1 is champion again\n"


def test_noise_is_registered_but_not_promoted_unless_overruled(
    first: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first and main([*TRAIN, "--data", str(folder / "noise"), "--promote"]) == 0
    said = capsys.readouterr().out
    version = said.split("registered as churn version ")[1].split()[0]
    assert "  no skill: " in said and "not promoted: churn version" in said
    assert "refused: churn" in _fails(capsys, 3, "promote", "churn", version)
    assert "give a reason" in _fails(capsys, 3, "promote", "churn", version, "--force")
    assert main(["promote", "churn", version, "--force", "--reason", "a trial"]) == 0
    assert main(["rollback", "churn"]) == 0


def test_what_is_not_there_is_exit_code_2(
    first: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first
    assert "churn has no version 99; there is" in _fails(capsys, 2, "promote", "churn", "99")
    assert "no version of it: train one" in _fails(capsys, 2, "promote", "deal_close", "1")
    assert "no previous champion" in _fails(capsys, 2, "rollback", "deal_close")
    nothing = _fails(capsys, 2, *TRAIN, "--data", str(folder / "nothing"))
    assert nothing.startswith("error: ") and "holds no dataset.json" in nothing
    silent = canonical(folder / "silent", customers().drop(columns="outcome"))
    said = _fails(capsys, 2, *TRAIN, "--data", str(silent))
    assert "holds no outcome of leads, deals or accounts" in said and "map an outcome" in said


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("renewal", "not trained: no question 'renewal'; there are lead_conversion, deal_close"),
        ("deal_close", "not trained: deal_close: the data hold no deals; check that the mapping's"),
    ],
)
def test_a_question_that_cannot_be_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], question: str, said: str
) -> None:
    assert main([*TRAIN, "--data", str(folder / "good"), "--question", question]) == 2
    assert said in capsys.readouterr().out


def test_a_question_that_fails_does_not_hide_one_that_works(
    first: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["--question", "deal_close", "--question", "churn"]
    assert first and main([*TRAIN, "--data", str(folder / "good"), *both]) == 0
    said = capsys.readouterr().out
    assert "deal_close:\n  not trained: " in said and "registered as churn" in said


def test_a_column_that_tells_the_outcome_is_exit_code_4(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = customers()
    frame["seats"] = (frame["outcome"] == "churned") * 1.0
    leaking = canonical(folder / "leaking", frame)
    assert main([*TRAIN, "--data", str(leaking)]) == 4
    assert "accounts.seats" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[training]\ntrails = 3\n", "unknown training setting 'trails'; did you mean trials?"),
        ("[training]\ncolour = 3\n", "unknown training setting 'colour'; there are folds"),
        ("[training]\nfolds = 0\n", "must be at least 1"),
        ("[training]\nnewest_share = 1.5\n", "newest_share must lie between 0 and 1, got 1.5"),
        ("[training]\nfolds = 2.5\n", "folds must be a whole number, got 2.5"),
        ("[training]\nfolds = true\n", "folds must be a whole number, got True"),
        ('[training]\nnewest_share = "a fifth"\n', "must be a number, got 'a fifth'"),
        ("training = 3\n", "[training] must be a table of settings, got 3"),
        ("[training\n", "settings.toml is not TOML: "),
    ],
)
def test_wrong_settings_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str], toml: str, said: str
) -> None:
    path = folder / "settings.toml"
    path.write_text(toml, encoding="utf-8")
    data = ["--data", str(folder / "good"), "--config", str(path)]
    assert said in _fails(capsys, 2, "train", "--quiet", *data)


def test_no_trials_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(folder / "good")]
    assert "must be at least 1" in _fails(capsys, 2, "train", *data, "--trials", "0")


@pytest.mark.parametrize("words", [[], ["teach"], ["train"], ["promote", "churn", "first"]])
def test_words_that_are_no_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and "usage: python -m training" in capsys.readouterr().err


def test_nothing_is_registered_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _redirect(monkeypatch, tmp_path)
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "no model is registered yet\n"
