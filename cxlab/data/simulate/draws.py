"""Random numbers that belong to a thing, not to a place in a stream.

Whatever hangs on a contact (its time, its outcome, its wording) is a hash of the contact's
key. A twin world, in which some customers stay longer, then shares every other draw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Ints", "Keys", "keys", "logistic", "normal", "uniform"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

_STEP = 0x9E3779B97F4A7C15
_WORD = 0xFFFFFFFFFFFFFFFF
# numpy's own words: made once, since most arrays are short
_ROUNDS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
           (np.uint64(27), np.uint64(0x94D049BB133111EB)))  # fmt: skip
# so that no key's number is another thing's key
_OTHER = np.uint64(0xD1B54A32D192ED03)
_ONE, _12, _31, _STEP_64 = np.uint64(1), np.uint64(12), np.uint64(31), np.uint64(_STEP)


def _mix(x: Keys) -> Keys:
    """Scramble 64-bit words in place (the finaliser of SplitMix64)."""
    for shift, factor in _ROUNDS:
        x ^= x >> shift
        x *= factor
    x ^= x >> _31
    return x


def keys(root: int, *parts: Ints | Keys) -> Keys:
    """Hash a root and equally long arrays of whole numbers to one key a row.

    Parameters
    ----------
    root : int
        What sets this family of keys apart.
    *parts : array of int
        What the key stands for, such as customer, day and touchpoint.
    """
    key = np.full(len(parts[0]), root & _WORD, dtype=np.uint64)
    for part in parts:
        key = _mix(key + (part.astype(np.uint64) + _ONE) * _STEP_64)
    return key


def uniform(key: Keys, salt: int) -> Floats:
    """Draw from (0, 1): the same key and salt give the same number.

    Parameters
    ----------
    key : array of uint64
        From :func:`keys`.
    salt : int
        Which of a key's numbers.
    """
    word = _mix((key ^ _OTHER) + np.uint64((salt + 1) * _STEP & _WORD))
    return ((word >> _12).astype(np.float64) + 0.5) * 2.0**-52


def normal(key: Keys, salt: int) -> Floats:
    """Draw from the standard normal distribution (Box and Muller); uses two salts.

    Parameters
    ----------
    key : array of uint64
        From :func:`keys`.
    salt : int
        Which of a key's numbers; ``salt + 1`` is used up too.
    """
    radius = np.sqrt(-2.0 * np.log(uniform(key, salt)))
    return radius * np.cos(2.0 * np.pi * uniform(key, salt + 1))


def logistic(odds: Floats) -> Floats:
    """Give the chances that belong to log odds."""
    return 1.0 / (1.0 + np.exp(-odds))
