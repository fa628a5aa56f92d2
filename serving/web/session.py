"""Who reads a page: a key, pasted once, becomes a signed cookie that lasts a working day.

The cookie names the key and its end and is signed with the store's secret over the key's own
digest: a key that is revoked, rotated away or expired opens nothing from then on, wherever the
cookie is. It is HttpOnly and SameSite=Strict, so that no script reads it and no other site uses it.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from serving.http.auth import Guard
from serving.i18n.languages import mark
from serving.store.keys import ApiKey, id_of
from serving.store.store import Store

COOKIE = "embudo"
SECONDS = 12 * 3600
"""A working day; then the key is asked for again."""


class SignInNeeded(Exception):  # noqa: N818  # an answer, not a fault
    """The reader is not known; ``why`` is "" where nothing was offered."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why or "sign in")
        self.why = why


async def reader(request: Request, guard: Guard, store: Store | None, at: int) -> ApiKey | None:
    """The key behind a page's request; None on loopback before any key exists. SignInNeeded."""
    keys = await guard.known(at)
    if not keys:
        if guard.needs_key(request):
            raise SignInNeeded(mark("no key exists yet"))
        return None
    given = request.cookies.get(COOKIE, "")
    key_id, _, rest = given.partition(".")
    until, _, signature = rest.partition(".")
    key = keys.get(key_id)
    if store is None or key is None or not until.isdecimal() or len(until) > 20:
        raise SignInNeeded("" if not given else mark("the session is not known"))
    if not hmac.compare_digest(signature.encode(), _signature(store, key, until).encode()):
        raise SignInNeeded(mark("the session is not known"))
    if at >= int(until) or not key.active(at) or not key.may("read"):
        raise SignInNeeded(mark("the session is over"))
    return key


async def sign_in(token: str, guard: Guard, at: int) -> ApiKey:
    """The key of a pasted token; SignInNeeded says why it opens nothing."""
    keys = await guard.known(at)
    key = keys.get(id_of(token.strip()) or "")
    if key is None or not key.matches(token.strip()):
        raise SignInNeeded(mark("no key has this token"))
    if not key.active(at):
        raise SignInNeeded(mark("this key opens nothing any more"))
    if not key.may("read"):
        raise SignInNeeded(mark("this key may not read"))
    return key


def remember(response: Response, store: Store, key: ApiKey, at: int, secure: bool) -> None:
    """Set the cookie of a reader."""
    until = str(at + SECONDS * 1_000_000)
    value = f"{key.id}.{until}.{_signature(store, key, until)}"
    response.set_cookie(
        COOKIE, value, max_age=SECONDS, httponly=True, samesite="strict", secure=secure, path="/"
    )


def forget(response: Response) -> None:
    """Delete the cookie."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def _signature(store: Store, key: ApiKey, until: str) -> str:
    return store.subject("session", f"{key.id}\n{until}\n{key.digest}")


def own_path(target: str) -> str:
    """A path of this service to go on to after signing in; "/" for anything else."""
    parts = urlsplit(target)
    own = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if own and not parts.scheme and not parts.netloc and "\n" not in target else "/"


def same_origin(request: Request) -> bool:
    """Whether a form was sent from a page of ours: browsers say so, other clients say nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
