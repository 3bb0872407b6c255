"""How a comment feels, told from its words.

English by VADER (Hutto and Gilbert 2014; ``vaderSentiment``), to whose list of words from social
media some of customers are added ("late", "crashes", "waited": ``words/en.txt``). For German,
Spanish, French and Portuguese no kept library has a list of words: these are read by lists that
ship with cxlab (``words/de.txt`` and so on) and VADER's own rules of negation, strength, "but" and
emoji, so that scores of all languages are on one scale.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cxlab.models.text import words

__all__ = ["LANGUAGES", "said", "score"]

LANGUAGES = ("de", "en", "es", "fr", "pt")
_READ = 5_000  # VADER takes quadratic time
_TOKEN = re.compile(r"[^\W\d_]+|[.,;:!?\n()]")
_LETTER = re.compile(r"[^\W\d_]")
_FACE = re.compile(r"(?<!\w)(?:[:;=]['-]?[)(D/|*3]|<3|</3)(?!\w)")
# VADER's (Hutto and Gilbert 2014): what strength adds, a negation turns to, and the scale's bend
_STRENGTH, _FADES, _TURNS, _CLAIM, _BEND = 0.293, (1.0, 0.95, 0.9), -0.74, 0.292, 15.0
_VALUES = {"best": 3.0, "good": 2.0, "mild": 1.2, "poor": -1.5, "bad": -2.3, "worst": -3.2}
# of words such as "unfortunately", which no negation turns
_SADLY = -1.2
# how far before a word, and after it, a negation stands
_BEFORE, _AFTER = 3, {"de": 3, "fr": 1}
_SILENT = ("none", "negate", "but", "and")
_STEMMERS = {"de": "german", "es": "spanish", "fr": "french", "pt": "portuguese"}


def score(texts: Sequence[str], languages: Sequence[str]) -> np.ndarray:
    """Score sentiment from -1 (worst) to 1 (best).

    Parameters
    ----------
    texts : sequence of str
        Cleaned and masked; the first 5,000 characters of each are read.
    languages : sequence of str
        ISO 639-1 code of each.

    Returns
    -------
    ndarray
        Float, as long as ``texts``; 0 is neutral, NaN where the text is empty or its language is
        not among ``LANGUAGES``. Emoji alone are scored in any language.
    """
    if not len(texts):
        return np.empty(0)
    vader = _vader()
    readers: dict[str, Callable[[str], float]] = {
        code: _Reader(code).score for code in set(languages) & set(_STEMMERS)
    }
    readers["en"] = lambda text: float(vader.polarity_scores(text)["compound"])
    scores = []
    for text, code in zip(texts, languages, strict=True):
        text = text[:_READ]
        if code in readers and text.strip():
            scores.append(readers[code](text))
        else:
            signs = 0.0 if _LETTER.search(text) else sum(_emoji(text))
            scores.append(_bent(signs) if signs else math.nan)
    return np.array(scores, dtype=float)


def said(languages: Iterable[str]) -> str:
    """Tell in a sentence which languages are scored, and how.

    Parameters
    ----------
    languages : iterable of str
        Codes of the texts.
    """
    here = sorted(set(languages))
    own = [code for code in here if code in _STEMMERS]
    none = [code for code in here if code not in LANGUAGES]
    told = (
        ["English is scored by VADER with some of customers' words added"] if "en" in here else []
    )
    if own:
        told.append(f"{', '.join(own)} by cxlab's own short lists of words with VADER's rules")
    if none:
        told.append(f"{', '.join(none)} not at all, for want of a list")
    return ("; ".join(told) or "there is nothing to score") + "."


@lru_cache(maxsize=1)
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    vader, lists = SentimentIntensityAnalyzer(), words.read("en")
    for level, value in _VALUES.items():
        vader.lexicon |= {word: value for word in lists.get(level, ())}
    for word in lists["none"]:
        del vader.lexicon[word]
    for level, signs in words.read("emoji").items():
        # VADER puts an emoji's description in its place and reads that
        vader.lexicon[f"emoji{level}"] = _VALUES[level]
        vader.emojis |= dict.fromkeys(signs, f"emoji{level}")
    return vader


def _bent(total: float) -> float:
    return total / math.sqrt(total * total + _BEND)


def _emoji(text: str) -> Iterator[float]:
    """Give the values of the emoji and faces in a text: those of VADER."""
    vader = _vader()
    if not text.isascii():
        for sign in text:
            if sign in vader.emojis:
                compound = float(vader.polarity_scores(sign)["compound"])
                yield compound * math.sqrt(_BEND / (1 - compound * compound))
    for face in _FACE.findall(text):
        yield float(vader.lexicon.get(face, 0.0))


class _Word(NamedTuple):
    """What a word says: its value, and whether it turns, strengthens, weakens or contrasts."""

    value: float = 0.0
    role: str = ""
    stem: str = ""


_END = _Word(role="end")


class _Reader(dict[str, _Word]):
    """Words of a language and what they say; each is worked out once."""

    def __init__(self, code: str) -> None:
        import snowballstemmer

        super().__init__()
        lists = words.read(code)
        self._plain: Callable[[str], str] = str.lower if code == "de" else _without_accents
        stemmer = snowballstemmer.stemmer(_STEMMERS[code])
        self._stem: Callable[[str], str] = stemmer.stemWord
        self._after = _AFTER.get(code, 0)
        self._roles = {
            self._plain(word): role
            for role in ("none", "damp", "boost", "negate", "but", "and", "sadly")
            for word in lists.get(role, ())
        }
        self._values: dict[tuple[str, ...], float] = {}
        for level, value in _VALUES.items():
            for word in lists[level]:
                self._values[tuple(self._key(part) for part in word.split())] = value
        self._longest = max(map(len, self._values))
        self._starts = {key[0] for key in self._values if len(key) > 1}

    def _key(self, word: str) -> str:
        return self._plain(self._stem(word.lower()))

    def __missing__(self, word: str) -> _Word:
        if not word[0].isalpha():
            self[word] = _END
        else:
            role = self._roles.get(self._plain(word), "")
            key = self._key(word)
            value = 0.0 if role in _SILENT else self._values.get((key,), 0.0)
            self[word] = _Word(_SADLY if role == "sadly" else value, role, key)
        return self[word]

    def score(self, text: str) -> float:
        """Score one text from -1 to 1."""
        read = self._joined([self[word] for word in _TOKEN.findall(text)])
        values = [self._valued(read, at) if read[at].value else 0.0 for at in range(len(read))]
        turns = [at for at, word in enumerate(read) if word.role == "but"]
        if turns:
            values = [value * (0.5 if at < turns[-1] else 1.5) for at, value in enumerate(values)]
        total = sum(values) + sum(_emoji(text))
        if total:
            total += math.copysign(_CLAIM * min(text.count("!"), 4), total)
        return _bent(total)

    def _joined(self, read: list[_Word]) -> list[_Word]:
        """Take words that stand for one thing as one."""
        joined: list[_Word] = []
        at = 0
        while at < len(read):
            size = 1
            if read[at].stem in self._starts:
                for more in range(min(self._longest, len(read) - at), 1, -1):
                    key = tuple(word.stem for word in read[at : at + more])
                    if key in self._values:
                        size = more
                        joined.append(_Word(self._values[key]))
                        break
            if size == 1:
                joined.append(read[at])
            at += size
        return joined

    def _valued(self, read: list[_Word], at: int) -> float:
        """Give a word's value by what stands around it."""
        value, negated = read[at].value, False
        if read[at].role == "sadly":
            return value
        way = math.copysign(_STRENGTH, value)
        for far, fade in zip(range(1, _BEFORE + 1), _FADES, strict=True):
            if at < far or read[at - far].role in ("end", "but"):
                break
            role = read[at - far].role
            value += fade * way * ((role == "boost") - (role == "damp"))
            negated |= role == "negate"
        for word in read[at + 1 : at + 1 + self._after]:
            if word.role in ("end", "but", "and") or (word.value and word.role != "sadly"):
                break
            negated |= word.role == "negate"
        return value * _TURNS if negated else value


def _without_accents(word: str) -> str:
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFD", word.lower())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))
