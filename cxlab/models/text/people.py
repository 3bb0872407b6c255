"""Names of people: those that are known, and those that follow words such as "my name is"."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from cxlab.models.text import words

__all__ = ["Known"]

_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_GAP = re.compile(r"\.?[ \t]{1,2}|\.|(?=\[name\])")
# someone tells their name: what follows is one in any case
_TOLD = (
    "my name is|my name's|my name:|i am called|ich heiße|ich heisse|mein name ist|mein name:"
    "|me llamo|mi nombre es|je m'appelle|je me nomme|mon nom est|meu nome é|me chamo|chamo-me"
    "|full name:|name:|nombre:|nome:|nom:|vorname:|nachname:|prénom:|apellidos?:"
)
# what follows is a name if it starts with a capital
_TITLES = (
    r"mr|mrs|ms|miss|dr|prof|herrn?|frau|señora?|sra?|srta|monsieur|madame|mme|mlle|senhora?|doña"
    r"|dona"
    r"|(?:spoke|speaking|talked|chatted) (?:to|with)|agent|agente|soy|je suis|sou [oa]|named|namens"
    r"|llamad[oa]|nommée?|chamad[oa]|gez|customer service (?:agent|rep)|this is(?=\s\w+\s"
    r"(?:\w+\s)?(?:speaking|calling|from)\b)"
)
# what follows is a name if it starts with a capital and the greeting ends with it
_GREETINGS = (
    "dear|hi|hello|hallo|lieber?|hola|bonjour|olá|estimad[oa]|cher|chère|prezad[oa]|querid[oa]"
)
# what ends the text, or a line, is a name: after thanks with a capital, and set apart
_THANKS = "thanks|thank you|cheers|danke|vielen dank|gracias|merci|obrigad[oa]"
_CLOSINGS = (
    r"(?<!as )(?<!with )(?<!in )regards|sincerely|yours truly|yours faithfully"
    r"|freundlichen? gr(?:ü|ue)(?:ß|ss)en?|(?:viele|liebe|beste|schöne) gr(?:ü|ue)(?:ß|ss)e"
    r"|gr(?:ü|ue)(?:ß|ss)e?|mfg|lg|vg|(?:un )?saludos?(?: cordiale?s?)?|un abrazo|atentamente|atte"
    r"|cordialmente|cordialement|bien à vous|salutations(?: distinguées)?|amicalement"
    r"|atenciosamente|att|cumprimentos|abraços?|abs"
)
# searched in small letters: a search that ignores case takes four times as long
_CUE = re.compile(
    rf"(?<![\w'])(?:(?P<told>{_TOLD})|(?P<title>{_TITLES})|(?P<closing>{_CLOSINGS})"
    rf"|(?P<greeting>{_GREETINGS})|(?P<thanks>{_THANKS})|(?P<capital>m\.(?=\s\w)|don))(?![\w'])"
)
# what stands between each kind of words and the name
_GAPS = {
    "told": re.compile(r"[ \t:.,]{1,3}"),
    "title": re.compile(r"[ \t.]{1,3}"),
    "capital": re.compile(r"[ \t.]{1,3}"),
    "greeting": re.compile(r"[ \t]"),
    "closing": re.compile(r"[\s,.!:;-]{1,6}"),
    "thanks": re.compile(r"[ \t]{0,2}[,.!:;\n-][\s,.!:;-]{0,5}"),
}
_AFTER_GREETING = re.compile(r"\s{0,2}(?:[,.!:;\n-]|\Z)")
_END = re.compile(r"[\s.!,;)-]*\Z")
_PARTICLES, _NOBODY, _WORDS_TOO = (
    frozenset(words.read("names")[heading]) for heading in ("particles", "nobody", "words_too")
)
# a name that stands alone in more of the texts than this is a word
_OFTEN, _FEW_TEXTS = 0.01, 50
# letters that look like Latin ones
_ALIKE = str.maketrans("асеорхуікмтнвАВСЕНІКМОРТХУαονικρτ", "aceopxyikmthbABCEHIKMOPTXYaovikpt")


class Known:
    """Names that are known, and the search for these and for others by what stands before them.

    A name that is a word as well (Will, Klein, Schnell) is taken for one only beside another, with
    a capital. Such are names that are in a list of words, and those that stand alone in more than
    one of a hundred texts.

    Parameters
    ----------
    names : iterable of str
        Of people, whole or in part, in any writing.
    texts : sequence of str
        In which they are looked for, with plain signs (`signs.plain`).
    """

    def __init__(self, names: Iterable[str] = (), texts: Sequence[str] = ()) -> None:
        self._parts = _Parts(names)
        self._words = (_ordinary() | self._often(texts)) if self._parts.names else frozenset()

    def _often(self, texts: Sequence[str]) -> set[str]:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update({name for _, name, beside in self._found(text) if not beside})
        most = max(_FEW_TEXTS, _OFTEN * len(texts))
        return {name for name, count in counts.items() if count > most}

    def mask(self, text: str) -> str:
        """Replace names by ``[name]``.

        Parameters
        ----------
        text : str
            With plain signs (`signs.plain`).
        """
        spans = [*_told(text), *(self._known(text) if self._parts.names else ())]
        if not spans:
            return text
        parts, done = [], 0
        for start, end in _joined(text, sorted(spans)):
            parts += [text[done:start], "[name]"]
            done = end
        return "".join([*parts, text[done:]])

    def _known(self, text: str) -> list[tuple[int, int]]:
        return [
            word.span()
            for word, name, beside in self._found(text)
            if name not in self._words or (beside and word.group()[0].isupper())
        ]

    def _found(self, text: str) -> Iterator[tuple[re.Match[str], str, bool]]:
        """Give words that are known names, and whether another one is beside them."""
        names = [self._parts[word] for word in _WORD.findall(text)]
        if any(names):
            for at, (word, name) in enumerate(zip(_WORD.finditer(text), names, strict=True)):
                if name and not _is_mask(text, word):
                    yield word, name, any(names[max(0, at - 1) : at] + names[at + 1 : at + 2])


class _Parts(dict[str, str]):
    """The part of a known name that a word is, or holds; "" of any other word."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = frozenset(part for name in names if name for part in _parts(str(name)))

    def __missing__(self, word: str) -> str:
        name = _folded(word)
        if name not in self.names:
            own = [part for part in re.split("['-]", name) if part in self.names]
            name = own[0] if own else ""
        self[word] = name
        return name


def _is_mask(text: str, word: re.Match[str]) -> bool:
    """Tell whether a word is the kind in brackets that was put for something."""
    before = text[max(0, word.start() - 3) : word.start()]
    return before.endswith(("[", "[e-")) and text.startswith("]", word.end())


@lru_cache(maxsize=1)
def _feelings() -> frozenset[str]:
    """Give the words that cxlab's lists of sentiment have."""
    lists = [words.read(code) for code in ("de", "en", "es", "fr", "pt")]
    return frozenset(word for heading in lists for group in heading.values() for word in group)


@lru_cache(maxsize=1)
def _ordinary() -> frozenset[str]:
    """Give words that are names as well, folded."""
    return frozenset(_folded(word) for word in (_WORDS_TOO | _stop_words() | _feelings()))


def _parts(name: str) -> Iterable[str]:
    """Give a name's parts of two letters and more, as they may be written."""
    for word in re.findall(r"[^\W\d_]+", name):
        if len(word) > 1 and word.casefold() not in _PARTICLES:
            low = word.casefold()
            yield _folded(low)
            for umlaut, instead in (("ä", "ae"), ("ö", "oe"), ("ü", "ue")):
                low = low.replace(umlaut, instead)
            yield _folded(low)


def _folded(word: str) -> str:
    """Give a word without capitals and accents, look-alikes as Latin letters."""
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFD", word.translate(_ALIKE).casefold())
    return "".join(sign for sign in folded if not unicodedata.combining(sign))


def _told(text: str) -> list[tuple[int, int]]:
    """Find names by the words before them."""
    spans = []
    for cue in _CUE.finditer(_small(text)):
        kind = cue.lastgroup or ""
        gap = _GAPS[kind].match(text, cue.end())
        if not gap or (kind == "capital" and text[cue.start()].islower()):
            continue
        found = _name_at(text, gap.end(), kind)
        if found and _ends_well(text, gap.end(), found[-1][1], kind):
            spans += found
    return spans


def _small(text: str) -> str:
    """Give a text in small letters, every one in its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(sign.lower()[:1] for sign in text)


def _ends_well(text: str, start: int, end: int, kind: str) -> bool:
    """Tell whether what follows the name of a greeting or a farewell is as it is after one."""
    if kind == "greeting":
        return bool(_AFTER_GREETING.match(text, end))
    if kind not in ("closing", "thanks"):
        return True
    line = text.find("\n", start)
    return bool(_END.match(text, end, len(text) if line < 0 else line))


def _name_at(text: str, start: int, kind: str) -> list[tuple[int, int]]:
    """Read up to four words that may be a name from a place on."""
    spans: list[tuple[int, int]] = []
    at, small = start, 0
    for _ in range(4):
        word = _WORD.match(text, at)
        if not word or not _may_be_name(word.group(), kind, bool(spans)):
            break
        small += word.group()[0].islower() and word.group().lower() not in _PARTICLES
        if small > 2:
            break
        spans.append(word.span())
        gap = _GAP.match(text, word.end())
        if not gap or gap.end() == word.end():
            break
        at = gap.end()
    while spans and text[slice(*spans[-1])].lower() in _PARTICLES:
        spans.pop()
    return spans


def _may_be_name(word: str, kind: str, later: bool) -> bool:
    low = word.lower()
    if later and low in _PARTICLES:
        return True
    if low in _NOBODY or low in _stop_words():
        return False
    if word[0].isupper():
        return kind not in ("greeting", "thanks") or low not in _feelings()
    return kind in ("told", "closing") and low not in _feelings()


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    import stopwordsiso

    return frozenset(stopwordsiso.stopwords(["en", "de", "es", "fr", "pt"]))


def _joined(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join names that stand beside each other."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and (start <= joined[-1][1] or not text[joined[-1][1] : start].strip(" .")):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
