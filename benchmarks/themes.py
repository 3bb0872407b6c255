"""Time and memory from comments to themes, and what masking costs: ``make`` never runs it.

    python benchmarks/themes.py [COMMENTS]

Comments are those of the made-up customers. Beside it what one would write by hand: TF-IDF and NMF
of scikit-learn with the true number of themes.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score

from cxlab.data.simulate.text import THEMES, sentence
from cxlab.models import themes
from cxlab.models.text import cleaning, language, masking
from cxlab.report.tables import write_text

_PER_CUSTOMER = 3


def _spoken(count: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    draw = np.random.default_rng(11)
    names = list(THEMES)
    theme = draw.integers(len(names), size=count)
    tone = draw.choice(["good", "bad", "mixed"], size=count, p=[0.45, 0.35, 0.2])
    keys = draw.integers(2**62, size=count)
    texts = [sentence(names[t], s, int(k)) for t, s, k in zip(theme, tone, keys, strict=True)]
    return texts, theme, tone


def main(count: int) -> None:
    """Write ``benchmarks/themes.md``."""
    texts, theme, tone = _spoken(count)
    who = np.arange(count) // _PER_CUSTOMER
    one = tone != "mixed"
    steps: list[tuple[str, float]] = []

    def step(name: str, begun: float) -> None:
        steps.append((name, time.perf_counter() - begun))

    begun = time.perf_counter()
    cleaned = cleaning.clean(texts).texts
    step("clean", begun)
    begun = time.perf_counter()
    masked = masking.mask_counted(cleaned)
    step("mask", begun)
    begun = time.perf_counter()
    codes = language.settle(language.detect(masked.texts).codes)
    step("language", begun)
    begun = time.perf_counter()
    stems = cleaning.tokens(masked.texts, list(codes)).stems
    step("words", begun)
    begun = time.perf_counter()
    words = themes.bag(stems, who, 10)
    found = themes.find(words)
    step("themes and their number", begun)
    begun = time.perf_counter()
    said = themes.assign(words, found.weights)
    step("which comment", begun)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    begun = time.perf_counter()
    tfidf = TfidfVectorizer(stop_words="english", min_df=5, sublinear_tf=True).fit_transform(texts)
    hand = NMF(len(THEMES), init="nndsvda", random_state=0).fit_transform(tfidf).argmax(axis=1)
    by_hand = time.perf_counter() - begun
    lines = ["# From comments to themes", "", f"`python benchmarks/themes.py {count}`", ""]
    lines += ["| step | seconds |", "|---|---|"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in steps]
    lines += [f"| all | {sum(s for _, s in steps):.1f} |"]
    lines += [f"| by hand: TF-IDF and NMF, {len(THEMES)} themes given | {by_hand:.1f} |", ""]
    ours, theirs = (adjusted_rand_score(theme[one], f[one]) for f in (said[:, 0], hand))
    changed = np.mean([a != b for a, b in zip(cleaned, masked.texts, strict=True)])
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in masked.counts.items() if n)
    lines += [
        f"- {count:,} comments; memory at most {memory:.2f} GiB.",
        f"- {found.weights.shape[1]} themes; {100 * (said[:, 0] < 0).mean():.1f}% about none.",
        f"- Against the true themes, comments of one theme (adjusted Rand index): {ours:.2f}; by "
        f"hand {theirs:.2f}.",
        f"- Masked: {kinds}, in {100 * changed:.1f}% of the comments.",
        f"- {100 * np.mean(codes == 'en'):.2f}% told to be English (all are).",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
