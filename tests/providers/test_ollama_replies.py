"""Replies of the dialect `ollama`: lines, whole replies, lists, and what goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.protocol.events import Called, Delta, Event, Pictured, Reasoned, Warned
from modelhub.kernels.providers.dialects import dialect
from tests.providers.talk import CALL, JSON, NDJSON, PIXEL, TIDE, again, answer, ndjson, request, target, told


def line(content: str = "", done: bool = False, logprobs: Any = None, **message: Any) -> dict[str, Any]:
    """One line."""
    more = {} if logprobs is None else {"logprobs": logprobs}
    return {"model": "lm", "message": {"role": "assistant", "content": content, **message}, "done": done, **more}


def end(reason: str | None = "stop", **counts: Any) -> dict[str, Any]:
    """The last line."""
    return {**line(done=True), **({"done_reason": reason} if reason else {}), **counts}


def use(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    """A tool call."""
    return {**more, "function": {"index": 0, "name": name, "arguments": arguments}}


TIDES = use("tide", {"port": "Brest"})
LINES: list[tuple[str, list[dict[str, Any]], list[Event]]] = [
    ("text", [line("kelp "), line("drifts")], [Delta(0, "kelp ", 0), Delta(0, "drifts", 0)]),
    ("thoughts", [line(thinking="weigh"), line("kelp")], [Reasoned(0, "weigh"), Delta(0, "kelp", 0)]),
    (
        "calls that all have the index 0, in one line and in the next",
        [line(tool_calls=[TIDES, use("now", {})]), line(tool_calls=[use("moon", None, id="c9")])],
        [
            Called(0, 0, "call_0", "tide", '{"port": "Brest"}'),
            Called(0, 1, "call_1", "now", "{}"),
            Called(0, 2, "c9", "moon", "{}"),
        ],
    ),
    (
        "pictures",
        [line(images=[PIXEL, "/9j/AA=="])],
        [Pictured(0, f"data:image/png;base64,{PIXEL}"), Pictured(0, "data:image/jpeg;base64,/9j/AA==")],
    ),
    ("lines of tomorrow", [{"aurora": 1}, line("kelp", hum="x")], [Delta(0, "kelp", 0)]),
    ("what is of no known type", [line(images=3, thinking=[], tool_calls="x"), line("kelp")], [Delta(0, "kelp", 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "lines", "found"), LINES)
def test_lines(what: str, lines: list[dict[str, Any]], found: list[Event]) -> None:
    """Each kind of message is told as what it is, in order, however the bytes are cut."""
    assert told("ollama", ndjson(*lines, end()), NDJSON)[0] == found
    assert told("ollama", ndjson(*lines, end()), NDJSON, step=1)[0] == found


@pytest.mark.parametrize(
    ("reason", "finish", "native"),
    [("stop", "stop", None), ("length", "length", None), ("load", "stop", "load"), ("unload", "stop", "unload"),
     (None, None, None), ("of_tomorrow", None, "of_tomorrow")],
)  # fmt: skip
def test_finishes(reason: str | None, finish: str | None, native: str | None) -> None:
    """Every reason becomes OpenAI's or None, and is kept where it differs."""
    _, ended = told("ollama", ndjson(line("kelp"), end(reason)), NDJSON)
    assert (ended.finish, ended.natives) == ((finish,), (native,))


def test_an_answer_that_calls_ends_with_tool_calls() -> None:
    """Ollama says stop for calls, too; OpenAI's shape says tool_calls."""
    _, ended = told("ollama", ndjson(line(tool_calls=[use("tide", {})]), end()), NDJSON)
    assert (ended.finish, ended.natives) == (("tool_calls",), ("stop",))


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (
            {"prompt_eval_count": 9, "eval_count": 4},
            {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        ),
        ({"eval_count": 4}, {"completion_tokens": 4}),
        ({}, {}),
    ],
)
def test_usage(counts: dict[str, Any], usage: dict[str, Any]) -> None:
    """What was counted is told, and nothing is made up; times are for debug."""
    _, ended = told("ollama", ndjson(line("kelp"), end(**counts, eval_duration=5)), NDJSON)
    assert ended.usage == usage
    assert ended.details == {"ollama": {"eval_duration": 5}}


def test_logprobs() -> None:
    """Log probabilities have OpenAI's shape, which Ollama's are of already; they do not lag behind their text."""
    best = {"token": "Te", "logprob": -0.5, "bytes": [84, 101]}
    drawn = {**best, "top_logprobs": [best, {"token": "z", "logprob": -9999.0, "bytes": [122]}]}
    asked = request(logprobs=True, top_logprobs=2)
    events, ended = told("ollama", ndjson(line("Te", logprobs=[drawn]), end()), NDJSON, asked)
    (delta,) = events
    assert isinstance(delta, Delta)
    assert (delta.text, delta.tokens, ended.kept) == ("Te", 1, (1,))
    assert delta.logprobs[0]["logprob"] == -0.5
    assert [t["logprob"] for t in delta.logprobs[0]["top_logprobs"]] == [-0.5, float("-inf")]
    events, _ = told("ollama", ndjson(line("Te"), end()), NDJSON, asked)
    assert events[1:] == [Warned("Ollama sent no log probabilities, though they were asked for")]


def test_samplers_that_newer_servers_dropped_are_told_of() -> None:
    """Mirostat, which newer servers leave out in silence, is sent and warned of."""
    events, _ = told("ollama", ndjson(line("a"), end()), NDJSON, request(mirostat=2))
    assert isinstance(events[0], Warned)
    assert "mirostat may have no effect" in events[0].text


ANSWER = [line(thinking="weigh it"), line("Let me see."), line(tool_calls=[TIDES])]


def test_whole_and_streamed_are_one_answer() -> None:
    """The same reply, sent whole and by the line, gives the same answer."""
    counts = {"prompt_eval_count": 9, "eval_count": 4}
    message = {"content": "Let me see.", "thinking": "weigh it", "tool_calls": [TIDES]}
    whole = json.dumps({**end(**counts), "message": message}, indent=1).encode()
    streamed = ndjson(*ANSWER, end(**counts))
    assert answer("ollama", whole, JSON, tools=[TIDE]) == answer("ollama", streamed, NDJSON, tools=[TIDE])


def test_what_came_goes_back() -> None:
    """The next request has the thoughts, the text and the calls of the answer, and the result behind them."""
    sent = again("ollama", ndjson(*ANSWER, end()), NDJSON, tools=[TIDE])["messages"]
    assert sent[1:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "thinking": "weigh it",
            "tool_calls": [{"id": "call_0", "function": {"name": "tide", "arguments": {"port": "Brest"}}}],
        },
        {"role": "tool", "content": "6 m", "tool_name": "tide", "tool_call_id": "call_0"},
    ]


def test_ids_that_are_made_up_are_new_in_the_conversation() -> None:
    """A call's made-up id is none that a call before it in the request has."""
    asked = request("hi", {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "t2"}]})
    events, _ = told("ollama", ndjson(line(tool_calls=[use("tide", {})]), end()), NDJSON, asked)
    assert events == [Called(0, 0, "call_2", "tide", "{}")]


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([line("kelp"), {"error": "an error was encountered while running the model"}], "server"),
        ([{"error": "model 'lm' not found"}], "not_found"),
    ],
)
def test_errors_inside_a_reply(rows: list[dict[str, Any]], kind: str) -> None:
    """An error in a reply of status 200 is raised as what it is, among lines and alone."""
    with pytest.raises(ProviderError, match=str(rows[-1]["error"])[:12]) as raised:
        told("ollama", ndjson(*rows), NDJSON)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (ndjson(line("kelp")), "truncated"),
        (ndjson(line("kelp"), end())[:-9], "truncated"),
        (b"", "truncated"),
        (b'{"hello": "world"}', "protocol"),
        (ndjson(line("kelp")) + b"what?\n" + ndjson(end()), "protocol"),
    ],
)
def test_replies_that_are_none(reply: bytes, kind: str) -> None:
    """Lines without a done one are truncated; what is no reply of the API's is told as such."""
    with pytest.raises(ProviderError) as raised:
        told("ollama", reply, NDJSON)
    assert raised.value.kind == kind


def test_lists() -> None:
    """The list says of each model what it is and how large it is on that machine."""
    talk, provider = dialect("ollama"), target("ollama").provider
    assert talk.list_call(provider, {}).url == "http://localhost:11434/api/tags"
    rows = [
        {
            "name": "lm:1b", "model": "lm:1b", "size": 1_300_000_000,
            "capabilities": ["completion", "tools", "thinking"],
            "details": {
                "family": "llama", "parameter_size": "1.2B", "quantization_level": "Q4_K_M", "context_length": 4096,
            },
        },
        {"name": "nomic", "details": {"family": "nomic-bert"}},
        {"name": "bare", "details": None}, {"size": 3}, 7,
    ]  # fmt: skip
    page = talk.list_page({"models": rows}, provider)
    first = page.rows[0]
    assert (first.id, first.kind, first.context_length) == ("lm:1b", "chat", 4096)
    assert (first.description, first.capabilities) == ("llama, 1.2B, Q4_K_M, 1.3 GB", ("reasoning", "tools"))
    assert [(r.id, r.kind, r.description) for r in page.rows[1:]] == [
        ("nomic", "embedding", "nomic-bert"),
        ("bare", None, None),
    ]
    assert page.following == {}
    assert talk.list_page({"models": None}, provider).rows == ()
