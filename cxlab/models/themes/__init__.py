"""Themes in short texts: what customers speak of, how many themes there are, and who says what.

Comments are short, so that words of one theme seldom stand in one comment. Words are therefore
tied by how much oftener they come together than chance would have it, and TF-IDF and these ties
are factorised together (SeaNMF: Shi, Kang, Choo and Reddy 2018; the ties of Yan et al. 2013).
The solution starts a mixture of unigrams (Nigam et al. 2000; Yin and Wang 2014), which sharpens
it. What is kept of a theme is a weight for each of its words, and these alone say which comment
is about it: the same rule today and in a year.
"""

from __future__ import annotations

from cxlab.models.themes.bags import Bag, bag, ties
from cxlab.models.themes.finding import LEAST_TEXTS, Found, find
from cxlab.models.themes.telling import (
    ANOTHER,
    BAR,
    CAP,
    MOST_TOGETHER,
    assign,
    log_odds,
    names,
    scores,
)

__all__ = [
    "ANOTHER",
    "BAR",
    "CAP",
    "LEAST_TEXTS",
    "MOST_TOGETHER",
    "Bag",
    "Found",
    "assign",
    "bag",
    "find",
    "log_odds",
    "names",
    "scores",
    "ties",
]
