"""What the pages share: templates, safe HTML out of notebooks, results and pictures as HTML."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.report.words import KIND, VERDICT, figure, heading, interval, is_number

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["TEMPLATES", "clean", "environment", "policy", "shared", "show_picture", "show_result"]

TEMPLATES = Path(__file__).parent / "templates"

_TAGS = frozenset(
    """
    a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption
    figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub
    summary sup table tbody td tfoot th thead tr u ul var
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = frozenset({"class", "colspan", "id", "rowspan", "scope", "title"})
_DROPPED = re.compile(r"<style\b.*?</style\s*>", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"[-−+]?[\d,. ]*\d(e[-+]?\d+)?\s?%?|–|NaN|<0\.0+1", re.IGNORECASE)


@cache
def environment() -> Environment:
    """Give the environment of cxlab's own templates; it escapes whatever comes from data."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(figure=figure, heading=heading)
    made.tests.update(figure=is_number)
    made.globals.update(interval=interval, kind=KIND, verdict=VERDICT)
    return made


def shared(name: str) -> str:
    """Give a file the pages inline, such as the style sheet."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def policy(script: str = "") -> str:
    """Give a content security policy: nothing is loaded, and no script runs but this one.

    Parameters
    ----------
    script : str
        The page's own script.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"'sha256-{digest}'" if script else "'none'"
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


def show_result(data: Mapping[str, Any]) -> str:
    """Give a result as HTML: its sentence, its table, its checks folded away.

    Parameters
    ----------
    data : mapping
        As :meth:`cxlab.results.Result.to_dict` gave it.
    """
    columns = list(zip(*data["table"]["rows"], strict=True))
    numeric = [all(v is None or is_number(v) for v in values) for values in columns]
    numeric = numeric or [False] * len(data["table"]["columns"])
    template = environment().get_template("result.html.j2")
    return template.render(result=data, numeric=numeric)


def show_picture(data: Mapping[str, Any]) -> str:
    """Give a picture as HTML, with its caption.

    Parameters
    ----------
    data : mapping
        A picture: name, caption, alt, svg.
    """
    encoded = base64.b64encode(data["svg"].encode()).decode()
    return environment().get_template("picture.html.j2").render(picture=data, encoded=encoded)


def clean(html: str) -> str:
    """Make HTML out of a notebook's output safe, and its tables like the others.

    Parameters
    ----------
    html : str
        What an output shows; scripts, styles and event handlers become text or go.
    """
    import bleach  # type: ignore[import-untyped]
    from bs4 import BeautifulSoup

    safe = bleach.clean(
        _DROPPED.sub("", html),
        tags=_TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},
    )
    soup = BeautifulSoup(safe, "html.parser")
    for table in soup.find_all("table"):
        table["class"] = "cx-table"
        _align(table)
        if not table.find_parent(class_="cx-scroll"):
            table.wrap(soup.new_tag("div", attrs={"class": "cx-scroll", "tabindex": "0"}))
    return str(soup)


def _allowed(tag: str, name: str, value: str) -> bool:
    """Tell which attributes stay; an image may only bring its own bytes along."""
    if tag == "img":
        return name == "alt" or (name == "src" and value.startswith("data:image/"))
    if tag == "a" and name == "href":
        return not value.startswith("data:")
    return name in _ATTRIBUTES


def _align(table: Any) -> None:
    """Mark the columns of figures in a table whose cells span nothing."""
    if table.find(lambda t: t.get("colspan", "1") != "1" or t.get("rowspan", "1") != "1"):
        return
    rows = [row.find_all(["td", "th"]) for row in table.find_all("tr")]
    body = [row for row in rows if any(c.name == "td" for c in row)]
    for index in range(max((len(row) for row in rows), default=0)):
        cells = [row[index] for row in body if len(row) > index]
        texts = [c.get_text(strip=True) for c in cells]
        if any(texts) and all(not t or _NUMBER.fullmatch(t) for t in texts):
            for row in rows:
                if len(row) > index:
                    row[index]["class"] = "num"
            for cell, text in zip(cells, texts, strict=True):
                if text == "NaN":
                    cell.string = "–"
