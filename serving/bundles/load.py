"""A predictor from a bundle's folder, ready to answer."""

from __future__ import annotations

from pathlib import Path

from serving.i18n.display_zone import show_in
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from training.models.bundle import read


def load_predictor(folder: Path) -> Predictor:
    """Read, build, and answer once about nobody, so that no client waits for what is made lazily.

    BundleError where the folder is not a whole bundle, ValueError where this version cannot serve
    it.
    """
    bundle = read(folder)
    show_in(bundle.meta.zone)
    predictor = Predictor(Scorer(bundle))
    predictor.warm_up()
    return predictor
