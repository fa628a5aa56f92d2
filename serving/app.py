"""The HTTP app, assembled: which path is whose, and everything else a problem.

Knows no server: ``serving.service`` mounts the app in BentoML, the tests call it directly.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serving.http.endpoint import Call, Endpoint, Endpoints, Handler
from serving.http.errors import Problem, respond
from serving.http.openapi.document import document
from serving.http.openapi.document30 import document30
from serving.http.paths import EncodedSlashes
from serving.http.routes.admin import AuditRoutes, erase_handler
from serving.http.routes.feedback import ENTITIES, FeedbackRoutes
from serving.http.routes.forecast import ForecastRoutes
from serving.http.routes.models import ModelRoutes
from serving.http.routes.scores import score_handler
from serving.http.routes.stored import stored_handler
from serving.http.routes.webhooks import HubSpotWebhook
from serving.scoring.queue import RequestQueue
from serving.settings import Settings
from serving.telemetry.route_templates import RouteTemplates
from serving.web.views import add_pages


def make_app(clock: Callable[[], int]) -> Starlette:
    """The application.

    ``app.state`` holds what the process gives it: predictors (entity -> Predictor), store,
    journal, reload and settings; each may be missing. clock: now in microseconds since 1970 UTC.
    """
    app = Starlette()
    app.state.predictors = {}
    app.state.store = app.state.journal = app.state.reload = None
    app.state.settings = Settings()
    app.state.queue = RequestQueue(app.state.settings.queue, app.state.settings.timeout)
    endpoints = app.state.endpoints = Endpoints(app.state, clock)
    for entity in ENTITIES:
        _add_entity(app, endpoints, entity)
    _add_routes(app, endpoints)
    _add_documents(app, endpoints)
    add_pages(app, endpoints)
    _add_rest(app, endpoints)
    app.add_middleware(EncodedSlashes)
    return app


def _add_entity(app: Starlette, endpoints: Endpoints, entity: str) -> None:
    _add(
        app,
        endpoints,
        f"/v1/{entity}/score",
        score_handler(endpoints, entity),
        "score",
        "POST",
    )
    _add(
        app,
        endpoints,
        f"/v1/{entity}/{{entity_id}}/score",
        stored_handler(endpoints, entity),
        "read",
    )
    _add(
        app,
        endpoints,
        f"/v1/{entity}/{{entity_id}}",
        erase_handler(endpoints, entity),
        "admin",
        "DELETE",
    )


def _add_routes(app: Starlette, endpoints: Endpoints) -> None:
    models, feedback, audit = (
        ModelRoutes(endpoints),
        FeedbackRoutes(endpoints),
        AuditRoutes(endpoints),
    )
    _add(app, endpoints, "/v1/forecast", ForecastRoutes(endpoints).newest, "read")
    _add(app, endpoints, "/v1/models", models.all, "read")
    _add(app, endpoints, "/v1/models/{name}", models.one, "read")
    _add(app, endpoints, "/v1/feedback", feedback.add, "score", "POST")
    _add(app, endpoints, "/v1/feedback", feedback.of, "read")
    _add(app, endpoints, "/v1/audit", audit.of, "admin")
    _add(app, endpoints, "/v1/audit/purge", audit.purge, "admin", "POST")
    _add(app, endpoints, "/v1/webhooks/hubspot", HubSpotWebhook(endpoints).receive, None, "POST")


def _add(
    app: Starlette,
    endpoints: Endpoints,
    path: str,
    handler: Handler,
    scope: str | None,
    method: str = "GET",
) -> None:
    app.router.routes.append(Route(path, endpoints.to(handler, scope), methods=[method]))


def _add_documents(app: Starlette, endpoints: Endpoints) -> None:
    async def openapi(call: Call) -> Response:
        await endpoints.guard.refresh(call.at)
        return respond(document(endpoints.guard.secured))

    async def openapi30(call: Call) -> Response:
        await endpoints.guard.refresh(call.at)
        metas = {e: predictor.scorer.bundle.meta for e, predictor in app.state.predictors.items()}
        made = await run_in_threadpool(document30, document(endpoints.guard.secured), metas)
        return respond(made)

    _add(app, endpoints, "/openapi.json", openapi, None)
    _add(app, endpoints, "/openapi-3.0.json", openapi30, None)


def _add_rest(app: Starlette, endpoints: Endpoints) -> None:
    """Every other path and method, so that nothing is answered in another shape."""
    allowed: dict[str, set[str]] = {}
    for route in app.routes:
        path, methods = getattr(route, "path", ""), getattr(route, "methods", None)
        allowed.setdefault(path, set()).update(methods or ())
    templates = RouteTemplates(allowed)

    async def rest(call: Call) -> Response:
        path = call.request.scope["path"]
        known = allowed.get(templates.of(path))
        if known is None:
            message = "there is no such path; POST /v1/{leads,deals,accounts}/score, GET /v1/models"
            raise Problem("not_found", message)
        names = ", ".join(sorted({*known, "OPTIONS"}))
        if call.request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": names})
        raise Problem("method_not_allowed", f"this path answers {names}", allow=names)

    app.router.routes.append(Route("/{path:path}", _Any(endpoints.to(rest, None))))


class _Any:
    """An endpoint for every method there is or may be: a function's route answers only GET."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
