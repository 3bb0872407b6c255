"""What customers did, which of it is their own, and the personas that it makes, if any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cxlab.analyses.personas import portraits
from cxlab.analyses.personas.rule import UNLIKE, UNSEEN, Persona, Rule, Trait
from cxlab.frames.behaviour import Behaviour, behaviour, since
from cxlab.frames.periods import RiskSet
from cxlab.models.clusters import FEWEST, Found, find
from cxlab.models.intervals import benjamini_hochberg
from cxlab.models.traits import Reliability, Scale, reliability

__all__ = ["Options", "Study", "study", "too_small"]

OWN = 0.3
"""The reliability from which a behaviour is the customers' own."""
_ALPHA = 0.01
_ALIKE = 0.95


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    window_days: int
    follow_days: int
    least_contacts: int
    min_group: int
    nulls: int
    seed: int


@dataclass(frozen=True)
class Study:
    """What customers did in the window, which of it is their own, and what came of it.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    options : Options
        What was asked for; the days and contacts are those of a rule that was kept.
    then, now : Behaviour
        The window that ends before customers are followed, and the newest one.
    reliable : list of Reliability
        Of each behaviour of ``then``.
    own : ndarray of bool
        Which of the behaviours are the customers' own.
    scales : list of (Scale or None)
        Of each behaviour; None where all are alike.
    found : Found
        What is found in the window now, of those of whom enough was seen.
    kept : Rule or None
        The rule of an earlier run.
    rule : Rule or None
        The rule in force: that one, or the one just formed; None: no personas.
    label, label_now : ndarray of int
        Each customer's persona in both windows; :data:`UNLIKE` and :data:`UNSEEN` beside them.
    distance_now : ndarray
        How far customers are from their persona in the newest window.
    used : ndarray of bool
        Which of the behaviours were looked at for personas: own ones, less twins.
    twins : dict of str to str
        Behaviours that say what another one says, and which that is.
    """

    risk: RiskSet
    options: Options
    then: Behaviour
    now: Behaviour
    reliable: list[Reliability]
    own: np.ndarray
    scales: list[Scale | None]
    found: Found
    kept: Rule | None
    rule: Rule | None
    label: np.ndarray
    label_now: np.ndarray
    distance_now: np.ndarray
    used: np.ndarray
    twins: dict[str, str]

    @property
    def enough(self) -> np.ndarray:
        """Of whom enough was seen."""
        return self.then.contacts >= self.options.least_contacts

    @property
    def names(self) -> tuple[str, ...]:
        """The personas' names."""
        return self.rule.names if self.rule else ()

    @cached_property
    def withheld(self) -> frozenset[int]:
        """The labels of which nothing is shown; see :func:`too_small`."""
        places = (*range(len(self.names)), UNLIKE)
        sizes = np.array([(self.label == k).sum() for k in places])
        least = self.options.min_group
        hidden = {k for k, gone in zip(places, too_small(sizes[:, None], least), strict=True)
                  if gone}  # fmt: skip
        # How many are seldom seen is told anyway: what they have in common is not.
        return frozenset(hidden | ({UNSEEN} if (self.label == UNSEEN).sum() < least else set()))

    @property
    def period(self) -> tuple[str, str]:
        """The first and the last day of the window."""
        return since(self.then.start, 0), since(self.then.end, -1)


def too_small(sizes: np.ndarray, least: int) -> np.ndarray:
    """Tell which groups are withheld: small ones, and others where the sum would give them away.

    Where those withheld have together fewer than ``least`` customers, all less the others would
    tell of them: then the smallest of the others goes too. Where those of no persona alone are few
    that need not be: nothing else is told of them.

    Parameters
    ----------
    sizes : ndarray of int, shape (groups, times)
        How many customers are of each, of no persona last; a group that nobody is of at a time has
        nothing to hide.
    least : int
        Fewer customers are a small group.

    Returns
    -------
    ndarray of bool, shape (groups,)
    """
    gone = np.asarray(((sizes > 0) & (sizes < least)).any(axis=1))
    while gone[:-1].any() and not gone.all():
        together = sizes[gone].sum(axis=0)
        if not ((together > 0) & (together < least)).any():
            break
        order = np.where(gone, np.inf, sizes.sum(axis=1))
        # Who is nobody hides nothing.
        order = np.where(sizes.any(axis=1), order, np.inf)
        if not np.isfinite(order).any():
            break
        gone[int(np.argmin(order))] = True
    return gone


def study(
    risk: RiskSet, kept: Rule | None, options: Options, needs: pd.DataFrame | None
) -> Study:  # fmt: skip
    """Look at what customers did, and form personas where there are any.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    kept : Rule or None
        Of an earlier run.
    options : Options
        What was asked for.
    needs : pandas.DataFrame or None
        As of :func:`~cxlab.frames.behaviour.behaviour`.
    """
    keys: tuple[str, ...] = ()
    if kept is not None:
        options = replace(options, window_days=kept.window_days,
                          least_contacts=kept.least_contacts)  # fmt: skip
        keys = kept.keys
    days, until = options.window_days, risk.end - options.follow_days
    then = behaviour(risk, until - days, until, like=keys, needs=needs)
    enough = then.where(then.contacts >= options.least_contacts)
    reliable, own = _own(then, enough)
    # A behaviour that is not the customers' own is only described: as it was seen.
    scales = [
        Scale.learnt(enough.num[:, j], enough.den[:, j], r.value if own[j] else 1.0, f.logged)
        for j, (f, r) in enumerate(zip(enough.features, reliable, strict=True))
    ]
    own = own & np.array([s is not None for s in scales])
    x = _matrix(enough, scales, own)
    twin = _twins(x)
    places = np.flatnonzero(own)
    names = [f.label for f in enough.features]
    twins = {names[places[j]]: names[places[i]] for j, i in twin.items()}
    used = own.copy()
    used[places[list(twin)]] = False
    x = np.delete(x, list(twin), axis=1)
    found = find(x, nulls=options.nulls, least=options.min_group, seed=options.seed)
    rule = kept or _rule(enough, x, scales, used, found, options)
    # The same behaviours are looked for in the newest window.
    wanted = rule.keys if rule else tuple(f.key for f in then.features)
    now = behaviour(risk, risk.end - days, risk.end, like=wanted, needs=needs)
    label, label_now = np.full(len(then), UNLIKE), np.full(len(now), UNLIKE)
    distance_now = np.full(len(now), np.nan)
    if rule is not None:
        label, label_now = rule.label(then)[0], rule.label(now)[0]
        distance_now = rule.label(now)[1]
    else:
        label[then.contacts < options.least_contacts] = UNSEEN
    return Study(risk, options, then, now, reliable, own, scales, found, kept, rule, label,
                 label_now, distance_now, used, twins)  # fmt: skip


def _own(then: Behaviour, enough: Behaviour) -> tuple[list[Reliability], np.ndarray]:
    """Hold even weeks against odd ones; what has no halves, such as a price, is one's own.

    Of counts, all customers tell: among those of many contacts, whoever had few in one half
    had many in the other.
    """
    made = []
    for j, f in enumerate(then.features):
        seen = then if f.logged else enough
        (first, below), (second, under) = seen.halves
        one, other = (first[:, j], below[:, j]), (second[:, j], under[:, j])
        made.append(reliability(one, other, f.logged))
    q = benjamini_hochberg(np.array([r.p_value for r in made]))
    made = [replace(r, p_value=float(p)) for r, p in zip(made, q, strict=True)]
    return made, np.array([r.own(OWN, _ALPHA) for r in made], dtype=bool)


def _matrix(seen: Behaviour, scales: list[Scale | None], own: np.ndarray) -> np.ndarray:
    columns = [
        scale.of(seen.num[:, j], seen.den[:, j])
        for j, scale in enumerate(scales)
        if scale is not None and own[j]
    ]
    return np.column_stack(columns) if columns else np.zeros((len(seen), 0))


def _twins(x: np.ndarray) -> dict[int, int]:
    """Find columns that say what one before them says: they would count twice."""
    if x.shape[1] < 2:
        return {}
    alike = np.abs(np.corrcoef(x.T))
    found: dict[int, int] = {}
    for j in range(x.shape[1]):
        same = [i for i in range(j) if i not in found and alike[i, j] >= _ALIKE]
        if same:
            found[j] = same[0]
    return found


def _rule(
    seen: Behaviour, x: np.ndarray, scales: list[Scale | None], own: np.ndarray, found: Found,
    options: Options,
) -> Rule | None:  # fmt: skip
    """Write down how customers were given a persona; None where there is none."""
    if not len(found) or len(seen) < FEWEST:
        return None
    features = [f for f, o in zip(seen.features, own, strict=True) if o]
    used = [s for s, o in zip(scales, own, strict=True) if o and s is not None]
    traits = [
        Trait(behaviour=f.key, prior=s.prior, weight=s.weight, logged=s.logged, low=s.low,
              high=s.high, centre=s.centre, scale=s.scale)
        for f, s in zip(features, used, strict=True)
    ]  # fmt: skip
    distance = np.sqrt(np.square(x - found.centres[found.label]).sum(axis=1))
    near = distance <= found.threshold
    size = np.bincount(found.label[near], minlength=len(found))
    names = portraits.names(features, x, found.label, len(found))
    personas = [
        Persona(
            name=name, customers=int(n), stability=min(float(s), 1.0), centre=list(map(float, c))
        )
        for name, n, s, c in zip(names, size, found.stability, found.centres, strict=True)
    ]
    return Rule(
        version=1, formed_from=since(seen.start, 0), formed_to=since(seen.end, -1),
        window_days=options.window_days, least_contacts=options.least_contacts,
        farthest=found.threshold, distance=float(distance.mean()),
        distance_sd=float(distance.std(ddof=1)), unlike=int((~near).sum()),
        behaviours=traits, personas=personas,
    )  # fmt: skip
