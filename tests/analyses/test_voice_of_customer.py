"""What customers say: shares, the same themes next week, new ones, and hostile comments."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import adjusted_rand_score
from spoken_world import comments as speak
from spoken_world import write

import cxlab
from cxlab.analyses import voice_of_customer
from cxlab.analyses.voice_of_customer.heard import hear
from cxlab.analyses.voice_of_customer.plain import plain
from cxlab.data.theme_book import MOST_THEMES, Book, Theme, read_book, write_book
from cxlab.errors import DataError, UsageError
from cxlab.frames.comments import comments
from cxlab.results import Result

DAYS = 300
CUSTOMERS = 250


def _keep(result: Result, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    text = result["book"].meta["text"]
    (folder / "themes.yml").write_text(text, encoding="utf-8")
    return folder


def _theme(result: Result, word: str) -> Any:
    """Give the row of the theme that is told by a word."""
    book = yaml.safe_load(result["book"].meta["text"])
    found = [t["id"] for t in book["themes"] if t["words"].get(word, 0) >= 2]
    return result.table.set_index("term").loc[found[0]]


@pytest.fixture(scope="module")
def said() -> pd.DataFrame:
    return speak(np.random.default_rng(1), 900, CUSTOMERS, (0, DAYS))


@pytest.fixture(scope="module")
def folder(said: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"Xaver{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(CUSTOMERS)]
    return write(tmp_path_factory.mktemp("said"), said, CUSTOMERS, DAYS, first_name=names)


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    return voice_of_customer.run(cxlab.load(folder), include_quotes=True)


def test_finds_the_three_themes_and_their_shares(result: Result, said: pd.DataFrame) -> None:
    assert len(result.table) == 3
    late = said[said["at"] >= DAYS - 90]
    for word, theme in (("parcel", "parcel"), ("fee", "bill"), ("login", "app")):
        row = _theme(result, word)
        assert row["estimate"] == pytest.approx((late["theme"] == theme).mean(), abs=0.02)
        assert row["conf_low"] < row["estimate"] < row["conf_high"]
        assert row["n"] == pytest.approx(late.loc[late["theme"] == theme, "who"].nunique(), abs=4)
    became = result["became"].table
    assert became["number"].sum() == result.meta["all_comments"]


def test_scores_and_touchpoints_go_with_their_theme(result: Result, said: pd.DataFrame) -> None:
    bill = _theme(result, "fee").name
    scores = result["scores"].table.set_index("term")
    mine = said["theme"] == "bill"
    truth = said.loc[mine, "score"].mean() - said.loc[~mine, "score"].mean()
    assert scores.loc[bill, "estimate"] == pytest.approx(truth, abs=0.05)
    assert scores.loc[bill, "conf_high"] < -1.5
    places = result["touchpoints"].table
    clear = places[(places["p_holm"] < 0.05) & (places["gap"] > 0)]
    assert set(zip(clear["term"], clear["touchpoint"], strict=True)) == {
        (_theme(result, "parcel").name, "delivery"),
        (bill, "invoice"),
        (_theme(result, "login").name, "app"),
    }


def test_needs_are_the_mentions_of_those_who_are_known(
    result: Result, folder: Path, said: pd.DataFrame, tmp_path: Path
) -> None:
    needs = voice_of_customer.needs(cxlab.load(folder), state=_keep(result, tmp_path / "state"))
    assert set(needs["theme"]) == set(result.table["theme"])
    recent = needs[needs["at"] >= needs["at"].max() - 60].groupby("theme")["customer_id"].nunique()
    everybody = result.table.set_index("theme")["n"]
    assert (recent <= everybody).all()
    bills = needs[needs["theme"] == _theme(result, "fee")["theme"]]
    who = {f"c{i:04d}" for i in said.loc[said["theme"] == "bill", "who"]}
    assert len(set(bills["customer_id"]) ^ who) <= 0.05 * len(who)


def test_next_week_has_the_same_themes(result: Result, folder: Path, tmp_path: Path) -> None:
    state = _keep(result, tmp_path / "state")
    again = voice_of_customer.run(cxlab.load(folder), state=state)
    figures = ["term", "theme", "estimate", "conf_low", "n", "comments"]
    pd.testing.assert_frame_equal(again.table[figures], result.table[figures])
    assert set(again.table["status"]) == {"known"}
    assert again["book"].meta["text"] == result["book"].meta["text"]


def test_a_new_theme_is_added_and_flagged(
    folder: Path, result: Result, said: pd.DataFrame, tmp_path: Path
) -> None:
    state = _keep(result, tmp_path / "state")
    draw = np.random.default_rng(2)
    fresh = speak(draw, 260, CUSTOMERS, (DAYS, DAYS + 40), themes=("new",))
    usual = speak(draw, 150, CUSTOMERS, (DAYS, DAYS + 40))
    later = write(tmp_path / "later", pd.concat([said, usual, fresh]), CUSTOMERS, DAYS + 40)
    made = voice_of_customer.run(cxlab.load(later), state=state)
    new = made.table[made.table["status"] == "new"]
    assert len(new) >= 1
    assert _theme(made, "roaming")["status"] == "new"
    assert "New since the last run" in made.sentence
    known = made.table[made.table["status"] == "known"]
    assert set(known["term"]) == set(result.table["term"])
    assert any(f.id.endswith(".new") for f in voice_of_customer.findings(made))


def test_hand_edits_hold(result: Result, folder: Path, tmp_path: Path) -> None:
    state = _keep(result, tmp_path / "state")
    book = yaml.safe_load((state / "themes.yml").read_text())
    parcel, bill, app = (_theme(result, w).name for w in ("parcel", "fee", "login"))
    for theme in book["themes"]:
        if theme["id"] == parcel:
            theme["name"] = "Our <b>deliveries</b>"
        if theme["id"] == bill:
            theme["counts_as"] = parcel
    seeded = {"id": "en-9", "name": "Damage", "language": "en", "first_seen": "2025-01-01",
              "seeds": ["damaged"]}  # fmt: skip
    book["themes"].append(seeded)
    (state / "themes.yml").write_text(yaml.safe_dump(book), encoding="utf-8")
    made = voice_of_customer.run(cxlab.load(folder), state=state)
    rows = made.table.set_index("term")
    assert rows.loc[parcel, "theme"] == "Our <b>deliveries</b>"
    assert bill not in rows.index
    assert set(rows.index) == {parcel, app, "en-9"}
    before = result.table.set_index("term")
    both = before.loc[parcel, "comments"] + before.loc[bill, "comments"]
    assert rows.loc[parcel, "comments"] == pytest.approx(both, abs=25)
    assert rows.loc["en-9", "comments"] > 5
    assert "<b>" not in made._repr_html_()
    kept = read_book(_keep(made, tmp_path / "kept"))
    assert [t.name for t in kept.themes if t.id == parcel] == ["Our <b>deliveries</b>"]


def test_personal_data_in_the_book_are_masked(result: Result, folder: Path, tmp_path: Path) -> None:
    state = _keep(result, tmp_path / "state")
    book = yaml.safe_load((state / "themes.yml").read_text())
    book["themes"][0]["name"] = "Complaints of anna.keller@example.com"
    book["themes"][1]["words"]["anna.keller@example.com"] = 2.0
    book["themes"][2]["seeds"] = ["call +49 170 1234567"]
    (state / "themes.yml").write_text(yaml.safe_dump(book), encoding="utf-8")
    made = voice_of_customer.run(cxlab.load(folder), state=state)
    told = f"{made.to_dict()}{made['book'].meta['text']}"
    assert "[e-mail]" in told
    assert "keller" not in told.lower()
    assert "1234567" not in told


def test_a_full_book_takes_no_more(folder: Path, tmp_path: Path) -> None:
    day = dt.date(2025, 1, 1)
    many = tuple(
        Theme(id=f"en-{i}", name=f"old {i}", language="en", first_seen=day, seeds=(f"zz{i}",))
        for i in range(2, MOST_THEMES + 1)
    )
    (tmp_path / "themes.yml").write_text(write_book(Book(themes=many)), encoding="utf-8")
    made = voice_of_customer.run(cxlab.load(folder), state=tmp_path)
    assert len(made["book"].table) == MOST_THEMES
    assert (made["book"].table["this run"] == "added").sum() == 1
    assert "The theme book is full (500 themes)" in made["languages"].sentence
    assert len(read_book(_keep(made, tmp_path / "kept")).themes) == MOST_THEMES


def test_a_broken_book_is_one_clear_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "themes.yml").write_text("themes: [{id: 1}]\n")
    with pytest.raises(DataError, match=r"themes\.yml: themes\.0"):
        voice_of_customer.run(cxlab.load(folder), state=tmp_path)
    with pytest.raises(UsageError, match="window_days"):
        voice_of_customer.run(cxlab.load(folder), window_days=0)


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "pt"])
def test_five_languages_have_their_themes(language: str, tmp_path: Path) -> None:
    said = speak(np.random.default_rng(3), 350, 200, (0, 100), languages=(language,))
    data = cxlab.load(write(tmp_path, said, 200, 100))
    read = comments(data)
    assert not isinstance(read, str)
    heard = hear(data, plain(read), Book(), 10)
    assert (heard.codes == language).mean() > 0.95
    # German speaks of parcels in two ways that share few words.
    assert 3 <= len(heard.homes) <= 4
    truth = said.set_index("comment")["theme"]
    mine = [truth[~truth.index.duplicated()][t] for t in heard.table["text"]]
    told = heard.said[:, 0]
    assert (told >= 0).mean() > 0.95
    assert adjusted_rand_score(mine, told) > 0.75


def test_languages_side_by_side(tmp_path: Path) -> None:
    """Themes are found in each language; one with few comments has none, and is counted."""
    draw = np.random.default_rng(4)
    parts = [speak(draw, n, 300, (0, 200), languages=(a,)) for a, n in
             (("en", 500), ("de", 400), ("fr", 40))]  # fmt: skip
    made = voice_of_customer.run(cxlab.load(write(tmp_path, pd.concat(parts), 300, 200)))
    table = made["languages"].table.set_index("language")
    assert table.loc["English", "themes"] == 3
    assert table.loc["German", "themes"] in (3, 4)
    assert table.loc["French", "why none"] == "too few comments"
    became = made["became"].table.set_index("comments")["number"]
    assert became["in a language with too few comments"] == pytest.approx(40, abs=8)


def test_quotes_are_masked_and_only_on_request(
    folder: Path, result: Result, said: pd.DataFrame, tmp_path: Path
) -> None:
    private = said.head(500).copy()
    names = [f"Xaver{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(CUSTOMERS)]
    reach = " Write to jo.keller@example.com or call +49 30 901820, "
    private["comment"] += [f"{reach}{names[i]}." for i in private["who"]]
    data = cxlab.load(write(tmp_path, private, CUSTOMERS, DAYS, first_name=names))
    made = voice_of_customer.run(data, include_quotes=True)
    assert 3 <= len(made["quotes"].table) <= 9
    told = str(made.to_dict())
    for secret in ("keller@", "901820", "Xaver"):
        assert secret not in told
    state = _keep(result, tmp_path / "state")
    assert "quotes" not in voice_of_customer.run(cxlab.load(folder), state=state).parts
    few = {"state": state, "include_quotes": True, "min_group": CUSTOMERS + 1}
    assert voice_of_customer.run(cxlab.load(folder), **few)["quotes"].table.empty
    by_theme = result["quotes"].table.groupby("term")["quote"]
    assert by_theme.nunique().equals(by_theme.size())


def test_pairs_of_theme_and_touchpoint_are_withheld_by_their_own_customers(
    said: pd.DataFrame, tmp_path: Path
) -> None:
    told = said.copy()
    place = told["theme"].map({"parcel": "delivery", "bill": "invoice", "app": "app"})
    few = told.index[told["theme"] == "bill"][:4]
    place[few] = "delivery"  # four customers at most, at a touchpoint of many
    folder = write(tmp_path / "few", told, CUSTOMERS, DAYS)
    feedback = pd.read_parquet(folder / "feedback.parquet")
    by = pd.Series(place.to_numpy(), told["comment"].to_numpy())
    feedback["touchpoint"] = by[~by.index.duplicated()].reindex(feedback["comment"]).to_numpy()
    feedback.to_parquet(folder / "feedback.parquet")
    part = voice_of_customer.run(cxlab.load(folder))["touchpoints"]
    bill = part.table[part.table["theme"].str.contains("fee|invoice|charge|bill|refund")]
    bill = bill.set_index("touchpoint")
    figures = ["estimate", "gap", "elsewhere", "p_holm", "customers"]
    # The four, and all others who spoke of it: that there were four is told by neither.
    assert bill.loc[["delivery", "invoice"], figures].isna().all(axis=None)
    assert bill.loc["app", "estimate"] == 0.0
    assert "Withheld are" in part.sentence


def test_themes_of_one_name_are_told_apart(folder: Path, result: Result, tmp_path: Path) -> None:
    book = yaml.safe_load(result["book"].meta["text"])
    for theme in book["themes"]:
        theme["name"] = "Trouble"
    state = tmp_path / "state"
    state.mkdir()
    (state / "themes.yml").write_text(yaml.safe_dump(book), encoding="utf-8")
    again = voice_of_customer.run(cxlab.load(folder), state=state)
    names = set(again.table["theme"])
    assert len(names) == 3 and all(n.startswith("Trouble") for n in names)
    # What people wrote into the book stays as it is.
    kept = yaml.safe_load(again["book"].meta["text"])
    assert {t["name"] for t in kept["themes"]} == {"Trouble"}


HOSTILE = [
    "", " ", "!!!", "👍👍👍", "ok", "<script>alert('x')</script>", "a" * 100_000, "\x00\x07",
    "=HYPERLINK(\"http://x\")", "日本語のコメント", "<p>the parcel came late</p>" * 500, "null",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["hostile", "alike", "shuffled", "few", "none", "nobody"])
def test_comments_that_tell_nothing(kind: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    said = speak(draw, 400, 120, (0, 100))
    if kind == "hostile":
        said["comment"] = draw.choice(np.array(HOSTILE, dtype=object), 400)
    elif kind == "alike":
        said["comment"] = "The parcel came late again and the invoice was wrong."
    elif kind == "shuffled":
        words = np.array([f"{a}{b}" for a in "bcdfgh" for b in ("ano", "eru", "ilo", "omat")])
        said["comment"] = [" ".join(draw.choice(words, 8)) for _ in range(400)]
    elif kind == "few":
        said = said.head(30)
    elif kind == "none":
        said["comment"] = None
    why = "all of them use the same words" if kind == "alike" else ""
    folder = write(tmp_path, said, 120, 100)
    if kind == "nobody":
        feedback = pd.read_parquet(folder / "feedback.parquet").drop(columns="customer_id")
        feedback.drop(columns="responded_at").to_parquet(folder / "feedback.parquet")
    made = voice_of_customer.run(cxlab.load(folder), include_quotes=True)
    if kind == "nobody":
        assert len(made.table) == 3
        assert "not dated" in made["changes"].sentence
        assert "cannot be told" in made["before_leaving"].sentence
    else:
        assert made.table.empty
        assert made.sentence.startswith(("No themes can be told", "There are no themes to tell"))
        assert why in made.sentence
    assert voice_of_customer.findings(made)
    assert "<script>" not in made._repr_html_()


def test_without_comments_the_book_is_handed_on(
    result: Result, folder: Path, tmp_path: Path
) -> None:
    state = _keep(result, tmp_path / "state")
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("customers.parquet", "dataset.yml"):
        (bare / name).write_bytes((folder / name).read_bytes())
    made = voice_of_customer.run(cxlab.load(bare), state=state)
    assert "neither comments" in made.sentence
    assert made["book"].meta["text"] == result["book"].meta["text"]


def _leaving(said: pd.DataFrame, customers: int, days: int, factor: float) -> np.ndarray:
    """Draw who leaves, day by day; each mention of a bill raises the hazard, and fades."""
    draw = np.random.default_rng(6)
    hazard = np.full((customers, days), 0.002)
    bill = said[said["theme"] == "bill"]
    age = np.arange(days)[None, :] - bill["at"].to_numpy()[:, None]
    fresh = np.where(age > 0, 0.5 ** (age / 28), 0.0)
    risen = np.zeros((customers, days))
    np.add.at(risen, bill["who"].to_numpy(), fresh)
    left = draw.random((customers, days)) < hazard * np.exp(factor * risen)
    return np.where(left.any(axis=1), left.argmax(axis=1) + draw.random(customers), np.nan)


@pytest.mark.parametrize("factor", [1.3, 0.0])
def test_a_theme_that_goes_ahead_of_leaving(factor: float, tmp_path: Path) -> None:
    said = speak(np.random.default_rng(7), 3000, 600, (0, DAYS))
    leaves = _leaving(said, 600, DAYS, factor)
    made = voice_of_customer.run(cxlab.load(write(tmp_path, said, 600, DAYS, leaves)))
    part = made["before_leaving"].table
    bill = part.set_index("term").loc[_theme(made, "fee").name]
    # Against the average comment, of which a third are about bills.
    assert bill["conf_low"] < np.exp(factor * 2 / 3) < bill["conf_high"]
    if factor:
        assert bill["verdict"] == "goes ahead"
        assert "symptom" in made["before_leaving"].sentence
    else:
        assert set(part["verdict"]) == {"no evidence"}


def test_a_shift_in_a_theme_is_dated(tmp_path: Path) -> None:
    draw = np.random.default_rng(8)
    early = speak(draw, 1000, 300, (0, 240))
    late = speak(draw, 700, 300, (240, 420), themes=("parcel", "bill", "app", "app", "app"))
    data = cxlab.load(write(tmp_path, pd.concat([early, late]), 300, 420))
    made = voice_of_customer.run(data)
    moved = made["changes"].table.set_index("term")
    app = moved.loc[_theme(made, "login").name]
    assert app["real"]
    assert app["kind"] == "shift"
    # Day 240 of 2025 is the end of August.
    assert app["period"] in ("2025-08", "2025-09")
    assert app["conf_low"] < 3 / 5 - 1 / 3 < app["conf_high"]
