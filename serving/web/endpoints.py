"""The pages: what each asks of the store, and which template it fills."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from serving.http import VERSION
from serving.http.body import read_bytes
from serving.http.endpoint import Endpoints
from serving.http.errors import Problem, internal_error, request_id_of
from serving.i18n.labels import NAMES
from serving.i18n.languages import LANGUAGES, mark, negotiate
from serving.store.keys import ApiKey
from serving.telemetry.request_log import log_of
from serving.web import session
from serving.web.lists import MENU
from serving.web.render import STATIC, render, static
from serving.web.session import SignInNeeded

log = logging.getLogger("embudo.service")

HEADERS = {
    # everything comes from here, and nobody frames it
    "content-security-policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; connect-src 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
LONGEST_FORM = 4_096


@dataclass(frozen=True)
class Visit:
    """One page's request that was let in; ``at`` is now, in microseconds."""

    request: Request
    lang: str
    key: ApiKey | None
    at: int

    @property
    def path(self) -> str:
        """The path asked for, as it was sent."""
        raw: bytes = self.request.scope.get("raw_path") or self.request.url.path.encode()
        return raw.partition(b"?")[0].decode("ascii", "replace")


View = Callable[[Visit], Awaitable[Response]]
FormHandler = Callable[[Visit, dict[str, str]], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class PageNotFound(LookupError):  # noqa: N818  # an answer, not a fault
    """There is no such page, or nothing to show on it; the message says which."""


class PageEndpoints:
    """Lets readers in, speaks their language, and makes every failure a page."""

    def __init__(self, door: Endpoints) -> None:
        self.endpoints = door

    def to(self, view: View) -> Endpoint:
        """The endpoint of a view."""

        async def endpoint(request: Request) -> Response:
            at, lang = self.endpoints.clock(), language(request)
            seen = log_of(request.scope)
            try:
                store = self.endpoints.state.store
                key = await session.reader(request, self.endpoints.guard, store, at)
                seen.key = key.id if key else ""
                return await view(Visit(request, lang, key, at))
            except SignInNeeded as needed:
                return self._to_sign_in(request, needed)
            except PageNotFound as gone:
                return self.page("error.html", lang, request, 404, code=404, said=str(gone))
            except Problem as problem:
                seen.code = problem.code
                said = problem.body["detail"]
                status = problem.status
                return self.page("error.html", lang, request, status, code=status, said=said)
            except Exception as failure:
                seen.code = internal_error(failure, request_id_of(request)).code
                said = request_id_of(request)
                return self.page("error.html", lang, request, 500, code=500, said=said)

        return endpoint

    def form_to(self, handler: FormHandler) -> Endpoint:
        """The endpoint of a form that is posted from a page."""

        async def view(visit: Visit) -> Response:
            return await handler(visit, await self._form(visit.request))

        return self.to(view)

    def page(
        self, name: str, lang: str, request: Request, status: int = 200, **values: Any
    ) -> Response:
        """A template as a response."""
        path = request.url.path
        shown = {
            "alone": None,
            "menu": MENU,
            "here": path,
            "address": path + (f"?{request.url.query}" if request.url.query else ""),
            "languages": NAMES,
            "version": VERSION,
            "secured": self.endpoints.guard.secured,
            "back": quote(path + (f"?{request.url.query}" if request.url.query else ""), safe=""),
            **values,
        }
        text = render(name, lang, shown)
        return Response(text, status, HEADERS, "text/html; charset=utf-8")

    def _to_sign_in(self, request: Request, needed: SignInNeeded) -> Response:
        if request.url.path.endswith((".csv", ".xlsx")):
            return self.page(
                "error.html", language(request), request, 401, code=401, said=str(needed)
            )
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", 303, HEADERS)

    async def sign_in_page(self, request: Request) -> Response:
        """The form; after it the page that was asked for."""
        await self.endpoints.guard.refresh(self.endpoints.clock())
        wanted = session.own_path(request.query_params.get("next", "/"))
        return self.page("sign_in.html", language(request), request, wanted=wanted, why="")

    async def sign_in(self, request: Request) -> Response:
        """The pasted key becomes a session."""
        at, lang = self.endpoints.clock(), language(request)
        form = await self._form(request)
        wanted = session.own_path(form.get("next", "/"))
        try:
            if not session.same_origin(request):
                raise SignInNeeded(mark("the form came from another site"))
            key = await session.sign_in(form.get("key", ""), self.endpoints.guard, at)
        except SignInNeeded as needed:
            return self.page("sign_in.html", lang, request, 403, wanted=wanted, why=needed.why)
        except Problem as problem:
            said = problem.body["detail"]
            return self.page(
                "error.html", lang, request, problem.status, code=problem.status, said=said
            )
        answer = RedirectResponse(wanted, 303, HEADERS)
        secure = request.url.scheme == "https" or self.endpoints.settings.public_url.startswith(
            "https"
        )
        session.remember(answer, self.endpoints.store, key, at, secure)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Forget the session."""
        answer = RedirectResponse("/sign-in", 303, HEADERS)
        if session.same_origin(request):
            session.forget(answer)
        return answer

    async def speak(self, request: Request) -> Response:
        """Remember the language that was chosen, and go back."""
        lang = request.query_params.get("lang", "")
        answer = RedirectResponse(
            session.own_path(request.query_params.get("next", "/")), 303, HEADERS
        )
        if lang in LANGUAGES:
            answer.set_cookie("lang", lang, max_age=31_536_000, samesite="strict", httponly=True)
        return answer

    async def _form(self, request: Request) -> dict[str, str]:
        raw = await read_bytes(request, self.endpoints.settings.body_seconds)
        if len(raw) > LONGEST_FORM:
            return {}
        found = parse_qs(raw.decode("utf-8", "replace"), max_num_fields=10)
        return {name: values[-1] for name, values in found.items()}


async def static_file(request: Request) -> Response:
    """The style and the script; their address changes with them."""
    name = str(request.path_params["name"])
    if name not in STATIC:
        return Response("there is no such file\n", 404, media_type="text/plain; charset=utf-8")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
    }
    return Response(static(name), 200, headers, STATIC[name])


def language(request: Request) -> str:
    """The language chosen before, else the browser's."""
    chosen = request.cookies.get("lang", "")
    if chosen in LANGUAGES:
        return chosen
    return negotiate(request.headers.get("accept-language", ""))
