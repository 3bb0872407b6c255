from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cxlab.errors import DataError, UsageError
from cxlab.report.parameters import Parameter, read_defaults
from cxlab.report.registry import describe, find_notebooks, mismatches, read_registry


def make(folder: Path, registry: str, **parameters: str) -> Path:
    """Write a registry and a notebook for each name given, with its parameters cell."""
    for name, source in parameters.items():
        cell = {
            "cell_type": "code",
            "metadata": {"tags": ["parameters"]},
            "source": source.splitlines(keepends=True),
        }
        (folder / f"{name}.ipynb").write_text(json.dumps({"cells": [cell]}))
    (folder / "registry.yml").write_text(registry)
    return folder


def test_defaults_are_read_from_the_parameters_cell(notebooks: Path) -> None:
    defaults = read_defaults(notebooks / "drivers.ipynb")
    assert list(defaults) == ["dataset", "as_of", "quick", "horizon_days", "strict", "since"]
    assert defaults["horizon_days"].value == 90
    assert defaults["strict"].type == "bool"


def test_a_hash_inside_a_default_is_no_comment(tmp_path: Path) -> None:
    folder = make(tmp_path, "notebooks: {}", a='colour: str = "#d55e00"  # a colour\n')
    assert read_defaults(folder / "a.ipynb")["colour"].value == "#d55e00"


def test_those_that_take_longest_begin_first(tmp_path: Path) -> None:
    names = {"a": "", "b": ", weight: 3", "c": "", "d": ", weight: 5.5"}
    listed = "".join(f"  {n}: {{question: q{more}}}\n" for n, more in names.items())
    folder = make(tmp_path, f"notebooks:\n{listed}", **dict.fromkeys(names, "x: int = 1"))
    registry = read_registry(folder)
    assert registry.longest_first(["a", "b", "c", "d"]) == ["d", "b", "a", "c"]
    assert registry.longest_first(["c", "a", "b"]) == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1", "`name: type = value`"),
        ("x: int | None = 1", "allowed: int, float, str, bool"),
        ("x: int = len('a')", "no plain value"),
        ("x: int = = 1", "line 1"),
    ],
)
def test_a_parameters_cell_is_plain(tmp_path: Path, source: str, told: str) -> None:
    folder = make(tmp_path, "notebooks: {}", a=source)
    with pytest.raises(DataError, match=r"a\.ipynb: parameters cell") as error:
        read_defaults(folder / "a.ipynb")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("strict", "false", False),
        ("strict", "True", True),
        ("strict", True, True),
        ("horizon_days", "30", 30),
        ("since", "2026-03-01", "2026-03-01"),
    ],
)
def test_text_becomes_the_parameters_type(name: str, text: object, value: object) -> None:
    made = read_registry().validate("drivers", {name: text})
    assert made == {name: value}
    assert type(made[name]) is type(value)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"horizon": "30"}, "allowed: horizon_days, strict, since"),
        ({"horizon_days": "0"}, "int from 1 to 365 days"),
        ({"horizon_days": "3.5"}, "int from 1 to 365 days"),
        ({"horizon_days": True}, "int from 1 to 365 days"),
        ({"strict": "maybe"}, "true or false"),
        ({"since": "March"}, "a date such as 2026-06-30"),
        ({"quick": "true"}, "set by cxlab itself"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as error:
        read_registry().validate("drivers", values)
    assert told in str(error.value)


def test_choices_are_named(tmp_path: Path) -> None:
    entry = "{type: str, choices: [a, b], meaning: m}"
    make(tmp_path, f"notebooks: {{a: {{question: q, parameters: {{x: {entry}}}}}}}", a="x: str='a'")
    with pytest.raises(UsageError, match="allowed: a, b"):
        read_registry(tmp_path).validate("a", {"x": "c"})


@pytest.mark.parametrize(
    ("registry", "told"),
    [
        ("notebooks: {a: {question: q, need: []}}", "unknown key notebooks.a.need; allowed: quest"),
        ("notebooks: {a: {}}", "notebooks.a.question is missing"),
        ("notebooks: {b: {question: q}}", "no b.ipynb"),
        ("notebooks: {a: {question: q, after: [b]}}", "allowed: a"),
        ("notebooks: {a: {question: q, after: [a]}}", "wait for each other: a"),
        ("notebooks: {a: {question: q}\n", "line 2: broken YAML"),
        (
            "notebooks: {}\nnotebooks: {}",
            "line 2: broken YAML (the key 'notebooks' is given twice)",
        ),
        ("- a", "must hold keys and values"),
        (
            "notebooks: {a: {question: q, parameters: {run: {type: str, meaning: m}}}}",
            "run is set by cxlab",
        ),
        (
            "notebooks: {a: {question: q, parameters: {x: {type: bool, min: 1, meaning: m}}}}",
            "min and max are for int and float",
        ),
        (
            "notebooks: {a: {question: q, parameters: {x: {type: int, pattern: a, meaning: m}}}}",
            "pattern is for str",
        ),
        (
            "notebooks: {a: {question: q, parameters: {x: {type: str, pattern: (, meaning: m}}}}",
            "'(' is no regular expression",
        ),
    ],
)
def test_a_registry_that_cannot_be(tmp_path: Path, registry: str, told: str) -> None:
    make(tmp_path, registry, a="")
    with pytest.raises(DataError, match=r"registry\.yml") as error:
        read_registry(tmp_path)
    assert told in str(error.value)


def test_the_order_honours_after() -> None:
    registry = read_registry()
    assert registry.with_needed(["summary", "drivers"]) == ["drivers", "summary"]
    assert registry.with_needed(["builds_on"]) == ["raises", "builds_on"]
    assert registry.before("summary", ["summary", "dies"]) == {"dies"}


def test_mismatches_are_told(tmp_path: Path) -> None:
    own = "{x: {type: int, max: 3, meaning: m}, y: {type: int, meaning: m}}"
    source = "x: int = 3\nz: str = ''\nrun: str = ''\n"
    make(tmp_path, f"notebooks: {{a: {{question: q, parameters: {own}}}}}", a=source)
    registry = read_registry(tmp_path)
    assert mismatches(registry) == [
        "a: z is not in the registry",
        "a: y is not in the parameters cell",
    ]
    make(tmp_path, "notebooks: {}", a="x: int = 5\ny: int = 1")
    assert mismatches(registry) == ["a: the default of x is 5; it has to be int of at most 3"]


@pytest.mark.parametrize(
    ("parameter", "source", "told"),
    [
        ("{type: int, min: 2, meaning: m}", "x: int = 1", "is 1; it has to be int of at least 2"),
        ("{type: str, choices: [a, b], meaning: m}", "x: str = 'c'", "is 'c'; allowed: a, b"),
        ("{type: str, pattern: a|b+, meaning: m}", "x: str = 'bc'", "of the form a|b+"),
        ("{type: date, meaning: m}", "x: str = 'soon'", "a date such as"),
        ("{type: bool, meaning: m}", "x: int = 1", "'int = 1'; it has to be bool"),
        ("{type: int, meaning: m}", "x: int = 'a'", "it has to be int"),
    ],
)
def test_a_default_that_cannot_be(tmp_path: Path, parameter: str, source: str, told: str) -> None:
    make(tmp_path, f"notebooks: {{a: {{question: q, parameters: {{x: {parameter}}}}}}}", a=source)
    with pytest.raises(DataError, match=r"a\.ipynb: the default of x is") as error:
        read_registry(tmp_path)
    assert told in str(error.value)


@pytest.mark.parametrize("value", ["auto", "full", "7", "120", 30])
def test_the_pattern_of_sample(value: object) -> None:
    own = read_registry(Path(__file__).parents[2] / "notebooks")
    assert own.validate("05_churn_drivers", {"sample": value}) == {"sample": str(value)}


@pytest.mark.parametrize("value", ["foo", "", "0", "-1", "auto\n", "1.5", "full ", 0, True, 1.5])
def test_what_sample_cannot_be(value: object) -> None:
    own = read_registry(Path(__file__).parents[2] / "notebooks")
    with pytest.raises(UsageError, match=r"sample is .*of the form auto\|full\|\[1-9\]\[0-9\]\*"):
        own.validate("05_churn_drivers", {"sample": value})


def test_the_registry_of_the_tests_fits_its_notebooks() -> None:
    registry = read_registry()
    assert mismatches(registry) == []
    assert "-p horizon_days = 90  (int from 1 to 365 days) How far" in describe(registry)


def test_the_registry_fits_the_notebooks_it_ships_with() -> None:
    assert mismatches(read_registry(Path(__file__).parents[2] / "notebooks")) == []


def test_without_notebooks_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(tmp_path))
    with pytest.raises(UsageError, match="set CXLAB_NOTEBOOKS"):
        find_notebooks()


def test_the_registry_is_light_to_import() -> None:
    """``cxlab list`` and ``cxlab --help`` are quick."""
    code = "import sys, cxlab.report.registry as r; print(*sys.modules)"
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    heavy = {"pandas", "numpy", "papermill", "nbconvert", "nbformat", "matplotlib", "jinja2"}
    assert not heavy & set(told.stdout.split())


def test_a_notebook_may_need_less_of_a_snapshot(tmp_path: Path) -> None:
    text = (
        "notebooks:\n"
        "  a: {question: Why, needs: [customers, interactions], snapshot_needs: [customers]}\n"
        "  b: {question: How, needs: [customers, feedback]}\n"
    )
    registry = read_registry(make(tmp_path, text, a="", b=""))
    needed = {n: [e.needed(f) for f in ("spells", "snapshot")] for n, e in
              registry.notebooks.items()}  # fmt: skip
    assert needed == {
        "a": [["customers", "interactions"], ["customers"]],
        "b": [["customers", "feedback"]] * 2,
    }
    assert "  needs customers, interactions; of a snapshot: customers\n" in describe(registry)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("postgresql://me:SECRETMARK@host/base", "an address with a password"),
        ("-----BEGIN RSA PRIVATE KEY-----SECRETMARK", "a private key"),
        ("ghp_SECRETMARK0123456789012345", "a token"),
        ("Password = SECRETMARK", "a password"),
        ("${SECRETMARK}", "a variable of the environment"),
    ],
)
def test_a_secret_is_refused_and_not_shown(value: str, kind: str) -> None:
    """Whatever the parameter's type: an error shows what was given."""
    for given in ({"type": "str"}, {"type": "str", "pattern": "a"}, {"type": "int"}):
        with pytest.raises(UsageError) as error:
            Parameter(meaning="m", **given).coerce(value, "drivers: parameter segment")
        told = str(error.value)
        assert told.startswith(f"drivers: parameter segment looks like {kind}")
        assert "SECRETMARK" not in told


@pytest.mark.parametrize("value", ["token", "plan=basic vs plan=pro", "a: b", "http://x/y@z", "$5"])
def test_what_is_no_secret_is_taken(value: str) -> None:
    assert Parameter(type="str", meaning="m").coerce(value, "x") == value
