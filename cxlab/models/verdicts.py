"""From figures to verdicts, each with its reason in one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cxlab.models.intervals import Z
from cxlab.results import counted, listed

__all__ = ["ALPHA", "LEAST_FACTOR", "STRONG", "VERDICTS", "WIDEST_SE", "Evidence", "judge"]

VERDICTS = (
    "driver",
    "protective",
    "reverse causation suspected",
    "no evidence",
    "not separable",
    "too little data",
)
# The q-value below which a contrast counts.
ALPHA = 0.05
_LEAST_CUSTOMERS = 10
# A standard error above this makes the 95% interval span a factor of 19 and more.
WIDEST_SE = 0.75
# "No evidence" says that a strong effect would have been seen: the interval must end before it.
STRONG = 3.0
# An effect that changes with tenure by less is told by one hazard ratio: the mean of both spans
# is off by less than the root of it in either, by 22%.
LEAST_FACTOR = 1.5


@dataclass(frozen=True)
class Evidence:
    """What is known of one contrast.

    Parameters
    ----------
    kind : str
        ``"bad"``, ``"good"`` or ``"contact"``.
    customers : int
        Who had such a contact.
    modelled : bool
        Whether the data could carry its columns.
    coef, se, q : float
        Log hazard ratio, standard error and q-value; NaN where not estimated.
    exit_stage : bool
        Whether the touchpoint's stage is ``exit``.
    follows_decision : bool
        Whether its contacts rise only just before customers leave.
    decided : bool
        Whether that rise is so steep that the contacts can only follow the decision.
    recent_only : bool
        Whether its contrast is of recent contacts alone.
    thin_old : bool
        Whether its older contacts are too few to say anything.
    untested : bool
        Whether it has no older contacts to be checked against.
    inseparable_from : tuple of str
        Touchpoints whose contrasts cannot be told from it.
    by_definition : bool
        Whether churn is defined by contacts, so that contacts as such tell of it.
    pooled_recent_only : bool
        Whether the would-be drivers together are of recent contacts alone.
    sours : bool
        Whether contacts at the other touchpoints, too, turn out badly just before leaving.
    least : int
        Of fewer customers nothing is told.
    """

    kind: str
    customers: int
    modelled: bool
    coef: float
    se: float
    q: float
    exit_stage: bool = False
    follows_decision: bool = False
    decided: bool = False
    recent_only: bool = False
    thin_old: bool = False
    untested: bool = False
    inseparable_from: tuple[str, ...] = ()
    by_definition: bool = False
    pooled_recent_only: bool = False
    sours: bool = False
    least: int = _LEAST_CUSTOMERS

    @property
    def significant(self) -> bool:
        """Whether the contrast is told from none."""
        return self.q < ALPHA

    @property
    def farthest(self) -> float:
        """The end of the 95% interval that a strong effect of its kind would lie at."""
        return Z * self.se + (self.coef if self.kind == "bad" else -self.coef)


def judge(e: Evidence) -> tuple[str, str]:
    """Give the verdict and why.

    Parameters
    ----------
    e : Evidence
        What is known.

    Returns
    -------
    verdict, why : str
    """
    if thin := _thin(e):
        return thin
    if e.kind == "contact":
        return _judge_contact(e)
    what = "failed" if e.kind == "bad" else "good"
    if e.exit_stage and e.significant:
        return (
            "reverse causation suspected",
            "Its stage is exit: customers come here because they have decided to leave.",
        )
    if not e.significant:
        return (
            "no evidence",
            f"The hazard after a {what} contact cannot be told from an ordinary one's.",
        )
    if doubt := _doubt(e):
        return doubt
    raised = "raises" if e.coef > 0 else "lowers"
    return (
        "driver" if e.coef > 0 else "protective",
        f"A {what} contact {raised} the hazard against an ordinary one at the same touchpoint, "
        "and not only in the 14 days after it.",
    )


def _doubt(e: Evidence) -> tuple[str, str] | None:
    """Give the verdict where the decision to leave may have come first."""
    if e.decided:
        return (
            "reverse causation suspected",
            "Its contacts follow the decision to leave, and so may their turning out badly.",
        )
    if e.recent_only and e.thin_old and not e.untested:
        return (
            "too little data",
            "There are too few contacts older than 14 days to tell whether the decision to leave "
            "came first.",
        )
    if e.untested:
        return (
            "reverse causation suspected",
            "There are no contacts older than 14 days to check it against.",
        )
    if e.recent_only:
        return (
            "reverse causation suspected",
            "The difference is there only for contacts of the last 14 days, as it is where the "
            "decision to leave comes first.",
        )
    if e.coef > 0 and e.pooled_recent_only:
        return (
            "reverse causation suspected",
            "Over all would-be drivers together, contacts older than 14 days tell too little: "
            "the decision to leave may come first. Dates of notice (cancelled_at) would settle it.",
        )
    if e.coef > 0 and e.sours:
        return (
            "reverse causation suspected",
            "At the other touchpoints, too, contacts turn out badly just before customers leave, "
            "and only then: the decision to leave may come first.",
        )
    return None


def _thin(e: Evidence) -> tuple[str, str] | None:
    """Give the verdict where there is too little to judge by."""
    if e.customers < max(_LEAST_CUSTOMERS, e.least):
        few = f"Only {counted(e.customers, 'customer')}" if e.customers else "No customer"
        return "too little data", f"{few} had such a contact."
    if not e.modelled:
        why = "Too few customers left, or stayed, after such a contact to compare them."
        return "too little data", why
    if e.inseparable_from:
        return (
            "not separable",
            f"Its contacts come and turn out together with those of {listed(e.inseparable_from)}: "
            "which of them matters cannot be told.",
        )
    if e.coef != e.coef:
        return (
            "not separable",
            "Its contacts cannot be told from those of other touchpoints, or all of them ended "
            "the same way.",
        )
    if not e.significant and e.kind != "contact" and e.farthest > math.log(STRONG):
        reach = f"{math.exp(e.farthest):.1f}" if e.farthest < math.log(1000) else "over 1,000"
        way = "times" if e.kind == "bad" else "times less than"
        return (
            "too little data",
            f"Too few such contacts to rule out a strong effect: the interval reaches {reach} "
            f"{way} the hazard after an ordinary one.",
        )
    if e.se > WIDEST_SE and not e.significant:
        return "too little data", "The interval is too wide to say anything."
    return None


def _judge_contact(e: Evidence) -> tuple[str, str]:
    if e.by_definition:
        return "not separable", "Churn is silence here: contacts tell of it by definition."
    if e.exit_stage or e.follows_decision:
        return (
            "reverse causation suspected",
            "Contacts rise just before customers leave: they follow the decision.",
        )
    return (
        "no evidence",
        "Customers choose when to come into contact; a contact as such is never called a driver.",
    )
