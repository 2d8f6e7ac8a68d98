"""Replies of the dialect `cohere`: every event, whole replies, lists, and what goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.protocol.events import Called, Delta, Event, Kept, Reasoned, Warned
from modelhub.kernels.providers.dialects import dialect
from tests.providers.talk import JSON, TIDE, again, answer, request, sse, target, told


def event(kind: str, index: int | None = None, /, **message: Any) -> dict[str, Any]:
    """An event about the message."""
    place = {} if index is None else {"index": index}
    return {"type": kind, **place, "delta": {"message": message}}


def ends(reason: str = "COMPLETE", usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The message ends."""
    return {"type": "message-end", "delta": {"finish_reason": reason, **({"usage": usage} if usage else {}), **more}}


START = {"id": "c1", **event("message-start", role="assistant", content=[], tool_plan="", tool_calls=[], citations=[])}
TEXT = [
    event("content-start", 0, content={"type": "text", "text": ""}),
    event("content-delta", 0, content={"text": "kelp "}),
    event("content-delta", 0, content={"text": "drifts"}),
    {"type": "content-end", "index": 0},
]
THOUGHTS = [
    event("content-start", 0, content={"type": "thinking", "thinking": ""}),
    event("content-delta", 0, content={"thinking": "weigh "}),
    event("content-delta", 0, content={"thinking": "it"}),
    {"type": "content-end", "index": 0},
]


def calls(index: int, ident: str, *pieces: str, listed: bool = False) -> list[dict[str, Any]]:
    """A tool call in pieces; listed: as lists of one, which some gateways make of it."""

    def said(call: dict[str, Any]) -> Any:
        return [call] if listed else call

    first = {"id": ident, "type": "function", "function": {"name": "tide", "arguments": ""}}
    return [
        event("tool-call-start", index, tool_calls=said(first)),
        *(event("tool-call-delta", index, tool_calls=said({"function": {"arguments": p}})) for p in pieces),
        {"type": "tool-call-end", "index": index},
    ]


PLAN = [event("tool-plan-delta", tool_plan="I will "), event("tool-plan-delta", tool_plan="look.")]
CITED = {"start": 0, "end": 4, "text": "kelp", "sources": [{"type": "document", "id": "d1"}]}
CALLED = [Called(0, 0, "t1", "tide"), Called(0, 0, arguments='{"port": '), Called(0, 0, arguments='"Brest"}')]
EVENTS: list[tuple[str, list[dict[str, Any]], list[Event]]] = [
    ("text", TEXT, [Delta(0, "kelp ", 0), Delta(0, "drifts", 0)]),
    (
        "thoughts",
        [*THOUGHTS, event("content-delta", 1, content={"text": "kelp"})],
        [
            Reasoned(0, "weigh "),
            Reasoned(0, "it"),
            Kept(0, ({"type": "thinking", "thinking": "weigh it"},)),
            Delta(0, "kelp", 0),
        ],
    ),
    ("a call", calls(0, "t1", '{"port": ', '"Brest"}'), CALLED),
    ("a call in lists", calls(0, "t1", '{"port": ', '"Brest"}', listed=True), CALLED),
    (
        "a plan and two calls",
        [*PLAN, *calls(0, "t1", "{}"), *calls(1, "t2", "{}")],
        [
            Reasoned(0, "I will "),
            Reasoned(0, "look."),
            Kept(0, ({"type": "tool_plan", "tool_plan": "I will look."},)),
            Called(0, 0, "t1", "tide"),
            Called(0, 0, arguments="{}"),
            Called(0, 1, "t2", "tide"),
            Called(0, 1, arguments="{}"),
        ],
    ),
    (
        "events of tomorrow",
        [{"type": "debug", "prompt": "x"}, {"type": "aurora", "index": 3}, *TEXT[1:2]],
        [Delta(0, "kelp ", 0)],
    ),
]


@pytest.mark.parametrize(("what", "events", "found"), EVENTS)
def test_events(what: str, events: list[dict[str, Any]], found: list[Event]) -> None:
    """Each kind of event is told as what it is, in order, with the trailing [DONE] and without."""
    assert told("cohere", sse(START, *events, ends(), "[DONE]"))[0] == found
    assert told("cohere", sse(START, *events, ends(), named=False), step=1)[0] == found


FINISHES = [
    ("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("TOOL_CALL", "tool_calls"),
    ("ERROR", "error"), ("TIMEOUT", "error"), ("ERROR_TOXIC", "content_filter"), ("OF_TOMORROW", None),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "finish"), FINISHES)
def test_finishes(reason: str, finish: str | None) -> None:
    """Every finish reason becomes OpenAI's, "error" or None, and is kept."""
    _, ended = told("cohere", sse(START, *TEXT, ends(reason)))
    assert (ended.finish, ended.natives) == ((finish,), (reason,))


def test_why_it_failed_is_told() -> None:
    """What Cohere says of an error at the end is a warning; the answer ended with "error"."""
    events, ended = told("cohere", sse(START, ends("ERROR", error="the worker died")))
    assert (events, ended.finish) == ([Warned("the worker died")], ("error",))


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {"tokens": {"input_tokens": 71.0, "output_tokens": 5.0}, "billed_units": {"input_tokens": 5}},
            {"prompt_tokens": 71, "completion_tokens": 5, "total_tokens": 76},
        ),
        (
            {"tokens": {"input_tokens": 71}, "cached_tokens": 8},
            {"prompt_tokens": 71, "prompt_tokens_details": {"cached_tokens": 8}},
        ),
        ({"billed_units": {"input_tokens": 5, "output_tokens": 4}}, {}),
        (None, {}),
    ],
)
def test_usage(said: dict[str, Any] | None, usage: dict[str, Any]) -> None:
    """Tokens count, not what is billed; floats are counts; nothing is made up, and what came is kept."""
    _, ended = told("cohere", sse(START, ends(usage=said)))
    assert ended.usage == usage
    assert ended.details.get("provider_usage") == said


def test_logprobs() -> None:
    """A span of one token is its entry; one of several has their sum, which is what the API says of its text."""
    one = {"text": "kelp", "token_ids": [3], "logprobs": [-0.5]}
    two = {"text": " drifts", "token_ids": [4, 5], "logprobs": [-0.25, -1.0]}
    deltas = [{**event("content-delta", 0, content={"text": said["text"]}), "logprobs": said} for said in (one, two)]
    events, ended = told("cohere", sse(START, *deltas, ends()), asked=request(logprobs=True))
    first = {"token": "kelp", "logprob": -0.5, "bytes": [107, 101, 108, 112], "id": 3, "top_logprobs": []}
    second = {
        "token": " drifts", "logprob": -1.25, "bytes": list(b" drifts"), "top_logprobs": [],
        "ids": [4, 5], "logprobs": [-0.25, -1.0],
    }  # fmt: skip
    assert events == [Delta(0, "kelp", 1, (first,)), Delta(0, " drifts", 1, (second,))]
    assert ended.kept == (2,)


def test_citations_are_kept_for_debug() -> None:
    """What the answer cites is in the details, as it came."""
    cited = event("citation-start", 0, citations=CITED)
    assert told("cohere", sse(START, *TEXT, cited, {"type": "citation-end"}, ends()))[1].details["citations"] == [CITED]


WHOLE = {
    "id": "c1",
    "finish_reason": "TOOL_CALL",
    "usage": {"tokens": {"input_tokens": 71, "output_tokens": 5}},
    "logprobs": [{"text": "kelp drifts", "token_ids": [3], "logprobs": [-0.5]}],
    "message": {
        "role": "assistant",
        "tool_plan": "I will look.",
        "content": [{"type": "thinking", "thinking": "weigh it"}, {"type": "text", "text": "kelp drifts"}],
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Brest"}'}}
        ],
        "citations": [CITED],
    },
}


def streamed() -> bytes:
    """The same as a stream."""
    text = event("content-delta", 1, content={"text": "kelp drifts"})
    return sse(
        START, *PLAN, *THOUGHTS, {**text, "logprobs": WHOLE["logprobs"][0]}, *calls(0, "t1", '{"port": ', '"Brest"}'),
        event("citation-start", 0, citations=CITED),
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": WHOLE["usage"]}},
    )  # fmt: skip


def test_whole_and_streamed_are_one_answer() -> None:
    """The same reply, sent whole and as a stream, gives the same answer."""
    whole = answer("cohere", json.dumps(WHOLE).encode(), JSON, tools=[TIDE], logprobs=True)
    assert whole == answer("cohere", streamed(), tools=[TIDE], logprobs=True)
    message = whole["choices"][0]["message"]
    assert message["reasoning_content"] == "I will look.weigh it"
    assert whole["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.5


def test_what_came_goes_back() -> None:
    """The next request has the plan, the thoughts, the text and the calls of the answer, and the result behind them."""
    sent = again("cohere", streamed(), tools=[TIDE])["messages"]
    assert sent[1:] == [
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "weigh it"}, {"type": "text", "text": "kelp drifts"}],
            "tool_calls": WHOLE["message"]["tool_calls"],
            "tool_plan": "I will look.",
        },
        {"role": "tool", "tool_call_id": "t1", "content": "6 m"},
    ]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (sse(START, *TEXT), "truncated"),
        (sse(START, *TEXT, ends())[:-4], "truncated"),
        (b'{"id": "c1"}', "protocol"),
        (sse(START, "{"), "protocol"),
    ],
)
def test_replies_that_are_none(reply: bytes, kind: str) -> None:
    """A stream without message-end is truncated; what is no reply of the API's is told as such."""
    with pytest.raises(ProviderError) as raised:
        told("cohere", reply)
    assert raised.value.kind == kind


def test_done_is_an_end() -> None:
    """A gateway that ends every stream as OpenAI's do has ended this one."""
    events, ended = told("cohere", sse(START, *TEXT, "[DONE]"))
    assert (len(events), ended.finish, ended.usage) == (2, (None,), {})


def test_lists() -> None:
    """A page of models says what the API says of each, and names the next page."""
    talk, provider = dialect("cohere"), target("cohere").provider
    first = talk.list_call(provider, {}).url
    assert first.startswith("https://api.cohere.com/v1/models?")
    rows = [
        {"name": "command-x", "endpoints": ["chat", "generate"], "context_length": 256000, "features": ["tools", "x"]},
        {"name": "embed-x", "endpoints": ["embed"], "is_deprecated": True, "context_length": 0},
        {"name": "rerank-x", "endpoints": ["rerank"], "features": None},
        {"name": "bare"}, {"name": None}, 7,
    ]  # fmt: skip
    page = talk.list_page({"models": rows, "next_page_token": "n"}, provider)
    assert [(r.id, r.kind, r.context_length, r.capabilities, r.retired) for r in page.rows] == [
        ("command-x", "chat", 256000, ("tools",), False),
        ("embed-x", "embedding", None, (), True),
        ("rerank-x", "other", None, (), False),
        ("bare", None, None, (), False),
    ]
    assert talk.list_call(provider, page.following).url == f"{first}&page_token=n"
    assert talk.list_page({"models": [], "next_page_token": ""}, provider).following == {}
