"""Themes against those that the made-up customers speak of, and against noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score

from cxlab.data.simulate.text import THEMES, sentence
from cxlab.models import themes
from cxlab.models.text import cleaning, masking

Words = list[list[str]]


def _spoken(count: int, seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    names = list(THEMES)
    theme = draw.integers(len(names), size=count)
    tone = draw.choice(["good", "bad", "mixed"], size=count, p=[0.45, 0.35, 0.2])
    keys = draw.integers(2**62, size=count)
    texts = [sentence(names[t], s, int(k)) for t, s, k in zip(theme, tone, keys, strict=True)]
    return masking.mask(cleaning.clean(texts).texts), theme, tone


def _topics(count: int, topics: int, seed: int, common: int = 6) -> tuple[Words, np.ndarray]:
    """Draw texts of a topic's own words and of words that all share."""
    draw = np.random.default_rng(seed)
    topic = draw.integers(topics, size=count)
    texts = [
        [f"t{t}w{i}" for i in draw.integers(12, size=4)]
        + [f"c{i}" for i in draw.integers(common, size=2)]
        for t in topic
    ]
    return texts, topic


def _shuffled(texts: Words, seed: int) -> Words:
    draw = np.random.default_rng(seed)
    every = [w for words in texts for w in words]
    draw.shuffle(every)
    ends = np.cumsum([0] + [len(words) for words in texts])
    return [every[a:b] for a, b in pairwise(ends)]


@pytest.fixture(scope="module")
def spoken() -> tuple[themes.Bag, themes.Found, np.ndarray, np.ndarray, list[str]]:
    texts, theme, tone = _spoken(4000, 3)
    stems = cleaning.tokens(texts, ["en"] * len(texts)).stems
    words = themes.bag(stems, np.arange(len(texts)) // 2, 10)
    return words, themes.find(words), theme, tone, texts


def test_finds_the_themes_customers_speak_of(
    spoken: tuple[themes.Bag, themes.Found, np.ndarray, np.ndarray, list[str]],
) -> None:
    """Better by far than TF-IDF and NMF by hand with the true number of themes."""
    words, found, theme, tone, texts = spoken
    first, one = themes.assign(words, found.weights)[:, 0], tone != "mixed"
    ours = adjusted_rand_score(theme[one], first[one])
    tfidf = TfidfVectorizer(stop_words="english", min_df=5, sublinear_tf=True).fit_transform(texts)
    hand = NMF(10, init="nndsvda", max_iter=400, tol=1e-3, random_state=0).fit_transform(tfidf)
    by_hand = adjusted_rand_score(theme[one], hand.argmax(axis=1)[one])
    assert ours > 0.5
    assert ours > by_hand + 0.15
    # Ten themes of two tones each: praise and complaint share few words.
    assert 7 <= found.weights.shape[1] <= 24
    assert (first >= 0).mean() > 0.9


def test_a_comment_of_two_themes_has_two(
    spoken: tuple[themes.Bag, themes.Found, np.ndarray, np.ndarray, list[str]],
) -> None:
    words, found, _, tone, _ = spoken
    two = themes.assign(words, found.weights)[:, 1] >= 0
    assert two[tone == "mixed"].mean() > 0.5
    assert two[tone != "mixed"].mean() < 0.2


@pytest.mark.parametrize("topics", [3, 6])
def test_as_many_themes_as_there_are(topics: int) -> None:
    texts, topic = _topics(800, topics, 1)
    words = themes.bag(texts, np.arange(800), 5)
    found = themes.find(words)
    assert found.weights.shape[1] == topics
    assert found.why == ""
    assert found.again.min() > 0.9
    assert adjusted_rand_score(topic, themes.assign(words, found.weights)[:, 0]) > 0.97


@pytest.mark.parametrize("seed", range(3))
def test_no_themes_in_shuffled_words(seed: int) -> None:
    texts = _shuffled(_topics(800, 5, seed)[0], seed)
    found = themes.find(themes.bag(texts, np.arange(800), 5))
    assert found.weights.shape[1] == 0
    assert "chance" in found.why


def test_few_or_alike_texts_have_no_themes() -> None:
    few = themes.find(themes.bag(_topics(80, 3, 0)[0], np.arange(80), 2))
    assert "80 comments" in few.why
    alike = [["parcel", "late"], ["fee"], ["slow", "app"]] * 200
    alike += [["parcel", "late", "fee"], ["slow", "app", "fee"]] * 400
    same = themes.find(themes.bag(alike, np.arange(1400), 2))
    assert "differ" in same.why
    none = themes.find(themes.bag([[], []], np.arange(2), 1))
    assert none.weights.shape == (0, 0)


def test_ties_hold_words_against_texts_of_the_same_lengths() -> None:
    """By hand: two words that are always together, two that never are, in texts of two words."""
    texts = [["a", "b"]] * 30 + [["c", "d"]] * 30 + [["e", "f"]] * 30
    words = themes.bag(texts, np.arange(90), 1)
    tied, telling = themes.ties(words)
    # Expected by chance: 30 * 30 / 90, times (2 - 1) / 2 for the texts' lengths.
    size = np.log(30 / (30 * 30 * 90 * 2 / 180**2)) - 1 / np.sqrt(30)
    assert tied[0, 1] == pytest.approx(size)
    assert tied[0, 2] == 0
    assert tied.nnz == 6
    assert telling.min() > 0.9


def test_weights_are_log_odds_less_a_standard_error() -> None:
    texts = [["a", "z"]] * 40 + [["z"]] * 60 + [["y"]] * 100
    words = themes.bag(texts, np.arange(200), 1)
    theme = np.array([0] * 50 + [-1] * 150)
    weight = themes.log_odds(words, theme, 1)[:, 0]
    # z: in all 50 texts of the theme, and in 50 of the others.
    z = np.log(50.5 / 51) - np.log(50.5 / 151) - np.sqrt(2 / 50.5)
    assert dict(zip(words.words, weight, strict=True)) == {
        # Only in the theme: at the cap.
        "a": 4.0,
        "y": 0.0,
        "z": pytest.approx(z, abs=0.01),
    }


def test_words_of_few_customers_are_not_kept() -> None:
    """What fewer say may tell who they are, however often they say it."""
    texts = [["mine", "ours"]] * 50 + [["ours"]] * 10 + [["theirs"]] * 60
    who = np.array([0] * 50 + list(range(1, 71)))
    assert themes.bag(texts, who, 10).words == ("ours", "theirs")
    assert themes.bag(texts, who, 10, ["mine", "unheard"]).words == ("mine", "ours", "theirs")


def test_a_further_theme_needs_words_of_its_own() -> None:
    said = [["a", "b"], ["a", "c"], ["a"], ["d"], [], []]
    words = themes.bag(said, np.arange(6), 1)
    assert words.words == ("a", "b", "c", "d")
    weights = np.array([[2.5, 2.4], [0.0, 3.5], [0.0, 2.5], [1.0, 0.0]])
    found = themes.assign(words, weights)
    # a and b: the second theme by both; then a, which speaks for it too, is used up.
    assert found.tolist() == [[1, -1, -1], [1, -1, -1], [0, -1, -1], *[[-1, -1, -1]] * 3]
    more = np.array([[4.0, 0.0], [0.0, 3.0], [0.0, 2.9], [0.0, 0.0]])
    assert themes.assign(words, more)[:2].tolist() == [[0, 1, -1], [0, -1, -1]]
