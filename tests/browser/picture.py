"""The README's picture: `python -m tests.browser.picture OUT.png [--dark]` runs the quickstart in JupyterLab."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.lab import ROOT, Lab
from tests.browser.notebook import Notebook

SOURCE = ROOT / "notebooks" / "01_quickstart.ipynb"
WIDTH, HEIGHT, SCALE = 1100, 1400, 1.6
MARGIN = 60  # pixels below the last cell, the status line among them


def take(source: Path, out: Path, dark: bool = False) -> None:
    """Run the notebook `source` from top to bottom and write a picture of its most telling cells to `out`."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder) / "lab", theme="JupyterLab Dark" if dark else "JupyterLab Light")
        try:
            browser = playwright.chromium.launch(executable_path=chromium.path(), args=list(chromium.ARGUMENTS))
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
            page.goto(f"{lab.url}lab")
            page.wait_for_function("() => window.jupyterapp !== undefined")
            page.evaluate("() => window.jupyterapp.restored")
            shutil.copy(source, lab.root)
            notebook = Notebook(lab, page, source.name)
            notebook.open()
            page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
            sources = page.evaluate(_SOURCES)
            for index, (kind, _) in enumerate(sources):
                if kind == "code":
                    notebook.run(index)
            bottom = page.evaluate(_SHOW_ONLY, _telling(sources))
            page.set_viewport_size({"width": WIDTH, "height": round(bottom) + MARGIN})
            page.evaluate("() => document.fonts.ready")
            notebook.screenshot(out)
            browser.close()
        finally:
            lab.stop()


_SOURCES = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(
  c => [c.model.type, c.model.sharedModel.source])"""
# Hides the other cells, opens the tables, and says where the last cell ends.
_SHOW_ONLY = """shown => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.widgets.forEach((cell, i) => { cell.node.style.display = shown.includes(i) ? '' : 'none'; });
  notebook.activeCellIndex = notebook.widgets.findIndex((_, i) => !shown.includes(i));
  document.activeElement?.blur();
  notebook.node.querySelectorAll('details').forEach(e => { e.open = true; });
  notebook.node.querySelectorAll('.jp-WindowedPanel-outer').forEach(e => { e.scrollTop = 0; });
  notebook.node.querySelectorAll('.jp-Notebook-footer').forEach(e => { e.style.visibility = 'hidden'; });
  return Math.max(...shown.map(i => notebook.widgets[i].node.getBoundingClientRect().bottom));
}"""


def _telling(sources: list[list[str]]) -> list[int]:
    """Loading, the first two answers, the list of models and the first token view, by index."""
    heads = [(i, text.split("\n")[0].strip()) for i, (kind, text) in enumerate(sources) if kind == "code"]
    return [
        *[i for i, head in heads if head.startswith("%load_ext")][:1],
        *[i for i, head in heads if head == "%%chat"][:2],
        *[i for i, head in heads if head.startswith("%models")][:1],
        *[i for i, head in heads if "--logprobs" in head][:1],
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--notebook", type=Path, default=SOURCE)
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    take(given.notebook, given.out, given.dark)
