"""How to train: one frozen configuration; defaults here, overrides from one TOML file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from features.files import read_settings


@dataclass(frozen=True)
class Config:
    """Settings of a training run.

    folds         rolling origins to blend on
    tune_folds    the newest of them, to tune on
    newest_share  share of the matured snapshots kept for the one look at the end
    trials        Optuna trials
    minutes       no trial begins after so many; None: all are made
    threads       threads LightGBM may use
    max_snapshots entities are sampled, seeded, when a data set has more snapshots than this
    min_count     a word seen less often in training is "other"
    max_levels    words beyond this many are "other"
    """

    folds: int = 4
    tune_folds: int = 2
    newest_share: float = 0.2
    trials: int = 20
    minutes: float | None = None
    threads: int = 2
    seed: int = 7
    max_snapshots: int = 400_000
    min_count: int = 10
    max_levels: int = 64

    def __post_init__(self) -> None:
        if (
            min(self.folds, self.tune_folds) < 1
            or self.trials < 1
            or self.threads < 1
            or self.max_snapshots < 1
        ):
            raise ValueError("folds, trials, threads and max_snapshots must be at least 1")
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"minutes must be above 0, got {self.minutes}")
        if not 0 < self.newest_share < 1:
            raise ValueError(f"newest_share must lie between 0 and 1, got {self.newest_share}")

    def overridden(self, changes: dict[str, Any]) -> Config:
        """This configuration with ``changes``; an unknown name is an error with the nearest one."""
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
                raise ValueError(f"unknown training setting {name!r}{hint}")
            _require_number(name, changes[name], whole=isinstance(getattr(self, name), int))
        return replace(self, **changes)


def _require_number(name: str, value: Any, whole: bool) -> None:
    wanted = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ValueError(
            f"training setting {name} must be {'a whole number' if whole else 'a number'}, "
            f"got {value!r}"
        )


def load_config(path: Path | None, **overrides: Any) -> Config:
    """Defaults, then the TOML file's ``[training]`` table, then overrides that are not None."""
    stated = read_settings(path, "training") if path is not None else {}
    given = {k: v for k, v in overrides.items() if v is not None}
    return Config().overridden({**stated, **given})
