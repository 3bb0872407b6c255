"""The explorer's controls, and what follows them."""

from __future__ import annotations

import asyncio
import contextlib
import html
import sys
import time
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from cxlab.errors import CxlabError, UsageError
from cxlab.lab.explore.choices import HALF_LIVES, WASHOUTS, WINDOWS, short
from cxlab.lab.explore.drawn import STYLE, told, watched

if TYPE_CHECKING:
    import ipywidgets

    from cxlab.lab.explore import Explorer
    from cxlab.results import Result

__all__ = ["panel"]

_ALL = "all customers"
_FRAME = ("segment", "washout_days")
# Seconds that a picture is drawn for before another thread has its turn.
_TURN = 0.2
# So many answers are found ahead, so many of them drawn, and the pages of so many kept. Few, so
# that what is clicked after a moment's look meets nobody at work. Between two that are drawn, the
# kernel rests for so many seconds: what was clicked meanwhile comes first.
_MOST_AHEAD, _MOST_DRAWN, _MOST_KEPT, _REST = 9, 6, 200, 0.02
_WIDE = {"description_width": "8.5em"}


def panel(explorer: Explorer) -> ipywidgets.Widget:
    """Make the controls of an explorer and the pictures that follow them.

    Parameters
    ----------
    explorer : Explorer
        What is asked.

    Raises
    ------
    UsageError
        ipywidgets is not installed.
    """
    try:
        import ipywidgets
    except ImportError:
        raise UsageError(
            "the controls need the package ipywidgets: pip install ipywidgets (without it, "
            "explorer.view(…) gives the same answers)"
        ) from None
    return _Panel(explorer, ipywidgets).box


class _Page(NamedTuple):
    """What is shown of an answer."""

    said: str
    drawn: str
    how: tuple[str, ...] = ()


class _Panel:
    """Controls that ask again when one of them changes."""

    def __init__(self, explorer: Explorer, widgets: Any) -> None:
        self._explorer, self._widgets = explorer, widgets
        self._first = True
        self._kept: dict[tuple[Any, ...], _Page] = {}
        self._next: asyncio.TimerHandle | None = None
        choices = explorer.choices
        attributes = [(_ALL, ""), *_apart(tuple(choices.segments))]
        self.attribute = self._list("Segment", attributes, "segment")
        self.value = self._list("Its value", [("", "")], "segment")
        self.value.layout.visibility = "hidden"  # it keeps its place: nothing jumps
        names = [("the leading drivers", ""), *_apart(choices.touchpoints)]
        self.touchpoint = self._list("Touchpoint", names, "touchpoint")
        days = [(f"{h} days" if h else "chosen by the data", h) for h in HALF_LIVES]
        self.half_life = self._slider("Half-life", days, 0, "half_life_days")
        days = [("none" if not d else f"{d} days" if d > 1 else "1 day", d) for d in WASHOUTS]
        self.washout = self._slider("Washout", days, 3, "washout_days")
        days = [(f"{d} days", d) for d in WINDOWS]
        self.window = self._slider("Horizon", days, 90, "window_days")
        self.said, self.drawn, self.state = (widgets.HTML() for _ in range(3))
        self.code = widgets.HTML()
        self.box = self._arranged()
        self.attribute.observe(self._attribute_picked, "value")
        for control in (self.value, self.touchpoint, self.half_life, self.washout, self.window):
            control.observe(self._picked, "value")
        self._answer()

    def _list(self, name: str, options: list[tuple[str, str]], what: str) -> Any:
        return self._widgets.Dropdown(
            options=options, description=name, style=_WIDE, disabled=self._reason(what) != "",
            layout={"width": "26em", "max_width": "100%"},
        )  # fmt: skip

    def _slider(self, name: str, options: list[tuple[str, int]], value: int, what: str) -> Any:
        return self._widgets.SelectionSlider(
            options=options, value=value, description=name, style=_WIDE, continuous_update=False,
            disabled=self._reason(what) != "", layout={"width": "34em", "max_width": "100%"},
        )  # fmt: skip

    def _reason(self, what: str) -> str:
        return self._explorer.choices.reasons.get(what, "")

    def _arranged(self) -> Any:
        widgets, dataset = self._widgets, self._explorer.dataset
        seen = f", as of {dataset.day}" if dataset.day else ""
        head = f'<b dir="auto">{html.escape(short(dataset.name, 100))}</b>{seen}'
        wrap = {"flex_flow": "row wrap", "align_items": "flex-start"}
        left = widgets.VBox([self.touchpoint, self.attribute, self.value])
        right = widgets.VBox([self.half_life, self.washout, self.window])
        code = widgets.Accordion([self.code], titles=("Copy as code",))
        box = widgets.VBox(
            [
                widgets.HTML(f"{STYLE}<div>{head}</div>"),
                widgets.HBox([left, right], layout=wrap),
                widgets.HTML(self._greyed()),
                *(self.state, self.said, self.drawn, code),
            ]
        )
        box.add_class("cx-explore")
        return box

    def _greyed(self) -> str:
        """Say what cannot be picked, and why, each reason once."""
        by_reason: dict[str, list[str]] = {}
        for what, why in self._explorer.choices.reasons.items():
            by_reason.setdefault(why, []).append(what.removesuffix("_days").replace("_", "-"))
        lines = [f"Greyed out ({', '.join(names)}): {why}." for why, names in by_reason.items()]
        return "".join(f'<div class="cx-why">{html.escape(line)}</div>' for line in lines)

    @property
    def settings(self) -> dict[str, Any]:
        """What is picked, as :meth:`cxlab.lab.explore.Explorer.view` takes it."""
        given = {
            "segment": self.value.value if self.attribute.value else "",
            "touchpoint": self.touchpoint.value,
            "half_life_days": self.half_life.value,
            "washout_days": self.washout.value,
            "window_days": self.window.value,
        }
        return {k: v for k, v in given.items() if not self._reason(k)}

    def _attribute_picked(self, change: Any) -> None:
        options = self._explorer.choices.segments.get(self.attribute.value, [("", "")])
        before = self.value.value
        self.value.options = options  # the first becomes the value, and asks by itself
        self.value.layout.visibility = "visible" if self.attribute.value else "hidden"
        if self.value.value == before:
            self._answer()

    def _picked(self, change: Any) -> None:
        self._answer()

    def _answer(self) -> None:
        """Ask, and show what comes, before anything that is prepared beside."""
        self._explorer.prepare(())
        with _undisturbed():
            self._show()

    def _show(self) -> None:
        """Show the answer; a mistake is one line in its place."""
        started, settings = time.perf_counter(), self.settings
        page = self._kept.get(tuple(settings.values()))
        if page is None:
            stands = self._explorer.stands(**{k: v for k, v in settings.items() if k in _FRAME})
            self._say("Working…" if stands else "Preparing the days and contacts of this choice…")
            try:
                result = self._explorer.view(**settings)
                if self._first:
                    self._first = False
                    name = watched(result)
                    if name in self._explorer.choices.touchpoints:
                        self.touchpoint.value = name  # asks again, for this one
                        return
                page = self._page(settings)
            except CxlabError as error:
                page = _Page(f'<p class="cx-told">{html.escape(str(error))}</p>', "")
        self.said.value, self.drawn.value = page.said, page.drawn
        self.code.value = f"<pre>{html.escape(self._explorer.code(**settings))}</pre>"
        self._say(" ".join([*page.how, f"{(time.perf_counter() - started) * 1000:.0f} ms."]))
        self._prepare(settings)

    def _page(self, settings: dict[str, Any]) -> _Page:
        """Word and draw an answer, and keep that."""
        result = self._explorer.view(**settings)
        page = _Page(*told(result, settings.get("touchpoint", "")), _how(result))
        self._kept[tuple(settings.values())] = page
        if len(self._kept) > _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return page

    def _prepare(self, settings: dict[str, Any]) -> None:
        """Find what one step of one control would show, while this answer is read."""
        lists = {
            "window_days": WINDOWS,
            "half_life_days": HALF_LIVES,
            "touchpoint": ("", *self._explorer.choices.touchpoints),
        }
        steps = []
        for name, values in lists.items():
            if name in settings:
                here = values.index(settings[name])
                near = sorted(values, key=lambda v: abs(values.index(v) - here))
                steps.append([settings | {name: v} for v in near[1:]])
        # The nearest of each control first.
        ahead = list(islice((s for turn in zip_longest(*steps) for s in turn if s), _MOST_AHEAD))
        self._explorer.prepare(ahead)
        if self._next is not None:
            self._next.cancel()
        with contextlib.suppress(RuntimeError):  # outside a kernel nobody waits meanwhile
            self._rest(asyncio.get_running_loop(), ahead[:_MOST_DRAWN])

    def _rest(self, loop: asyncio.AbstractEventLoop, ahead: list[dict[str, Any]]) -> None:
        """Draw one of the answers that were found ahead, when all that was asked for is done."""
        left = [s for s in ahead if tuple(s.values()) not in self._kept]
        self._next = loop.call_later(_REST, self._draw, loop, left) if left else None

    def _draw(self, loop: asyncio.AbstractEventLoop, ahead: list[dict[str, Any]]) -> None:
        finding = self._explorer.preparing
        found = next((s for s in ahead if self._explorer.knows(**s)), None)
        self._next = None
        if found is not None:
            with _undisturbed():
                self._page(found)
        if found is not None or finding:
            self._rest(loop, ahead)

    def _say(self, text: str) -> None:
        self.state.value = f'<span class="cx-why" role="status">{html.escape(text)}</span>'


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let this thread go on where others would take turns with it every few milliseconds."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _how(result: Result) -> tuple[str, ...]:
    """Say how the answer was reached, and what a whole run would add."""
    if "half_life_days" not in result.meta:
        return ()
    days = f"The half-life is {result.meta['half_life_days']:.0f} days"
    chosen = len(result["half_life"].table) > 0
    return (
        f"{days}, {'chosen by the data' if chosen else 'as given'}.",
        "As a quick run gives it: intervals of customers lost are approximate (a whole run draws "
        "customers anew).",
    )


def _apart(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Shorten names for a list, and number those that are then alike."""
    found: dict[str, str] = {}
    for name in names:
        shown, turn = short(name), 1
        while shown in found:
            turn += 1
            shown = f"{short(name)} {turn}"
        found[shown] = name
    return list(found.items())
