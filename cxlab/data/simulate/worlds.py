"""The made-up worlds: touchpoints, effects and traps, as plain parameters.

A new world is a further entry of :data:`WORLDS`; a new trap is a field of
:class:`World`, off by default, and the few lines of the simulator that read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["STAGES", "WORLDS", "Fix", "Touchpoint", "World"]

STAGES = (
    "awareness",
    "consideration",
    "purchase",
    "onboarding",
    "use",
    "support",
    "renewal",
    "exit",
)


@dataclass(frozen=True)
class Touchpoint:
    """One touchpoint, and how often customers meet it.

    Attributes
    ----------
    name, stage, owner : str
        As in the touchpoints table.
    channels : tuple of str
        Where its contacts happen; the first is the most frequent.
    fix_cost : int
        Cost of repairing it, in the dataset's currency.
    rate : float
        Contacts a day of a customer of ordinary activity while it applies.
    failure : float
        Share of its contacts that fail.
    when : str
        ``always``; ``prospect`` (the weeks before the start, hardly after);
        ``new`` (the first 60 days); ``renewal`` (the month before each
        anniversary); ``exit`` (seldom, but often once the decision to leave
        is made).
    follow : str
        The touchpoint that a handoff leads to; empty for none.
    theme : str
        What comments about it talk about.
    """

    name: str
    stage: str
    channels: tuple[str, ...]
    owner: str
    fix_cost: int
    rate: float
    failure: float
    when: str = "always"
    follow: str = ""
    theme: str = "agent"


@dataclass(frozen=True)
class Fix:
    """A repair: from a day on, a touchpoint fails less often.

    Attributes
    ----------
    name, touchpoint : str
        As in the interventions table.
    day : int
        Day of the feed, 0 the first, on which it starts.
    factor : float
        What the failure rate is multiplied by from then on.
    """

    name: str
    touchpoint: str
    day: int
    factor: float = 0.5


LIVING = (
    Touchpoint("advert", "awareness", ("web", "app"), "marketing", 8_000, 0.016, 0.06,
               when="prospect", theme="website"),
    Touchpoint("website-visit", "consideration", ("web",), "marketing", 15_000, 0.022, 0.09,
               when="prospect", follow="store-visit", theme="website"),
    Touchpoint("store-visit", "consideration", ("store",), "retail", 40_000, 0.0011, 0.08,
               theme="store"),
    Touchpoint("checkout", "purchase", ("web", "app"), "commerce", 30_000, 0.0022, 0.12,
               follow="support-chat", theme="billing"),
    Touchpoint("sales-call", "purchase", ("phone",), "sales", 12_000, 0.0009, 0.10,
               theme="price"),
    Touchpoint("onboarding-call", "onboarding", ("phone",), "success", 25_000, 0.038, 0.20,
               when="new", theme="onboarding"),
    Touchpoint("setup-guide", "onboarding", ("web", "app"), "product", 18_000, 0.030, 0.12,
               when="new", follow="onboarding-call", theme="onboarding"),
    Touchpoint("app-session", "use", ("app",), "product", 60_000, 0.0060, 0.06, theme="app"),
    Touchpoint("product-update", "use", ("app", "web"), "product", 35_000, 0.0022, 0.10,
               theme="app"),
    Touchpoint("invoice", "use", ("email",), "finance", 22_000, 0.0066, 0.17,
               follow="support-email", theme="billing"),
    Touchpoint("delivery", "use", ("store", "email"), "logistics", 45_000, 0.0062, 0.18,
               follow="support-call", theme="delivery"),
    Touchpoint("newsletter", "use", ("email",), "marketing", 4_000, 0.0025, 0.05,
               theme="website"),
    Touchpoint("self-service", "support", ("web", "app"), "support", 28_000, 0.0022, 0.17,
               follow="support-chat", theme="app"),
    Touchpoint("support-call", "support", ("phone",), "support", 50_000, 0.0050, 0.17,
               follow="support-email", theme="waiting"),
    Touchpoint("support-chat", "support", ("web", "app"), "support", 26_000, 0.0052, 0.18,
               follow="support-call", theme="waiting"),
    Touchpoint("support-email", "support", ("email",), "support", 20_000, 0.0022, 0.20,
               theme="agent"),
    Touchpoint("complaint", "support", ("phone", "email", "store"), "support", 14_000, 0.0008,
               0.20, theme="agent"),
    Touchpoint("renewal-email", "renewal", ("email",), "retention", 6_000, 0.020, 0.07,
               when="renewal", follow="renewal-call", theme="price"),
    Touchpoint("renewal-call", "renewal", ("phone",), "retention", 16_000, 0.008, 0.12,
               when="renewal", theme="price"),
    Touchpoint("loyalty-offer", "renewal", ("app", "email"), "retention", 10_000, 0.0012, 0.07,
               theme="price"),
)  # fmt: skip

LEAVING = (
    Touchpoint("cancellation-page", "exit", ("web", "app"), "retention", 12_000, 0.0010, 0.15,
               when="exit", theme="cancelling"),
    Touchpoint("retention-call", "exit", ("phone",), "retention", 20_000, 0.0004, 0.18,
               when="exit", theme="cancelling"),
)  # fmt: skip

EFFECTS = {
    "support-call": 1.3,
    "onboarding-call": 1.2,
    "invoice": 1.1,
    "delivery": 1.0,
    "support-chat": 0.9,
    "checkout": 0.3,
    "product-update": 0.25,
}
CONTACT_EFFECTS = {"complaint": 0.25, "app-session": -0.05, "loyalty-offer": -0.15}
FIXES = (
    Fix("clearer-invoices", "invoice", 520),
    Fix("faster-email-answers", "support-email", 480),
)


@dataclass(frozen=True)
class World:
    """The parameters of one made-up world; the defaults set no trap.

    Attributes
    ----------
    description : str
        What is true in it, and how a naive estimate goes wrong.
    touchpoints : tuple of Touchpoint
        Those that exist.
    effects : mapping of str to float
        Log hazard ratio of one fresh bad contact against an ordinary one;
        zero where a touchpoint is not named.
    contact_effects : mapping of str to float
        Log hazard ratio of one fresh ordinary contact against none.
    half_life_days : float
        Days after which half of a contact's effect is left.
    customers : int
        How many there are unless the caller says otherwise.
    churn_per_day : float
        Hazard a day of a long-standing customer without contacts.
    involuntary_per_day : float
        Hazard a day of a contract ended by a failed card.
    activity_sd : float
        Standard deviation of the log of the customer's unseen activity,
        which multiplies the contact rates.
    activity_effect : float
        Log hazard for each unit of log activity: negative where busy
        customers leave less.
    activity_mix : float
        How strongly plan and acquisition channel follow activity.
    mood_effect : float
        Log hazard for each standard deviation of an unseen bad mood, which
        shows in scores only.
    season : float
        Log hazard at the year's worst time, against its middle.
    decision_days : float
        Mean days (exponential) from the decision to leave to the recorded
        event; 0 records the decision itself.
    exit_rate : float
        Contacts a day at each touchpoint of stage exit in those days.
    notice_days : tuple of int or None
        Shortest and longest time from notice (``cancelled_at``) to the end;
        None records ``ended_at`` alone.
    return_share : float
        Share of voluntary leavers that come back as a second spell.
    handoff : float
        Chance that a contact leads on to another touchpoint.
    fixes : tuple of Fix
        Repairs made in the two years.
    """

    description: str
    touchpoints: tuple[Touchpoint, ...] = LIVING
    effects: Mapping[str, float] = field(default_factory=lambda: EFFECTS)
    contact_effects: Mapping[str, float] = field(default_factory=dict)
    half_life_days: float = 21.0
    customers: int = 4_000
    churn_per_day: float = 0.00050
    involuntary_per_day: float = 0.0
    activity_sd: float = 0.5
    activity_effect: float = 0.0
    activity_mix: float = 0.0
    mood_effect: float = 0.0
    season: float = 0.15
    decision_days: float = 0.0
    exit_rate: float = 0.0
    notice_days: tuple[int, int] | None = None
    return_share: float = 0.0
    handoff: float = 0.15
    fixes: tuple[Fix, ...] = FIXES


WORLDS: dict[str, World] = {
    "demo": World(
        description=(
            "Five touchpoints drive customers away when they fail (support-call, "
            "onboarding-call, invoice, delivery, support-chat) and two a little; the others do "
            "not. Busy customers have more contacts and leave less, so counts of failures make "
            "the drivers look weak or protective; whoever has decided to leave visits the "
            "cancellation page and takes retention calls, so these look like drivers, but their "
            "failures change nothing; notice comes some days after the decision and the end up "
            "to 60 days after that; failed cards end contracts too."
        ),
        touchpoints=LIVING + LEAVING,
        contact_effects=CONTACT_EFFECTS,
        involuntary_per_day=0.00006,
        activity_effect=-0.5,
        activity_mix=0.6,
        mood_effect=0.25,
        decision_days=5.0,
        exit_rate=0.22,
        notice_days=(1, 60),
        return_share=0.11,
    ),
    "plain": World(
        description=(
            "The demo's effects and no trap: contacts have nothing to do with risk, no "
            "touchpoint follows the decision to leave, and the decision is the end. Decayed "
            "exposures give the truth; whole-life counts find less than there is, since old "
            "contacts no longer act."
        ),
    ),
    "null": World(
        description=(
            "No touchpoint matters: whatever is called a driver here is a false alarm. Busy "
            "customers leave less, so whole-life counts call contacts protective."
        ),
        effects={},
        activity_effect=-0.5,
        activity_mix=0.6,
        churn_per_day=0.00066,
    ),
    "confounded": World(
        description=(
            "The demo's effects, but busy customers meet more failures and leave much less: "
            "counts of bad contacts come out too weak or protective, though each failure "
            "raises the hazard."
        ),
        activity_sd=0.7,
        activity_effect=-0.9,
        activity_mix=0.6,
        churn_per_day=0.00052,
    ),
    "exit": World(
        description=(
            "The demo's effects; after an unseen decision to leave, some days before the end, "
            "customers visit the cancellation page and take retention calls, whose failures "
            "change nothing: naively these are the greatest drivers, and adjusting for their "
            "contacts hides the true ones."
        ),
        touchpoints=LIVING + LEAVING,
        decision_days=5.0,
        exit_rate=0.22,
    ),
    "notice": World(
        description=(
            "The demo's effects; the end comes 1-60 days after the decision, which is dated by "
            "cancelled_at. Dated by ended_at instead, effects come out too weak, since the "
            "contacts that mattered have aged by then."
        ),
        notice_days=(1, 60),
    ),
}
