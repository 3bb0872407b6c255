"""What a reader sees: themes in words, languages, and what became of each comment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer.heard import Heard
from cxlab.data.theme_book import MOST_THEMES
from cxlab.results import MINUS, Result, counted, ratio_text

__all__ = ["became", "language_name", "languages", "leaving", "numbers", "shown"]

_NAMES = {"en": "English", "de": "German", "es": "Spanish", "fr": "French", "pt": "Portuguese",
          "it": "Italian", "nl": "Dutch", "und": "not told"}  # fmt: skip
_STATUS = {"known": "known", "new": "new since the last run", "found": "found in this run"}
_LOOSE = 0.5
WITHHELD = "withheld"


def language_name(code: str) -> str:
    """Give a language's name, or its code where it has none here."""
    return _NAMES.get(code, code)


def shown(table: pd.DataFrame, days: int) -> Result:
    """Put the themes into words.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`cxlab.analyses.voice_of_customer.shares.shares`.
    days : int
        Length of the window; 0: the comments are not dated.
    """
    rows = []
    for r in table.itertuples():
        small = np.isnan(r.estimate)
        share = f"{_points(r.estimate)}% ({_points(r.conf_low)} to {_points(r.conf_high)})"
        row = {
            "theme": r.theme,
            "share of comments": WITHHELD if small else share,
            "customers": WITHHELD if small else f"{r.n:,.0f}",
            "sentiment": WITHHELD if small else _tone(r.tone, r.tone_low, r.tone_high),
        }
        if days:
            moved = (
                f"{100 * r.change:+.1f} points".replace("-", MINUS)
                if np.isfinite(r.change)
                else "–"
            )
            real = np.isfinite(r.p_holm) and r.p_holm < 0.05
            row[f"against {days} days before"] = moved if real else f"{moved}, no clear change"
            if small:
                row[f"against {days} days before"] = WITHHELD
        if (table["status"] != "found").any():
            row["theme is"] = _STATUS[r.status]
        if table["again"].notna().any():
            row["found again in half of the comments"] = _again(r.again)
        rows.append(row)
    text = ""
    if rows:
        when = f"in the last {days} days" if days else "in all comments"
        text = f"Shares {when}; in brackets 95% intervals. Sentiment is from {MINUS}1 to 1."
    return Result("shown", pd.DataFrame(rows), sentence=text)


def _again(share: float) -> str:
    if np.isnan(share):
        return "–"
    return f"{100 * share:.0f}%" + (": loose" if share < _LOOSE else "")


def _points(share: float) -> str:
    return f"{100 * share:.1f}" if share < 0.0995 else f"{100 * share:.0f}"


def _tone(tone: float, low: float, high: float) -> str:
    if np.isnan(tone):
        return "–"
    return f"{tone:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", MINUS)


def leaving(table: pd.DataFrame) -> Result:
    """Put into words what goes ahead of leaving.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`cxlab.analyses.voice_of_customer.churn.before_leaving`.
    """
    rows = [
        {
            "theme": r.theme,
            "hazard ratio": _ratio(r.hazard_ratio, r.conf_low, r.conf_high),
            "of mentions 14 days old or more": _ratio(r.old_ratio, r.old_low, r.old_high),
            "customers": WITHHELD if np.isnan(r.n) else f"{r.n:,.0f}",
            "churns after it": WITHHELD if np.isnan(r.n) else f"{r.churns:,.0f}",
            "verdict": r.verdict,
        }
        for r in table.itertuples()
    ]
    return Result("leaving", pd.DataFrame(rows))


def _ratio(middle: float, low: float, high: float) -> str:
    if np.isnan(middle):
        return "–"
    return f"{ratio_text(middle)} ({ratio_text(low)} to {ratio_text(high)})"


def languages(heard: Heard) -> Result:
    """Count comments and themes by language, and say what was found in each.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    """
    found = {v.code: v for v in heard.languages}
    filled = heard.table["text"].to_numpy() != ""
    counts = pd.Series(heard.codes[filled], dtype=object).value_counts()
    rows = []
    for code, number in sorted(counts.items(), key=lambda c: (-c[1], str(c[0]))):
        spoken = found.get(str(code))
        themes = [t for t in heard.book.of(str(code)) if not t.counts_as]
        why = "too few comments" if spoken is None else "" if themes else spoken.why
        rows.append((language_name(str(code)), number, len(themes), why))
    table = pd.DataFrame(rows, columns=["language", "comments", "themes", "why none"])
    lines = [
        f"No themes can be told in {r[0]} comments: {r[3]}."
        for r in rows
        if not r[2] and r[0] != _NAMES["und"]
    ]
    if len(heard.book.themes) == MOST_THEMES:
        lines.append(f"The theme book is full ({MOST_THEMES} themes): none is added.")
    return Result("languages", table, sentence="\n".join(lines))


def became(heard: Heard) -> Result:
    """Tell what became of each comment; every one is counted once.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    """
    empty = heard.table["text"].to_numpy() == ""
    spoken = np.zeros(len(empty), dtype=bool)
    words = np.zeros(len(empty), dtype=bool)
    for language in heard.languages:
        spoken[language.rows] = True
        words[language.rows] = np.diff(language.words.has.indptr) > 0
    themes = heard.about.sum(axis=1)
    kinds = {
        "about one theme": themes == 1,
        "about two or three themes": themes > 1,
        "about none of the themes": words & (themes == 0),
        "without a word that enough customers use": spoken & ~words & (themes == 0) & ~empty,
        "in a language with too few comments": ~spoken & ~empty,
        "empty once cleaned": empty & (themes == 0),
    }
    rows = [(k, int(v.sum()), float(v.mean())) for k, v in kinds.items()]
    table = pd.DataFrame(rows, columns=["comments", "number", "share"])
    return Result("became", table)


def numbers(heard: Heard) -> Result:
    """Give how well halves of the comments agree for each number of themes, by language.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    """
    parts = [v.choice.assign(language=language_name(v.code)) for v in heard.languages]
    parts = [p for p in parts if len(p)]
    columns = ["language", "themes", "agreement", "se"]
    if not parts:
        text = ""
        if heard.before.themes:
            text = "No number of themes was chosen: what the theme book explains left too little."
        return Result("numbers", pd.DataFrame(columns=columns), sentence=text)
    table = pd.concat(parts, ignore_index=True)[columns]
    best = table.loc[table.groupby("language", sort=False)["agreement"].idxmax()]
    lines = [
        f"{r.language}: halves of the comments agree best at {counted(int(r.themes), 'theme')} "
        f"(adjusted Rand index {r.agreement:.2f}; 0 is chance, 1 the same)."
        for r in best.itertuples()
    ]
    return Result("numbers", table, sentence="\n".join(lines))
