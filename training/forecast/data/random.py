"""Counter-based random numbers: a draw is named by what it is for, never by its turn.

    bits = mix(key(entity) ^ mix(stream) + draw · odd constant)

with the finaliser of SplitMix64 (Steele, Lea and Flood, 2014). Rows added later, another order of
rows or another number of threads change nothing, and two origins see the same luck of a deal.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.special import ndtri

from features.tables import Floats

Keys = npt.NDArray[np.uint64]
Small = npt.NDArray[np.int32]
"""Numbers of cells, groups and pools: half the memory of the usual integers."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 2.0**-53


@njit(cache=True, inline="always")
def mix(x: np.uint64) -> np.uint64:
    """64 well-stirred bits from 64 bits; one to one."""
    x = (x ^ (x >> _30)) * _A
    x = (x ^ (x >> _27)) * _B
    return x ^ (x >> _31)


@njit(cache=True, inline="always")
def uniform(key: np.uint64, draw: int) -> float:
    """A number strictly between 0 and 1 for the ``draw``-th future of what ``key`` names."""
    bits = mix(key + np.uint64(draw + 1) * _ODD)
    return (np.float64(np.int64(bits >> _11)) + 0.5) * _UNIT


@njit(cache=True)
def _uniforms(keys: Keys, draws: int) -> Floats:
    out = np.empty((len(keys), draws))
    for i in range(len(keys)):
        for d in range(draws):
            out[i, d] = uniform(keys[i], d)
    return out


def uniforms(keys: Keys, draws: int) -> Floats:
    """(n, draws) of n keys."""
    found: Floats = _uniforms(keys, draws)
    return found


def normals(key: np.uint64, draws: int) -> Floats:
    """(draws,) standard normal numbers of one key."""
    found: Floats = ndtri(uniforms(np.array([key], np.uint64), draws)[0])
    return found


def key_of(*words: str | int) -> np.uint64:
    """The key of a purpose, such as ``key_of(seed, "shock")``."""
    digest = blake2b("\x1f".join(map(str, words)).encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def keys_of(words: Iterable[str]) -> Keys:
    """(n,) a key for each entity's name, the same in every data set that has it."""
    digests = (blake2b(word.encode(), digest_size=8).digest() for word in words)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
