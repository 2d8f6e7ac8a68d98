"""JupyterLab in headless Chromium: one server and one page for all of these tests, a notebook for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium
from tests.browser.lab import Lab
from tests.browser.notebook import SECONDS, Notebook

SCREENSHOTS = Path(__file__).resolve().parent / "screenshots"


# Ended with this folder's last test, not with the session's: Playwright keeps an event loop running in this thread,
# and the tests of other folders start their own.
@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running JupyterLab."""
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def lab_page(lab: Lab) -> Iterator[Page]:
    """A page with JupyterLab in it."""
    browser_path, missing = "", ""
    try:
        browser_path = chromium.path()
    except chromium.ChromiumMissing as problem:
        missing = str(problem)
    if missing:  # said outside of the handler, so that only this is shown
        pytest.fail(missing, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(chromium.ARGUMENTS))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.on("dialog", lambda dialog: dialog.accept())  # leaving a page with unsaved work
        page.goto(f"{lab.url}lab")
        page.wait_for_function("() => window.jupyterapp !== undefined", timeout=SECONDS * 1000)
        page.evaluate("() => window.jupyterapp.restored")
        yield page
        browser.close()


class OpenNotebook:
    """Opens notebooks of given cells in the page; `opened` are those of this test."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        """None is open yet."""
        self.lab, self.page, self.name = lab, page, name
        self.opened: list[Notebook] = []

    def __call__(self, cells: Sequence[str], kernel: str = "python3") -> Notebook:
        """Write, open and return a notebook of code cells."""
        notebook = Notebook(self.lab, self.page, f"{self.name}-{len(self.opened)}.ipynb")
        notebook.write(cells, kernel)
        self.opened.append(notebook)
        notebook.open()
        return notebook


@pytest.fixture
def open_notebook(lab: Lab, lab_page: Page, request: pytest.FixtureRequest) -> Iterator[OpenNotebook]:
    """Opens notebooks; a picture of the page is taken and every kernel ended with the test."""
    opener = OpenNotebook(lab, lab_page, re.sub(r"\W+", "_", request.node.name).strip("_"))
    yield opener
    if opener.opened:
        opener.opened[-1].screenshot(SCREENSHOTS / f"{opener.name}.png")
        opener.opened[-1].close()
    lab.end_kernels()
