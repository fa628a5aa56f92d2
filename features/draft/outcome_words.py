"""What a word of a status says: won, lost, converted, given up, left, or still open."""

from __future__ import annotations

import re

from features.ingest.outcomes import LOST, NEGATED, WON

_SOLD = re.compile(
    r"^(?:closed[ _-]?)?"
    r"(?:success(?:ful)?|signed|sold|vendid[oa]|venduto|verkauft|aceptad[oa]|gewinn)$"
)
_GONE = re.compile(
    r"(?<![a-z])(?:loss|verlust|abandoned|dead|rejected|abgelehnt|rechazad[oa]|rifiutat[oa]|"
    r"cancel+ed|canceled|cancelad[oa]|annullat[oa]|storniert|disqualified|no sale|killed)(?![a-z])"
)
_CONVERTED = re.compile(
    r"^(?:(?:closed[ _-]*)?converted|convertid[oa]|konvertiert|umgewandelt|convertit[oa]|converti|"
    r"customer|client[e]?|kunde|won|gewonnen|ganad[oa]|vint[oa]|enrolled|purchased|subscribed)(?![a-z])"
)
_GIVEN_UP = re.compile(
    r"(?<![a-z])(?:disqualified|unqualified|not qualified|not converted|not interested|junk|spam|"
    r"dead|lost|rejected|invalid|bad (?:fit|data|lead)|no fit|descartad[oa]|no interesad[oa]|"
    r"perdid[oa]|pers[oa]|scartat[oa]|non interessat[oa]|non qualificat[oa]|verloren|abgelehnt|"
    r"disqualifiziert|unqualifiziert|kein interesse|recycled)(?![a-z])"
)
_LEFT = re.compile(
    r"(?<![a-z])(?:churn(?:ed)?|left|cancel+ed|canceled|terminated|former|ex|inactive|lost|exited|"
    r"attrited|lapsed|closed|baja|inactiv[oa]|cancelad[oa]|gek[uü]ndigt|inaktiv|ehemalig|"
    r"disdett[oa]|cessat[oa]|inattiv[oa]|r[eé]sili[eé]|perdid[oa])(?![a-z])"
)
_STAYS = re.compile(
    r"^(?:active|current|existing|customer|stayed|stays?|retained|activ[oa]|aktiv|attiv[oa]|"
    r"bestandskunde|kunde|client[e]?|actif|open|vigente)(?![a-z])"
)
_OPEN = re.compile(
    r"(?<![a-z])(?:open|offen|abiert[oa]|apert[oa]|ouvert|new|neu|nuev[oa]|nuov[oa]|working|"
    r"in (?:progress|bearbeitung|corso)|en (?:curso|proceso|cours)|contact(?:ed|ado|ato)|"
    r"kontaktiert|"
    r"qualif\w*|cualif\w*|calific\w*|propos\w*|propuesta|angebot|offert[ae]?|quote|negoti\w*|"
    r"negoci\w*|verhandl\w*|trattativa|prospect\w*|engaging|pending|nurtur\w*|demo|evaluat\w*|"
    r"meeting|appointment|pipeline|active|on hold|pausad[oa]|analysis|review|discovery|"
    r"attempted|interested|in attesa|pendiente|wartend|laufend|aktiv)(?![a-z])"
)


TARGETS = {"quota", "y", "type", "class", "response", "outcome", "deposit"}
"""Headings of what a data set is to be learned for."""


def means(word: str, table: str) -> str | None:
    """The canonical outcome of a word, "" where it is open, None where nobody can tell."""
    text = word.strip().casefold()
    if table == "deals":
        if NEGATED.search(text):
            return None
        won, lost = WON.search(text) or _SOLD.search(text), LOST.search(text) or _GONE.search(text)
        if won or lost:
            return None if won and lost else "won" if won else "lost"
    if table == "leads":
        if _GIVEN_UP.search(text):
            return "disqualified"
        if _CONVERTED.search(text):
            return "converted"
    if table == "accounts":
        if _LEFT.search(text):
            return "churned"
        if _STAYS.search(text):
            return ""
    return "" if _OPEN.search(text) else None
