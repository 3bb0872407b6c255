"""A starter for one's own data: the mapping guessed is the right one, nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from cxlab.data.contract import Settings, read_settings, read_yaml
from cxlab.data.dataset import Dataset, load
from cxlab.errors import DataError, UsageError
from cxlab.lab.new import create, look
from cxlab.report.spec import read_spec

TABLES = Path(__file__).parent / "tables"
DATA = Path(__file__).parents[2] / "data"


def collected(dataset: Dataset, table: str) -> pd.DataFrame:
    return dataset.table(table).collect(backend="pandas").to_native()


def save(path: Path, frame: pd.DataFrame, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, **options)
    return path


def snapshot(rows: int = 60) -> pd.DataFrame:
    numbers = range(rows)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:03d}" for i in numbers],
            "tenure": [i % 40 for i in numbers],
            "churned": [i % 3 == 0 for i in numbers],
            "plan": [("basic", "plus")[i % 2] for i in numbers],
        }
    )


# -- public tables -----------------------------------------------------------------------------

PUBLIC: dict[str, tuple[Path, dict[str, dict[str, str]], dict[str, object]]] = {
    "telco": (
        DATA / "telco" / "customers.csv",
        {"customers": {"churned": "churn", "tenure": "tenure", "monthly_value": "monthly_charges"}},
        {"tenure_unit": "months"},
    ),
    "saas": (
        DATA / "saas" / "customers.csv",
        {"customers": {"churned": "churned", "tenure": "months_active"}},
        {"tenure_unit": "months"},
    ),
    "attrition": (
        TABLES / "attrition.csv.gz",
        {"customers": {"churned": "Attrition", "tenure": "YearsAtCompany"}},
        {"tenure_unit": "years"},
    ),
    "shop_events": (
        TABLES / "shop_events.csv.gz",
        {
            "interactions": {
                "customer_id": "user_id",
                "occurred_at": "timestamp",
                "touchpoint": "event",
                "channel": "platform",
                "journey_id": "session_id",
            }
        },
        {"time_zone": "UTC"},
    ),
    "cdnow": (
        TABLES / "cdnow.csv.gz",
        {
            "interactions": {
                "customer_id": "customer_id",
                "occurred_at": "date",
                "value": "dollar_value",
            }
        },
        {"currency": "USD"},
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_tables_are_understood_and_pass_the_check(
    tmp_path: Path, name: str, cx: Callable[..., Any]
) -> None:
    file, columns, told = PUBLIC[name]
    before = file.read_bytes()
    ran = cx("new", tmp_path / name, "--from", file)
    assert ran.code == 0, ran.err
    assert f"Next: cxlab check {tmp_path / name}" in ran.out
    assert file.read_bytes() == before
    settings = read_settings(tmp_path / name)
    for table, mapping in columns.items():
        assert mapping.items() <= settings.columns[table].items()
    for key, value in told.items():
        assert getattr(settings, key) == value
    checked = cx("check", tmp_path / name)
    assert checked.code == 0, checked.err
    assert "set aside " not in checked.out.split("\n", 3)[3]
    read_spec(tmp_path / name / "report.yml")


def test_a_wide_survey_becomes_answers(tmp_path: Path) -> None:
    file = TABLES / "attrition.csv.gz"
    starter = create(tmp_path / "survey", [file])
    source = pd.read_csv(file)
    dataset = load(tmp_path / "survey")
    answers = collected(dataset, "feedback")
    assert len(answers) == 6 * len(source)
    order = {"Low": 1, "Medium": 2, "High": 3, "Very_High": 4}
    means = answers.groupby("touchpoint")["score"].mean()
    for column in ("EnvironmentSatisfaction", "JobSatisfaction", "RelationshipSatisfaction"):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", column).lower()
        assert means[name] == pytest.approx(source[column].map(order).mean())
    assert dataset.settings.metrics["rating_1_to_4"].scale == (1, 4)
    customers = collected(dataset, "customers")
    assert customers["churned"].sum() == (source["Attrition"] == "Yes").sum()
    # the answers are linked to the customer who gave them
    merged = answers[answers["touchpoint"] == "work-life-balance"].merge(
        customers, on="customer_id", validate="1:1"
    )
    best = merged["score"] == 4
    assert (merged.loc[best, "WorkLifeBalance"] == "Best").all() and best.any()
    assert not starter.refused


def test_orders_become_customers_who_leave_by_silence(tmp_path: Path) -> None:
    starter = create(tmp_path / "shop", [TABLES / "cdnow.csv.gz"])
    source = pd.read_csv(TABLES / "cdnow.csv.gz")
    dataset = load(tmp_path / "shop")
    orders = collected(dataset, "interactions")
    assert len(orders) == len(source) == 6919
    assert orders["value"].sum() == pytest.approx(source["dollar_value"].sum())
    assert set(orders["touchpoint"]) == {"order"}
    first = pd.to_datetime(source.groupby("customer_id")["date"].min().astype(str))
    customers = collected(dataset, "customers").sort_values("customer_id")
    assert list(customers["started_at"]) == list(first)
    assert dataset.settings.churn.inactivity.days == 180  # type: ignore[union-attr]
    text = (tmp_path / "shop" / "dataset.yml").read_text(encoding="utf-8")
    assert "could also be sample_id" in text
    assert any(m.startswith("outcome") for m in starter.proposal.missing)


def test_what_never_changes_within_a_customer_is_an_attribute(tmp_path: Path) -> None:
    create(tmp_path / "events", [TABLES / "shop_events.csv.gz"])
    dataset = load(tmp_path / "events")
    assert dataset.attributes == {"acquisition_channel": "text", "user_cohort": "text"}
    source = pd.read_csv(TABLES / "shop_events.csv.gz")
    expected = source.groupby("user_id")["acquisition_channel"].first()
    found = collected(dataset, "customers").set_index("customer_id")["acquisition_channel"]
    assert found.sort_index().to_dict() == expected.to_dict()


# -- tables in other words and ways ------------------------------------------------------------


def german(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write a dataset as a German company's Excel would."""
    c, i, f = (tables[t] for t in ("customers", "interactions", "feedback"))
    left = c["ended_at"].notna()
    customers = {
        "Kundennummer": c["customer_id"],
        "Name": "Müller",
        "Vertragsbeginn": c["started_at"].dt.strftime("%d.%m.%Y"),
        "Vertragsende": c["ended_at"].dt.strftime("%d.%m.%Y"),
        "Kündigungsgrund": pd.Series("Preis", c.index).where(left).mask(left & (c.index % 2 == 0),
                                                                         "Zahlungsausfall"),
        "Monatsbeitrag": [f"1.{v:.0f},50 €" for v in c["monthly_value"] + 200],
        "Tarifgruppe": c["plan"],
    }  # fmt: skip
    contacts = {
        "Kontakt-ID": i["interaction_id"],
        "Kundennummer": i["customer_id"],
        "Zeitpunkt": pd.to_datetime(i["occurred_at"]).dt.strftime("%d.%m.%Y %H:%M"),
        "Anliegen": i["touchpoint"],
        "Ergebnis": i["outcome"].map({"ok": "gelöst", "failed": "nicht gelöst"}),
        "Wartezeit (Minuten)": [f"{s / 60:.4f}".replace(".", ",") for s in i["response_seconds"]],
    }
    answers = {
        "Kundennummer": f["customer_id"],
        "Befragt am": pd.to_datetime(f["asked_at"]).dt.strftime("%d.%m.%Y"),
        "Antwortdatum": pd.to_datetime(f["responded_at"]).dt.strftime("%d.%m.%Y"),
        "Kennzahl": "CSAT",
        "Bewertung": f["score"],
    }
    for name, columns in (("Kunden", customers), ("Kontakte", contacts), ("Umfrage", answers)):
        save(folder / f"{name}.csv", pd.DataFrame(columns), sep=";")


def test_german_tables_give_what_was_written_in_them(
    tmp_path: Path, make_tables: Callable[..., dict[str, pd.DataFrame]]
) -> None:
    tables = make_tables(customers=60)
    german(tables, tmp_path / "export")
    starter = create(tmp_path / "firma", [tmp_path / "export"])
    assert not starter.refused
    dataset = load(tmp_path / "firma")
    settings = dataset.settings
    assert settings.columns["customers"] == {
        "customer_id": "Kundennummer",
        "started_at": "Vertragsbeginn",
        "ended_at": "Vertragsende",
        "end_reason": "Kündigungsgrund",
        "monthly_value": "Monatsbeitrag",
    }
    assert settings.currency == "EUR"
    assert dataset.attributes == {"Tarifgruppe": "text"}  # the name is personal data
    customers = collected(dataset, "customers").sort_values("customer_id")
    given = tables["customers"]
    assert list(customers["started_at"]) == list(given["started_at"].dt.floor("D"))
    assert customers["ended_at"].notna().sum() == given["ended_at"].notna().sum()
    assert set(customers["end_reason"].dropna()) == {"voluntary", "involuntary"}
    assert customers["monthly_value"].sum() == pytest.approx(
        (given["monthly_value"] + 1200.5).sum()
    )
    contacts = collected(dataset, "interactions").set_index("interaction_id").sort_index()
    expected = tables["interactions"].set_index("interaction_id").sort_index()
    assert (contacts["outcome"] == expected["outcome"]).all()
    assert contacts["response_seconds"].to_numpy() == pytest.approx(
        expected["response_seconds"].to_numpy(), abs=0.01
    )
    minute = pd.to_datetime(expected["occurred_at"]).dt.floor("min")
    assert (contacts["occurred_at"] == minute).all()
    answers = collected(dataset, "feedback")
    assert set(answers["metric"]) == {"csat"}
    assert answers["score"].sum() == tables["feedback"]["score"].sum()


def test_files_of_one_kind_are_put_together_and_ratings_linked(
    tmp_path: Path, make_tables: Callable[..., dict[str, pd.DataFrame]]
) -> None:
    tables = make_tables(customers=60)
    contacts = tables["interactions"].assign(
        outcome=lambda t: t["outcome"].map({"ok": "Solved", "failed": "Escalated"}),
        CSAT=[(k % 5 + 1) if k % 3 == 0 else None for k in range(len(tables["interactions"]))],
    )
    contacts.loc[contacts.index[::7], "outcome"] = "Pending"
    for (channel, month), part in contacts.groupby(["channel", contacts.index % 2]):
        columns = ["interaction_id", "customer_id", "occurred_at", "touchpoint", "outcome", "CSAT"]
        names = ["Ticket ID", "Client", "Created At", "Topic", "Status", "CSAT"]
        renamed = part[columns].set_axis(names, axis=1)
        save(tmp_path / "in" / f"{channel}_2025-{month + 1}.csv", renamed)
    customers = tables["customers"]
    ended = customers["ended_at"].dt.strftime("%m/%d/%Y").fillna("12/31/9999")
    started = customers["started_at"].dt.strftime("%m/%d/%Y")
    clients = pd.DataFrame({"Client": customers["customer_id"], "Signup Date": started,
                            "Churn Date": ended, "Last login": "2025-03-01",
                            "Churn score": range(len(customers))})  # fmt: skip
    plans = pd.DataFrame({"Client": customers["customer_id"], "Plan": customers["plan"]})
    save(tmp_path / "in" / "clients.csv", clients)
    save(tmp_path / "in" / "plans.csv", plans)
    create(tmp_path / "crm", [tmp_path / "in"])
    dataset = load(tmp_path / "crm")
    assert dataset.attributes == {"Plan": "text"}  # joined; nothing that tells who left
    frame = collected(dataset, "customers")
    assert frame["ended_at"].notna().sum() == customers["ended_at"].notna().sum()
    found = collected(dataset, "interactions")
    assert len(found) == len(contacts)
    counts = found["outcome"].fillna("none").value_counts().to_dict()
    expected = contacts["outcome"].map({"Solved": "ok", "Escalated": "failed", "Pending": "none"})
    assert counts == expected.value_counts().to_dict()
    answers = collected(dataset, "feedback").set_index("interaction_id")
    rated = contacts.dropna(subset="CSAT").set_index("interaction_id")
    assert answers["score"].sort_index().to_dict() == rated["CSAT"].sort_index().to_dict()
    assert set(answers["metric"]) == {"csat"}
    text = (tmp_path / "crm" / "dataset.yml").read_text(encoding="utf-8")
    assert "neither (" in text and "Pending" in text
    assert "Churn score (may have been known only once a customer had left)" in " ".join(
        text.replace("#", " ").split()
    )


def test_lines_of_an_order_are_one_contact(tmp_path: Path) -> None:
    lines = pd.DataFrame(
        {
            "InvoiceNo": [536000 + k // 4 for k in range(800)],
            "StockCode": [f"S{k % 17}" for k in range(800)],
            "Quantity": [k % 3 + 1 for k in range(800)],
            "InvoiceDate": pd.date_range("2023-01-01", periods=800, freq="8h").strftime("%Y-%m-%d"),
            "UnitPrice": [2.5] * 400 + [1.25] * 400,
            # half of the customers order in the first half of the time alone
            "CustomerID": [float(k // 4 % (20 if k < 400 else 10)) for k in range(800)],
        }
    )
    loose = lines.tail(1).assign(InvoiceNo=None)  # a line that belongs to no order
    file = save(tmp_path / "retail.csv", pd.concat([lines, loose]).astype({"InvoiceNo": "Int64"}))
    starter = create(tmp_path / "shop", [file])
    orders = collected(load(tmp_path / "shop"), "interactions")
    assert len(orders) == 200
    assert orders["value"].sum() == pytest.approx((lines["Quantity"] * lines["UnitPrice"]).sum())
    assert set(orders["customer_id"]) == {str(k) for k in range(20)}  # not "3.0"
    told = " ".join(n for t in starter.proposal.tables for n in t.notes)
    assert "800 lines put together to 200 orders" in told
    assert "1 line without an order's number left out" in told


@pytest.mark.parametrize(
    ("days", "read", "rival"),
    [
        (["01/02/2024", "03/04/2024"], "MM/DD/YYYY", "DD/MM/YYYY"),
        (["13/02/2024", "03/04/2024"], "DD/MM/YYYY", ""),
        (["01/13/2024", "03/04/2024"], "MM/DD/YYYY", ""),
    ],
)
def test_a_date_that_can_be_read_in_two_ways_is_said_to_be(
    tmp_path: Path, days: list[str], read: str, rival: str
) -> None:
    frame = pd.DataFrame({"customer_id": range(60), "start_date": days * 30})
    frame["end_date"] = ["2024-12-01", None] * 30
    starter = create(tmp_path / "firm", [save(tmp_path / "customers.csv", frame)])
    [made] = starter.proposal.tables
    [start] = [g for g in made.guesses if g.role == "started_at"]
    assert f"read as {read}" in start.why
    assert (f"({rival} is as possible)" in start.why) is bool(rival)
    assert start.confidence == ("guess" if rival else "high")


def test_moments_are_read_as_the_contract_reads_them(tmp_path: Path) -> None:
    """Offsets count, also where customers are built from contacts; so do milliseconds."""
    days = [pd.Timestamp("2024-01-01") + pd.Timedelta(days=k // 20) for k in range(800)]
    who = [f"u{k % (20 if k < 300 else 10)}" for k in range(800)]
    frame = pd.DataFrame({"user_id": who, "event": ["call", "chat"] * 400})
    texts = [f"{d:%Y-%m-%d}T01:30:00+02:00" for d in days]
    numbers = [int(pd.Timestamp(t).timestamp() * 1000) for t in texts]
    for name, times in (("text", texts), ("number", numbers)):
        file = save(tmp_path / f"{name}.csv", frame.assign(timestamp=times))
        create(tmp_path / name, [file])
        dataset = load(tmp_path / name)
        first = pd.Timestamp("2023-12-31 23:30:00")
        assert collected(dataset, "interactions")["occurred_at"].min() == first
        assert set(collected(dataset, "customers")["started_at"]) == {first}


def test_tickets_are_contacts_of_who_asked_and_good_or_bad_is_an_answer(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=400, freq="D")
    tickets = pd.DataFrame(
        {
            "id": range(5000, 5400),
            "requester_id": [k % 30 for k in range(400)],
            "created_at": days.strftime("%Y-%m-%d %H:%M:%S"),
            "Group": ["Billing", "Tech"] * 200,
            "satisfaction_rating": ["good", "offered", "bad", "unoffered"] * 100,
        }
    )
    users = pd.DataFrame({"user_id": range(30), "signup_date": "2023-12-01",
                          "churn_date": ["2025-03-01", None] * 15})  # fmt: skip
    save(tmp_path / "in" / "tickets.csv", tickets)
    save(tmp_path / "in" / "users.csv", users)
    assert not create(tmp_path / "desk", [tmp_path / "in"]).refused
    dataset = load(tmp_path / "desk")
    assert dataset.settings.columns["interactions"]["customer_id"] == "requester_id"
    assert dataset.settings.columns["interactions"]["touchpoint"] == "Group"
    assert len(collected(dataset, "customers")) == 30
    scores = collected(dataset, "feedback")["score"]
    assert scores.value_counts().to_dict() == {2.0: 100, 1.0: 100}


def test_a_shop_knows_customers_by_address_and_writes_totals_once(tmp_path: Path) -> None:
    """The order's number is called Name, its total and id stand on the first line alone."""
    lines = [(order, line) for order in range(300) for line in range(1 + order % 3)]
    days = [pd.Timestamp("2023-01-01") + pd.Timedelta(days=order) for order, _ in lines]
    frame = pd.DataFrame(
        {
            "Name": [f"#{1001 + order}" for order, _ in lines],
            "Email": [f"u{order % (20 if order < 100 else 10)}@shop.com" for order, _ in lines],
            "Created at": [f"{day:%Y-%m-%d} 01:00:00 +0200" for day in days],
            "Total": [order % 50 + 5 if line == 0 else None for order, line in lines],
            "Lineitem price": 2.5,
            "Id": [7000 + order if line == 0 else None for order, line in lines],
        }
    )
    for name, told in (("first", frame), ("every", frame.assign(Total=frame["Total"].ffill()))):
        create(tmp_path / name, [save(tmp_path / f"{name}.csv", told)])
        dataset = load(tmp_path / name)
        orders = collected(dataset, "interactions")
        assert len(orders) == 300 and orders["value"].sum() == frame["Total"].sum()
        assert orders["occurred_at"].min() == pd.Timestamp("2022-12-31 23:00")
        assert len(collected(dataset, "customers")) == 20
        assert not orders["customer_id"].str.contains("@").any()


def test_a_subscription_list_in_seconds_since_1970(tmp_path: Path) -> None:
    start = 1_700_000_000
    frame = pd.DataFrame(
        {
            "id": [f"sub_{k}" for k in range(60)],
            "customer": [f"cus_{k}" for k in range(60)],
            "status": ["canceled", "active", "past_due"] * 20,
            "created": [start + k * 1000 for k in range(60)],
            "current_period_end": [start + 10**7 + k for k in range(60)],
            "canceled_at": [start + 9_000_000, None, None] * 20,
            "plan": ["pro", "team"] * 30,
        }
    )
    create(tmp_path / "firm", [save(tmp_path / "subscriptions.csv", frame)])
    dataset = load(tmp_path / "firm")
    assert dataset.attributes == {"plan": "text"}  # neither the status nor a later moment
    assert collected(dataset, "customers")["cancelled_at"].notna().sum() == 20


def test_respondents_are_no_customers_who_leave_when_they_have_answered(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "Respondent ID": range(60),
            "Start Date": "03/14/2024 10:00:00 AM",
            "End Date": "03/14/2024 10:04:00 AM",
            "How likely is it that you would recommend us?": [k % 11 for k in range(60)],
            "How satisfied are you?": ["Satisfied", "Neutral", "Dissatisfied"] * 20,
            "How easy was it?": ["Easy", "Very easy", "Difficult"] * 20,
        }
    )
    starter = create(tmp_path / "survey", [save(tmp_path / "survey.csv", frame)])
    assert [t.name for t in starter.proposal.tables] == ["feedback"]
    below = pd.DataFrame([{c: "Response" for c in frame}])
    file = save(tmp_path / "two lines.csv", pd.concat([below, frame.astype(object)]))
    with pytest.raises(DataError, match="second line names the answers"):
        create(tmp_path / "two", [file])


def test_a_recommendation_on_five_points_is_no_nps(tmp_path: Path) -> None:
    frame = pd.DataFrame({"customer_id": range(60), "nps": [k % 5 + 1 for k in range(60)],
                          "response date": "2024-05-01"})  # fmt: skip
    starter = create(tmp_path / "survey", [save(tmp_path / "a.csv", frame)])
    assert starter.proposal.metrics == {"rating_1_to_5": {"scale": [1, 5]}}


@pytest.mark.parametrize("column", ["renews_at", "renewal_days", "monthly_value"])
def test_columns_named_as_the_contract_are_kept_though_all_values_are_one(
    tmp_path: Path, column: str
) -> None:
    names = [f"{k:05d}" for k in range(60)]
    frame = pd.DataFrame({"customer_id": names, "started_at": "2023-01-01",
                          "ended_at": ["2024-01-01", None] * 30})  # fmt: skip
    frame[column] = "2024-01-01" if column == "renews_at" else 365
    create(tmp_path / "firm", [save(tmp_path / "a" / "customers.csv", frame)])
    found = collected(load(tmp_path / "firm"), "customers")
    assert found[column].notna().all()
    assert set(found["customer_id"]) == set(frame["customer_id"])  # with their leading zeros


def test_a_list_of_contacts_people_is_no_list_of_touchpoints(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Record ID": range(60), "Lifecycle Stage": ["Customer", "Lead"] * 30,
                          "Create Date": "2023-05-01 10:00",
                          "Last Activity Date": "2024-01-01 10:00"})  # fmt: skip
    starter = create(tmp_path / "crm", [save(tmp_path / "contacts.csv", frame)])
    assert [t.name for t in starter.proposal.tables] == ["customers"]
    assert "who left when: no column of ends" in starter.proposal.missing[0]


def test_the_only_column_of_times_is_taken_whatever_its_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Kunden-Nr.": [k % 20 for k in range(200)], "Vorgang": ["A", "B"] * 100,
                          "erfasst": pd.date_range("2024-01-01", periods=200)})  # fmt: skip
    starter = create(tmp_path / "firm", [save(tmp_path / "log.csv", frame, sep=";")])
    [made] = [t for t in starter.proposal.tables if t.name == "interactions"]
    assert {g.role: (g.column.name, g.confidence) for g in made.guesses} == {
        "customer_id": ("Kunden-Nr.", "high"),
        "occurred_at": ("erfasst", "guess"),
        "touchpoint": ("Vorgang", "high"),
    }


def test_a_survey_alone_says_what_it_lacks(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"Q{k}": [(i + k) % 5 + 1 for i in range(60)] for k in (1, 2, 3, 4)})
    frame["Q2"] = frame["Q2"].where(frame.index % 2 == 0)
    starter = create(tmp_path / "survey", [save(tmp_path / "a.csv", frame.assign(age=30))])
    assert len(pd.read_parquet(tmp_path / "survey" / "feedback.parquet")) == 210
    [made] = starter.proposal.tables
    assert "gave 210 answers; 30 without an answer are left out" in made.notes[0]
    assert made.notes[-1] == "Not used: age"
    assert starter.proposal.missing[0].startswith("customers: no table of customers")
    assert "customers is missing" in starter.refused


def test_two_columns_that_could_be_the_end_are_both_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"client": range(60), "start": "2024-01-01",
                          "termination date": ["2024-05-01", None] * 30,
                          "contract end": ["2024-06-01", None] * 30})  # fmt: skip
    create(tmp_path / "firm", [save(tmp_path / "list.csv", frame)])
    text = (tmp_path / "firm" / "dataset.yml").read_text(encoding="utf-8")
    assert read_settings(tmp_path / "firm").columns["customers"]["ended_at"] == "contract end"
    assert "could also be termination date" in " ".join(text.replace("#", " ").split())
    assert load(tmp_path / "firm").attributes == {}


def test_values_that_cannot_be_read_are_counted_in_all_rows_and_not_in_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "_MOST_ROWS", 50)
    frame = snapshot(500).astype({"tenure": object})
    frame.loc[[101, 333], "tenure"] = "unknown"
    starter = create(tmp_path / "firm", [save(tmp_path / "list.csv", frame)])
    [sheet] = starter.sheets
    assert (sheet.rows, sheet.columns[0].rows) == (500, 50)
    [made] = starter.proposal.tables
    assert "tenure: 2 values of tenure cannot be read and left empty" in made.notes
    assert [s.rows for s in load(tmp_path / "firm").set_aside] == [2]
    assert "unique in all 500 rows" in made.guesses[0].why


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"client": range(50), "churn": ["yes", "no"] * 25, "plan": "a"})
    starter = create(tmp_path / "firm", [save(tmp_path / "list.csv", frame)])
    assert "churn may tell who left" in starter.proposal.missing[0]
    assert "customers is missing" in starter.refused
    assert "Not ready yet" in starter.summary()
    read_settings(tmp_path / "firm")


# -- what is written ---------------------------------------------------------------------------


def test_files_named_as_the_contract_are_read_where_they_are(
    tmp_path: Path, write_dataset: Callable[..., Path], tables: dict[str, pd.DataFrame]
) -> None:
    folder = write_dataset(tables, form="parquet", name="exports")
    starter = create(tmp_path / "firm", [folder])
    assert starter.files == ("dataset.yml", "report.yml")
    assert read_yaml(tmp_path / "firm" / "dataset.yml")["source"] == {"path": "../exports"}
    used = load(tmp_path / "firm")
    assert used.tables == load(folder).tables
    assert used.overview().table.equals(load(folder).overview().table)
    beside = create(folder, [folder])
    assert beside.files == ("dataset.yml", "report.yml")
    assert load(folder).settings.source is None


def test_the_sql_written_makes_the_same_tables_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "survey", [TABLES / "attrition.csv.gz"])
    (tmp_path / "again").mkdir()
    monkeypatch.chdir(tmp_path / "again")
    connection = duckdb.connect()
    connection.execute((tmp_path / "survey" / "tables.sql").read_text(encoding="utf-8"))
    connection.close()
    for table in ("customers.parquet", "feedback.parquet"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "again" / table),
            pd.read_parquet(tmp_path / "survey" / table),
        )


def test_the_same_files_give_the_same_starter(tmp_path: Path) -> None:
    written = []
    for run in ("a", "b"):
        create(tmp_path / run / "firm", [TABLES / "shop_events.csv.gz"])
        folder = tmp_path / run / "firm"
        written.append([(folder / f).read_bytes() for f in ("dataset.yml", "report.yml")])
        written[-1].append(pd.read_parquet(folder / "customers.parquet").to_csv().encode())
    assert written[0] == written[1]


HOSTILE = [
    "churn: {x: [1]} # \n&a *b !c |",
    "churn \u2028\x85 %TAG",
    "'churn' \"quoted\" 😀",
    "churn ${HOME} \t @`",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_values_are_quoted(tmp_path: Path, name: str) -> None:
    frame = snapshot().rename(columns={"churned": name, "tenure": "tenure\n- :"})
    frame[name] = frame[name].map({True: "Yes", False: "No"})
    frame["plan"] = ["'; DROP TABLE sheet_0; --", 'a"b\n# c: d'] * 30
    file = save(tmp_path / "a: b #.csv", frame)
    create(tmp_path / "x: # y", [file])
    mapping = read_settings(tmp_path / "x: # y").columns["customers"]
    assert mapping["churned"] == name
    assert mapping["tenure"] == "tenure\n- :"
    dataset = load(tmp_path / "x: # y")
    assert dataset.name == "x: # y"
    assert collected(dataset, "customers")["churned"].sum() == 20
    assert set(collected(dataset, "customers")["plan"]) == set(frame["plan"])
    assert read_spec(tmp_path / "x: # y" / "report.yml").title.endswith("x: # y")


def test_hundreds_of_columns(tmp_path: Path) -> None:
    more = pd.DataFrame({f"c{i}": [i, i + 1] * 30 for i in range(300)})
    frame = pd.concat([snapshot(), more], axis=1)
    create(tmp_path / "wide", [save(tmp_path / "list.csv", frame)])
    assert len(load(tmp_path / "wide").attributes) == 301


def test_an_empty_starter_is_valid_and_lists_all_there_is(
    tmp_path: Path, cx: Callable[..., Any]
) -> None:
    ran = cx("new", tmp_path / "firm")
    assert ran.code == 0 and "Put customers.csv" in ran.out
    assert read_settings(tmp_path / "firm").name == "firm"
    text = (tmp_path / "firm" / "dataset.yml").read_text(encoding="utf-8")
    for key in Settings.model_fields:
        assert re.search(rf"^#? ?{key}:", text, re.M), key
    settings = [line for line in text.splitlines() if re.match(r"# (?!columns)\w+: ", line)]
    (tmp_path / "used").mkdir()
    used = "\n".join(line.removeprefix("# ") for line in settings)
    (tmp_path / "used" / "dataset.yml").write_text(used, encoding="utf-8")
    assert read_settings(tmp_path / "used").tenure_unit == "months"


def test_several_files_may_follow_from(tmp_path: Path, cx: Callable[..., Any]) -> None:
    frames = {k: snapshot().assign(customer_id=range(60 * k, 60 * k + 60)) for k in (1, 2, 3)}
    files = [save(tmp_path / f"part{k}.csv", frame) for k, frame in frames.items()]
    ran = cx("new", tmp_path / "firm", "--from", files[0], files[1], "--from", files[2])
    assert ran.code == 0, ran.err
    assert "part1.csv and 2 more: 180 rows" in ran.out
    assert load(tmp_path / "firm").read["customers"].rows == 180


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"customer_id,tenure,churned\n", "no rows"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe" * 40, "not UTF-8 text"),
        ("a.csv", b"a\0b,c\n1,2\n", "not text"),
        ("a.csv", b"tenure,churned,Tenure\n1,0,1\n", "there twice"),
        ("a.csv", b"00004,19970101,2,29.33\n00004,19970118,2,29.73\n", "first line holds values"),
        ("a.csv", "Größe,tenure\n1,2\n".encode("latin-1"), "not UTF-8 text"),
        ("a.csv", b"tenure,churned\n1,0,5\n2,1\n", "line 2"),
        ("a.parquet", b"rubbish" * 30, "cannot be read"),
        ("a.csv.gz", b"rubbish" * 30, "cannot be read"),
    ],
)
def test_content_that_is_no_table_is_refused_and_nothing_written(
    tmp_path: Path, refused: Callable[..., str], name: str, content: bytes, word: str
) -> None:
    (tmp_path / name).write_bytes(content)
    line = refused(1, "new", tmp_path / "firm", "--from", tmp_path / name)
    assert name in line and word in line
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_wrong_calls_are_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    file = save(tmp_path / "list.csv", snapshot())
    (tmp_path / "none").mkdir()
    (tmp_path / "list.xlsx").write_bytes(b"x")
    firm = tmp_path / "firm"
    for arguments, word in (
        (("--from", tmp_path / "gone.csv"), "no such file"),
        (("--from", tmp_path / "*.parquet"), "no such file"),
        (("--from", file, tmp_path / "none" / ".." / "list.csv"), "given twice"),
        (("--from", tmp_path / "none"), "holds no file"),
        (("--from", tmp_path / "list.xlsx"), "cannot be read"),
        ((file,), "--from"),
    ):
        assert word in refused(2, "new", firm, *arguments)
    assert "is a file" in refused(2, "new", file)
    assert not firm.exists()


@pytest.mark.parametrize("there", ["dataset.yml", "report.yml", "customers.csv", "tables.sql"])
def test_what_is_there_is_never_written_over(
    tmp_path: Path, refused: Callable[..., str], there: str
) -> None:
    file = save(tmp_path / "list.csv", snapshot().assign(email="a@b.c"))
    firm = tmp_path / "firm"
    firm.mkdir()
    (firm / there).write_text("mine", encoding="utf-8")
    line = refused(2, "new", firm, "--from", file)
    assert there in line and "is there already" in line
    assert [(p.name, p.read_text(encoding="utf-8")) for p in firm.iterdir()] == [(there, "mine")]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["firm", "list.csv"]


def test_the_door_raises_what_the_command_prints(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        create(tmp_path / "firm", [tmp_path / "gone.csv"])
    (tmp_path / "a.csv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="empty"):
        create(tmp_path / "firm", [tmp_path / "a.csv"])
