"""The outermost layer: probes are answered here, everything else by our own app.

BentoML's probe routes cannot be overridden by a mounted app, and say nothing but a status. Its
middleware (a span, a log line, metrics labelled with raw paths, a timeout) costs as much as a score
without reasons (docs/decisions.md); ours does what of it is wanted. So requests go to the app
directly; BentoML keeps what it is for: building, configuring, starting and stopping the service.
Requests for scores go past the app's own layers, too: its endpoint answers every failure itself.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.routing import Route

from serving.bundles.outcomes import ReloadOutcome, ReloadState
from serving.store.connection import UnavailableStore

ALIVE = ("/livez", "/healthz")
READY = "/readyz"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ProbeMiddleware:
    """An ASGI app: probes, then ``app``; ``host`` runs the lifespan."""

    def __init__(self, app: Any, host: Any) -> None:
        self.app, self.host = app, host
        self.scores = {
            route.path: route.endpoint
            for route in app.routes
            if type(route) is Route and route.path.endswith("/score")
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] != "http":
            await self.host(scope, receive, send)
        elif scope["method"] == "POST" and (endpoint := self.scores.get(scope["path"])):
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)
        elif scope["path"] in ALIVE and scope["method"] in ("GET", "HEAD"):
            await send_json(send, 200, {"status": "alive"})
        elif scope["path"] == READY and scope["method"] in ("GET", "HEAD"):
            body = readiness(self.app.state)
            await send_json(send, 200 if body["status"] == "ready" else 503, body)
        else:
            await self.app(scope, receive, send)


def is_ready(state: Any) -> bool:
    """Whether every bundle on offer is loaded or refused, and a model answers."""
    return bool(state.predictors) and not state.reload.waiting


_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/'\",;:]+/)+")
"""The folders of an absolute path: this machine's business, unlike the file's name."""


def readiness(state: Any) -> dict[str, Any]:
    """Whether this process can score, with which versions, and what is wrong.

    Ready means that every bundle on offer was loaded, or was refused for a reason given here.
    """
    reload: ReloadState = state.reload
    degraded: Mapping[str, str] = state.degraded
    models = {d.scorer.bundle.name: d.scorer.bundle.version for d in state.predictors.values()}
    reasons = [f"{r.model} is refused ({r.code}): {r.reason}" for r in reload.refusals]
    reasons += [reload.note] if reload.note else []
    reasons += [f"{part}: {reason}" for part, reason in sorted(degraded.items()) if reason]
    if not models:
        reasons.insert(0, "no model is loaded")
    absent = isinstance(state.store, UnavailableStore)
    if absent and not degraded.get("store"):
        reasons.append(f"store: {state.store.reason}")
    reasons += [f"{name} is being loaded" for name in reload.waiting]
    ready = is_ready(state) and not absent
    last = reload.last
    return {
        "status": "ready" if ready else "not ready",
        "models": models,
        "degraded": ready and bool(reasons),
        "reasons": [_FOLDERS.sub("", reason) for reason in reasons],
        "reload": None if last is None else _without_folders(last),
    }


def _without_folders(outcome: ReloadOutcome) -> dict[str, Any]:
    return {**outcome.to_json(), "reason": _FOLDERS.sub("", outcome.reason)}


async def send_json(send: Send, status: int, body: Mapping[str, Any]) -> None:
    """A small answer with a request id."""
    raw = orjson.dumps({**body, "request_id": uuid4().hex})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(raw)),
        (b"cache-control", b"no-store"),
    ]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
