"""`%%chat` in a real kernel over a real worker: answers, conversations, stopping, crashing."""

from __future__ import annotations

from tests.kernel import Kernel, streamed_text

STORY = "%%chat --seed 1 --max-tokens 900 -o logit_bias='{\"2\": -100}'\nTell me a long story."


def test_an_answer_streams_and_ends_as_one_bundle(kernel: Kernel) -> None:
    """The text comes in pieces through the widget and stands at the end in one static bundle."""
    ran = kernel.run("%%chat -t 0\nWhat is the capital of France?")
    assert ran.ok
    (output,) = ran.outputs
    assert set(output) == {"text/plain", "text/html", "application/vnd.modelhub.chat+json"}
    assert "France" in output["text/plain"]
    assert streamed_text(ran) == output["text/plain"]


def test_running_a_cell_again_replaces_its_turn(kernel: Kernel) -> None:
    """A cell's second run takes its first run's place and drops the turns built on it, with a note."""
    kernel.run("%%chat -t 0\nWhat is the capital of France?", cell="a")
    kernel.run("%%chat -t 0\nAnd of Japan?", cell="b")
    again = kernel.run("%%chat -t 0\nWhat is the capital of Italy?", cell="a")
    assert "replaces turn 1; turn 2, built on it, is not sent any more" in again.outputs[-1]["text/html"]
    request = again.outputs[-1]["application/vnd.modelhub.chat+json"]["request"]
    assert [m["content"] for m in request["messages"]] == ["What is the capital of Italy?"]


def test_stopping_keeps_what_came(kernel: Kernel) -> None:
    """An interrupt ends the cell at once with one line; what came stays in the cell, in Out and in the history."""
    ran = kernel.run(STORY, interrupt=lambda r: len(streamed_text(r)) > 60)
    assert ran.error.startswith("Stopped: the answer was stopped after ")
    assert "\n" not in ran.error
    partial = ran.outputs[-1]["text/plain"]
    assert partial.startswith(streamed_text(ran)[:60])
    assert kernel.value(f"Out[{ran.reply['execution_count']}].text()") == repr(partial)
    assert (
        kernel.value("Out and [*__import__('modelhub').hub().conversations][0].turns[-1].response.interrupted")
        == "True"
    )
    assert kernel.run("%%chat -t 0 --new\nWhat is the capital of Peru?").ok


def test_stopping_several_answers_at_once(kernel: Kernel) -> None:
    """An interrupt of a cell that awaits eight answers ends it with one line, and the kernel answers on."""
    ran = kernel.run(
        "import asyncio, modelhub\n"
        "ask = lambda: modelhub.achat('Tell me a long story.', max_tokens=900, logit_bias={2: -100})\n"
        "print('go')\n"
        "await asyncio.gather(*[ask() for _ in range(8)])",
        interrupt=lambda r: "go" in r.stdout,
    )
    assert ran.error.startswith("Stopped: ")
    assert "\n" not in ran.error
    assert kernel.run("%chat -t 0 What is the capital of Peru?").ok
