"""The pages' own words, in the languages of ``languages``; domain "pages" of the locale."""

from __future__ import annotations

import gettext
import io
from functools import cache

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from serving.i18n.languages import FOLDER, LANGUAGES, mark

NAMES = {"en": "English", "es": "Español", "it": "Italiano"}


def read_catalog(lang: str) -> Catalog:
    """The pages' messages in a language; English is what the templates themselves say."""
    with (FOLDER / lang / "LC_MESSAGES" / "pages.po").open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


@cache
def translations(lang: str) -> gettext.NullTranslations:
    """The pages' words in a language."""
    if lang == LANGUAGES[0]:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_catalog(lang))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


LABELS: dict[str, str] = {
    "lead_conversion": mark("conversion"),
    "deal_close": mark("win"),
    "churn": mark("churn"),
    "leads": mark("leads"),
    "deals": mark("deals"),
    "accounts": mark("accounts"),
    "contacts": mark("contacts"),
    "activities": mark("activities"),
    "subscriptions": mark("subscriptions"),
    "invoices": mark("invoices"),
    "quotas": mark("quotas"),
    "converted": mark("converted"),
    "disqualified": mark("disqualified"),
    "won": mark("won"),
    "lost": mark("lost"),
    "churned": mark("left"),
    "impossible": mark("impossible"),
    "wrong": mark("wrong"),
    "warning": mark("warning"),
    "duplicate": mark("duplicate"),
    "stale": mark("stale"),
    "missing": mark("missing"),
    "stalled": mark("stalled"),
    "overdue": mark("overdue"),
    "slow": mark("slow"),
    "nothing planned": mark("nothing planned"),
    "rising": mark("rising"),
    "falling": mark("falling"),
    "steady": mark("steady"),
    "quiet": mark("quiet"),
    "reached": mark("reached"),
    "on track": mark("on track"),
    "behind": mark("behind"),
    "missed": mark("missed"),
    "not begun": mark("not begun"),
    "unknown": mark("unknown"),
    "created": mark("created"),
    "out of the quarter": mark("out of the quarter"),
    "pushed": mark("pushed"),
    "pulled in": mark("pulled in"),
    "up": mark("up"),
    "down": mark("down"),
    "mrr": mark("recurring amount a month"),
    "products": mark("products"),
    "pipeline": mark("pipeline"),
    "meetings_90d": mark("meetings of the last 90 days"),
    "industry": mark("industry"),
    "segment": mark("segment"),
    "tier": mark("tier"),
    "region": mark("region"),
    "team": mark("team"),
    "owner": mark("owner"),
    "product": mark("product"),
    "source": mark("source"),
    "all": mark("the whole company"),
    "bookings": mark("bookings"),
    "recurring": mark("recurring"),
    "total": mark("total"),
    "territory": mark("territory"),
    "language": mark("language"),
    "beyond capacity": mark("beyond capacity"),
    "nobody has it": mark("nobody has it"),
    "balance of cases and value": mark("balance of cases and value"),
    "log_loss": mark("log loss"),
    "auc": mark("area under the ROC curve"),
    "pr_auc": mark("area under the precision-recall curve"),
    "brier": mark("Brier score"),
    "calibration_slope": mark("calibration slope"),
    "calibration_intercept": mark("calibration intercept"),
    "ece": mark("expected calibration error"),
    "lift_10": mark("lift of the best tenth"),
    "lift_20": mark("lift of the best fifth"),
    "email": mark("e-mail"),
    "call": mark("call"),
    "meeting": mark("meeting"),
    "web": mark("web visit"),
    "form": mark("form"),
    "task": mark("task"),
    "note": mark("note"),
    "usage": mark("product use"),
    "support": mark("support case"),
    "other": mark("other activity"),
    "change": mark("change"),
    "contract": mark("contract"),
    "invoice": mark("invoice"),
    "account": mark("account"),
    "share": mark("share"),
    "money": mark("money"),
    "days": mark("days"),
    "hours": mark("hours"),
    "months": mark("months"),
    "ratio": mark("ratio"),
    "money per day": mark("money per day"),
    "share of bookings": mark("share of bookings"),
    "commit": mark("commit"),
    "best case": mark("best case"),
}
"""What the data's codes are called; other words of the data stand for themselves."""
