"""At the keyboard: pick a segment, a touchpoint, a half-life, and the answer follows at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cxlab.analyses import churn_drivers
from cxlab.analyses.churn_drivers.standing import Standing
from cxlab.data.dataset import Dataset, load
from cxlab.errors import AnalysisError, CxlabError, DataError, UsageError
from cxlab.lab.explore.choices import Choices, choices
from cxlab.results import Result, counted

__all__ = ["Explorer", "explore"]

# Of so many segments and washouts the frames are kept; of so many settings the answers.
_STANDING, _ANSWERS = 6, 1000
# Seconds left to who asks on without a look at the answer, before any is found ahead; and to who
# waits for one, between two.
_LOOK, _PAUSE = 0.25, 0.02
_USUAL: dict[str, Any] = {
    "touchpoint": "",
    "half_life_days": 0,
    "washout_days": 3,
    "window_days": 90,
}


class Explorer:
    """The driver model of a dataset, asked again and again.

    In a notebook it shows controls and pictures; :meth:`view` gives the same answers without.

    Parameters
    ----------
    dataset : Dataset
        What is looked at.

    See Also
    --------
    explore : the way to make one.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._parts: dict[str, Dataset] = {"": dataset}
        self._standing: OrderedDict[tuple[str, int], Standing] = OrderedDict()
        self._answers: dict[tuple[Any, ...], Result] = {}
        self._asking = threading.RLock()
        self._ahead: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"Explorer of {self.dataset.name}: .view(…) gives a Result, .choices what to pick"

    @cached_property
    def choices(self) -> Choices:
        """What can be picked, and why something cannot be."""
        return choices(self.dataset)

    def view(
        self,
        segment: str = "",
        touchpoint: str = "",
        half_life_days: float | None = 0,
        washout_days: int = 3,
        window_days: int = 90,
    ) -> Result:
        """Give the answer for some settings: that of a quick run of ``churn_drivers``.

        Parameters
        ----------
        segment : str
            An attribute and its value, such as ``"plan=pro"``; empty: all customers.
        touchpoint : str
            Whose effect is told by age; empty: those of the leading drivers.
        half_life_days : float or None
            Days until a contact's effect has halved; 0 or None: chosen by the data.
        washout_days : int
            Days before each day at risk whose contacts are left out.
        window_days : int
            Days before ``as_of`` in which lost customers are counted.

        Returns
        -------
        Result
            The driver table. Parts: ``worth``, ``half_life`` and ``by_age``; of a snapshot
            those of its own. Where nothing can be told the table is empty, and the sentence
            says why.

        Raises
        ------
        UsageError
            A setting cannot be, or the data have no such segment or touchpoint.
        """
        given: dict[str, Any] = {
            "touchpoint": touchpoint,
            "half_life_days": half_life_days or 0,
            "washout_days": washout_days,
            "window_days": window_days,
        }
        for name, why in self.choices.reasons.items():
            if given.get(name, "") != _USUAL.get(name, "") or (name == "segment" and segment):
                raise UsageError(f"{name} cannot be set: {why}")
        key = _key({"segment": segment, **given})
        found = self._answers.get(key)
        if found is None:
            with self._asking:
                found = self._answers[key] = self._answer(segment, **given)
                if len(self._answers) > _ANSWERS:
                    self._answers.pop(next(iter(self._answers)))
        return found

    def code(self, **settings: Any) -> str:
        """Give the cell that makes the same pictures and figures.

        Parameters
        ----------
        **settings
            Those of :meth:`view`.
        """
        data = self.dataset
        more = {"where": data.where} if data.where else {}
        more |= {"snapshot": data.snapshot} if data.snapshot else {}
        more |= {"engine": data.engine} if data.engine != data.settings.engine else {}
        loaded = [repr(str(data.path)), *([repr(data.day)] if data.day else [])]
        loaded += [f"{k}={v!r}" for k, v in more.items()]
        given = "".join(f"    {k}={v!r},\n" for k, v in settings.items())
        return (
            "import cxlab\n"
            "from cxlab.plots.shown import shown\n\n"
            f"data = cxlab.load({', '.join(loaded)})\n"
            f"view = cxlab.explore(data).view({f'{chr(10)}{given}' if given else ''})\n"
            'display(*shown(view, "", "by_age"), view)\n'
        )

    def stands(self, segment: str = "", washout_days: int = 3) -> bool:
        """Tell whether the frame of a segment and a washout is prepared.

        Parameters
        ----------
        segment, washout_days
            As for :meth:`view`.
        """
        return (segment, washout_days) in self._standing

    def knows(self, **settings: Any) -> bool:
        """Tell whether an answer is found already.

        Parameters
        ----------
        **settings
            Those of :meth:`view`.
        """
        return _key(settings) in self._answers

    @property
    def preparing(self) -> bool:
        """Whether answers are being found beside."""
        return self._ahead is not None and self._ahead.is_alive()

    def prepare(self, settings: Iterable[Mapping[str, Any]]) -> None:
        """Find answers that may be asked for next, beside whatever else is done.

        A second call ends the first, also where it asks for nothing. Only what is answered from
        memory is: of a frame that stands, and fits in.

        Parameters
        ----------
        settings : iterable of mapping
            Each what :meth:`view` takes; the likeliest first.
        """
        wanted = list(settings)

        def work() -> None:
            time.sleep(_LOOK)
            for given in wanted:
                newer = self._ahead is not threading.current_thread()
                if newer or not threading.main_thread().is_alive():
                    return
                at = (given.get("segment", ""), given.get("washout_days", _USUAL["washout_days"]))
                standing = self._standing.get(at)
                if standing is not None and standing.in_memory:
                    try:
                        self.view(**given)
                    except CxlabError:  # which is told when it is asked for
                        continue
                    except RuntimeError as error:
                        if "shutdown" not in str(error):  # the program ends
                            raise
                        return
                    time.sleep(_PAUSE)

        self._ahead = threading.Thread(target=work, name="cxlab-explore") if wanted else None
        if self._ahead is not None:
            self._ahead.start()

    def _ipython_display_(self) -> None:
        """Show the controls; IPython calls this."""
        from IPython.display import display

        from cxlab.lab.explore.panel import panel

        display(panel(self))

    def _answer(self, segment: str, touchpoint: str, **given: Any) -> Result:
        part = self._part(segment)
        if isinstance(part, str):
            return self._nothing(part)
        try:
            if part.form == "snapshot":
                return churn_drivers.run(part, quick=True)
            result = self._standing_at(segment, part, given["washout_days"]).ask(
                half_life_days=given["half_life_days"] or None,
                window_days=given["window_days"],
                touchpoint=touchpoint or None,
            )
        except AnalysisError as error:
            # What is missing may be said on a page: no folder of the machine.
            return self._nothing(str(error).removeprefix(f"{part.path}: "))
        if result.table["hazard_ratio"].notna().any():
            return result
        left = counted(result.meta["churns"], "customer")
        text = f"{left} left of their own will: too few to tell the effect of any touchpoint."
        return replace(result, sentence=text)

    def _part(self, segment: str) -> Dataset | str:
        """Give a segment's data, or why there is nothing to tell of them."""
        if segment not in self._parts:
            whole = self.dataset
            try:
                self._parts[segment] = load(
                    whole.path,
                    whole.as_of,
                    where=segment,
                    snapshot=whole.snapshot,
                    engine=whole.engine,
                )
            except DataError as error:
                return str(error).removeprefix(f"{whole.path}: ")
        return self._parts[segment]

    def _standing_at(self, segment: str, part: Dataset, washout_days: int) -> Standing:
        key = (segment, washout_days)
        if key not in self._standing:
            self._standing[key] = Standing(part, washout_days=washout_days, quick=True)
            if len(self._standing) > _STANDING:
                self._standing.popitem(last=False)
        self._standing.move_to_end(key)
        return self._standing[key]

    def _nothing(self, why: str) -> Result:
        table = pd.DataFrame(columns=list(churn_drivers.COLUMNS))
        return Result("churn_drivers", table, meta=self.dataset.about(), sentence=why)


def _key(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give what an answer is kept under: with a half-life of None and 0 the data choose alike."""
    whole = {"segment": "", **_USUAL, **settings}
    return tuple(whole[n] or 0 if n == "half_life_days" else whole[n] for n in ("segment", *_USUAL))


def explore(dataset: Dataset | str | Path) -> Explorer:
    """Look at a dataset's drivers by hand: segment, touchpoint, half-life, washout, window.

    In JupyterLab the explorer shows itself with controls (this needs ipywidgets).

    Parameters
    ----------
    dataset : Dataset, str or Path
        What :func:`cxlab.load` gives, or the folder that it reads.

    Returns
    -------
    Explorer
        Its :meth:`~Explorer.view` gives the same answers without controls.

    Examples
    --------
    >>> explorer = cxlab.explore("data/demo")  # doctest: +SKIP
    >>> explorer.view(segment="plan=pro", half_life_days=20)  # doctest: +SKIP
    """
    return Explorer(dataset if isinstance(dataset, Dataset) else load(dataset))
