from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames.periods import risk_set

Make = Callable[..., Dataset]
FEED = "observed_from: 2025-01-01\nobserved_until: 2025-03-31\n"


def _rows(make: Make, customers: str, settings: str = FEED, days: int = 1) -> dict[str, tuple]:
    risk = risk_set(make(settings, customers=customers), days)
    spells = risk.spells
    return {
        c: (first, last, event, competing)
        for c, first, last, event, competing in zip(
            spells["customer_id"],
            risk.start_of(spells["first"].to_numpy()) - 20089,  # days since 2025-01-01
            risk.start_of(spells["last"].to_numpy()) - 20089,
            spells["event"],
            spells["competing"],
            strict=True,
        )
    }


def test_spells_are_cut_by_entry_event_and_the_end_of_the_feed(make: Make) -> None:
    found = _rows(
        make,
        """customer_id,started_at,ended_at,cancelled_at,end_reason
        early,2023-05-01,,,
        gone-before,2023-05-01,2024-12-31,,
        leaves,2025-01-11T09:00:00Z,2025-02-10T15:00:00Z,,
        notice,2025-01-11,2025-06-30,2025-02-10T23:59:59Z,voluntary
        card,2025-01-11,2025-02-10,,involuntary
        same-day,2025-01-05,2025-01-05,,voluntary""",
    )
    assert found == {
        "early": (0, 89, False, False),
        "leaves": (10, 40, True, False),
        "notice": (10, 40, True, False),
        "card": (10, 40, False, True),
        "same-day": (4, 4, True, False),
    }


def test_weeks_end_with_the_last_day_seen(make: Make) -> None:
    found = _rows(
        make,
        """customer_id,started_at,ended_at
        stays,2025-01-01,
        leaves,2025-01-01,2025-03-31""",
        days=7,
    )
    # 90 days are 12 weeks and 6 days: the first week is the one begun the day before.
    assert found == {"stays": (-1, 83, False, False), "leaves": (-1, 83, True, False)}


def test_a_second_spell_is_at_risk_on_its_own(make: Make) -> None:
    risk = risk_set(
        make(
            FEED,
            customers="""customer_id,started_at,ended_at
            1,2025-01-01,2025-01-31
            1,2025-02-10,2025-03-01""",
        )
    )
    assert risk.events == 2
    assert risk.person_periods == 31 + 20


def test_customers_are_numbered_and_followed_to_their_last_end(make: Make) -> None:
    risk = risk_set(
        make(
            FEED,
            customers="""customer_id,started_at,ended_at
            a,2025-03-01,2025-03-03T12:00:00Z
            b,2025-01-05,2025-01-31
            b,2025-03-30,
            c,2025-03-31,2025-03-31""",
        )
    )
    assert (risk.customers, risk.events, risk.competing) == (3, 3, 0)
    assert risk.spells["who"].tolist() == [0, 1, 1, 3]
    assert (risk.start_of(risk.spells["since"].to_numpy()) - 20089).tolist() == [59, 4, 4, 89]
    followed = risk.followed.sort("who").collect(backend="pandas").to_native()
    assert (followed["until"] - 20089).tolist() == [61.5, 90, 89]
    assert risk.of(np.array([3, 0, 3]))["customer_id"].tolist() == ["c", "a", "c"]


def test_voluntary_and_other_ends_change_about(make: Make) -> None:
    risk = risk_set(
        make(
            FEED,
            customers="""customer_id,started_at,ended_at,end_reason
            a,2025-03-01,2025-03-03,voluntary
            b,2025-01-05,2025-01-31,involuntary
            c,2025-01-05,2025-02-20,involuntary""",
        )
    )
    other = risk.swapped()
    assert (risk.events, risk.competing, other.events, other.competing) == (1, 2, 2, 1)
    assert other.spells["event_at"].notna().tolist() == [False, True, True]


def test_the_feed_starts_where_contacts_do(make: Make) -> None:
    risk = risk_set(
        make(
            customers="""customer_id,started_at,ended_at
            a,2020-01-01,2025-02-01""",
            interactions="""customer_id,occurred_at,touchpoint
            a,2025-01-11T08:00:00Z,call
            a,2025-01-20,call""",
        )
    )
    assert risk.start_of(risk.spells["first"].to_numpy())[0] - 20089 == 10


def test_where_contracts_renew_only_renewals_are_at_risk(make: Make) -> None:
    risk = risk_set(
        make(
            FEED,
            customers="""customer_id,started_at,ended_at,renewal_days
            on-the-day,2025-01-01,2025-03-02T17:00:00Z,30
            between,2025-01-01,2025-02-10,30
            past-the-feed,2025-01-01,2025-03-25,80
            stays,2025-01-01,,30""",
        )
    )
    assert risk.renewals is not None
    days = risk.start_of(risk.renewals["period"].to_numpy()) - 20089
    names = risk.spells["customer_id"].to_numpy()[risk.renewals["spell"]]
    found = sorted(zip(names, days, strict=True))
    # Renewals are 30 and 60 days on. An end between two belongs to the next; where the feed
    # does not reach that, to its own day.
    assert found == [
        ("between", 30), ("between", 60),
        ("on-the-day", 30), ("on-the-day", 60),
        ("past-the-feed", 80), ("past-the-feed", 83),
        ("stays", 30), ("stays", 60),
    ]  # fmt: skip
    last = risk.start_of(risk.spells["last"].to_numpy()) - 20089
    assert dict(zip(risk.spells["customer_id"], last, strict=True))["between"] == 60


def test_notice_may_be_given_on_any_day_whatever_the_renewals(make: Make) -> None:
    risk = risk_set(
        make(
            FEED,
            customers="""customer_id,started_at,ended_at,cancelled_at,renewal_days
            stays,2025-01-01,,,30
            leaves,2025-01-01,2025-03-02,2025-02-10,30""",
        )
    )
    assert risk.renewals is None
    assert risk.person_periods == 90 + 41


def test_silence_is_dated_just_after_the_last_contact(make: Make) -> None:
    dataset = make(
        "observed_from: 2025-01-01\nobserved_until: 2025-03-31\nchurn: {inactivity: {days: 30}}",
        customers="customer_id,started_at\nsilent,2025-01-01\nlate,2025-01-01\nalive,2025-01-01",
        interactions="""customer_id,occurred_at,touchpoint
        silent,2025-01-20T12:00:00Z,call
        late,2025-02-27T12:00:00Z,call
        alive,2025-03-25,call""",
    )
    risk = risk_set(dataset, washout_days=3)
    spells = risk.spells.set_index("customer_id")
    last = dict(zip(spells.index, risk.start_of(spells["last"].to_numpy()) - 20089, strict=True))
    # Everyone is followed to March 1, 30 days before the end: silence since then is not known
    # of. A contact on January 20 is followed by an event four days on, beyond the washout;
    # February 27 is silent by the end, but four days on is past March 1.
    assert last == {"alive": 59, "late": 59, "silent": 23}
    assert spells["event"].to_dict() == {"alive": False, "late": False, "silent": True}


def test_nobody_left_of_their_own_will_is_refused(make: Make) -> None:
    dataset = make(
        FEED,
        customers="""customer_id,started_at,ended_at,end_reason
        a,2025-01-01,2025-02-01,involuntary""",
    )
    with pytest.raises(AnalysisError, match="no voluntary churn"):
        risk_set(dataset)


def test_a_snapshot_has_no_person_periods(make: Make) -> None:
    dataset = make("", customers="customer_id,tenure,churned\na,3,1\nb,4,0")
    with pytest.raises(AnalysisError, match="snapshot"):
        risk_set(dataset)
