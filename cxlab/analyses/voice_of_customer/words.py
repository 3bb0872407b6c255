"""What is said of themes: the headline, the findings and the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer.heard import Heard
from cxlab.data.theme_book import Book
from cxlab.results import Check, Finding, Findings, Result, counted, listed, metric_label

__all__ = ["book", "checks", "findings", "headline"]

_NOTEBOOK = "07_voice_of_customer"
_MOST_FINDINGS = 3
_LEFT = {"markup": "had markup taken out", "quoted": "had quoted earlier messages taken out",
         "cut": "were cut, being too long", "said twice at once": "were said twice at once",
         "without a customer": "name no customer: each counts as its own"}  # fmt: skip


def headline(heard: Heard, table: pd.DataFrame, meta: Mapping[str, Any]) -> str:
    """Say what customers speak of.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    table : pandas.DataFrame
        The themes' shares.
    meta : mapping
        Of the result.
    """
    when = f"in the last {meta['window_days']} days" if meta["window_days"] else "in all"
    many = counted(meta["comments"], "comment")
    who = counted(meta["customers"], "customer")
    if table.empty:
        why = [v.why for v in heard.languages if v.why]
        reason = why[0] if why else "no language has comments enough"
        return f"No themes can be told from {counted(len(heard.table), 'comment')}: {reason}."
    lines = [f"{many} of {who} {when}; {counted(len(table), 'theme')}."]
    told = table[table["estimate"].notna()].head(3)
    if len(told):
        most = [f"{r.theme} ({_share(r)})" for r in told.itertuples()]
        lines.append(f"Most often: {listed(most)}.")
    new = table[table["status"] == "new"]
    if len(new):
        lines.append(f"New since the last run: {listed(new['theme'], 5)}.")
    rest = 1 - float(heard.about.any(axis=1).mean())
    lines.append(f"{100 * rest:.0f}% of all comments are about none of them.")
    return "\n".join(lines)


def _share(row: Any) -> str:
    return f"{100 * row.estimate:.0f}%, {100 * row.conf_low:.0f} to {100 * row.conf_high:.0f}"


def book(made: Book, before: Book) -> str:
    """Say how the theme book has changed.

    Parameters
    ----------
    made, before : Book
        Of this run and of the last.
    """
    added = len(made.themes) - len(before.themes)
    if not before.themes:
        what = counted(len(made.themes), "theme")
        return f"The theme book begins with {what}." if made.themes else "The theme book is empty."
    merged = sum(bool(t.counts_as) for t in made.themes)
    what = f"{added} {'was' if added == 1 else 'were'}" if added else "none was"
    text = f"Of {counted(len(made.themes), 'theme')} in the book {what} added in this run"
    return text + (f"; {merged} count as another." if merged else ".")


def checks(heard: Heard, table: pd.DataFrame, min_group: int) -> Iterator[Check]:
    """Say what was left out, masked, and how sure the themes are.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    table : pandas.DataFrame
        The themes' shares.
    min_group : int
        Fewer customers are withheld.
    """
    read = heard.comments
    done = [f"{n:,} {_LEFT[k]}" for k, n in read.counts.items() if n and k in _LEFT]
    if done:
        yield Check("comments", None, f"Of {len(heard.table):,} comments {'; '.join(done)}.")
    if read.total > len(heard.table) + read.counts["said twice at once"]:
        text = (
            f"{len(heard.table):,} of {read.total:,} comments were read, drawn at random; what is "
            "said of leaving is weaker for it"
        )
        yield Check("sample", None, text)
    masked = [f"{n:,} {kind}" for kind, n in read.masked.items() if n]
    text = f"Masked before anything else was done: {listed(masked) or 'nothing was found'}."
    yield Check("personal data", None, text)
    for language in heard.languages:
        if language.why and not heard.before.of(language.code) and not heard.book.of(language.code):
            yield Check(f"themes in {language.code}", None, f"None: {language.why}.")
    small = table.loc[table["estimate"].isna(), "theme"].tolist() if len(table) else []
    if small:
        text = (
            f"Withheld, with fewer than {min_group} customers in the last days: {listed(small, 8)}."
        )
        yield Check("small groups", None, text)
    unsaid = [t.name for t, n in zip(heard.homes, heard.about.sum(axis=0), strict=True) if not n]
    if unsaid:
        text = f"No comment is about {listed(unsaid, 8)}: look at their words in the theme book."
        yield Check("themes nobody speaks of", False, text)
    loose = table.loc[table["again"] < 0.5, "theme"].tolist() if len(table) else []
    if len(table) and table["again"].notna().any():
        text = (
            "Every theme is found again in half of the comments (at least half of its texts)."
            if not loose
            else f"Not well found again in half of the comments: {listed(loose, 8)}; look at their "
            "words before you build on them."
        )
        yield Check("themes found again", not loose, text)
    silent = float(np.isnan(heard.tone).mean()) if len(heard.table) else 0.0
    if silent:
        yield Check("sentiment", None, f"Of {100 * silent:.0f}% of the comments it is not told.")


def findings(result: Result) -> Findings:
    """Give what goes to ``findings.json``: the commonest themes, what is new, what tells.

    Parameters
    ----------
    result : Result
        Of :func:`cxlab.analyses.voice_of_customer.run`.
    """
    if result.table.empty:
        return Findings([Finding("voice.none", _NOTEBOOK, result.sentence.partition("\n")[0])])
    made = [*_common(result), *_new(result), *_changed(result), *_marked(result), *_ahead(result)]
    return Findings(made)


def _common(result: Result) -> Iterator[Finding]:
    days = result.meta["window_days"]
    when = f"of the last {days} days" if days else "in all"
    told = result.table[result.table["estimate"].notna()].head(_MOST_FINDINGS)
    if len(told):
        first, *rest = [
            (f"{r.theme} ({100 * r.estimate:.0f}%", f", {100 * r.conf_low:.0f} to "
             f"{100 * r.conf_high:.0f})") for r in told.itertuples()
        ]  # fmt: skip
        most = listed([f"{first[0]} of the comments {when}{first[1]}", *map("".join, rest)])
        top = told.iloc[0]
        yield Finding("voice.summary", _NOTEBOOK, f"Customers speak most of {most}.",
                      top["estimate"], top["conf_low"], top["conf_high"],
                      f"share of comments, {top['theme']}", int(top["n"]))  # fmt: skip


def _new(result: Result) -> Iterator[Finding]:
    for r in result.table[result.table["status"] == "new"].itertuples():
        text = f"New since the last run: customers speak of {r.theme}."
        yield Finding(f"voice.{r.term}.new", _NOTEBOOK, text, _or_none(r.estimate),
                      _or_none(r.conf_low), _or_none(r.conf_high), "share of comments",
                      None if np.isnan(r.n) else int(r.n))  # fmt: skip


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _changed(result: Result) -> Iterator[Finding]:
    moved = result["changes"].table
    for r, line in zip(
        moved[moved["real"].astype(bool)].itertuples(),
        result["changes"].sentence.splitlines(),
        strict=False,
    ):
        yield Finding(f"voice.{r.term}.change", _NOTEBOOK, line, r.estimate, r.conf_low,
                      r.conf_high, "share of comments", None)  # fmt: skip


def _marked(result: Result) -> Iterator[Finding]:
    made = result["scores"].table
    for metric, mine in made.groupby("metric", sort=True):
        clear = mine[(mine["p_holm"] < 0.05) & (mine["estimate"] < 0)]
        if clear.empty:
            continue
        r = clear.sort_values("estimate").iloc[0]
        text = (
            f"The mean {metric_label(str(metric))} answer is {-r['estimate']:.1f} lower "
            f"({-r['conf_high']:.1f} to {-r['conf_low']:.1f}) where customers speak of "
            f"{r['theme']}."
        )
        yield Finding(f"voice.{r['term']}.{metric}", _NOTEBOOK, text, r["estimate"],
                      r["conf_low"], r["conf_high"], "score", int(r["n"]))  # fmt: skip


def _ahead(result: Result) -> Iterator[Finding]:
    part = result["before_leaving"].table
    for r in part[part["verdict"] == "goes ahead"].head(_MOST_FINDINGS).itertuples():
        text = (
            f"Customers who speak of {r.theme} leave {r.hazard_ratio:.2f} times as often as after "
            "the average comment, contacts held equal: a symptom, not a driver."
        )
        yield Finding(f"voice.{r.term}.leaving", _NOTEBOOK, text, r.hazard_ratio, r.conf_low,
                      r.conf_high, "hazard ratio", int(r.n))  # fmt: skip
