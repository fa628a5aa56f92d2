"""One training on the tiny demo CRM, shared by the tests that look at what training leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from features.demo import generate
from features.frames import from_frames
from features.tables import Tables
from training.config import Config
from training.fit.pipeline import Trained, train

NAME = "deal_close"
CONFIG = Config(trials=2, folds=2, threads=1, max_levels=8)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MAPPING = "[tables.deals]\n"


@cache
def tables() -> Tables:
    """The tiny demo CRM; its deals are asked about in two bins, to be quick."""
    demo = generate(size="tiny")
    demo.meta.questions[NAME] = {"edges": [30, 120]}
    return from_frames(demo.frames, demo.meta)


def made(at: datetime = AT, name: str = NAME, of: Tables | None = None) -> Trained:
    """A training run from start to end."""
    return train(of or tables(), name, CONFIG, at, mapping=MAPPING)


@cache
def once() -> Trained:
    """The run that the tests look at."""
    return made()
