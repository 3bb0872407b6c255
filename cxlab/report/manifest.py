"""What a run's manifest says about where it was made: versions and the commit."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["git_commit", "versions"]

_PACKAGES = (
    "cxlab",
    "duckdb",
    "lifelines",
    "matplotlib",
    "nbconvert",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "seaborn",
    "statsmodels",
)


def versions() -> dict[str, str | None]:
    """Give the versions of Python and the packages that make the figures.

    Returns
    -------
    dict of str to str or None
        None for a package that is not installed.
    """
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def git_commit(folder: Path) -> str | None:
    """Give the commit a folder is at, ``-dirty`` after it where files were changed.

    Parameters
    ----------
    folder : pathlib.Path
        A folder in the working tree.

    Returns
    -------
    str or None
        None outside a repository, before its first commit, or without git.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        told = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None if told.returncode == 0 else None
