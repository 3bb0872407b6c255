"""Files as the world writes them: read as they stand, or refused in one clear line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxlab.data.dataset import Dataset, load

HEAD = "customer_id,started_at,ended_at"
TWO = f"{HEAD}\n1,2025-01-01,2025-02-01\n2,2025-01-01,\n"
STARTED = pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03"])
ENDED = pd.to_datetime(["2025-02-01", None, None])


def rows(dataset: Dataset, *columns: str, table: str = "customers") -> list[tuple]:
    frame = dataset.table(table).select(*columns).sort(*columns).collect(backend="pyarrow")
    return list(frame.iter_rows())


def ids(dataset: Dataset, table: str = "customers") -> list[str]:
    return [r[0] for r in rows(dataset, "customer_id", table=table)]


@pytest.fixture
def parquet(tmp_path: Path):
    """Write ``customers.parquet`` (and others) from columns or tables, and give the folder."""

    def write(**tables: dict | pd.DataFrame | pa.Table) -> Path:
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        for name, table in tables.items():
            if isinstance(table, pd.DataFrame):
                table = pa.Table.from_pandas(table, preserve_index=False)
            elif isinstance(table, dict):
                table = pa.table(table)
            pq.write_table(table, folder / f"{name}.parquet")
        return folder

    return write


def people(**columns) -> pd.DataFrame:
    base = {"customer_id": ["1", "2", "3"], "started_at": STARTED, "ended_at": ENDED}
    return pd.DataFrame(base | columns)


# -- CSV --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        "\ufeff" + TWO,
        TWO.replace("\n", "\r\n"),
        TWO.rstrip("\n"),
        TWO.replace(",", ";"),
        TWO.replace(",", "\t"),
        TWO.replace(",", "|"),
        TWO.replace(",", ", "),
        TWO.replace("\n", "\n\n"),
        '"customer_id","started_at","ended_at"\n"1","2025-01-01","2025-02-01"\n"2","2025-01-01",""\n',
        f"{HEAD},note\n1,2025-01-01,2025-02-01,\n2,2025-01-01,,x\n",
        # Excel writes bare line feeds within a cell of a file of carriage returns.
        f'{HEAD},note\r\n1,2025-01-01,2025-02-01,"a, ""b"";\nc"\r\n2,2025-01-01,,x\r\n',
        'customer_id;started_at;ended_at;"a,b,c,d,e"\n1;2025-01-01;2025-02-01;x,y\n2;2025-01-01;;z\n',
    ],
)
def test_csv_in_all_its_dress(write_files, text) -> None:
    dataset = load(write_files({"customers.csv": text}))
    assert ids(dataset) == ["1", "2"]
    assert str(dataset.as_of) == "2025-02-01"


def test_gzip_and_a_folder_of_parts(write_files) -> None:
    packed = gzip.compress(TWO.encode())
    assert ids(load(write_files({"customers.csv.gz": packed}, "packed"))) == ["1", "2"]
    parts = {
        "customers/a.csv": TWO,
        # Other columns, another delimiter, in a folder of its own.
        "customers/deep/b.csv": "plan;customer_id;started_at\nplus;3;2025-01-05\n",
        "customers/c.csv.gz": gzip.compress(f"{HEAD}\n4,2025-01-01,\n".encode()),
        "customers/empty.csv": "",
        "customers/_SUCCESS": "",
        "customers/.a.csv.crc": "x",
    }
    dataset = load(write_files(parts))
    assert ids(dataset) == ["1", "2", "3", "4"]
    assert dataset.attributes == {"plan": "text"}


def test_folders_of_values_are_a_column(write_files) -> None:
    parts = {f"customers/land={n}/a.csv": f"{HEAD}\n{n},2025-01-01,{e}\n" for n, e in
             (("DE", "2025-02-01"), ("FR", ""))}  # fmt: skip
    dataset = load(write_files(parts, "year=2025"))
    assert rows(dataset, "customer_id", "land") == [("DE", "DE"), ("FR", "FR")]
    assert dataset.attributes == {"land": "text"}


def test_a_folder_that_looks_like_a_value_is_no_column(write_files) -> None:
    assert load(write_files({"customers.csv": TWO}, "year=2025")).attributes == {}


def test_no_line_is_taken_for_a_comment(write_files) -> None:
    text = f"{HEAD}\n#1,2025-01-01,2025-02-01\n#2,2025-01-01,\n3,2025-01-01,\n"
    assert ids(load(write_files({"customers.csv": text}))) == ["#1", "#2", "3"]


def test_columns_named_like_sql(write_files) -> None:
    names = ["select", "from", "order by", 'a"b', "a'b", "group", "é", "event", "last", "row", ""]
    quoted = ",".join('"' + n.replace('"', '""') + '"' for n in names)
    values = ",".join(["x"] * len(names))
    text = f"{HEAD},{quoted}\n1,2025-01-01,2025-02-01,{values}\n2,2025-01-01,,{values}\n"
    dataset = load(write_files({"customers.csv": text}))
    assert list(dataset.attributes) == [*names[:-1], "column13"]
    assert rows(dataset, "select", 'a"b', "a'b") == [("x", "x", "x")] * 2


@pytest.mark.parametrize("name", ["a b", "o'hara", 'quo"te', "100%", "größe", "we[ir]d*?", "a;b"])
def test_a_folder_of_any_name(write_files, name) -> None:
    shop = write_files({"customers.csv": TWO}, name)
    write_files(
        {"interactions/a.csv": "customer_id,occurred_at,touchpoint\n1,2025-01-02,x\n"}, name
    )
    assert load(shop).name == name
    assert ids(load(shop), "interactions") == ["1"]


def test_a_linked_folder_and_a_linked_file(write_files, tmp_path) -> None:
    shop = write_files({"customers.csv": TWO})
    (tmp_path / "link").symlink_to(shop)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "customers.csv").symlink_to(shop / "customers.csv")
    assert ids(load(tmp_path / "link")) == ids(load(tmp_path / "other")) == ["1", "2"]


def test_ids_keep_their_zeros_and_lose_spaces_around(write_files) -> None:
    text = f"{HEAD}\n001,2025-01-01,2025-02-01\n1,2025-01-01,\n 2 ,2025-01-01,\nNA,2025-01-01,\n"
    calls = "customer_id,occurred_at,touchpoint\n 001,2025-01-02,x\n2,2025-01-03,x\n"
    dataset = load(write_files({"customers.csv": text, "interactions.csv": calls}))
    assert ids(dataset) == ["001", "1", "2", "NA"]
    assert ids(dataset, "interactions") == ["001", "2"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ["empty"]),
        ("\n\n", ["empty"]),
        ("\ufeff", ["empty"]),
        (f"{HEAD}\n", ["customers.csv", "empty"]),
        ("\n" + TWO, ["first line is empty", "names of the columns"]),
        (f"{HEAD},plan,plan\n1,2025-01-01,2025-02-01,a,b\n", ["'plan'", "twice"]),
        (f"{HEAD},a,a\n1,2025-01-01,2025-02-01,x,y\n", ["'a'", "twice"]),
        (f"{HEAD},Plan,plan\n1,2025-01-01,2025-02-01,a,b\n", ["'plan'", "'Plan'", "twice"]),
        (TWO + "3,2025-01-01\n", ["line 4", "as many values as the header"]),
        (TWO + "3,2025-01-01,,x,y\n", ["line 4", "as many values as the header"]),
        (TWO + '"3,2025-01-01,\n', ["line 4", "quote is not closed"]),
        (TWO + '"3"x,2025-01-01,\n', ["line 4", "quote"]),
        ("exported on Monday\n" + TWO, ["missing column customer_id, started_at", "exported on"]),
        (TWO.encode("utf-16"), ["not UTF-8"]),
        (f"{HEAD},plan\n1,2025-01-01,2025-02-01,grün\n".encode("latin-1"), ["not UTF-8"]),
        (TWO.encode() * 5000 + "3,gr\xfcn,\n".encode("latin-1"), ["UTF-8"]),
        (f"{HEAD},t\n1,2025-01-01,2025-02-01,{'x' * 3_000_000}\n", ["line 2", "too long"]),
        (
            TWO.replace("\n", "\r\n") + "3,2025-01-01,2025-02-01\n4,2025-01-01,\r\n",
            ["lines do not all end alike"],
        ),
        (gzip.compress(TWO.encode()), ["not UTF-8"]),
        ("x" * 200_000, ["missing column"]),
        ("customer_id\n1\n", ["missing column started_at", "the file has: customer_id", "columns"]),
        (",".join(f"c{i}" for i in range(500)) + "\n", ["missing column", "c19 and 480 more"]),
    ],
)
def test_csv_that_will_not_do(write_files, refused, content, told) -> None:
    line = refused(1, "check", write_files({"customers.csv": content}))
    for words in ["customers.csv", *told]:
        assert words in line


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("customers.csv.gz", TWO.encode(), ["customers.csv.gz", "cannot be read"]),
        ("customers.csv.gz", gzip.compress(TWO.encode() * 999)[:-40], ["customers.csv.gz"]),
        ("customers/b.csv", TWO + "3,2025\n", ["customers/b.csv: table customers: line 4"]),
        ("customers/b.txt", TWO, ["customers", "allowed: files that all are Parquet, or all CSV"]),
        ("customers/_b.csv", TWO, ["customers", "holds no file", ".parquet, .csv, .csv.gz"]),
    ],
)
def test_packed_and_parted_csv_that_will_not_do(write_files, refused, file, content, told) -> None:
    line = refused(1, "check", write_files({file: content}))
    for words in told:
        assert words in line


def test_a_table_that_is_there_twice_or_not_at_all(write_files, refused, parquet) -> None:
    shop = write_files({"customers.csv": TWO})
    parquet(customers=people())
    assert "customers.parquet and customers.csv; keep one" in refused(1, "check", shop)
    line = refused(1, "check", write_files({"interactions.csv": TWO}, "none"))
    assert "table customers is missing" in line and "customers.parquet" in line
    parts = {"customers/a.csv": TWO, "customers/b.parquet": b"PAR1"}
    assert "all are Parquet, or all CSV" in refused(1, "check", write_files(parts, "mixed"))


# -- Parquet ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (pa.array([1, 2, 3]), ["1", "2", "3"]),
        (pa.array([1.0, 2.0, 3.0]), ["1", "2", "3"]),
        (pa.array([1.6, 2.4, 2.0]), ["1.6", "2", "2.4"]),
        (pa.array([1, 2, 3]).cast(pa.decimal128(38, 10)), ["1", "2", "3"]),
        (pa.array(["01", " 2", "ü"]), ["01", "2", "ü"]),
        (pa.array([b"01", b"2", "ü".encode()]), ["01", "2", "ü"]),
        (pa.array(["a", "b", "c"]).dictionary_encode(), ["a", "b", "c"]),
    ],
)
def test_ids_of_any_type_are_the_same_text(parquet, given, read) -> None:
    shop = parquet(customers={"customer_id": given, "started_at": STARTED, "ended_at": ENDED})
    assert ids(load(shop)) == read


def test_integers_with_gaps_meet_their_customers(parquet) -> None:
    calls = {
        "interaction_id": [7.0, np.nan, np.nan],
        "customer_id": [1.0, 2.0, np.nan],
        "occurred_at": STARTED,
        "touchpoint": "call",
    }
    dataset = load(
        parquet(customers=people(customer_id=[1, 2, 3]), interactions=pd.DataFrame(calls))
    )
    assert rows(dataset, "customer_id", "interaction_id", table="interactions") == [
        ("1", "7"), ("2", None),
    ]  # fmt: skip
    assert [(s.rule, s.rows) for s in dataset.set_aside] == [("no customer_id", 1)]


@pytest.mark.parametrize(
    "cast",
    [
        lambda t: t,
        lambda t: t.cast(pa.timestamp("s")),
        lambda t: t.cast(pa.timestamp("ns")),
        lambda t: t.cast(pa.date32()),
        lambda t: t.cast(pa.string()),
    ],
)
def test_dates_and_times_of_any_type(parquet, cast) -> None:
    started, ended = (cast(pa.array(t, pa.timestamp("ms"))) for t in (STARTED, ENDED))
    shop = parquet(customers={"customer_id": ["1", "2", "3"], "started_at": started,
                              "ended_at": ended})  # fmt: skip
    found = rows(load(shop), "customer_id", "started_at", "ended_at")
    assert [pd.Timestamp(r[1]) for r in found] == list(STARTED)
    assert pd.Timestamp(found[0][2]) == ENDED[0] and found[1][2] is None


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize(("zone", "ahead"), [("Europe/Berlin", "1h"), ("UTC", "0h")])
def test_times_with_a_zone_become_the_datasets_wall_clock(parquet, unit, zone, ahead) -> None:
    aware = STARTED.tz_localize("UTC").as_unit(unit) + pd.Timedelta("23h")
    shop = parquet(customers=people(started_at=aware))
    (shop / "dataset.yml").write_text(f"time_zone: {zone}\n")
    found = [pd.Timestamp(r[0]) for r in rows(load(shop), "started_at")]
    assert found == list(STARTED + pd.Timedelta("23h") + pd.Timedelta(ahead))


def test_naive_texts_are_of_the_datasets_zone_and_others_of_theirs(write_files) -> None:
    text = (
        "customer_id,started_at,cancelled_at\nplain,2025-07-01,2025-08-01\n"
        "naive,2025-07-01 12:00:00,2025-07-01T12:00Z\nmissing,2025-07-02T12:00, NA\n"
        "winter,2025-01-01 00:00,2025-01-01T12:00:00Z\n"
        "far,2025-07-01,2025-07-01T12:00:00-07:00\n"
    )
    shop = write_files({"customers.csv": text, "dataset.yml": "time_zone: Europe/Berlin\n"})
    loaded = rows(load(shop, "2025-12-31"), "customer_id", "started_at", "cancelled_at")
    assert {c: (str(s), str(e)) for c, s, e in loaded} == {
        "plain": ("2025-07-01 00:00:00", "2025-08-01 00:00:00"),
        "naive": ("2025-07-01 12:00:00", "2025-07-01 14:00:00"),
        "missing": ("2025-07-02 12:00:00", "None"),
        "winter": ("2025-01-01 00:00:00", "2025-01-01 13:00:00"),
        "far": ("2025-07-01 00:00:00", "2025-07-01 21:00:00"),
    }


TIMES = ["2025-07-01", "2025-07-01 12:00:00", "2025-07-01T12:00Z", "2025-01-01T12:00:00+01:00"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_times_with_and_without_a_zone_are_not_mixed(write_dataset, refused, tables, form) -> None:
    started = [TIMES[i % 4] for i in range(len(tables["customers"]))]
    tables["customers"]["started_at"] = started
    line = refused(1, "check", write_dataset(tables, form=form))
    assert f"customers.{form}: table customers, column started_at: times with a zone (30, " in line
    assert "such as '2025-07-01T12:00Z' in row 3) and without (15, such as '2025-07-01 12" in line
    assert "in row 2) are mixed; allowed: all with a zone, or none" in line


def test_parts_with_and_without_a_zone_are_not_mixed(tmp_path, refused) -> None:
    (tmp_path / "customers").mkdir()
    people().to_parquet(tmp_path / "customers" / "a.parquet")
    aware = people(started_at=STARTED.tz_localize("UTC"))
    aware.to_parquet(tmp_path / "customers" / "b.parquet")
    line = refused(1, "check", tmp_path)
    assert "customers: table customers, column started_at: the times of b.parquet" in line
    assert "a.parquet have none; allowed: all with a zone, or none" in line


def test_not_a_number_is_nothing(parquet) -> None:
    nothing = pa.array([np.nan] * 3, pa.float64())  # not null: how Spark and others write it
    calls = {"customer_id": ["1", "1", "2"], "occurred_at": STARTED, "touchpoint": "call",
             "outcome": None}  # fmt: skip
    calls = pa.Table.from_pandas(pd.DataFrame(calls), preserve_index=False)
    calls = calls.set_column(3, "outcome", nothing)
    shop = parquet(
        customers=pa.table(
            {"customer_id": ["1", "2", "3"], "started_at": STARTED, "ended_at": ENDED,
             "monthly_value": nothing, "cancelled_at": nothing, "end_reason": nothing}
        ),
        interactions=calls,
    )  # fmt: skip
    dataset = load(shop)
    assert dataset.set_aside == ()
    found = rows(dataset, "monthly_value", "cancelled_at", "end_reason")
    assert found == [(None, None, None)] * 3
    assert rows(dataset, "outcome", table="interactions") == [(None,)] * 3


def test_attributes_are_numbers_or_text_and_the_rest_is_told_of(parquet, cx) -> None:
    further = {
        "plan": pd.Categorical(["a", "b", None]),
        "paid": [True, False, True],
        "size": np.uint8([1, 2, 3]),
        "score": ["1.5", "NA", None],
        "born": STARTED,
        "empty": [None] * 3,
    }
    shop = parquet(customers=people(**further))
    dataset = load(shop)
    assert dataset.attributes == {"plan": "text", "paid": "text", "size": "number",
                                  "score": "number"}  # fmt: skip
    assert "customers: columns ignored: born, empty" in cx("check", shop).out


@pytest.mark.parametrize("column", ["tenure", "churned", "cx_reason", "Tenure", "CX_Reason"])
def test_what_would_tell_the_end_is_no_attribute(parquet, column) -> None:
    read = load(parquet(customers=people(**{column: [1, 0, 0]}))).read["customers"]
    assert (read.attributes, read.ignored) == ({}, (column,))


def test_nor_are_times_in_the_snapshot_form(write_files) -> None:
    text = "tenure,churned,ended_at,plan\n1,1,2025-01-01,a\n2,0,,b\n"
    read = load(write_files({"customers.csv": text})).read["customers"]
    assert (read.attributes, read.ignored) == ({"plan": "text"}, ("ended_at",))


def test_parts_of_parquet(tmp_path) -> None:
    place = tmp_path / "customers.parquet"  # Spark's way: a folder of that name
    for land, part in (("DE", people()[:2]), ("FR", people(plan="plus")[2:])):
        (place / f"land={land}").mkdir(parents=True)
        part.to_parquet(place / f"land={land}" / "part-0.snappy.parquet")
    (place / "_SUCCESS").touch()
    dataset = load(tmp_path)
    assert ids(dataset) == ["1", "2", "3"]
    assert dataset.attributes == {"plan": "text", "land": "text"}


def cut(share: float):
    return lambda data: data[: int(len(data) * share)]


@pytest.mark.parametrize(
    "spoil",
    [
        cut(0),
        cut(0.01),
        cut(0.5),
        cut(0.99),
        lambda d: b"a,b\n1,2\n" * 99,
        lambda d: d[:-4] + b"abcd",
    ],
)
def test_truncated_or_foreign_parquet(parquet, refused, spoil) -> None:
    file = parquet(customers=people()) / "customers.parquet"
    file.write_bytes(spoil(file.read_bytes()))
    line = refused(1, "check", file.parent)
    assert "customers.parquet: table customers: cannot be read" in line


@pytest.mark.parametrize("column", ["touchpoint", "customer_id"])
def test_parquet_broken_within(parquet, refused, tables, column) -> None:
    shop = parquet(customers=tables["customers"], interactions=tables["interactions"])
    file = shop / "interactions.parquet"
    group = pq.ParquetFile(file).metadata.row_group(0)
    parts = [group.column(i) for i in range(group.num_columns)]
    part = next(p for p in parts if p.path_in_schema == column)
    data = bytearray(file.read_bytes())
    first = part.dictionary_page_offset or part.data_page_offset
    data[first : first + part.total_compressed_size] = b"\x0e" * part.total_compressed_size
    file.write_bytes(data)
    line = refused(1, "drivers", shop, "--out", shop.parent / "out", "--quick")
    assert "shop" in line and not (shop.parent / "out").exists()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"a": [1], "b": [2]}, ["missing column customer_id, started_at", "the file has: a, b"]),
        (people()[:0], ["table customers is empty"]),
        (people(started_at=20250101), ["column started_at", "3 of the", "'20250101' in row 1"]),
        (people(monthly_value=[1.0, np.inf, 2.0]), ["monthly_value", "1 of the", "'inf' in row 2"]),
        (people(monthly_value=[True, False, True]), ["monthly_value", "as number", "'True'"]),
        (people(plan=1, Plan=2), ["'Plan'", "'plan'", "twice"]),
        (people(tenure=1).drop(columns="started_at"), ["missing column churned"]),
    ],
)
def test_parquet_that_will_not_do(parquet, refused, table, told) -> None:
    line = refused(1, "check", parquet(customers=table))
    for words in ["customers.parquet", *told]:
        assert words in line


def test_parts_that_do_not_fit_each_other(tmp_path, refused) -> None:
    (tmp_path / "customers").mkdir()
    people().to_parquet(tmp_path / "customers" / "a.parquet")
    people(started_at=5).to_parquet(tmp_path / "customers" / "b.parquet")
    assert "b.parquet" in (line := refused(1, "check", tmp_path)) and "started_at" in line


# -- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("started_at", "01.02.2025", "time"),
        ("started_at", "2025-02-30", "time"),
        ("started_at", "0001-01-01", "time"),
        ("started_at", "9999-12-31", "time"),
        ("ended_at", "soon", "time"),
        ("cancelled_at", "1735689600", "time"),
        ("monthly_value", "12,50", "number"),
        ("monthly_value", "€12", "number"),
        ("monthly_value", "inf", "number"),
        ("renewal_days", "a year", "number"),
    ],
)
def test_values_not_of_their_kind(write_dataset, refused, tables, column, value, kind) -> None:
    customers = tables["customers"]
    if column not in customers:
        customers[column] = None
    customers[column] = customers[column].astype("string").astype(object)
    customers.loc[[4, 7], column] = value
    line = refused(1, "check", write_dataset(tables))
    assert "customers.csv" in line and f"table customers, column {column}: 2 of" in line
    assert f"as {kind}: {value!r} in row 5, {value!r} in row 8; allowed: " in line


def test_flags(write_files, refused) -> None:
    good = "tenure,churned\n" + "".join(f"{i},{v}\n" for i, v in enumerate(
        ["1", "0", "1.0", "0.0", "true", "FALSE", " 1 ", "Yes", "no"]))  # fmt: skip
    dataset = load(write_files({"customers.csv": good}))
    assert rows(dataset, "tenure", "churned") == [
        (0, 1), (1, 0), (2, 1), (3, 0), (4, 1), (5, 0), (6, 1), (7, 1), (8, 0),
    ]  # fmt: skip
    line = refused(1, "check", write_files({"customers.csv": "tenure,churned\n1,left\n2,0\n"}))
    assert "column churned: 1 of" in line and "'left' in row 1" in line and "0 or 1" in line


def test_long_and_strange_values_are_cut(write_files, refused) -> None:
    text = f"{HEAD}\n1,{'x' * 50_000},\n2,\x1b[31m\x07,\n"
    line = refused(1, "check", write_files({"customers.csv": text}))
    assert "started_at: 2 of" in line and "\x1b" not in line and "\x07" not in line


# -- foreign names ----------------------------------------------------------------------------


def test_foreign_names_are_mapped(write_files) -> None:
    files = {
        "customers.csv": "Kunde,Beginn,Ende,customer_id\na,2025-01-01,2025-02-01,x\n"
        "b,2025-01-01,,y\n",
        "dataset.yml": "columns: {customers: {customer_id: Kunde, started_at: Beginn, "
        "ended_at: Ende}}\n",
    }
    dataset = load(write_files(files))
    assert ids(dataset) == ["a", "b"]
    assert dataset.read["customers"].ignored == ("customer_id",)


def test_a_mapped_column_that_is_not_there_or_not_of_its_kind(write_files, refused) -> None:
    yml = "columns: {customers: {started_at: begin}}\n"
    line = refused(1, "check", write_files({"customers.csv": TWO, "dataset.yml": yml}))
    assert "maps started_at to column 'begin', which is not there" in line and HEAD[:11] in line
    text = "customer_id,begin\n1,x\n"
    line = refused(1, "check", write_files({"customers.csv": text, "dataset.yml": yml}))
    assert "column started_at (read from begin): 1 of the values" in line


def test_columns_that_are_nobodys_are_told_of(write_dataset, cx, tables) -> None:
    tables["interactions"]["agent"] = "a"
    ran = cx("check", write_dataset(tables))
    assert ran.code == 0 and "interactions: columns ignored: agent" in ran.out


# -- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["4GB", "800 mb", "1.5GiB"])
def test_sizes_of_memory(write_dataset, tables, size) -> None:
    assert load(write_dataset(tables), memory_limit=size).tables


def test_too_little_memory_is_said(write_dataset, tables, refused, tmp_path) -> None:
    shop = write_dataset(tables)
    line = refused(1, "drivers", shop, "--out", tmp_path / "out", "--memory-limit", "1MB")
    assert "more memory than is allowed" in line and not (tmp_path / "out").exists()


@pytest.mark.parametrize("odd", ["", " ", " a", "a ", "\u00a0a", "a\u2003", "ä ", "é", "\ta", "~ "])
def test_text_is_trimmed_wherever_it_needs_to_be(parquet, write_files, odd) -> None:
    """Parquet is read as plainly as its values allow: as a CSV, which is read in one way."""
    calls = {"customer_id": ["b", "b", "c"], "occurred_at": STARTED, "touchpoint": ["x", odd, "y"]}
    told = people(customer_id=["b", "c", odd]), pd.DataFrame(calls)
    names = ("customers.csv", "interactions.csv")
    files = {n: t.to_csv(index=False) for n, t in zip(names, told, strict=True)}
    plain = write_files(files, "plain")
    one, two = load(parquet(customers=told[0], interactions=told[1])), load(plain)
    assert one.set_aside == two.set_aside
    assert ids(one) == ids(two)
    assert rows(one, "touchpoint", table="interactions") == rows(
        two, "touchpoint", table="interactions"
    )
