"""What the pages share: templates, figures in words, results, pictures and safe HTML."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.plots.style import DARK
from cxlab.report.findings import file_name
from cxlab.report.places import anchor
from cxlab.results import NOTHING, legible, three_figures

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "TEMPLATES",
    "clean",
    "figure",
    "found_at",
    "interval",
    "p_value",
    "policy",
    "shared",
    "show_picture",
    "show_result",
    "template",
    "valence",
]

TEMPLATES = Path(__file__).parent / "templates"

_VERDICT = {
    "driver": "drives churn",
    "protective": "keeps customers",
    "no evidence": "no evidence",
    "too little data": "too little data",
    "reverse causation suspected": "reverse causation suspected",
    "not separable": "cannot be told apart",
}
_VALENCE = {"bad": "failed", "contact": "any contact"}
_KIND = {"driver": "harm", "protective": "help", "too little data": "withheld"}  # else unsure
_HEADING = {
    "conf_low": "95%\u00a0low",
    "conf_high": "95%\u00a0high",
    "p_value": "p",
    "q_value": "q",
}
_P_VALUES = frozenset({"p_value", "q_value", "p_holm", "before_p"})
_ROWS = {"result": 300, "picture": 100}  # of a table that are shown; all are in its file
_WIDE = 11  # columns; a table with more of them is printed across the page
_LONG = 40  # characters from which on a text gets a column that is wide enough to read

_TAGS = frozenset(
    """
    a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption
    figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub
    summary sup table tbody td tfoot th thead tr u ul var
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = frozenset({"class", "colspan", "id", "rowspan", "scope", "title"})
_LINK = re.compile(r"(https?|mailto):|[\w#./?=%-]*$")
_STYLE = re.compile(r"<style\b.*?</style\s*>", re.IGNORECASE | re.DOTALL)
_COLOUR = re.compile(r"(?<=[\"; ])(?:fill|stroke|stop-color)(?:: ?|=\")(#[0-9a-f]{6})\b")
_NUMBER = re.compile(r"[-−+]?[\d,. ]*\d(e[-+]?\d+)?\s?%?|–|NaN|<0\.0+1", re.IGNORECASE)


@cache
def _environment() -> Environment:
    """Make the environment of cxlab's own templates; it escapes whatever comes from data."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(figure=figure, found=found_at, valence=valence)
    made.globals.update(kind=_KIND, verdict=_VERDICT, nothing=NOTHING, zip=zip)
    return made


def template(file: str, **values: Any) -> str:
    """Fill in one of cxlab's templates."""
    return legible(_environment().get_template(file).render(values))


def shared(name: str) -> str:
    """Give a file the pages inline, such as the style sheet."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def policy(style: str, script: str = "") -> str:
    """Give a content security policy: nothing is loaded, no style or script holds but these."""
    rules = ["default-src 'none'", "img-src data:", f"style-src {_digest(style)}"]
    rules += [f"script-src {_digest(script)}"] if script else []
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def figure(value: Any) -> str:
    """Give a value for a table: three significant figures, a dash where there is none.

    Parameters
    ----------
    value : object
        A number, text, true or false, or None.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if not _is_number(value):
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return _minus(three_figures(value))


def found_at(finding: Mapping[str, Any]) -> str:
    """Give the place of a finding on its page.

    Parameters
    ----------
    finding : mapping
        Any finding, with its ``id``.
    """
    return anchor("found", finding["id"])


def p_value(value: Any) -> str:
    """Give a p-value: two significant figures, and none of what lies below a thousandth."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.2g}" if value >= 0.001 else "<0.001"


def interval(estimate: Any, low: Any, high: Any, digits: int | None = None) -> tuple[str, str]:
    """Give an estimate and its interval, such as ``1.84`` and ``1.42 to 2.38``.

    Parameters
    ----------
    estimate, low, high : float or None
        The figures.
    digits : int, optional
        How many decimals; by default three significant figures.

    Returns
    -------
    tuple of str
        Each empty where there is none.
    """
    if estimate is None:
        return "", ""

    def shown(value: Any) -> str:
        if value is None or digits is None:
            return figure(value)
        return _minus(f"{round(value, digits) + 0:,.{digits}f}")  # no minus before a zero

    if low is None and high is None:
        return shown(estimate), ""
    return shown(estimate), f"{shown(low)} to {shown(high)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _minus(text: str) -> str:
    return text.replace("-", "−") if text.startswith(("-", ">-")) else text


def show_picture(data: Mapping[str, Any], linked: bool = True) -> str:
    """Give a picture as HTML, with its caption, and its data folded away.

    Parameters
    ----------
    data : mapping
        A picture: name, caption, alt, data, svg.
    linked : bool
        Whether its files lie beside the page.
    """
    adaptive = _adaptive(data["svg"])
    encoded = base64.b64encode((adaptive or data["svg"]).encode()).decode()
    return template(
        "picture.html.j2",
        picture=data,
        place=anchor("figure", data["name"]),
        encoded=encoded,
        adapts=bool(adaptive),
        stem=file_name(data["name"]) if linked else "",
        grid=_grid(data["data"], _ROWS["picture"]),
    )


def _adaptive(svg: str) -> str:
    """Let an SVG follow the page into the dark; empty if it has colours that cannot."""
    used = set(_COLOUR.findall(svg))
    if not used <= DARK.keys() or "<image" in svg:
        return ""
    rules = [f"svg{{fill:{DARK['#000000']}}}"]
    for colour in sorted(used):
        for what in ("fill", "stroke"):
            rules.append(f'[style*="{what}: {colour}"]{{{what}:{DARK[colour]}!important}}')
    style = f"<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>"
    return re.sub(r"<svg\b[^>]*>", lambda found: found[0] + style, svg, count=1)


def show_result(data: Mapping[str, Any]) -> str:
    """Give a result as HTML: its sentence, its table, its checks folded away.

    Parameters
    ----------
    data : mapping
        As :meth:`cxlab.results.Result.to_dict` gave it.
    """
    grid = _grid(data["table"], _ROWS["result"])
    place = anchor("table", data["name"])
    return template(
        "result.html.j2", result=data, grid=grid, place=place, places=data.get("places", {})
    )


def _grid(table: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Say how a table is shown: its columns, the rows of it, and how many there are."""
    names, rows = table["columns"], table["rows"]
    # A column that is empty throughout is in the file, and of no use on the page.
    used = [k for k in range(len(names)) if not rows or any(row[k] is not None for row in rows)]
    names, rows = [names[k] for k in used], [[row[k] for k in used] for row in rows]
    columns = [_column(name, [row[k] for row in rows]) for k, name in enumerate(names)]
    if names[:1] == ["rank"]:
        columns[0]["css"] += " rank key"
    first = next((c for c in columns if "rank" not in c["css"]), None)
    if first and not first["css"]:
        first["css"] = "key"  # stays in sight when the others are scrolled
    return {
        "columns": columns,
        "rows": rows[:most],
        "all": len(rows),
        "wide": len(columns) > _WIDE,
    }


def _column(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Say how a column of a result is shown."""
    numeric = bool(values) and all(v is None or _is_number(v) for v in values)
    long = any(isinstance(v, str) and len(v) > _LONG for v in values)
    return {
        "heading": _HEADING.get(name, name.replace("_", " ")),
        "css": "num" if numeric else "long" if long else "",
        "verdict": name == "verdict",
        "shown": valence if name == "valence" else _format(name, values) if numeric else figure,
    }


def valence(value: Any) -> str:
    """Give a valence in the words of the pages: a bad contact is one that failed."""
    return _VALENCE.get(value) or figure(value)


def _format(name: str, values: Sequence[Any]) -> Callable[[Any], str]:
    """Choose one way to write all figures of a column."""
    if name in _P_VALUES:
        return p_value
    if name == "year" or name.endswith("_year"):
        return _year
    if "share" in name.lower():
        return _share
    return figure if all(float(v).is_integer() for v in values if v is not None) else _measure


def _year(value: Any) -> str:
    return figure(value) if value is None else f"{value:.0f}"


def _share(value: Any) -> str:
    return figure(value) if value is None else _minus(f"{value:.1%}")


def _measure(value: Any) -> str:
    """Give three significant figures, zeros at the end included: 2.00 beside 2.35."""
    if value is None or not 1e-4 <= abs(value) < 100:
        return figure(value)
    return _minus(f"{value:#.3g}")


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
        _STYLE.sub("", html),
        tags=_TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},  # data: of an image, see _allowed
    )
    soup = BeautifulSoup(safe, "html.parser")
    for table in soup.find_all("table"):
        table["class"] = "cx-table"
        if not table.find(lambda t: t.get("colspan", "1") != "1" or t.get("rowspan", "1") != "1"):
            _tidy([row.find_all(["td", "th"]) for row in table.find_all("tr")])
        if not table.find_parent(class_="cx-scroll"):
            table.wrap(soup.new_tag("div", attrs={"class": "cx-scroll", "tabindex": "0"}))
    return str(soup)


def _allowed(tag: str, name: str, value: str) -> bool:
    """Tell which attributes stay; an image may only bring its own bytes along."""
    if tag == "img":
        return name == "alt" or (name == "src" and value.startswith("data:image/"))
    if tag == "a" and name == "href":
        return bool(_LINK.match(value))
    return name in _ATTRIBUTES


def _tidy(rows: list[list[Any]]) -> None:
    """Take pandas' own row numbers out of a table, and mark its columns of figures."""
    for cells in list(zip(*rows, strict=False)):
        texts = [c.get_text(strip=True) for c in cells]
        head = sum(c.find_parent("thead") is not None for c in cells) or 1
        body = [t for t in texts[head:] if t]
        numbered = [str(n) for n in range(len(texts) - head)]
        if cells[-1].name == "th" and not any(texts[:head]) and texts[head:] == numbered:
            for cell in cells:
                cell.decompose()
        elif body and all(_NUMBER.fullmatch(t) for t in body):
            for cell, text in zip(cells, texts, strict=True):
                cell["class"] = "num"
                if text == "NaN":
                    cell.string = "–"
        elif any(len(t) > _LONG for t in body):
            for cell in cells:
                cell["class"] = "long"
