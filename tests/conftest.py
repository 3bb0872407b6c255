from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Give a browser; without one the test is skipped, or fails where CXLAB_REQUIRE_ALL=1."""
    missing = "" if CHROMIUM.exists() else f"there is no {CHROMIUM}"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = "playwright is not installed"
    if missing and os.environ.get("CXLAB_REQUIRE_ALL") == "1":
        pytest.fail(f"needs a browser: {missing}")
    if missing:
        pytest.skip(f"needs a browser: {missing}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        yield browser
        browser.close()
