"""The one page of the service, without a script, and the headers that keep pages that way."""

from __future__ import annotations

import html
from collections.abc import Mapping

from serving.answers import Desk
from serving.api import VERSION

PAGE_HEADERS = {
    # nothing is loaded from anywhere, and nobody frames the page
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


def home(desks: Mapping[str, Desk], open_to_all: bool) -> str:
    """What there is and where; the models only where anybody may ask for them anyhow."""
    rows = "".join(
        f"<li><code>POST /v1/{e}/score</code> — {html.escape(d.scorer.bundle.name)}, version "
        f"{html.escape(d.scorer.bundle.version)}</li>"
        for e, d in desks.items()
    )
    shown = f"<ul>{rows or '<li>no model is loaded</li>'}</ul>" if open_to_all else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Embudo</title><h1>Embudo</h1>"
        f"<p>Scores with dates and reasons. Service {VERSION}.</p>{shown}"
        '<p><a href="/v1/models">models</a> · <a href="/openapi.json">OpenAPI 3.1</a> · '
        '<a href="/openapi-3.0.json">OpenAPI 3.0.3</a></p></html>'
    )
