"""What is claimed, by whom, and the one rule by which a claim holds here, does not, or stays open.

Each claim is a stretch of a figure's scale: *more than 0*, *25% to 95%*. It holds where the whole
95% interval lies within the stretch, does not where all of it lies outside, and cannot be told
otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cxlab.models.intervals import Z

__all__ = ["CANNOT", "CLAIMS", "FAILS", "HOLDS", "Claim", "Stretch", "verdict", "wanted"]

HOLDS, FAILS, CANNOT = "holds here", "does not hold here", "cannot tell"
"""The verdicts."""
_MOST = 100.0
Stretch = tuple[float, float]
_ABOVE: Stretch = (0.0, math.inf)


@dataclass(frozen=True)
class Claim:
    """A claim of the literature.

    Parameters
    ----------
    id : str
        Stable from run to run.
    part : str
        The part of the result that tells of it.
    text : str
        The claim, as a sentence without its full stop.
    by : str
        Who says so, in short.
    source : str
        The same in full.
    figure : str
        What is compared, in words, as an axis has it.
    unit : str
        ``share`` (a difference of shares), ``level`` (a share), ``percent``, ``points`` (of a
        score's scale), ``AUC``, ``correlation``, ``times`` or ``money``.
    holds : tuple of float
        The stretch in which it holds; only what lies strictly within does.
    claimed : tuple of float
        The figures of the source, where it has any: one, or the ends of a range.
    as_large : tuple of float, optional
        The stretch in which it is as large as the source has it, where that is not ``holds``.
    directional : bool
        Whether it would hold by chance in one of forty worlds in which there is nothing.
    """

    id: str
    part: str
    text: str
    by: str
    source: str
    figure: str
    unit: str
    holds: Stretch = _ABOVE
    claimed: tuple[float, ...] = ()
    as_large: Stretch | None = None
    directional: bool = True

    @property
    def threshold(self) -> float:
        """The end of the stretch that is a number; of a range, the lower one."""
        return self.holds[0] if math.isfinite(self.holds[0]) else self.holds[1]


_PWC = "PwC (2018), Experience is everything: Here's how to get it right"
_EFFORT = "Dixon, Freeman and Toman (2010), Stop Trying to Delight Your Customers, HBR 88(7/8)"
_REICHHELD = (
    "Reichheld and Sasser (1990), Zero Defections, HBR 68(5): 25% to 85%; Reichheld (1996), The "
    "Loyalty Effect"
)
_ONE_NUMBER = "Reichheld (2003), The One Number You Need to Grow, HBR 81(12)"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "one_bad", "one_bad", "One bad experience makes customers leave", "PwC 2018",
        f"{_PWC}: 32% say they would leave a brand they love after one bad experience",
        "Leave after a first bad contact, beyond an ordinary one", "share",
        claimed=(0.32,), as_large=(0.32, math.inf),
    ),
    Claim(
        "channels", "channels", "Customers of several well-joined channels stay more",
        "Aberdeen Group 2013",
        "Aberdeen Group (2013), Omni-Channel Customer Care: 89% a year retained against 33%, "
        "between companies",
        "Stay with several joined channels, beyond one channel", "share",
    ),
    Claim(
        "effort_csat", "effort", "Effort (CES) predicts leaving better than satisfaction (CSAT)",
        "Dixon et al. 2010",
        _EFFORT, "AUC of CES less that of CSAT", "AUC",
    ),
    Claim(
        "effort_nps", "effort", "Effort (CES) predicts leaving better than recommending (NPS)",
        "Dixon et al. 2010",
        _EFFORT, "AUC of CES less that of NPS", "AUC",
    ),
    Claim(
        "retention", "worth", "5% more retention is worth 25% to 95% more profit",
        "Reichheld 1990, 1996",
        f"{_REICHHELD}; as quoted since by Bain & Company",
        "Lifetime value added by five points of retention", "percent",
        holds=(0.25, 0.95), claimed=(0.25, 0.95), directional=False,
    ),
    Claim(
        "winning", "worth", "Winning a customer costs five times what keeping one does", "folklore",
        "Without a study behind it; often put down to Bain & Company or to TARP",
        "Cost of winning one over cost of keeping one", "times",
        holds=(5.0, math.inf), claimed=(5.0,), directional=False,
    ),
    Claim(
        "bad_good", "bad_good", "One bad experience undoes two good ones",
        "folklore; Baumeister et al. 2001",
        "Folklore; that bad weighs more than good: Baumeister, Bratslavsky, Finkenauer and Vohs "
        "(2001), Bad Is Stronger Than Good, Review of General Psychology 5(4)",
        "Fall of the score by one bad and two good contacts", "points",
    ),
    Claim(
        "functional", "bad_good", "What fails to work overrides how it feels",
        "after Kano et al. 1984",
        "After Kano, Seraku, Takahashi and Tsuji (1984), Attractive Quality and Must-Be Quality: "
        "what must be there first",
        "Hazard if it failed but felt best, over worked but worst", "times",
        holds=(1.0, math.inf),
    ),
    Claim(
        "hidden", "hidden", "Good scores at every touchpoint can hide a bad whole",
        "Rawson et al. 2013; McKinsey 2016",
        "Rawson, Duncan and Jones (2013), The Truth About Customer Experience, HBR 91(9); McKinsey "
        "(2016), From touchpoints to journeys",
        "Unhappy or gone, of those with good scores alone", "level",
        holds=(0.1, math.inf), directional=False,
    ),
    Claim(
        "peak_end", "peak_end", "The worst and the last moment are remembered, not the mean",
        "Kahneman et al. 1993",
        "Fredrickson and Kahneman (1993), J. Personality and Social Psychology 65(1); Kahneman, "
        "Fredrickson, Schreiber and Redelmeier (1993), Psychological Science 4(6)",
        "Correlation with the whole: worst and last, less mean", "correlation",
    ),
    Claim(
        "spend", "promoters", "Promoters spend more", "Reichheld 2003", _ONE_NUMBER,
        "Paid a month by promoters, beyond others", "money",
    ),
    Claim(
        "referrals", "promoters", "Promoters bring others", "Reichheld 2003", _ONE_NUMBER,
        "Customers brought, beyond others", "share",
    ),
    Claim(
        "lagging", "lagging", "NPS lags behind what customers live through", "folklore",
        "Said in the trade, without one source",
        "Correlation of low scores with failures before, less after", "correlation",
    ),
)  # fmt: skip
"""All claims, in the order in which they are told."""


def verdict(low: float, high: float, holds: Stretch) -> str:
    """Judge a claim by an interval.

    Parameters
    ----------
    low, high : float
        The 95% interval; NaN where there is none. It may have no upper end.
    holds : tuple of float
        The stretch in which the claim holds.
    """
    if math.isnan(low) or math.isnan(high):
        return CANNOT
    if low > holds[0] and (high < holds[1] or math.isinf(holds[1])):
        return HOLDS
    if high <= holds[0] or low >= holds[1]:
        return FAILS
    return CANNOT


def wanted(estimate: float, low: float, high: float, ends: Sequence[float]) -> float | None:
    """Tell how many times the customers it would take to decide, were the estimate right.

    Half the interval's width shrinks with the root of the number of customers.

    Parameters
    ----------
    estimate, low, high : float
        The figure and its interval.
    ends : sequence of float
        Those of the claim's stretch.

    Returns
    -------
    float or None
        None beyond a hundred times, and where it cannot be said.
    """
    known = [e for e in ends if math.isfinite(e)]
    distance = min((abs(estimate - e) for e in known), default=0.0)
    reach = (high - low) / 2
    if not (distance > 0 and math.isfinite(reach)):
        return None
    times = (reach / distance) ** 2
    return times if 1 < times <= _MOST else None


def p_of(estimate: float, low: float, high: float, threshold: float, ratio: bool) -> float:
    """Give the two-sided p-value of a figure being a threshold, by its interval.

    Parameters
    ----------
    estimate, low, high : float
        The figure and its 95% interval.
    threshold : float
        What it is held against.
    ratio : bool
        Whether the interval was taken on the logarithm.
    """
    if ratio:
        known = [math.log(v) if v > 0 else math.nan for v in (estimate, low, high, threshold)]
        estimate, low, high, threshold = known
    se = (high - low) / (2 * Z)
    if not (math.isfinite(se) and se > 0):
        return math.nan
    return math.erfc(abs(estimate - threshold) / se / math.sqrt(2))
