"""Comments as plain text, and their words as stems."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from cxlab.models.text import signs, words

__all__ = ["LONGEST", "Cleaned", "Words", "clean", "said", "tokens"]

LONGEST = 5_000

# -- markup ------------------------------------------------------------------------------------

_TAG = re.compile(r"""<[a-zA-Z/!?](?:[^<>"']|"[^"<]*"|'[^'<]*')*>|<[a-zA-Z/!?][^<>]*>""")
_TAG_NAME = re.compile(r"</?\s*([a-zA-Z]+)")
_UNSEEN = frozenset({"script", "style", "head", "title", "noscript", "template", "iframe", "svg"})
_INLINE = frozenset(
    ("a", "abbr", "b", "big", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub",
     "sup", "u", "wbr")
)  # fmt: skip

# -- what is not the customer's comment --------------------------------------------------------

_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff]"
)
_HISTORY = re.compile(
    r"^[ \t]*(?:-{2,}[ \t]*(?:original message|forwarded message|urspr[üu]ngliche nachricht"
    r"|weitergeleitete nachricht|mensaje original|message d'origine|mensagem original)"
    r"|(?:on|am|el|le|em)[ \t][^\n]{5,200}(?:wrote|schrieb[^\n]{0,100}|escribió|a écrit|escreveu)"
    r"[ \t]?:[ \t]*$|(?:sent from my|von meinem|enviado desde mi|envoyé de mon|enviado do meu)"
    r"[ \t]+\w+[^\n]{0,60}$|--[ \t]?$|_{20,})",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED_LINE = re.compile(r"^[ \t]*>[^\n]*\n?", re.MULTILINE)
_SPACES, _LINES = re.compile(r"[^\S\n]+"), re.compile(r" ?\n[\s]*")

# -- words -------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_MASK = re.compile(r"\[[a-z-]+\]")
_LONG_RUN = re.compile(r"(.)\1{3,}")
_LONGEST_WORD = 40
_STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip


class Cleaned(NamedTuple):
    """Plain texts, one for each given, and how many had what done to them."""

    texts: list[str]
    counts: dict[str, int]


class Words(NamedTuple):
    """The stems of each text in their order, and the commonest word of each stem."""

    stems: list[list[str]]
    surface: dict[str, str]


def clean(texts: Sequence[str | None], longest: int = LONGEST) -> Cleaned:
    """Make plain text of comments; emoji, line breaks and capitals stay.

    Parameters
    ----------
    texts : sequence of str or None
        As they were given.
    longest : int
        Characters after which a text is cut, at a space.

    Returns
    -------
    Cleaned
        As many texts in their order, "" where nothing is left. ``counts``: ``texts``; how many were
        ``empty`` as given, ``emptied`` by cleaning, are without ``words`` (``wordless``: emoji or
        signs alone); and how many lost ``markup``, quoted mail or signatures (``quoted``), unseen
        ``control`` signs, or their end (``cut``).
    """
    counts = Counter[str]()
    plain = []
    for given in texts:
        text = given if isinstance(given, str) else ""
        if not text or text.isspace():
            counts["empty"] += 1
            plain.append("")
            continue
        text = _plain(text, longest, counts)
        counts["emptied"] += not text
        counts["wordless"] += bool(text) and not _WORD.search(text)
        plain.append(text)
    counts["texts"] = len(plain)
    kinds = ("texts", "empty", "emptied", "wordless", "markup", "quoted", "control", "cut")
    return Cleaned(plain, {kind: counts[kind] for kind in kinds})


def said(counts: dict[str, int], longest: int = LONGEST) -> str:
    """Tell in a sentence what cleaning did.

    Parameters
    ----------
    counts : dict
        Of `clean`.
    longest : int
        As given to `clean`.
    """
    told = {
        "empty": "were empty",
        "emptied": "held nothing but markup or quoted mail",
        "wordless": "had no words (emoji or signs alone)",
        "markup": "lost markup",
        "quoted": "lost quoted mail or a signature",
        "control": "lost unseen control signs",
        "cut": f"were cut after {longest:,} characters",
    }
    done = [f"{counts[kind]:,} {words}" for kind, words in told.items() if counts[kind]]
    return f"Of {counts['texts']:,} comments " + (", ".join(done) or "none had to be changed") + "."


def tokens(texts: Sequence[str], languages: Sequence[str]) -> Words:
    """Give the words that carry meaning, as stems.

    Parameters
    ----------
    texts : sequence of str
        Cleaned and masked.
    languages : sequence of str
        ISO 639-1 code of each; stop words and stems are those of the language. ``und``, or a
        language without a stemmer, keeps its words whole.

    Returns
    -------
    Words
        ``stems``: for each text its stems, in their order, without stop words, numbers, emoji and
        masks; ``surface``: for each stem the word that most often stood for it, to name themes by
        (German ones as they are written, since nouns have a capital; others small).
    """
    readers = {code: _reader(code) for code in set(languages)}
    seen: dict[str, Counter[str]] = {}
    stems = []
    for text, code in zip(texts, languages, strict=True):
        known, found = readers[code], []
        for word in _WORD.findall(_MASK.sub(" ", text)):
            stem, shown = known[word]
            if stem:
                found.append(stem)
                seen.setdefault(stem, Counter())[shown] += 1
        stems.append(found)
    return Words(stems, {stem: _commonest(shown) for stem, shown in seen.items()})


def _commonest(shown: Counter[str]) -> str:
    return min(shown, key=lambda word: (-shown[word], word))


# -- cleaning one text -------------------------------------------------------------------------


def _plain(text: str, longest: int, counts: Counter[str]) -> str:
    before = text
    for _ in range(2):  # markup may be written in entities
        text = _without_markup(text) if "<" in text else text
        text = html.unescape(text) if "&" in text else text
    text = _without_markup(text) if "<" in text else text
    counts["markup"] += text != before
    before = text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = signs.few_marks(_UNWANTED.sub("", text))
    counts["control"] += text != before
    before, text = text, _without_mail(text)
    counts["quoted"] += text != before
    text = _LINES.sub("\n", _SPACES.sub(" ", text)).strip()
    if len(text) > longest:
        counts["cut"] += 1
        end = max(text.rfind(" ", longest // 2, longest), text.rfind("\n", longest // 2, longest))
        text = text[: end if end > 0 else longest].rstrip()
    return text


def _without_markup(text: str) -> str:
    """Leave out tags, and what is between those that show nothing."""
    parts, done, inside = [], 0, ""
    text = _without_notes(text)
    for tag in _TAG.finditer(text):
        named = _TAG_NAME.match(tag.group())
        name = named[1].lower() if named else ""
        closing = tag.group().startswith("</")
        if not inside:
            parts += [text[done : tag.start()], "" if name in _INLINE else "\n"]
            inside = name if name in _UNSEEN and not closing else ""
        elif closing and name == inside:
            inside = ""
        done = tag.end()
    return "".join([*parts, "" if inside else text[done:]])


def _without_notes(text: str) -> str:
    """Leave out what is between ``<!--`` and ``-->``."""
    parts, done = [], 0
    while 0 <= (start := text.find("<!--", done)) < (end := text.find("-->", start)):
        parts.append(text[done:start])
        done = end + 3
    return " ".join([*parts, text[done:]])


def _without_mail(text: str) -> str:
    """Leave out what was quoted and what follows a signature's dashes, unless that is all."""
    history = _HISTORY.search(text)
    own = text[: history.start()] if history else text
    if ">" in own:
        own = _QUOTED_LINE.sub("", own)
    return own if own.strip() else text


# -- reading words -----------------------------------------------------------------------------


class _Reader(dict[str, tuple[str, str]]):
    """The stem and the written form of words, worked out once; "" for those without meaning."""

    def __init__(self, stop: Iterable[str], stem: Callable[[str], str], capitals: bool) -> None:
        super().__init__()
        self._stop, self._stem, self._capitals = frozenset(stop), stem, capitals

    def __missing__(self, word: str) -> tuple[str, str]:
        low = word.lower().replace("’", "'")
        if "'" in low and low not in self._stop:
            low = max(low.split("'"), key=len)
        low = _LONG_RUN.sub(r"\1\1", low)
        known = 1 < len(low) <= _LONGEST_WORD and low not in self._stop
        as_written = self._capitals and word.lower() == low and not word.isupper()
        self[word] = (self._stem(low), word if as_written else low) if known else ("", "")
        return self[word]


def _reader(code: str) -> _Reader:
    import snowballstemmer
    import stopwordsiso

    kept = words.read("stop").get(code, ())
    stop = stopwordsiso.stopwords(code) - set(kept) if stopwordsiso.has_lang(code) else set()
    name = _STEMMERS.get(code)
    stem = snowballstemmer.stemmer(name).stemWord if name else str
    return _Reader(stop, stem, capitals=code == "de")
