"""The kernel that comes with the package: modelhub is loaded in it already."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook


def test_the_launcher_starts_a_notebook_in_which_chat_works(
    lab: Lab, lab_page: Page, open_notebook: OpenNotebook
) -> None:
    """A click on "Python 3 (modelhub)" in the launcher, and `%%chat` answers without `%load_ext`."""
    page = lab_page
    page.evaluate("() => window.jupyterapp.commands.execute('launcher:create')")
    page.locator(".jp-LauncherCard[data-category=Notebook][title='Python 3 (modelhub)']").last.click()
    handle = page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.context?.path", timeout=60_000)
    notebook = Notebook(lab, page, str(handle.json_value()))
    open_notebook.opened.append(notebook)
    notebook.wait_ready()
    notebook.cell(0).locator(".cm-content").click()
    page.keyboard.type("%%chat -t 0\nWhat is the capital of France?")
    page.keyboard.press("Control+Enter")
    notebook.wait_end(0)
    assert notebook.error(0) == ""
    expect(notebook.answer(0)).to_contain_text("capital of France")
