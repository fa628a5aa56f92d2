"""GET /v1/models and /v1/models/{name}: what answers, how good it was, whether it still fits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Response

from serving.answers import Desk, describe
from serving.api.door import Call, Door
from serving.api.drift import FEWEST, drift
from serving.api.params import read_params
from serving.api.problems import Problem
from serving.languages import mark
from serving.run.state import Outcome, Reloads
from serving.store.store import Store


class ModelsRoom:
    """The handlers of /v1/models."""

    def __init__(self, door: Door) -> None:
        self.door = door

    async def all(self, call: Call) -> Response:
        """A card of every loaded model."""
        read_params(call.request, ())
        return call.respond({"models": [card(desk) for desk in self.door.state.desks.values()]})

    async def one(self, call: Call) -> Response:
        """All that is told of one model."""
        read_params(call.request, ())
        name = str(call.request.path_params["name"])
        desk = next((d for d in self.door.state.desks.values() if _name(d) == name), None)
        if desk is None:
            known = ", ".join(_name(d) for d in self.door.state.desks.values()) or "none"
            said = f"no model {name[:80]!r} is loaded; loaded: {known}"
            raise Problem("unknown_model", said, "name")
        index, note = await self.drift_of(desk)
        measures = [{"measure": m, **v} for m, v in desk.scorer.bundle.metrics.items()]
        model = {**card(desk), "metrics": measures, "drift": index, "drift_note": note}
        return call.respond({"model": model | {"reload": self._reload(name)}})

    async def drift_of(self, desk: Desk) -> tuple[dict[str, Any] | None, str]:
        """The drift of the newest run's scores, or null and why there is none."""
        store: Store | None = self.door.state.store
        bundle = desk.scorer.bundle
        bands = bundle.receipts.bands
        if store is None:
            return None, mark("no store is open, so no scores are kept")
        if len(bands) < 2:
            return None, mark("the model has no past to compare with")
        edges = [band.low_score for band in bands]
        try:
            found = await self.door.in_store(
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
        reload: Reloads | None = self.door.state.reload
        outcome: Outcome | None = None if reload is None else reload.outcomes.get(name)
        return None if outcome is None else outcome.to_json()


_SAID = {
    "steady": mark(
        "the scores are spread as in the past, or no more apart than chance would have it"
    ),
    "moving": mark("the scores have moved somewhat: look at what changed in the CRM"),
    "shifted": mark("the scores have shifted: train again, and look at what changed in the CRM"),
}


def _name(desk: Desk) -> str:
    return desk.scorer.bundle.name


def card(desk: Desk) -> dict[str, Any]:
    """What is told of a loaded model."""
    bundle = desk.scorer.bundle
    return {
        **describe(desk.scorer),
        "entity": desk.scorer.entity,
        "baseline": bundle.baseline,
        "grades": [{"grade": g, "from": low} for g, low in bundle.grades.items()],
        "verdict": bundle.verdict,
        "promotable": bundle.promotable,
        "features": len(bundle.features),
        "trained_on": bundle.trained_on,
    }
