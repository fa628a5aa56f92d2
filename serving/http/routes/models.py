"""GET /v1/models and /v1/models/{name}: what answers, how good it was, whether it still fits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from serving.bundles.outcomes import ReloadOutcome, ReloadState
from serving.http.endpoint import Call, Endpoints
from serving.http.errors import Problem
from serving.http.params import read_params
from serving.i18n.languages import mark
from serving.scoring.predictor import Predictor, describe
from serving.store.store import Store
from serving.telemetry.drift import FEWEST, drift


class ModelRoutes:
    """The handlers of /v1/models."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    async def all(self, call: Call) -> Response:
        """A card of every loaded model."""
        read_params(call.request, ())
        return call.respond(
            {"models": [card(predictor) for predictor in self.endpoints.state.predictors.values()]}
        )

    async def one(self, call: Call) -> Response:
        """All that is told of one model."""
        read_params(call.request, ())
        name = str(call.request.path_params["name"])
        predictor = next(
            (d for d in self.endpoints.state.predictors.values() if _name(d) == name), None
        )
        if predictor is None:
            known = ", ".join(map(_name, self.endpoints.state.predictors.values())) or "none"
            message = f"no model {name[:80]!r} is loaded; loaded: {known}"
            raise Problem("unknown_model", message, "name")
        index, note = await self.drift_of(predictor)
        measures = [{"measure": m, **v} for m, v in predictor.scorer.bundle.metrics.items()]
        model = {**card(predictor), "metrics": measures, "drift": index, "drift_note": note}
        return call.respond({"model": model | {"reload": self._reload(name)}})

    async def drift_of(self, predictor: Predictor) -> tuple[dict[str, Any] | None, str]:
        """The drift of the newest run's scores, or null and why there is none."""
        store: Store | None = self.endpoints.state.store
        bundle = predictor.scorer.bundle
        bands = predictor.scorer.track_record.bands
        if store is None:
            return None, mark("no store is open, so no scores are kept")
        if len(bands) < 2:
            return None, mark("the model has no past to compare with")
        edges = [band.low_score for band in bands]
        try:
            found = await self.endpoints.in_store(
                store.scores.distribution, bundle.name, bundle.version, edges
            )
        except Problem as problem:  # the rest of the answer needs no store
            return None, f"the store cannot be read: {problem.body['detail']}"
        if found is None:
            return None, mark("no scores of this version are stored yet; run `make score`")
        index = drift(bands, found.counts)
        if index is None:
            return None, f"{found.n} scores are stored; fewer than {FEWEST} say nothing"
        return asdict(index), _SAID[index.word]

    def _reload(self, name: str) -> dict[str, Any] | None:
        reload: ReloadState | None = self.endpoints.state.reload
        outcome: ReloadOutcome | None = None if reload is None else reload.outcomes.get(name)
        return None if outcome is None else outcome.to_json()


_SAID = {
    "steady": mark(
        "the scores are spread as in the past, or no more apart than chance would have it"
    ),
    "moving": mark("the scores have moved somewhat: look at what changed in the CRM"),
    "shifted": mark("the scores have shifted: train again, and look at what changed in the CRM"),
}


def _name(predictor: Predictor) -> str:
    return predictor.scorer.bundle.name


def card(predictor: Predictor) -> dict[str, Any]:
    """What is told of a loaded model."""
    bundle = predictor.scorer.bundle
    return {
        **describe(predictor.scorer),
        "entity": predictor.scorer.entity,
        "baseline": bundle.baseline,
        "grades": [{"grade": g, "from": low} for g, low in predictor.scorer.grades.items()],
        "verdict": bundle.verdict,
        "promotable": bundle.promotable,
        "features": len(bundle.features),
        "trained_on": bundle.trained_on,
    }
