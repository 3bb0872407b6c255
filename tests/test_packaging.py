"""The ways to install cxlab agree: pyproject.toml, lock, conda environment and Makefile."""

from __future__ import annotations

import os
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DIRECT = [
    Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
]

# conda-forge's names where they differ: the name alone is the command-line program (duckdb,
# playwright), or brings a desktop's windows along (matplotlib)
CONDA_NAMES = {
    "duckdb": "python-duckdb",
    "matplotlib": "matplotlib-base",
    "playwright": "playwright-python",
}
PYTHONS = ["3.11", "3.12", "3.13"]
SYSTEMS = {"linux": "Linux", "darwin": "Darwin"}
LOCK, CLUSTER_LOCK, AIRFLOW_LOCK = (
    (ROOT / f"requirements{which}.lock").read_text("utf-8")
    for which in ("", "-cluster", "-airflow")
)


def conda() -> dict[str, SpecifierSet]:
    lines = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    pip = [line for group in lines if isinstance(group, dict) for line in group["pip"]]
    specs = [Requirement(line) for line in [*lines, *pip] if isinstance(line, str)]
    assert len({s.name for s in specs}) == len(specs)
    return {s.name: s.specifier for s in specs}


def locked(lock: str = LOCK) -> list[tuple[Requirement, str]]:
    """Give each requirement of a lock with the text of its hashes."""
    body = "\n".join(line for line in lock.splitlines() if not line.lstrip().startswith("#"))
    entries = body.replace("\\\n", " ").strip().splitlines()
    split = [entry.partition(" --hash=") for entry in entries if entry.strip()]
    return [(Requirement(name), mark + hashes) for name, mark, hashes in split]


def pins(python: str, system: str) -> dict[str, list[Version]]:
    """Give the versions the lock installs on a system."""
    where = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_system": SYSTEMS[system],
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    found: dict[str, list[Version]] = {}
    for requirement, _ in locked():
        if requirement.marker is None or requirement.marker.evaluate(where):
            version = Version(str(requirement.specifier).removeprefix("=="))
            found.setdefault(canonicalize_name(requirement.name), []).append(version)
    return found


def test_conda_has_the_same_dependencies_and_bounds() -> None:
    expected = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in DIRECT}
    found = conda()
    assert found.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert found.pop("pip") == SpecifierSet()
    assert found == expected


def test_clusters_have_a_lock_of_their_own_within_its_bounds() -> None:
    """Half a gigabyte that most do without is not in the lock of all."""
    extras = PROJECT["optional-dependencies"]
    asked = {r.name: r.specifier for r in map(Requirement, extras["cluster"])}
    (spark,) = map(Requirement, extras["spark"])
    assert asked[spark.name] == spark.specifier
    found = {r.name: str(r.specifier) for r, hashes in locked(CLUSTER_LOCK) if "sha256" in hashes}
    for name, bounds in asked.items():
        assert Version(found[name].removeprefix("==")) in bounds
    everybodys = {r.name: str(r.specifier) for r, _ in locked() if r.marker is None}
    assert not asked.keys() & everybodys.keys()
    for name in found.keys() & everybodys.keys():
        assert found[name] == everybodys[name]


def test_conda_takes_everything_from_conda_forge() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    assert environment["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_lock_pins_every_direct_dependency_inside_its_bounds(python: str, system: str) -> None:
    versions = pins(python, system)
    assert {name for name, found in versions.items() if len(found) > 1} == set()
    outside = [
        f"{r} is locked at {versions.get(canonicalize_name(r.name))}"
        for r in DIRECT
        if not any(v in r.specifier for v in versions.get(canonicalize_name(r.name), []))
    ]
    assert outside == []


def test_lock_has_one_version_of_a_package_for_every_python() -> None:
    names = [r.name for r, _ in locked()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("lock", [LOCK, CLUSTER_LOCK, AIRFLOW_LOCK], ids=["", "cluster", "airflow"])
def test_locks_hash_everything_and_name_no_address_and_no_path(lock: str) -> None:
    hashes = re.compile(r"( *--hash=sha256:[0-9a-f]{64})+ *")
    assert [r.name for r, text in locked(lock) if not hashes.fullmatch(text)] == []
    assert [r.name for r, _ in locked(lock) if not str(r.specifier).startswith("==") or r.url] == []
    assert "/" not in lock
    assert [line for line in lock.splitlines() if line.startswith("-")] == []


def test_airflow_has_a_lock_and_an_environment_of_its_own() -> None:
    """It pins much of what cxlab has in other versions."""
    assert "apache-airflow" in {r.name for r, _ in locked(AIRFLOW_LOCK)}
    others = {r.name for lock in (LOCK, CLUSTER_LOCK) for r, _ in locked(lock)}
    assert "apache-airflow" not in others
    assert "airflow" not in (ROOT / "pyproject.toml").read_text("utf-8")


def test_makefile_and_metadata_name_the_same_pythons() -> None:
    spec = SpecifierSet(PROJECT["requires-python"])
    bounds = re.search(
        r"not \((\d+), (\d+)\) <= sys.version_info\[:2\] < \((\d+), (\d+)\)",
        (ROOT / "Makefile").read_text("utf-8"),
    )
    assert bounds is not None
    low, high = (".".join(bounds.groups()[i : i + 2]) for i in (0, 2))
    assert spec == SpecifierSet(f">={low},<{high}")
    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in spec] == PYTHONS


def test_version() -> None:
    assert str(Version(PROJECT["version"])) == PROJECT["version"]
    try:
        installed = metadata.version("cxlab")
    except metadata.PackageNotFoundError:
        assert "CXLAB_REQUIRE_ALL" not in os.environ, "cxlab is not installed: make setup"
        pytest.skip("cxlab is not installed here")
    assert installed == PROJECT["version"]


def test_changelog_opens_with_unreleased_or_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0] in ("Unreleased", PROJECT["version"])


def test_licence_and_types() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert "Apache License\n" in text and "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert (ROOT / "cxlab" / "py.typed").is_file()


def test_ci_and_scripts_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert PROJECT["scripts"] == {"cxlab": "cxlab.cli:main"}
