"""What each page shows: read from the store, told to its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from features.schema import QUESTIONS
from serving.http.endpoint import Endpoints
from serving.http.forecast_reader import BadForecast, ForecastReader, NoForecast, answer
from serving.http.routes.models import ModelRoutes, card
from serving.i18n.languages import mark, translations
from serving.scoring.predictor import Predictor
from serving.store.feedback import Feedback, Kind
from serving.store.sheets import SheetHead
from serving.web.downloads import Downloads
from serving.web.drawings import curve
from serving.web.endpoints import HEADERS, PageEndpoints, PageNotFound, Visit, static_file
from serving.web.lists import LISTINGS, Listing
from serving.web.query import SIZE, read
from serving.web.stored_reasons import retold
from serving.web.today import alerts, running_quarter
from serving.web.work import WorkPages, states


class Views:
    """The views of a service."""

    def __init__(self, door: Endpoints) -> None:
        self.endpoints = door
        self.reception = PageEndpoints(door)
        self._models = ModelRoutes(door)
        self.work = WorkPages(door)
        self._shelf: ForecastReader | None = None

    def routes(self) -> list[Route]:
        """Every page's route."""
        front = self.reception
        made = [
            Route("/", front.to(self.start)),
            Route("/sign-in", front.sign_in_page),
            Route("/sign-in", front.sign_in, methods=["POST"]),
            Route("/sign-out", front.sign_out, methods=["POST"]),
            Route("/language", front.speak),
            Route("/static/{name}", static_file),
            Route("/work", front.form_to(self.work.write), methods=["POST"]),
            Route("/forecast", front.to(self.forecast)),
            Route("/models", front.to(self.models)),
            Route("/accounts/{id}", front.to(self.account)),
            Route("/accounts/{id}/plan.md", front.to(self.account_markdown)),
            Route("/records/{question}/{id}", front.to(self.record)),
        ]
        downloads = Downloads(self.endpoints)
        for listing in LISTINGS.values():
            made.append(Route(listing.path, front.to(self._list(listing))))
            made.append(Route(f"{listing.path}.csv", front.to(downloads.csv(listing))))
            made.append(Route(f"{listing.path}.xlsx", front.to(downloads.xlsx(listing))))
        return made

    # lists

    def _list(self, listing: Listing) -> Any:
        async def view(visit: Visit) -> Response:
            query = read(
                listing.path, dict(visit.request.query_params), listing.columns, listing.numbers
            )
            sheets = self.endpoints.store.sheets
            page = await self.endpoints.in_store(sheets.page, listing.kind, query.wanted)
            last = max(1, -(-page.total // SIZE))
            if query.page > last:  # an old link to a list that has become shorter
                query = replace(query, page=last)
                page = await self.endpoints.in_store(sheets.page, listing.kind, query.wanted)
            owners, words = await self.endpoints.in_store(sheets.choices, listing.kind)
            return self._page(
                visit,
                listing.template,
                listing=listing,
                query=query,
                sheet=page.sheet,
                head={} if page.sheet is None else page.sheet.head,
                rows=await self._marked(listing, page.bodies, visit),
                total=page.total,
                last=last,
                owners=owners,
                words=words,
            )

        return view

    # single pages

    async def start(self, visit: Visit) -> Response:
        """The first page: what to look at this morning."""
        store = self.endpoints.state.store
        heads: dict[str, SheetHead | None] = {}
        calls: list[dict[str, Any]] = []
        if store is not None:
            for kind in LISTINGS:
                heads[kind] = await self.endpoints.in_store(store.sheets.newest, kind)
            calls = await self._first_calls(heads["calls"], visit.lang)
        forecast = self._kept(visit)
        return self._page(
            visit,
            "today.html",
            heads=heads,
            calls=calls,
            forecast=forecast,
            quarter=running_quarter(forecast),
            alerts=alerts(heads),
            models=[card(desk) for desk in self.endpoints.state.predictors.values()],
        )

    async def _first_calls(self, sheet: SheetHead | None, lang: str) -> list[dict[str, Any]]:
        """The calls of the first page, each with its next step."""
        wanted = () if sheet is None else sheet.head.get("first", ())
        one = self.endpoints.store.sheets.one
        found = [await self.endpoints.in_store(one, "calls", item) for item in wanted]
        return [self._row(LISTINGS["calls"], row, lang) for row in found if row is not None]

    async def _marked(
        self, listing: Listing, bodies: list[dict[str, Any]], visit: Visit
    ) -> list[dict[str, Any]]:
        """A list's rows, each with what people said of it since under ``state``."""
        written, acts = self.endpoints.store.feedback.written, ACTS.get(listing.kind, ())
        said = await self.endpoints.in_store(written, acts) if acts else []
        known = states(said, visit.at)
        rows = [self._row(listing, row, visit.lang) for row in bodies]
        for row in rows:
            entity = row.get("table") or QUESTIONS.get(row.get("question", ""), "")
            row |= {"entity": entity, "state": known.get((entity, str(row.get("id", ""))), "")}
        return rows

    def _row(self, listing: Listing, row: dict[str, Any], lang: str) -> dict[str, Any]:
        """A list's row with its address, and its reason in the reader's language."""
        values = {**row, "href": _href(listing, row)}
        reason, slot = row.get("reason"), QUESTIONS.get(row.get("question", ""))
        if reason and slot:
            values["reason"] = retold([reason], self.endpoints.state.predictors.get(slot), lang)[0]
        return values

    async def account(self, visit: Visit) -> Response:
        """One account's plan."""
        one = _id(visit)
        plan = await self.endpoints.in_store(self.endpoints.store.sheets.one, "accounts", one)
        if plan is None:
            raise PageNotFound(
                _text(visit, mark("no plan is kept of this account; it is no customer now"))
            )
        points = [{"day": day, "probability": p} for day, p in plan["curve"]]
        tell = translations(visit.lang).gettext
        chart = (
            curve(
                points,
                tell(mark("days from now")),
                tell(mark("chance to leave")),
                tell(mark("Risk by day")),
            )
            if points
            else None
        )
        desk = self.endpoints.state.predictors.get("accounts")
        written = await self.endpoints.in_store(self.endpoints.store.feedback.of, "accounts", one)
        plan |= {n: retold(plan[n], desk, visit.lang) for n in ("risks", "strengths")}
        return self._page(
            visit, "account.html", plan=plan, chart=chart, key=quote(one, safe=""), written=written
        )

    async def account_markdown(self, visit: Visit) -> Response:
        """The plan as Markdown."""
        one = unquote(visit.path.split("/")[2])
        plan = await self.endpoints.in_store(self.endpoints.store.sheets.one, "accounts", one)
        if plan is None:
            raise PageNotFound(
                _text(visit, mark("no plan is kept of this account; it is no customer now"))
            )
        headers = HEADERS | {"content-disposition": 'attachment; filename="plan.md"'}
        return Response(plan["markdown"], 200, headers, "text/markdown; charset=utf-8")

    async def record(self, visit: Visit) -> Response:
        """The stored score of a lead, a deal or a customer, with its reasons and history."""
        question = visit.path.split("/")[2]
        slot = QUESTIONS.get(question) or self._slot(question)
        if slot is None:
            raise PageNotFound(_text(visit, mark("there is no such page")))
        entity = slot.partition(".")[0]
        one, store = _id(visit), self.endpoints.store
        found = await self.endpoints.in_store(store.scores.latest, slot, one)
        if found is None:
            raise PageNotFound(
                _text(visit, mark("no score is kept of this record; run the nightly scoring"))
            )
        history = await self.endpoints.in_store(store.scores.history, slot, one, 20)
        feedback = await self.endpoints.in_store(store.feedback.of, entity, one)
        deal = None
        if entity == "deals":
            deal = await self.endpoints.in_store(store.sheets.one, "pipeline", one)
        points = [p for p in found.score.curve if p.get("day")]
        tell = translations(visit.lang).gettext
        chart = (
            curve(
                points,
                tell(mark("days from then")),
                tell(mark("chance")),
                tell(mark("The chance by day")),
            )
            if points
            else None
        )
        return self._page(
            visit,
            "record.html",
            found=found,
            entity=entity,
            reasons=retold(
                found.score.reasons, self.endpoints.state.predictors.get(slot), visit.lang
            ),
            history=history,
            feedback=feedback,
            deal=deal,
            chart=chart,
            usual=_usual_share(self.endpoints.state.predictors.get(slot)),
        )

    async def forecast(self, visit: Visit) -> Response:
        """The newest kept forecast."""
        values = self._kept(visit, dict(visit.request.query_params).get("dimension", "all"))
        calls: list[Feedback] = []
        owners: dict[str, str] = {}
        if self.endpoints.state.store is not None:
            calls = await self.endpoints.in_store(self.endpoints.store.feedback.written, ("call",))
            sheet = await self.endpoints.in_store(self.endpoints.store.sheets.newest, "pipeline")
            owners = {} if sheet is None else sheet.head.get("owners", {})
        return self._page(visit, "forecast.html", forecast=values, calls=calls, owners=owners)

    async def models(self, visit: Visit) -> Response:
        """What answers, how good it was, whether it still fits."""
        values = []
        for desk in self.endpoints.state.predictors.values():
            index, note = await self._models.drift_of(desk)
            bands = [band.to_answer() for band in desk.scorer.track_record.bands]
            metrics = [{"measure": m, **v} for m, v in desk.scorer.bundle.metrics.items()]
            usual, best = _best_tenth(desk.scorer.bundle.metrics)
            more = {"drift": index, "note": note, "bands": bands, "metrics": metrics}
            values.append({**card(desk), **more, "usual": usual, "best": best})
        return self._page(visit, "models.html", models=values)

    # how

    def _slot(self, question: str) -> str | None:
        """Where the scores of a question of the company's own are kept, None where none is."""
        slots: Mapping[str, Predictor] = self.endpoints.state.predictors
        return next((slot for slot in slots if slot.partition(".")[2] == question != ""), None)

    def _kept(self, visit: Visit, dimension: str = "all") -> dict[str, Any] | None:
        """The kept forecast, None where there is none; one that cannot be read says so."""
        root = self.endpoints.settings.forecasts
        if self._shelf is None or self._shelf.root != root:
            self._shelf = ForecastReader(root)
        try:
            newest = self._shelf.newest()
        except NoForecast:
            return None
        except BadForecast as wrong:
            return {"broken": str(wrong)}
        known = {row["dimension"] for row in newest["table"]}
        wanted = {"dimension": dimension} if dimension in known else {}
        return answer(newest, wanted, visit.at)

    def _page(self, visit: Visit, template: str, **values: Any) -> Response:
        return self.reception.page(template, visit.lang, visit.request, **values)


ACTS: dict[str, tuple[Kind, ...]] = {"calls": ("done", "snooze"), "territories": ("owner",)}
"""Lists whose rows people answer, and with what."""


def _best_tenth(metrics: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(share with the outcome, the same of the best tenth by score) in the newest period.

    The first is the base rate's area under the precision-recall curve, which is the share itself.
    """
    curve, lift = metrics.get("pr_auc"), metrics.get("lift_10")
    if curve is None or lift is None:
        return None, None
    usual = float(curve["baseline"])
    return usual, min(1.0, usual * float(lift["value"]))


def _usual_share(predictor: Predictor | None) -> float | None:
    """The share of past cases with the outcome, of those whose horizon is over; None: no case."""
    if predictor is None:
        return None
    bands = predictor.scorer.track_record.bands
    cases = sum(band.n for band in bands)
    return sum(band.n * band.share for band in bands) / cases if cases else None


def _href(listing: Listing, row: dict[str, Any]) -> str:
    if not listing.detail:
        return ""
    return listing.detail.format(**{k: quote(str(v), safe="") for k, v in row.items()})


def _id(visit: Visit) -> str:
    """The id at the end of the path, as it was sent, decoded."""
    return unquote(visit.path.rpartition("/")[2])


def _text(visit: Visit, said: str) -> str:
    return translations(visit.lang).gettext(said)


def add_pages(app: Starlette, door: Endpoints) -> None:
    """Add every page to the app."""
    app.router.routes.extend(Views(door).routes())
