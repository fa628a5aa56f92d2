"""HTTP around the answers: the routes.

Knows no server: ``serving.service`` mounts the app in BentoML, the tests call it directly.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from serving.answers import Desk, describe
from serving.api.openapi import document
from serving.api.problems import (
    Problem,
    failed,
    no_model,
    read_json,
    request_id_of,
    respond,
    respond_problem,
)
from serving.contracts import SINGULAR
from serving.faults import ContractError
from serving.languages import negotiate

INLINE_BODY = 64 * 1024
"""A longer body is worked on in a thread, so that probes and single records do not wait for it."""

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]


def make_app(clock: Callable[[], int]) -> FastAPI:
    """The application; ``app.state.desks`` (entity -> Desk) answers, empty until models are loaded.

    clock: now in microseconds since 1970 UTC.
    """
    app = FastAPI(
        title="Embudo",
        version="1",
        description="Scores with dates and reasons for leads, deals and accounts.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
    )
    app.state.desks = {}

    for entity in SINGULAR:
        if entity != "contacts":
            _add_score(app, entity, clock)

    @app.get("/v1/models", summary="The models that answer")
    async def models(request: Request) -> Response:
        known = [card(desk) for desk in app.state.desks.values()]
        return respond({"models": known, "request_id": request_id_of(request)})

    described = document(app)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return respond(described)

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return Response(page(app.state.desks), media_type="text/html; charset=utf-8")

    _add_rest(app)
    return app


def _add_score(app: FastAPI, entity: str, clock: Callable[[], int]) -> None:
    @app.post(f"/v1/{entity}/score", summary=f"Score {entity}", name=f"score_{entity}")
    async def score(request: Request) -> Response:
        request_id = request_id_of(request)
        try:
            return respond(await _answer(app, entity, request, clock, request_id))
        except Problem as problem:
            return respond_problem(problem, request_id)
        except ClientDisconnect:
            raise
        except Exception as failure:
            return respond_problem(failed(failure, request_id), request_id)


async def _answer(
    app: FastAPI, entity: str, request: Request, clock: Callable[[], int], request_id: str
) -> dict[str, Any]:
    desk: Desk | None = app.state.desks.get(entity)
    if desk is None:
        raise no_model(entity)
    body, size = await read_json(request)
    lang = negotiate(request.headers.get("accept-language", ""))
    try:
        if size <= INLINE_BODY:
            return desk.answer(body, clock(), request_id, lang)
        return await run_in_threadpool(desk.answer, body, clock(), request_id, lang)
    except ContractError as wrong:
        fault = wrong.fault
        raise Problem(422, fault.code, "Not a request", fault.message, fault.path) from None


def _add_rest(app: FastAPI) -> None:
    """Every other path and method, so that nothing is answered in another shape."""
    allowed: dict[str, list[str]] = {}
    for route in app.routes:
        path, methods = getattr(route, "path", ""), getattr(route, "methods", None)
        allowed[path] = sorted({*allowed.get(path, []), *(methods or ())})

    @app.api_route("/{path:path}", methods=METHODS, include_in_schema=False)
    async def rest(request: Request) -> Response:
        known = allowed.get(request.url.path)
        if known:
            said = f"{request.url.path} answers {', '.join(known)}"
            problem = Problem(
                405, "method_not_allowed", "Method not allowed", said, allow=", ".join(known)
            )
        else:
            said = "there is no such path; POST /v1/{leads,deals,accounts}/score, GET /v1/models"
            problem = Problem(404, "not_found", "Not found", said)
        return respond_problem(problem, request_id_of(request))


def card(desk: Desk) -> dict[str, Any]:
    """What is told of a loaded model."""
    bundle = desk.scorer.bundle
    return {
        **describe(desk.scorer),
        "entity": desk.scorer.entity,
        "baseline": bundle.baseline,
        "grades": [{"grade": g, "from": low} for g, low in bundle.grades.items()],
        "verdict": bundle.verdict,
        "features": len(bundle.features),
    }


def page(desks: Mapping[str, Desk]) -> str:
    """A page of our own without a script: which models answer, and where."""
    rows = "".join(
        f"<li><code>POST /v1/{e}/score</code> — {html.escape(d.scorer.bundle.name)}, version "
        f"{html.escape(d.scorer.bundle.version)}</li>"
        for e, d in desks.items()
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Embudo</title>"
        "<h1>Embudo</h1><p>Scores with dates and reasons.</p>"
        f"<ul>{rows or '<li>no model is loaded</li>'}</ul>"
        '<p><a href="/v1/models">models</a> · <a href="/openapi.json">OpenAPI</a></p></html>'
    )
