"""Names made comparable, and the pairs of rows whose names are alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

from features.tables import Floats, Ints

_FORMS = """ab ag as bv co corp corporation company eg gmbh inc kg lda limited llc llp ltd mbh nv
oy plc pty sa sarl sas sl slu spa srl"""
LEGAL_FORMS = frozenset(_FORMS.split())
"""Words that say how a company is incorporated, not which one it is."""
ALIKE = 0.5
"""Cosine of the groups of letters from which two names are looked at."""
NEAREST = 20
"""Likest later rows a row is compared with; where all names are alike more would say no more."""
ROWS = 1_000
"""Rows compared with all others at a time."""


def normalise(name: str) -> str:
    """Small letters and digits, without accents, punctuation, legal forms and spaces.

    Spaces go because a slip of the finger moves them: "Ine sAlba" is "Ines Alba".
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = re.findall(r"\w+", plain.replace(".", ""))
    kept = [w for w in words if w not in LEGAL_FORMS]
    return "".join(kept or words)


def alike(names: Sequence[str], least: float = ALIKE) -> tuple[Ints, Ints, Floats]:
    """Pairs (m,) a < b of rows with similar normalised names, and their cosines (m,).

    The cosine is that of tf-idf weighted groups of two and three letters: a rare group says more.
    Rows without a name are in no pair, and none is in more than NEAREST with later rows.
    """
    there = np.flatnonzero([bool(n) for n in names])
    nothing = np.zeros(0, np.int64)
    if len(there) < 2:
        return nothing, nothing, np.zeros(0)
    padded = [f" {names[row]} " for row in there.tolist()]
    grams = TfidfVectorizer(analyzer="char", ngram_range=(2, 3), dtype=np.float32)
    X = grams.fit_transform(padded).tocsr()
    parts = [_pairs(X, start, least) for start in range(0, len(there), ROWS)]
    a, b, cosine = (np.concatenate(column) for column in zip(*parts, strict=True))
    return there[a], there[b], cosine.astype(np.float64)


def _pairs(X: sp.csr_matrix, start: int, least: float) -> tuple[Ints, Ints, Floats]:
    near = (X[start : start + ROWS] @ X.T).tocoo()
    a = near.row.astype(np.int64) + start
    kept = np.flatnonzero((near.data >= least) & (near.col > a))
    order = kept[np.lexsort((-near.data[kept], a[kept]))]
    turn = np.arange(len(order)) - np.searchsorted(a[order], a[order])
    likest = order[turn < NEAREST]
    return a[likest], near.col[likest].astype(np.int64), near.data[likest]
