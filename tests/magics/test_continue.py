"""`%chat --continue` in a notebook: the last answer goes on in another cell, and is one answer."""

from __future__ import annotations

import pytest

from tests.kernel import Kernel

MIME = "application/vnd.modelhub.chat+json"
STORY = "Tell me a story."


@pytest.mark.parametrize("code", ["%chat --continue", "%%chat --continue", "%%chat --continue\n\n"])
def test_the_answer_goes_on(room: Kernel, code: str) -> None:
    """The line and the cell without a body go on with the last answer; the whole is shown and is the cell's value."""
    begun = room.run(f"%%chat -t 0 --max-tokens 12\n{STORY}", cell="a")
    ran = room.run(code.replace("--continue", "--continue --max-tokens 20 --set kept"), cell="b")
    assert ran.ok, ran.error
    assert ran.text.startswith(begun.text) and len(ran.text) > len(begun.text)
    assert "goes on after" in ran.outputs[-1]["text/html"]
    assert room.value("kept") == repr(ran.text) == room.value("_.text()")
    assert room.value("len(_m.hub().conversations.get('main').turns)") == "1"


def test_the_conversation_has_the_whole_answer(room: Kernel) -> None:
    """What is asked next comes after the whole answer; the first cell run again replaces it."""
    room.run(f"%%chat -t 0 --max-tokens 12\n{STORY}", cell="a")
    whole = room.run("%chat --continue --max-tokens 8", cell="b").text
    after = room.run("%%chat -t 0 --max-tokens 2\nAnd then?", cell="c")
    messages = after.outputs[-1][MIME]["request"]["messages"]
    assert [m["content"] for m in messages] == [STORY, whole, "And then?"]
    again = room.run(f"%%chat -t 0 --max-tokens 12\n{STORY}", cell="a")
    assert "replaces turn 1" in again.outputs[-1]["text/html"]


def test_a_stopped_answer_goes_on(room: Kernel) -> None:
    """An answer the user stopped goes on from where it was."""
    room.run("import os; os.environ['MODELHUB_STREAM'] = 'display'")
    stopped = room.run(
        "%%chat --seed 1 --max-tokens 900 -o logit_bias='{\"2\": -100}'\n" + STORY,
        interrupt=lambda ran: len(ran.text) > 60,
    )
    room.run("os.environ.pop('MODELHUB_STREAM')")
    assert stopped.error.startswith("Stopped: ")
    ran = room.run("%chat --continue --max-tokens 3")
    assert ran.ok, ran.error
    assert ran.text.startswith(stopped.text) and len(ran.text) > len(stopped.text)


def test_a_dry_run_shows_what_would_be_sent(room: Kernel) -> None:
    """With --dry-run the request is shown, with the beginning of the answer, and nothing is changed."""
    begun = room.run(f"%%chat -t 0 --max-tokens 12\n{STORY}", cell="a")
    ran = room.run("%chat --continue --dry-run")
    assert ran.ok and '"continue_final_message": true' in ran.text and begun.text in ran.text
    assert room.value("_m.hub().conversations.get('main').turns[0].response.begun") == "0"


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("%chat --continue", "there is nothing to go on with: the conversation has no turns. Ask with %%chat first"),
        ("%chat --continue and then?",
         "%chat --continue goes on with the last answer and takes no question; got 'and then?'"),
        ("%%chat --continue --new", "--continue goes on with the last answer as it was begun: leave --new out"),
        ("%%chat --continue -s x", "--continue goes on with the last answer as it was begun: leave --system out"),
    ],
)  # fmt: skip
def test_what_cannot_be_gone_on_with(room: Kernel, code: str, wanted: str) -> None:
    """Each mistake is one line that says what to do."""
    assert room.run(code).error == f"BadRequest: {wanted}"


def test_a_whole_answer_is_not_gone_on_with(room: Kernel) -> None:
    """Where the last answer ended by itself, it says so."""
    room.run("%%chat -t 0\nWhat is the capital of France?")
    error = room.run("%chat --continue").error
    assert error == "BadRequest: there is nothing to go on with: the last answer is whole (it ended with 'stop')"
