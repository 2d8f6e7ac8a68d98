"""What a chat leaves behind: the value of its cell, what is shown, the variable of --set, the request of --dry-run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kernel import Kernel, Ran

MIME = "application/vnd.modelhub.chat+json"
ASK = "-t 0 --max-tokens 3"


def request_of(ran: Ran) -> dict[str, Any]:
    assert ran.ok, ran.error
    found: dict[str, Any] = ran.outputs[-1][MIME]["request"]
    return found


def dry(room: Kernel, flags: str) -> dict[str, Any]:
    """The request that a cell with these flags would send."""
    ran = room.run(f"%%chat --dry-run {flags}\nhi")
    assert ran.ok, ran.error
    found: dict[str, Any] = json.loads(ran.text)
    return found


def test_the_answer_is_the_value_of_the_cell(room: Kernel) -> None:
    """Out[n] is the Response, shown once in its own cell and again wherever it is evaluated."""
    ran = room.run(f"%%chat {ASK}\nhi")
    assert len(ran.outputs) == 1
    assert not ran.of("execute_result")
    number = ran.reply["execution_count"]
    assert room.value(f"type(Out[{number}]).__name__") == "'Response'"
    assert room.value(f"_{number}.text()") == repr(ran.text)
    again = room.run(f"Out[{number}]")
    assert [o["text/plain"] for o in again.outputs] == [ran.text]
    assert again.outputs[0][MIME] == ran.outputs[0][MIME]
    assert not room.run("nothing = Out").outputs


def test_a_line_gives_its_answer_to_a_variable(room: Kernel) -> None:
    """`r = %chat …` shows the answer once; `r` shows it in a later cell, not a second time in the same."""
    made = room.run(f"r = %chat {ASK} hi\nr")
    assert len(made.outputs) == 1
    assert room.run("r").text == made.text
    assert room.value("r.text()") == repr(made.text)


def test_a_line_in_the_middle_of_a_cell(room: Kernel) -> None:
    """%chat works in a loop and in a function, each answer shown in its place."""
    ran = room.run(
        f"def ask():\n    return get_ipython().run_line_magic('chat', '{ASK} hi')\n"
        f"for i in 'ab':\n    %chat {ASK} ho\nask()"
    )
    assert len(ran.outputs) == 3


def test_text_on_the_line_and_below_it(room: Kernel) -> None:
    """Text behind the flags of %%chat stands before the text of the body."""
    assert dry(room, "About this:")["messages"][-1]["content"] == "About this:\n\nhi"
    kept = room.run("%%chat --dry-run --no-interp\n\n  two\n\n  lines \\n 'n'  \n\n")
    assert json.loads(kept.text)["messages"][-1]["content"] == "  two\n\n  lines \\n 'n'  "


def test_the_twins_are_the_same(room: Kernel) -> None:
    """%mh and %%mh are %chat and %%chat, down to their help."""
    assert request_of(room.run(f"%%mh {ASK}\nhi", cell="a")) == request_of(room.run(f"%%chat {ASK}\nhi", cell="a"))
    assert room.run(f"%mh {ASK} hi", cell="b").text == room.run(f"%chat {ASK} hi", cell="b").text
    assert room.run("%%mh -q\nhi").error.startswith("BadRequest: %%mh has no flag -q.")


@pytest.mark.parametrize(
    ("form", "kinds"),
    [
        ("md", {"text/plain", "text/html", MIME}),
        ("text", {"text/plain", "text/html", MIME}),
        ("json", {"text/plain", "text/html", MIME}),
        ("code", {"text/plain", "text/html", MIME}),
        ("raw", {"text/plain", MIME}),
    ],
)
def test_the_formats(room: Kernel, form: str, kinds: set[str]) -> None:
    """Each format has its MIME types, the whole answer as text/plain and never text/markdown or a widget."""
    ran = room.run(f"%%chat {ASK} --format {form} --set kept\nhi")
    (output,) = ran.outputs
    assert set(output) == kinds
    assert output["text/plain"] == output[MIME]["choices"][0]["text"]
    assert room.value("kept") == repr(output["text/plain"])
    if form in {"text", "json", "code"}:
        assert output["text/html"].startswith("<pre>")
    if form == "md":
        assert output["text/html"].startswith("<p>")


def test_set_puts_the_text_into_a_variable(room: Kernel) -> None:
    """--set gives the variable the text, also where the variable is used in the same prompt."""
    room.run("v = 'a word'")
    ran = room.run(f"%%chat {ASK} --set v\n{{{{v}}}}")
    assert room.value("v") == repr(ran.text)
    assert request_of(ran)["messages"][-1]["content"] == "a word"


def test_without_streaming_only_the_finished_answer_is_sent(room: Kernel) -> None:
    """--no-stream sends one display and no widget, no update."""
    ran = room.run(f"%%chat {ASK} --no-stream\nhi")
    assert [m["msg_type"] for m in ran.messages] == ["display_data"]
    assert MIME in ran.outputs[0]


def test_a_dry_run_sends_nothing_and_changes_nothing(room: Kernel) -> None:
    """--dry-run shows the request with its history and leaves the hub, the log and the variable alone."""
    room.run(f"%%chat {ASK}\none", cell="a")
    state = (
        "(lambda h: ([(c.name, len(c.turns)) for c in h.conversations], h.conversations.current, "
        "len(h.log.recent(999))))(__import__('modelhub').hub())"
    )
    before = room.value(state)
    room.run("kept = 'mine'")
    ran = room.run("%%chat --dry-run --chat other -s sys --set kept -t 0 --stop x\ntwo", cell="b")
    assert json.loads(ran.text) == {
        "model": "tiny-chat",
        "messages": [{"role": "system", "content": "sys"}, {"role": "user", "content": "two"}],
        "temperature": 0.0,
        "stop": ["x"],
    }
    assert set(ran.outputs[0]) == {"text/plain", "text/html"}
    more = room.run("%%chat --dry-run\nthree", cell="c")
    assert [m["content"] for m in json.loads(more.text)["messages"]][::2] == ["one", "three"]
    assert room.value(state) == before
    assert room.value("kept") == "'mine'"
    assert room.run("x = %chat --dry-run hi").ok
    assert room.value("x") == "None"


def test_a_dry_run_loads_no_model(room: Kernel) -> None:
    """--dry-run of a model that is not loaded starts no worker."""
    room.run("%models unload tiny-chat")
    assert dry(room, "--seed 0")["seed"] == 0
    assert room.run("t = %models ps\nlen(t)").text == "0"


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("-t 0 --top-k 0 --seed 0 --min-p 0 --top-p 0", {"temperature": 0.0, "seed": 0, "top_p": 0.0,
                                                         "x_modelhub": {"top_k": 0, "min_p": 0.0}}),
        ("--logprobs", {"logprobs": True, "top_logprobs": 5}),
        ("--logprobs 0", {"logprobs": True, "top_logprobs": 0}),
        ("-o presence_penalty=0.5 -o n=2", {"presence_penalty": 0.5, "n": 2}),
        ("-o logit_bias='{\"2\": -100}'", {"logit_bias": {2: -100}}),
        ("-o 'logit_bias={2: -100}'", {"logit_bias": {2: -100}}),
        ("-o user=me", {"user": "me"}),
        ("-o user=a=b", {"user": "a=b"}),
        ("-o 'user=\"5\"'", {"user": "5"}),
        ("-o stop='[\"a\", \"b\\n\"]'", {"stop": ["a", "b\n"]}),
        ("-o \"stop=('a', 'b')\"", None),
        ("-o repeat_penalty=1.1", {"x_modelhub": {"repeat_penalty": 1.1}}),
        ("-o x_modelhub='{\"top_k\": 3}' --min-p 0.1", {"x_modelhub": {"top_k": 3, "min_p": 0.1}}),
        ("-o store=true -o 'metadata={\"a\": \"b\"}'", {"store": True, "metadata": {"a": "b"}}),
        ("-o seed=null", {}),
        ("-m local/tiny-chat", {"model": "local/tiny-chat"}),
    ],
)  # fmt: skip
def test_flags_become_fields_of_the_request(room: Kernel, flags: str, wanted: dict[str, Any] | None) -> None:
    """Each flag sets its field and no other; values of -o are JSON, else a Python literal, else text."""
    if wanted is None:
        assert "stop" in room.run(f"%%chat --dry-run {flags}\nhi").error
        return
    request = dry(room, flags)
    del request["messages"]
    # JSON has no whole numbers as keys
    assert request == json.loads(json.dumps({"model": "tiny-chat"} | wanted))


def test_the_parameters_reach_the_sampler(room: Kernel) -> None:
    """What was sent is what the engine drew with; the same seed draws the same text."""
    cell = "%%chat --new --seed 7 -t 1.5 --top-k 40 --min-p 0.01 --max-tokens 6\nhi"
    first, second = room.run(cell, cell="a"), room.run(cell, cell="b")
    assert first.text == second.text
    drawn = room.value("_.debug['request_parameters']")
    for part in ("'seed': 7", "'temperature': 1.5", "'top_k': 40", "'min_p': 0.01", "'max_tokens': 6"):
        assert part in drawn
    assert room.value("_.usage()['completion_tokens'] <= 6") == "True"
