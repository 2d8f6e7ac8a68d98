"""An answer while it comes, as a user sees it in JupyterLab."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from modelhub.kernels.catalog.headers.gguf import read_header
from tests.browser.conftest import OpenNotebook
from tests.browser.lab import ROOT

MODEL = ROOT / "kernels" / "models" / "tiny-chat.gguf"

# Without the token that ends an answer the model goes on until it may not. Several choices at once are slower to come.
END = read_header(MODEL).get("tokenizer.ggml.eos_token_id")
LONG = f"""%%chat --seed 1 --max-tokens 900 -o logit_bias='{{"{END}": -100}}' """
QUESTION = "\nTell me a long story."
LOAD = "%load_ext modelhub"


def test_text_streams_in_and_the_finished_answer_takes_its_place(open_notebook: OpenNotebook) -> None:
    """Partial text is seen before the end; then one static answer with its quiet line, and no widget."""
    notebook = open_notebook([LOAD, LONG + QUESTION])
    notebook.run(0)
    notebook.start(1)
    early = notebook.wait_stream(1, 20)
    notebook.wait_end(1)
    expect(notebook.answer(1)).to_have_count(1)
    expect(notebook.stream(1)).to_have_count(0)
    (output,) = notebook.outputs(1)
    text = output["data"]["text/plain"]
    assert text.startswith(early) and len(text) > len(early) + 200
    assert set(output["data"]) == {"text/plain", "text/html", "application/vnd.modelhub.chat+json"}
    shown = notebook.answer(1).inner_text()
    assert "tiny-chat · seed 1 · 900 tokens" in shown and "cut at its limit" in shown


def test_stop_keeps_what_came_and_the_next_cell_answers_at_once(open_notebook: OpenNotebook) -> None:
    """The toolbar's Stop ends a stream with one line; the text stays, and the model is free."""
    notebook = open_notebook([LOAD, LONG + "-o n=8" + QUESTION, "%%chat -t 0 --new\nWhat is the capital of France?"])
    notebook.run(0)
    notebook.start(1)
    early = notebook.wait_stream(1, 40)
    notebook.press_stop()
    notebook.wait_end(1)
    assert notebook.error(1).startswith("Stopped: the answer was stopped after ")
    assert "\n" not in notebook.error(1)
    kept = next(o["data"] for o in notebook.outputs(1) if o["output_type"] == "display_data")
    assert kept["text/plain"].startswith(early)
    assert kept["application/vnd.modelhub.chat+json"]["interrupted"] is True
    expect(notebook.answer(1)).to_contain_text("stopped")
    assert kept_tokens(notebook.outputs(1)) < 8 * 900
    notebook.run(2)
    assert notebook.error(2) == ""
    expect(notebook.answer(2)).to_contain_text("capital of France")


def test_a_page_loaded_anew_in_mid_stream_gets_the_whole_text(open_notebook: OpenNotebook) -> None:
    """What was saved while it streamed shows the rest after a reload: the text is in the widget's state."""
    notebook = open_notebook([LOAD, LONG + "-o n=3" + QUESTION, "print(Out[2].text(), end='')"])
    notebook.run(0)
    notebook.start(1)
    early = notebook.wait_stream(1, 40)
    saved = notebook.save()
    assert "widget-view" in str(saved["cells"][1]["outputs"])
    notebook.page.reload()
    notebook.wait_ready(idle=False)
    notebook.wait_stream(1, len(early))
    whole = notebook.run(2).inner_text()
    assert len(whole) > len(early) + 200
    expect(notebook.stream(1)).to_have_text(whole, use_inner_text=True)


def kept_tokens(outputs: list[dict[str, Any]]) -> int:
    """How many tokens the answer among a cell's outputs has."""
    return next(
        int(o["metadata"]["modelhub"]["usage"]["completion_tokens"])
        for o in outputs
        if "modelhub" in o.get("metadata", {})
    )
