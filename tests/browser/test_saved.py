"""A saved notebook is evidence: its answers are there without a kernel, and for somebody else too."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.browser.notebook import Notebook

CELLS = [
    "%load_ext modelhub",
    "%%chat -t 0\nWhat is the capital of France?",
    "%%chat -t 0 --new --logprobs\nWhat is the opposite of hot?",
]


def test_a_saved_notebook_shows_answer_and_token_view_without_a_kernel(open_notebook: OpenNotebook) -> None:
    """Reopened with no kernel: the text, the tint, the alternatives on hover and the table; nothing is missing."""
    notebook = open_notebook(CELLS)
    for index in range(3):
        notebook.run(index)
    text = notebook.outputs(1)[0]["data"]["text/plain"]
    tokens = notebook.answer(2).locator("span[title]").count()
    notebook.save()
    notebook.close()
    notebook.lab.end_kernels()
    notebook.open(kernel=False)
    expect(notebook.answer(1)).to_contain_text(text)
    _assert_token_view(notebook, tokens)
    assert "not found" not in notebook.page.locator(".jp-Notebook").inner_text()


def test_a_notebook_of_somebody_else_shows_the_same(open_notebook: OpenNotebook) -> None:
    """Not trusted, so cleaned by JupyterLab: the answer, its tint and its table are still there."""
    notebook = open_notebook(CELLS)
    for index in range(3):
        notebook.run(index)
    tokens = notebook.answer(2).locator("span[title]").count()
    content = notebook.save()
    notebook.close()
    notebook.lab.end_kernels()
    content["cells"][0]["source"] = "# signed by nobody here"
    for cell in content["cells"]:
        cell["metadata"].pop("trusted", None)
    notebook.file.write_text(json.dumps(content), "utf-8")
    notebook.open(kernel=False)
    assert notebook.page.evaluate("() => !window.jupyterapp.shell.currentWidget.content.widgets[2].model.trusted")
    _assert_token_view(notebook, tokens)


def _assert_token_view(notebook: Notebook, tokens: int) -> None:
    view = notebook.answer(2)
    spans = view.locator("span[title]")
    assert tokens >= 2
    expect(spans).to_have_count(tokens)
    for span in spans.all():
        colour = span.evaluate("element => getComputedStyle(element).backgroundColor")
        assert colour.startswith("rgba(") and not colour.endswith(", 0)"), colour
        assert "%" in (span.get_attribute("title") or "")
    expect(view.locator("details")).to_contain_text("least certain tokens")
    view.locator("summary").click()
    expect(view.locator("tbody tr").first).to_be_visible()
    assert view.locator("th").all_inner_texts() == ["#", "token", "probability", "logprob", "most probable"]
