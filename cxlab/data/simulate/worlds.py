"""The made-up worlds: touchpoints, effects and traps, as plain parameters.

A new world is a further entry of :data:`WORLDS`; a new trap is a field of
:class:`World`, off by default, and the few lines of the simulator that read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["STAGES", "WORLDS", "Beyond", "Fix", "Gap", "Shock", "Touchpoint", "World"]

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
        ``new`` (the first 60 days); ``loyal`` (after the first year); ``renewal``
        (the month before each anniversary); ``exit`` (seldom, but often once the
        decision to leave is made).
    follow : str
        The touchpoint that a handoff leads to; empty for none.
    beside : str
        The touchpoint whose contacts bring one here within minutes, nearly always
        and nearly always with the same outcome; empty for none.
    reach : float
        Share of the customers that ever meet it.
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
    beside: str = ""
    reach: float = 1.0
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


@dataclass(frozen=True)
class Shock:
    """Something that happens to everybody for some days.

    Attributes
    ----------
    day, days : int
        First day of the feed on which it acts, and how many days it does.
    hazard : float
        Log hazard added.
    failure : float
        Log odds of failing added, at every touchpoint.
    """

    day: int
    days: int
    hazard: float = 0.0
    failure: float = 0.0


@dataclass(frozen=True)
class Gap:
    """Days whose contacts happened and acted, but are missing from the table.

    Attributes
    ----------
    day, days : int
        First day of the feed that is missing, and how many are.
    channel : str
        The channel that is missing; empty for all.
    """

    day: int
    days: int
    channel: str = ""


@dataclass(frozen=True)
class Beyond:
    """Effects beyond whether a contact failed; all log hazard ratios, fresh.

    Attributes
    ----------
    put_right_days : float
        A bad contact resolved within so many days ...
    put_right : float
        ... loses this share of its effect from the moment it is resolved.
    handoff : float
        A contact that another touchpoint handed over, against one that was not.
    log_wait : float
        Each unit of the log of a contact's ``response_seconds``, against what is
        usual at the touchpoint for its outcome.
    bottom_box, top_box : float
        A contact that the customer would score (CSAT) 1 or 5, against 2 to 4, asked
        or not; centred by outcome, so that ``effects`` hold for the average contact.
    support_by_plan : mapping of str to float
        What the effects of bad contacts of stage support are multiplied by.
    """

    put_right_days: float = 0.0
    put_right: float = 0.0
    handoff: float = 0.0
    log_wait: float = 0.0
    bottom_box: float = 0.0
    top_box: float = 0.0
    support_by_plan: Mapping[str, float] = field(default_factory=dict)


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

# the same, where nobody told that they follow the decision to leave
UNTOLD = tuple(replace(t, stage="renewal") for t in LEAVING)

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


def _with(name: str, **changes: Any) -> tuple[Touchpoint, ...]:
    """Give the ordinary touchpoints, one of them changed."""
    return tuple(replace(t, **changes) if t.name == name else t for t in LIVING)


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
        zero where a touchpoint is not named. What runs through the customer's
        activity (``slump``) is part of it.
    contact_effects : mapping of str to float
        Log hazard ratio of one fresh ordinary contact against none.
    half_life_days : float
        Days after which half of a contact's effect is left.
    half_lives : mapping of str to float
        The same, of touchpoints with one of their own.
    customers : int
        How many there are unless the caller says otherwise.
    churn_per_day : float
        Hazard a day of a long-standing customer without contacts.
    ageing : float
        The hazard falls as ``(1 + tenure in years) ** -ageing``.
    frailty_sd : float
        Standard deviation of the log of an unseen multiplier of the hazard.
    involuntary_per_day : float
        Hazard a day of a contract ended by a failed card.
    card_activity : float
        Log hazard of a failed card for each unit of log activity.
    activity_sd : float
        Standard deviation of the log of the customer's unseen activity,
        which multiplies the contact rates.
    activity_effect : float
        Log hazard for each unit of log activity: negative where busy
        customers leave less.
    activity_mix : float
        How strongly plan and acquisition channel follow activity.
    slump : mapping of str to float
        How much one fresh bad contact lowers the customer's log activity; it
        fades as the effect does, and raises the hazard by ``-activity_effect``
        times as much.
    mood_effect : float
        Log hazard for each standard deviation of an unseen bad mood, which
        shows in scores only.
    proneness_sd : float
        Standard deviation of the customer's unseen log odds of failing, the
        same at every touchpoint.
    proneness_effect : float
        Log hazard for each standard deviation of it.
    season : float
        Log hazard at the year's worst time, against its middle.
    shocks : tuple of Shock
        What happens to everybody at once.
    decision_days : float
        Mean days (exponential) from the decision to leave to the recorded
        event; 0 records the decision itself.
    exit_rate : float
        Contacts a day in those days at each touchpoint that is there for leaving.
    leaver_fails : mapping of str to float
        Share of a touchpoint's contacts that fail in those days.
    souring : float
        Log odds of failing added in those days, at every touchpoint; scores fall
        as if the customer's mood were lower by as many standard deviations.
    notice_days : tuple of int or None
        Shortest and longest time from notice (``cancelled_at``) to the end;
        None records ``ended_at`` alone.
    return_share : float
        Share of voluntary leavers that come back as a second spell.
    handoff : float
        Chance that a contact leads on to another touchpoint.
    repeats : mapping of str to float
        Chance that a bad contact anywhere brings one at this touchpoint within days.
    fixes : tuple of Fix
        Repairs made in the two years.
    asked_share : float
        Share of the contacts after which a survey is sent.
    answering : float
        Log odds of answering any survey, added everywhere.
    silence : float
        How much more than elsewhere the unhappy keep silent: 0 no more.
    score_effects : mapping of str to float
        Log hazard for each point of what the customer thought when last asked for
        an NPS, by plan; contacts' passing effect on the score left out.
    beyond : Beyond
        Effects beyond whether a contact failed.
    gaps : tuple of Gap
        Contacts that the data feed lost.
    """

    description: str
    touchpoints: tuple[Touchpoint, ...] = LIVING
    effects: Mapping[str, float] = field(default_factory=lambda: EFFECTS)
    contact_effects: Mapping[str, float] = field(default_factory=dict)
    half_life_days: float = 21.0
    half_lives: Mapping[str, float] = field(default_factory=dict)
    customers: int = 4_000
    churn_per_day: float = 0.00050
    ageing: float = 0.0
    frailty_sd: float = 0.0
    involuntary_per_day: float = 0.0
    card_activity: float = 0.0
    activity_sd: float = 0.5
    activity_effect: float = 0.0
    activity_mix: float = 0.0
    slump: Mapping[str, float] = field(default_factory=dict)
    mood_effect: float = 0.0
    proneness_sd: float = 0.0
    proneness_effect: float = 0.0
    season: float = 0.15
    shocks: tuple[Shock, ...] = ()
    decision_days: float = 0.0
    exit_rate: float = 0.0
    leaver_fails: Mapping[str, float] = field(default_factory=dict)
    souring: float = 0.0
    notice_days: tuple[int, int] | None = None
    return_share: float = 0.0
    handoff: float = 0.15
    repeats: Mapping[str, float] = field(default_factory=dict)
    fixes: tuple[Fix, ...] = FIXES
    asked_share: float = 0.16
    answering: float = 0.0
    silence: float = 0.0
    score_effects: Mapping[str, float] = field(default_factory=dict)
    beyond: Beyond = field(default_factory=Beyond)
    gaps: tuple[Gap, ...] = ()

    @property
    def direct_effects(self) -> dict[str, float]:
        """The effects less what runs through the customer's activity."""
        names = (*self.effects, *(n for n in self.slump if n not in self.effects))
        return {
            n: self.effects.get(n, 0.0) + self.activity_effect * self.slump.get(n, 0.0)
            for n in names
        }


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
    "unlucky": World(
        description=(
            "No touchpoint matters, but some customers meet failures everywhere and leave more "
            "for reasons of their own: naively every failure, also an ordinary contact's "
            "counterpart held, goes with leaving, and all touchpoints come out as drivers."
        ),
        effects={},
        proneness_sd=0.7,
        proneness_effect=0.5,
        churn_per_day=0.00062,
    ),
    "exit": World(
        description=(
            "The demo's effects; after an unseen decision to leave, some days before the end, "
            "customers visit the cancellation page and take retention calls, whose failures "
            "change nothing, and whose stage does not tell: naively these are the greatest "
            "drivers, and adjusting for their contacts hides the true ones."
        ),
        touchpoints=LIVING + UNTOLD,
        decision_days=5.0,
        exit_rate=0.22,
    ),
    "leaver-decides": World(
        description=(
            "The demo's effects; after the decision to leave comes a retention call, which "
            "fails because the customer has decided and seldom else, and changes nothing: "
            "naively, and in any contrast of failed with ordinary calls, it is the greatest "
            "driver of all."
        ),
        touchpoints=(*LIVING, replace(UNTOLD[1], rate=0.0012, failure=0.10)),
        decision_days=5.0,
        exit_rate=0.22,
        leaver_fails={"retention-call": 0.85},
    ),
    "souring": World(
        description=(
            "No touchpoint matters. Once customers have decided to leave, about a week before "
            "they do, contacts fail more often everywhere and scores are lower: naively all "
            "touchpoints are drivers and low scores foretell leaving, though the decision came "
            "first."
        ),
        effects={},
        churn_per_day=0.00066,
        decision_days=7.0,
        souring=1.5,
    ),
    "notice": World(
        description=(
            "The demo's effects; the end comes 1-60 days after the decision, which is dated by "
            "cancelled_at. Dated by ended_at instead, effects come out too weak, since the "
            "contacts that mattered have aged by then."
        ),
        notice_days=(1, 60),
    ),
    "immortal": World(
        description=(
            "The demo's effects; the hazard falls with tenure, and loyalty offers reach only "
            "those who have stayed for a year, and change nothing: counted over whole lives, an "
            "offer and even a bad one looks protective, since one had to stay to get it."
        ),
        touchpoints=_with("loyalty-offer", when="loyal", rate=0.006, failure=0.15),
        churn_per_day=0.00090,
        ageing=1.0,
    ),
    "feedback": World(
        description=(
            "Bad contacts raise the hazard directly and by making customers less active, which "
            "raises it further; effects are the total, direct_effects the part that does not "
            "run through activity. At self-service all of it does. Adjusting for the activity "
            "that followed a bad contact gives too little; so do whole-life counts, since busy "
            "customers meet more failures and leave less."
        ),
        effects=EFFECTS | {"self-service": 0.4},
        activity_effect=-0.5,
        slump=dict.fromkeys(
            (
                "support-call",
                "onboarding-call",
                "invoice",
                "delivery",
                "support-chat",
                "self-service",
            ),
            0.8,
        ),
        churn_per_day=0.00052,
    ),
    "frailty": World(
        description=(
            "The demo's effects; customers differ in an unseen risk of leaving (lognormal, sd "
            "0.8). Those at high risk leave early, so that tenure seems to protect, and any "
            "estimate that does not compare customers of the same tenure is too weak."
        ),
        frailty_sd=0.8,
        churn_per_day=0.00055,
    ),
    "repeat-contacts": World(
        description=(
            "The demo's effects; bad contacts bring support calls and complaints, each of which "
            "raises the hazard even if it goes well. What a failure does against an ordinary "
            "contact, with the contacts that follow it left as they are, is in effects: an "
            "estimate that does not hold contacts equal charges their harm to the failure and "
            "is too strong, and complaints as such look like drivers."
        ),
        contact_effects={"support-call": 0.25, "complaint": 0.4},
        repeats={"support-call": 0.35, "complaint": 0.25},
        churn_per_day=0.00042,
    ),
    "shock": World(
        description=(
            "No touchpoint matters. An outage makes contacts fail everywhere for a week, and a "
            "price rise the week after drives customers away for six: naively the failures of "
            "the outage are what drove them away."
        ),
        effects={},
        churn_per_day=0.00062,
        shocks=(Shock(400, 7, failure=2.0), Shock(407, 42, hazard=0.9)),
    ),
    "silent": World(
        description=(
            "The demo's effects; each point less on the quarterly NPS goes with more leaving "
            "(score_effects: log hazard for a point more, by plan; most in plan basic), but "
            "customers of plan basic, those with bad contacts behind them and those who would "
            "give low scores seldom answer: among those who answer a score seems to tell less "
            "than it does among all who are asked, and customers seem happier than they are. "
            "Weighting cures what plan and contacts explain, not what the score itself does."
        ),
        silence=1.0,
        score_effects={"basic": -0.25, "plus": -0.12, "pro": 0.0},
        churn_per_day=0.00045,
    ),
    "rare": World(
        description=(
            "The demo's effects, and complaints that reach one customer in a hundred and drive "
            "them away when they go badly: the strongest effect of all, on so few that a naive "
            "estimate is either missing or of any size and sign."
        ),
        touchpoints=_with("complaint", rate=0.02, failure=0.35, reach=0.01),
        effects=EFFECTS | {"complaint": 1.5},
    ),
    "twins": World(
        description=(
            "The demo's effects, but what a bad invoice does is done by two touchpoints: a "
            "payment follows each invoice within minutes and fails when it does. Nothing tells "
            "the two apart: naively one takes all, or each gets an effect of any size and sign, "
            "of which only the sum (1.1) is right."
        ),
        touchpoints=(
            *LIVING,
            Touchpoint(
                "payment",
                "use",
                ("web", "app"),
                "finance",
                20_000,
                0.0001,
                0.17,
                beside="invoice",
                theme="billing",
            ),
        ),
        effects=EFFECTS | {"invoice": 0.6, "payment": 0.5},
    ),
    "mixed": World(
        description=(
            "The demo's effects, which fade at different speeds (half_lives: 7 to 60 days). One "
            "half-life for all gives too much churn to what fades fast and too little to what "
            "lasts."
        ),
        half_lives={
            "delivery": 7.0,
            "product-update": 10.0,
            "support-call": 14.0,
            "onboarding-call": 21.0,
            "support-chat": 30.0,
            "invoice": 45.0,
            "checkout": 60.0,
        },
    ),
    "competing": World(
        description=(
            "The demo's effects on leaving of one's own will; failed cards end about as many "
            "contracts, busy customers' more. Counted as churn they make contacts look harmful "
            "and every effect too weak."
        ),
        involuntary_per_day=0.00060,
        card_activity=0.8,
    ),
    "gaps": World(
        description=(
            "The demo's effects, but the feed lost all contacts of some days and those of a "
            "channel for weeks (gaps): they happened and acted. Failures that are missing make "
            "effects too weak; read as quiet days, they make churn seem to come from nowhere."
        ),
        gaps=(
            Gap(200, 12, "phone"),
            Gap(330, 6),
            Gap(450, 21, "web"),
            Gap(560, 9),
            Gap(640, 18, "phone"),
        ),
    ),
    "handled": World(
        description=(
            "The demo's effects, and what lies beyond single touchpoints (beyond): a bad "
            "contact put right within two days keeps half its effect; handoffs and long waits "
            "raise the hazard; it takes four delighted scores to offset one in the bottom box; "
            "bad support hurts plan basic twice as much as pro. Effects are those of the "
            "average contact and customer, before anything is put right: naively they come out "
            "too weak where most is put right, and one figure hides the plans."
        ),
        beyond=Beyond(
            put_right_days=2.0,
            put_right=0.5,
            handoff=0.5,
            log_wait=0.35,
            bottom_box=0.8,
            top_box=-0.2,
            support_by_plan={"basic": 1.25, "plus": 0.9, "pro": 0.625},
        ),
        asked_share=0.6,
        answering=1.2,
        churn_per_day=0.00045,
    ),
}
