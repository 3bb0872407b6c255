"""What every analysis returns: a tidy table, the checks made of it, and where it comes from."""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

__all__ = [
    "FINDINGS_MIME",
    "KEPT_MIME",
    "LISTING_MIME",
    "MINUS",
    "NOTHING",
    "RESULT_MIME",
    "TO_THE_LETTER",
    "Check",
    "Finding",
    "Findings",
    "Kept",
    "Listing",
    "Plain",
    "Result",
    "cell_text",
    "cell_text_read",
    "counted",
    "listed",
    "metric_label",
    "money",
    "ratio_text",
    "three_figures",
]

RESULT_MIME = "application/vnd.cxlab.result+json"
FINDINGS_MIME = "application/vnd.cxlab.findings+json"
KEPT_MIME = "application/vnd.cxlab.kept+json"
LISTING_MIME = "application/vnd.cxlab.listing+json"
NOTHING = "There is nothing to show here."
"""What stands in place of an empty table whose result has no sentence."""
TO_THE_LETTER = "mathjax_ignore"
"""The class of HTML in which JupyterLab takes no dollars for LaTeX."""
MINUS = "\N{MINUS SIGN}"
"""What stands before a negative figure in a text for readers."""
# Of ISO 4217, those without a smaller unit.
_WHOLE = {
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
    *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
}
_SHORT = {"nps": "NPS", "csat": "CSAT", "ces": "CES"}


@dataclass(frozen=True)
class Check:
    """One check of a result.

    Parameters
    ----------
    name : str
        The check's name, such as ``"events per parameter"``.
    passed : bool or None
        Whether it held; None where it only informs.
    text : str
        What was found, in a sentence with its figures.
    """

    name: str
    passed: bool | None
    text: str


@dataclass(frozen=True)
class Finding:
    """One statement for ``findings.json`` and the top of a report.

    Parameters
    ----------
    id : str
        Stable from run to run, such as ``"drivers.billing-call.bad"``.
    notebook : str
        The notebook that found it.
    statement : str
        A sentence a manager can act on; every figure in it computed.
    estimate, conf_low, conf_high : float or None
        The figure and its 95% interval; None where the statement has none.
    unit : str
        The estimate's unit, such as ``"customers"`` or ``"hazard ratio"``.
    n : int or None
        The customers it rests on.
    verdict : str
        One of the verdicts of ``drivers.csv``, or ``"information"``.
    """

    id: str
    notebook: str
    statement: str
    estimate: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    unit: str = ""
    n: int | None = None
    verdict: str = "information"


class Findings(list[Finding]):
    """The findings of one notebook, as its last cell shows them."""

    def to_dict(self) -> dict[str, Any]:
        """Give the findings as plain values, missing figures as None."""
        return {"findings": [{k: _plain(v) for k, v in asdict(f).items()} for f in self]}

    def _repr_html_(self) -> str:
        items = _joined((html.escape(f.statement) for f in self), "li")
        return f'<ul class="{TO_THE_LETTER}">{items}</ul>'

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, dict[str, Any]]:
        return {FINDINGS_MIME: self.to_dict()}


class Kept:
    """A file that a run hands to the next one, such as the theme book, as a notebook shows it.

    Parameters
    ----------
    name : str
        Of the file: small letters, digits, ``-`` and ``_``, then ``.yml``, ``.json`` or ``.csv``.
    text : str
        What it holds.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    def __str__(self) -> str:
        return f"Kept for the next run: {self.name}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        shown = f"<p>{html.escape(str(self))}</p>"
        return {
            "text/plain": str(self),
            "text/html": shown,
            KEPT_MIME: {"name": self.name, "text": self.text},
        }


class Listing:
    """A table too long for a page: a report writes it as a file of its own, ``<name>.csv``.

    Parameters
    ----------
    name : str
        Of the file, without ``.csv``.
    table : pandas.DataFrame
        Its rows. A notebook carries them packed, for a million would fill it.
    """

    def __init__(self, name: str, table: pd.DataFrame) -> None:
        self.name, self.table = name, table

    def __str__(self) -> str:
        return f"{self.name}.csv: {counted(len(self.table), 'row')}"

    def to_dict(self) -> dict[str, Any]:
        """Give name, columns, number of rows, and the values packed, the same each time."""
        return {
            "name": self.name,
            "columns": [str(c) for c in self.table],
            "rows": len(self.table),
            "packed": [_packed(self.table.iloc[:, i]) for i in range(self.table.shape[1])],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Listing:
        """Build it from what :meth:`to_dict` gave.

        Parameters
        ----------
        data : mapping
            As :meth:`to_dict` wrote it.
        """
        values = [json.loads(gzip.decompress(base64.b64decode(p))) for p in data["packed"]]
        columns = [pd.Series(v, dtype=object) for v in values]
        table = pd.DataFrame(dict(enumerate(columns)), dtype=object)
        return cls(data["name"], table.set_axis(data["columns"], axis=1))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        shown = f"<p>{html.escape(str(self))}</p>"
        return {"text/plain": str(self), "text/html": shown, LISTING_MIME: self.to_dict()}


def _packed(column: pd.Series) -> str:
    """Pack a column's values, the same each time: one at a time, for a million take room."""
    known = column.astype(object).where(column.notna(), None)
    text = json.dumps([_plain(v) for v in known], ensure_ascii=False, separators=(",", ":"))
    packed = gzip.compress(text.encode("utf-8", "backslashreplace"), 6, mtime=0)
    return base64.b64encode(packed).decode()


class Plain:
    """Sentences as a notebook shows them: to the letter, never read as Markdown or LaTeX.

    A touchpoint may be called ``[x](http://y)``, ``# big`` or ``$a$``.

    Parameters
    ----------
    *lines : str
        One is a paragraph, several are a list; of none, or an empty one, nothing is shown.
    """

    def __init__(self, *lines: str) -> None:
        self.lines = [line for line in lines if line]

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        tag = "ul" if len(self.lines) > 1 else "p"
        shown = [html.escape(line) for line in self.lines]
        inner = _joined(shown, "li") if tag == "ul" else "".join(shown)
        whole = f'<{tag} class="{TO_THE_LETTER}">{inner}</{tag}>' if inner else ""
        return {"text/plain": str(self), "text/html": whole}


def _joined(lines: Iterable[str], tag: str) -> str:
    return "".join(f"<{tag}>{line}</{tag}>" for line in lines)


@dataclass(frozen=True)
class Result:
    """The answer of one analysis.

    Parameters
    ----------
    name : str
        The analysis, such as ``"churn_drivers"``; names the table's file in a report.
    table : pandas.DataFrame
        Tidy, one row an estimate: ``term, estimate, conf_low, conf_high, p_value, n``
        and what the analysis adds.
    checks : tuple of Check
        What was checked, and what came of it.
    meta : mapping
        Scale, period, ``as_of``, data hash, and the settings used.
    sentence : str
        The answer in a sentence or two.
    parts : mapping of str to Result
        Supporting tables, such as the effect by time since exposure.
    """

    name: str
    table: pd.DataFrame
    checks: tuple[Check, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""
    parts: Mapping[str, Result] = field(default_factory=dict)

    def __getitem__(self, part: str) -> Result:
        """Give a supporting result by its name."""
        return self.parts[part]

    def __repr__(self) -> str:
        """Say what it holds: a notebook keeps this beside the table that it shows."""
        columns = ", ".join(map(str, self.table.columns)) or "nothing"
        parts = f"; parts: {', '.join(self.parts)}" if self.parts else ""
        return f"<Result {self.name}: {counted(len(self.table), 'row')} of {columns}{parts}>"

    def summary(self) -> str:
        """Give the answer and the checks as text."""
        lines = [self.sentence] if self.sentence else []
        checks = self.checked().table.itertuples(index=False)
        return "\n".join(lines + [f"[{outcome}] {name}: {text}" for name, outcome, text in checks])

    def checked(self) -> Result:
        """Give the checks as a result of their own: ``check, outcome, what was found``."""
        outcome = {True: "passed", False: "failed", None: "note"}
        rows = [(c.name, outcome[c.passed], c.text) for c in self.checks]
        table = pd.DataFrame(rows, columns=["check", "outcome", "what was found"])
        return Result(f"{self.name}_checks", table)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain values that JSON can hold; NaN becomes None."""
        rows = self.table.astype(object).to_numpy().tolist()
        return {
            "name": self.name,
            "sentence": self.sentence,
            "table": {
                "columns": [str(c) for c in self.table.columns],
                "rows": [[_plain(v) for v in row] for row in rows],
            },
            "checks": [asdict(c) for c in self.checks],
            "meta": {k: _plain(v) for k, v in self.meta.items()},
            "parts": {k: v.to_dict() for k, v in self.parts.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """Build a result from what :meth:`to_dict` gave.

        Parameters
        ----------
        data : mapping
            As :meth:`to_dict` wrote it, through JSON or not.
        """
        table = pd.DataFrame(data["table"]["rows"], columns=data["table"]["columns"])
        return cls(
            name=data["name"],
            table=table,
            checks=tuple(Check(**c) for c in data["checks"]),
            meta=dict(data["meta"]),
            sentence=data["sentence"],
            parts={k: cls.from_dict(v) for k, v in data["parts"].items()},
        )

    def _repr_html_(self) -> str:
        said = [self.sentence] if self.sentence else [NOTHING] if self.table.empty else []
        sentence = _joined(map(html.escape, said), "p")
        if self.table.empty:
            return f'<div class="{TO_THE_LETTER}">{sentence}</div>'
        shown = self.table.to_html(index=False, na_rep="–", border=0, float_format=three_figures)
        return f'<div class="{TO_THE_LETTER}">{sentence}{shown}</div>'

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, dict[str, Any]]:
        return {RESULT_MIME: self.to_dict()}


# Controls, halves of characters, and what makes a reader see letters in another order.
_ILLEGIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def legible(text: str) -> str:
    """Give a text as it can be shown: a character that has no shape becomes a mark.

    Parameters
    ----------
    text : str
        From data. Tabs and line ends stay; controls, lone surrogates and characters that turn
        the direction of what follows become U+FFFD.
    """
    return _ILLEGIBLE.sub("\ufffd", text)


def three_figures(value: float) -> str:
    """Give a number to three significant figures, never in powers of ten."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 1e-4 or value == 0:
        return f"{value:.3g}"
    return "<0.0001" if value > 0 else ">-0.0001"


def money(value: float, currency: str | None = "") -> str:
    """Write money to three figures: ``EUR 12,300``, ``EUR 1.25 million``, ``JPY 24``.

    Parameters
    ----------
    value : float
        How much.
    currency : str, optional
        Its code; empty: none is written. Those that have no smaller unit get no decimals.
    """
    if abs(value) >= 999_500:
        shown = f"{abs(value) / 1e6:,.2f} million"
    else:
        whole = abs(value) >= 99.95 or currency in _WHOLE
        shown = f"{float(f'{abs(value):.3g}'):,.{0 if whole else 2}f}"
    sign = MINUS if value < 0 and any(c in "123456789" for c in shown) else ""
    return f"{currency or ''} {sign}{shown}".strip()


def ratio_text(value: float) -> str:
    """Give a ratio with two decimals, a small one with two figures that tell."""
    return f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def metric_label(metric: str) -> str:
    """Write a metric's name for readers: ``NPS``, ``CSAT top box``.

    Parameters
    ----------
    metric : str
        As in the tables of figures.
    """
    first, _, rest = metric.partition(" ")
    return f"{_SHORT.get(first, first)} {rest}".strip()


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: ``1 row``, ``2,000 rows``.

    Parameters
    ----------
    number : int
        How many.
    one, many : str
        The noun; by default the plural takes an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 0, word: str = "and") -> str:
    """Join names as a sentence does: ``a, b and c``, or ``a, b and 3 more``.

    Parameters
    ----------
    names : iterable of str
        The names.
    most : int
        How many are named; 0: all.
    word : str
        What joins the last one.
    """
    shown = list(names)
    if most and len(shown) > most:
        shown[most:] = [f"{len(shown) - most:,} more"]
    return f" {word} ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


# What a spreadsheet trims before it looks for a formula: blanks, quotes, what cannot be seen.
_TRIMMED = r"[\s\x00-\x20\"'`´‘’“”\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]{0,99}"
_FORMULA = r"[=+\-@＝＋－＠﹦﹢﹣﹫]"
# Where the list separator is a semicolon, a comma-separated file is split at that as well.
_TO_GUARD = re.compile(rf"^(?='*[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?={_TRIMMED}{_FORMULA})")
_GUARDED = re.compile(rf"^'(?='*[\t\r\n])|(?:^|(?<=[;\t\r\n]))'(?={_TRIMMED}{_FORMULA})")


def cell_text(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run as a formula.

    Parameters
    ----------
    text : str
        A cell of text; numbers are no text, and stay as they are.

    Notes
    -----
    After OWASP, *CSV Injection*: a cell that begins with ``= + - @``, a tab or a line end.
    """
    return _TO_GUARD.sub("'", text)


def cell_text_read(text: str) -> str:
    """Take the apostrophes of :func:`cell_text` out again.

    Parameters
    ----------
    text : str
        A cell as :func:`cell_text` gave it.
    """
    return _GUARDED.sub("", text)


def _plain(value: Any) -> Any:
    """Turn numpy, pandas and date values into what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        ordered: Iterable[Any] = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [_plain(v) for v in ordered]
    if hasattr(value, "isoformat"):
        return None if pd.isna(value) else value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
