"""Ids as they are compared: one record is one, however a system writes its id."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def plain_of(words: Any) -> Any:
    """Keys as they are compared: no outer spaces, no ``.0``, e-mail in small letters, 15 of 18."""
    text = pc.utf8_trim_whitespace(words)
    text = pc.replace_substring_regex(text, r"^([0-9]+)\.0+$", r"\1")
    text = pc.if_else(pc.match_substring(text, "@"), pc.utf8_lower(text), text)
    long = pc.match_substring_regex(text, "^[A-Za-z0-9]{15}[A-Z0-5]{3}$")
    held = np.array(long.to_numpy(zero_copy_only=False), bool)
    for i in np.flatnonzero(held):
        word = text[int(i)].as_py()
        held[i] = checksum(word[:15]) == word[15:]
    return pc.if_else(pa.array(held), pc.utf8_slice_codeunits(text, 0, 15), text)


def checksum(short: str) -> str:
    """The last three characters of Salesforce's 18-character id: which of 15 are capitals.

    Five characters make one: bit i is set where the i-th is a capital; A to Z, 0 to 5 are 0 to 31.
    """
    parts = (short[0:5], short[5:10], short[10:15])
    bits = (sum(c.isupper() << i for i, c in enumerate(part)) for part in parts)
    return "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[b] for b in bits)
