"""The browser of these tests: where Chromium is, and how it is started. `python -m tests.browser.chromium` looks."""

from __future__ import annotations

import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL = "sudo apt-get install --no-install-recommends chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class ChromiumMissing(Exception):
    """There is no Chromium; the message says how to install it."""


def path() -> str:
    """The path of Chromium. Raises ChromiumMissing."""
    found = next((p for name in NAMES if (p := shutil.which(name))), None)
    if found is None:
        raise ChromiumMissing(f"the browser tests need Chromium; on Debian or Ubuntu type\n    {INSTALL}")
    return found


if __name__ == "__main__":
    try:
        path()
    except ChromiumMissing as problem:
        sys.exit(str(problem))
