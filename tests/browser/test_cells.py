"""Our cells among others: tables, plain Python, `%%time`, and widgets that stay alive while an answer comes."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.browser.test_streaming import LOAD, LONG, QUESTION, kept_tokens

BUTTON = """import ipywidgets
button, label = ipywidgets.Button(description="Ping"), ipywidgets.Label("quiet")
button.on_click(lambda _: setattr(label, "value", f"heard {label.value}"))
ipywidgets.VBox([button, label])"""


def test_tables_answers_and_plain_python_share_a_notebook(open_notebook: OpenNotebook) -> None:
    """`%models` is a table; two answers have a Python cell between them; `%%time` and `%%chat` go together."""
    notebook = open_notebook(
        [
            LOAD,
            "%models",
            "%%chat -t 0 --set capital\nWhat is the capital of France?",
            "len(capital) > 3",
            "%%chat -t 0\nWhat is the capital of Italy?",
            "%%time\n%%chat -t 0 --new\nWhat is the opposite of hot?",
        ]
    )
    for index in range(6):
        notebook.run(index)
        assert notebook.error(index) == ""
    table = notebook.answer(1).locator("table")
    assert table.locator("th").all_inner_texts()[:3] == ["name", "provider", "size"]
    expect(table.locator("tbody tr").first).to_contain_text("tiny-chat *")
    for index in (2, 4, 5):
        expect(notebook.answer(index)).to_have_count(1)
        expect(notebook.answer(index)).to_contain_text(" tok/s · stop")
    expect(notebook.output(3)).to_contain_text("True")
    expect(notebook.output(5)).to_contain_text("Wall time:")


def test_widgets_answer_while_a_chat_streams(open_notebook: OpenNotebook) -> None:
    """A click on a button reaches its handler, twice, while `%%chat` runs."""
    notebook = open_notebook([LOAD, BUTTON, LONG + "-o n=8" + QUESTION])
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    notebook.wait_stream(2, 20)
    label = notebook.output(1).locator(".widget-label")
    for heard in ("heard quiet", "heard heard quiet"):
        notebook.output(1).get_by_role("button", name="Ping").click()
        expect(label).to_have_text(heard, timeout=60_000)
    assert notebook.running(2)
    notebook.press_stop()
    notebook.wait_end(2)
    assert kept_tokens(notebook.outputs(2)) < 8 * 900
