"""The currency beside an amount: in its own cell (1,200 EUR) or in a column of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.sources.words import WordColumn

CURRENCY_COLUMN = re.compile(
    r"(?:^|[_ .-])(?:currency|waehrung|währung|devise|moneda|divisa|valuta|moeda)"
    r"(?:[_ ]?(?:iso[_ ]?)?code)?$|^currencyisocode$",
    re.IGNORECASE,
)
"""Names of columns that hold currencies, in the languages of CRMs."""

CODES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL
    GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF
    KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR
    MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG
    SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU
    UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW
    """.split()  # noqa: SIM905  # 150 lines of one code each read worse
)
"""ISO 4217's codes of currencies in use."""

_SIGNS = {
    "US$": "USD",
    "CA$": "CAD",
    "C$": "CAD",
    "AU$": "AUD",
    "A$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "MX$": "MXN",
    "R$": "BRL",
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₽": "RUB",
    "₩": "KRW",
    "₺": "TRY",
    "₪": "ILS",
    "฿": "THB",
    "₴": "UAH",
    "₦": "NGN",
    "₱": "PHP",
    "₫": "VND",
    "ZŁ": "PLN",
    "KČ": "CZK",
    "FT": "HUF",
    "LEI": "RON",
    "FR": "CHF",
    "RM": "MYR",
    "EURO": "EUR",
    "EUROS": "EUR",
    "REAIS": "BRL",
    "POUND": "GBP",
    "POUNDS": "GBP",
    "DOLLAR": "USD",
    "DOLLARS": "USD",
}
_SHARED = {
    "$": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "ARS", "CLP", "COP", "TWD"),
    "¥": ("JPY", "CNY"),
    "£": ("GBP", "EGP"),
    "KR": ("SEK", "NOK", "DKK", "ISK"),
    "DOLLAR": ("USD", "CAD", "AUD", "NZD"),
    "DOLLARS": ("USD", "CAD", "AUD", "NZD"),
}
"""Signs of several currencies: the reporting one, where it is among them."""

_NO_MARK = "[0-9\\s\u00a0\u202f()+,.'\u2019\u2212-]"


def beside(words: Iterable[str], home: str) -> Any:
    """The ISO 4217 code in each amount, null where there is none or it may be of several."""
    marks = pc.replace_substring_regex(pa.array(words, pa.string()), _NO_MARK, "")
    marks = pc.utf8_upper(marks).dictionary_encode()
    codes = [_code(mark, home) for mark in marks.dictionary.to_pylist()]
    return pa.array(codes, pa.string()).take(marks.indices)


def _code(mark: str, home: str) -> str | None:
    if home in _SHARED.get(mark, ()):
        return home
    return _SIGNS.get(mark, mark if mark in CODES else None)


def of_amounts(amounts: WordColumn, home: str) -> WordColumn | None:
    """The currencies in a column of amounts; None where all are the reporting one, or none is."""
    marked = pc.match_substring_regex(amounts.values, r"[^0-9.,+\-]")
    if not pc.any(marked).as_py():  # plain numbers, as in most exports
        return None
    codes = beside(amounts.values, home)
    held = codes.drop_null().unique().to_pylist()
    if not held or held == [home]:
        return None
    return amounts.recoded(codes.fill_null(""), np.asarray(codes.is_null()))


def is_currencies(words: WordColumn, home: str) -> bool:
    """Whether a column called so holds currencies, and not the reporting one alone."""
    used = np.unique(words.codes[words.codes >= 0])
    held = {words.values[int(c)].as_py() for c in used}
    return bool(held - {home}) and held <= CODES
