"""A notebook open in JupyterLab, driven as a user drives it: by its cells, its toolbar and its keyboard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page

from tests.browser.lab import Lab

SECONDS = 60.0  # the most anything may take; a machine with other work to do is slow, and no test is

_PANEL = "window.jupyterapp?.shell.currentWidget"
_READY = f"""() => {{
  const panel = {_PANEL}, session = panel?.sessionContext;
  return panel?.context?.path === PATH && panel.context.isReady && panel.content?.widgets?.length > 0
    && (session.isReady && session.session?.kernel?.connectionStatus === 'connected'
        && session.kernelDisplayStatus === 'idle');
}}"""
_SHOWN = f"""() => {{
  const panel = {_PANEL};
  return panel?.context?.path === PATH && panel.context.isReady && panel.content?.widgets?.length > 0
    && !panel.sessionContext.session;
}}"""
_CELL = "window.jupyterapp.shell.currentWidget.content.widgets[%d]"
_ENDED = f"""() => {{
  const cell = {_CELL};
  return cell.model.executionState === 'idle' && cell.model.executionCount !== null;
}}"""


class Notebook:
    """One notebook in the page's main area."""

    def __init__(self, lab: Lab, page: Page, path: str) -> None:
        """The notebook at `path`, relative to the server's root; `open` shows it."""
        self.lab, self.page, self.path = lab, page, path

    @property
    def file(self) -> Path:
        """The file it is saved to."""
        return self.lab.root / self.path

    def write(self, cells: Sequence[str], kernel: str = "python3") -> None:
        """Write the file: a code cell for each of `cells`."""
        content = {
            "cells": [
                {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": source, "outputs": [],
                 "execution_count": None}
                for i, source in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }  # fmt: skip
        self.file.write_text(json.dumps(content), "utf-8")

    def open(self, kernel: bool = True) -> None:
        """Open it and wait until it is ready; with `kernel=False` none is started for it."""
        arguments: dict[str, Any] = {"path": self.path, "factory": "Notebook"}
        if not kernel:
            arguments["kernelPreference"] = {"shouldStart": False, "canStart": False, "autoStartDefault": False}
        self.page.evaluate("(a) => void window.jupyterapp.commands.execute('docmanager:open', a)", arguments)
        self.wait_ready(kernel)

    def wait_ready(self, kernel: bool = True, idle: bool = True) -> None:
        """Wait until it is shown and its kernel is connected and, with `idle`, has nothing to do."""
        ready = _READY if idle else _READY.replace("kernelDisplayStatus === 'idle'", "isReady")
        self.wait((ready if kernel else _SHOWN).replace("PATH", repr(self.path)))

    def close(self) -> None:
        """Close every document, unsaved."""
        self.page.evaluate(
            """() => { for (const w of [...window.jupyterapp.shell.widgets('main')]) {
                 if (w.context) w.context.model.dirty = false;
                 w.dispose();
               } }"""
        )

    # -- cells -------------------------------------------------------------------------------------------------------

    def start(self, index: int) -> None:
        """Run a cell and do not wait for its end."""
        self.page.evaluate(
            f"""() => {{
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.activeCellIndex = {index};
              {_CELL % index}.model.clearExecution?.();
              void window.jupyterapp.commands.execute('notebook:run-cell');
            }}"""
        )

    def run(self, index: int) -> Locator:
        """Run a cell, wait for its end and give its output."""
        self.start(index)
        self.wait_end(index)
        return self.output(index)

    def wait_end(self, index: int) -> None:
        """Wait until a cell has run."""
        self.wait(_ENDED % index)

    def running(self, index: int) -> bool:
        """Whether a cell runs or waits to run."""
        return bool(self.page.evaluate(f"() => {_CELL % index}.model.executionState === 'running'"))

    def cell(self, index: int) -> Locator:
        """A cell of the notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-cell").nth(index)

    def output(self, index: int) -> Locator:
        """The output area of a cell."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def error(self, index: int) -> str:
        """The text of the error a cell ended with, or nothing."""
        found = self.cell(index).locator("[data-mime-type='application/vnd.jupyter.error'], [data-mime-type$=stderr]")
        return "\n".join(found.all_inner_texts()).strip()

    def answer(self, index: int) -> Locator:
        """The finished answer of a cell: its static HTML."""
        return self.cell(index).locator(".jp-OutputArea-output[data-mime-type='text/html']")

    def stream(self, index: int) -> Locator:
        """The text of the widget that streams into a cell."""
        return self.cell(index).locator(".jp-OutputArea-output [aria-live=polite]")

    def wait_stream(self, index: int, characters: int) -> str:
        """Wait until so many characters have streamed into a cell; the text then."""
        self.stream(index).wait_for(timeout=SECONDS * 1000)
        handle = self.page.wait_for_function(
            """([element, least]) => element.textContent.length >= least && element.textContent""",
            arg=[self.stream(index).element_handle(), characters],
            timeout=SECONDS * 1000,
        )
        return str(handle.json_value())

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The outputs of a cell as the notebook holds them now."""
        return list(self.page.evaluate(f"() => {_CELL % index}.model.outputs.toJSON()"))

    # -- toolbar and keyboard ----------------------------------------------------------------------------------------

    def press_stop(self) -> None:
        """Click the toolbar's Stop button."""
        self.page.locator(
            ".jp-NotebookPanel:not(.lm-mod-hidden) [data-command='notebook:interrupt-kernel'], "
            ".jp-NotebookPanel:not(.lm-mod-hidden) [data-jp-item-name='interrupt'] jp-button"
        ).first.click()

    def complete(self, index: int, text: str) -> list[str]:
        """Type `text` at the end of a cell, press Tab and give what the popup offers."""
        editor = self.cell(index).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Tab")
        items = self.page.locator(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item")
        items.first.wait_for(timeout=SECONDS * 1000)
        return [t.strip() for t in items.locator(".jp-Completer-match").all_inner_texts()]

    def save(self) -> dict[str, Any]:
        """Save it and give the file's content."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        return dict(json.loads(self.file.read_text("utf-8")))

    def screenshot(self, file: Path) -> None:
        """Take a picture of the page."""
        file.parent.mkdir(exist_ok=True)
        self.page.screenshot(path=str(file))

    def wait(self, condition: str) -> None:
        """Wait until the JavaScript function `condition` says so; a failure shows the cells' outputs."""
        try:
            self.page.wait_for_function(condition, timeout=SECONDS * 1000)
        except Error as problem:
            shown = self.page.locator(".jp-Cell-outputArea").all_inner_texts()
            raise AssertionError(f"{problem}\nthe page shows {shown}") from problem
