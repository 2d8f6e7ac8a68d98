"""Replies of the dialect `anthropic`: every event, whole messages, lists, and what goes back in the next request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels.protocol.events import Called, Delta, Event, Kept, Reasoned, Warned
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.provider import Listing
from modelhub.kernels.providers.providers import Providers
from tests.providers.talk import JSON, TIDE, again, answer, answered, request, sse, target, told

START = {
    "type": "message_start",
    "message": {"id": "m1", "model": "claude-x", "content": [], "usage": {"input_tokens": 11, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}


def begin(index: int, **block: Any) -> dict[str, Any]:
    """A block begins."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    """More of a block."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def close(index: int) -> dict[str, Any]:
    """A block ends."""
    return {"type": "content_block_stop", "index": index}


def ends(reason: str | None = "end_turn", **said: Any) -> dict[str, Any]:
    """The message ends."""
    return {"type": "message_delta", "delta": {"stop_reason": reason, **said}, "usage": {"output_tokens": 6}}


def text(index: int, *pieces: str) -> list[dict[str, Any]]:
    """A block of text."""
    deltas = [more(index, "text_delta", text=piece) for piece in pieces]
    return [begin(index, type="text", text=""), *deltas, close(index)]


def use(index: int, *pieces: str, ident: str = "t1", **more_: Any) -> list[dict[str, Any]]:
    """A block that calls a tool."""
    first = begin(index, type="tool_use", id=ident, name="tide", **{"input": {}, **more_})
    return [first, *(more(index, "input_json_delta", partial_json=p) for p in pieces), close(index)]


def thinks(index: int) -> list[dict[str, Any]]:
    """A block of signed thoughts, in pieces."""
    return [
        begin(index, type="thinking", thinking="", signature=""),
        more(index, "thinking_delta", thinking="weigh "),
        more(index, "thinking_delta", thinking="it"),
        more(index, "signature_delta", signature="c2"),
        more(index, "signature_delta", signature="ln"),
        close(index),
    ]


SIGNED = {"type": "thinking", "thinking": "weigh it", "signature": "c2ln"}
SEALED = {"type": "redacted_thinking", "data": "x"}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "kelp"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "https://x.org"}]}
CITED = {"type": "char_location", "cited_text": "kelp", "document_index": 0}

BLOCKS: list[tuple[str, list[dict[str, Any]], list[Event]]] = [
    ("text", text(0, "kelp ", "drifts"), [Delta(0, "kelp ", 0), Delta(0, "drifts", 0)]),
    ("text that begins at once", [begin(0, type="text", text="kelp"), close(0)], [Delta(0, "kelp", 0)]),
    ("text without a beginning", [more(0, "text_delta", text="kelp")], [Delta(0, "kelp", 0)]),
    (
        "thoughts",
        [*thinks(0), *text(1, "kelp")],
        [Reasoned(0, "weigh "), Reasoned(0, "it"), Kept(0, (SIGNED,)), Delta(0, "kelp", 0)],
    ),
    ("thoughts that are sealed", [begin(0, **SEALED), close(0)], [Kept(0, (SEALED,))]),
    (
        "a call in pieces",
        use(0, "", '{"po', 'rt": "Brest"}'),
        [
            Called(0, 0, "t1", "tide"),
            Called(0, 0, arguments='{"po'),
            Called(0, 0, arguments='rt": "Brest"}'),
        ],
    ),
    ("a call without arguments", use(0, ""), [Called(0, 0, "t1", "tide"), Called(0, 0, arguments="{}")]),
    (
        "a call whose arguments come at once",
        use(0, input={"port": "Brest"}),
        [Called(0, 0, "t1", "tide"), Called(0, 0, arguments='{"port": "Brest"}')],
    ),
    (
        "two calls behind text, interleaved",
        [
            *text(0, "Let me see."),
            begin(1, type="tool_use", id="a", name="tide", input={}),
            begin(2, type="tool_use", id="b", name="moon", input={}),
            more(2, "input_json_delta", partial_json="{}"),
            more(1, "input_json_delta", partial_json='{"x":1}'),
            close(1),
            close(2),
        ],
        [
            Delta(0, "Let me see.", 0),
            Called(0, 0, "a", "tide"),
            Called(0, 1, "b", "moon"),
            Called(0, 1, arguments="{}"),
            Called(0, 0, arguments='{"x":1}'),
        ],
    ),
    (
        "a tool of the provider's own",
        [
            *text(0, "Let me look."),
            begin(1, **{**SEARCH, "input": {}}),
            more(1, "input_json_delta", partial_json='{"query": '),
            more(1, "input_json_delta", partial_json='"kelp"}'),
            close(1),
            begin(2, **FOUND),
            close(2),
            *text(3, "It drifts."),
        ],
        [
            Delta(0, "Let me look.", 0),
            Kept(0, ({"type": "text", "text": "Let me look."}, SEARCH)),
            Kept(0, (FOUND,)),
            Delta(0, "It drifts.", 0),
        ],
    ),
    (
        "events and deltas of tomorrow",
        [{"type": "ping"}, {"type": "aurora"}, *text(0, "kelp"), more(0, "hum_delta", hum="x"), {"odd": 1}],
        [Delta(0, "kelp", 0)],
    ),
    (
        "a thought with a character in two halves",
        [
            begin(0, type="thinking", thinking=""),
            more(0, "thinking_delta", thinking="\ud83d"),
            more(0, "thinking_delta", thinking="\ude00"),
            close(0),
        ],
        [Reasoned(0, "\U0001f600"), Kept(0, ({"type": "thinking", "thinking": "\U0001f600"},))],
    ),
    (
        "a character in two halves",
        [more(0, "text_delta", text="\ud83d"), more(0, "text_delta", text="\ude00!"), close(0)],
        [Delta(0, "\U0001f600!", 0)],
    ),
]


@pytest.mark.parametrize(("what", "events", "found"), BLOCKS)
def test_events(what: str, events: list[dict[str, Any]], found: list[Event]) -> None:
    """Each kind of block is told as what it is, in order; what is not known is passed over."""
    assert told("anthropic", sse(START, *events, ends(), STOP))[0] == found


FINISHES = [
    ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
    ("refusal", "content_filter"), ("pause_turn", "stop"), ("model_context_window_exceeded", "length"),
    ("of_tomorrow", None),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "finish"), FINISHES)
def test_finishes(reason: str, finish: str | None) -> None:
    """Every stop reason becomes OpenAI's or None, and is kept."""
    _, ended = told("anthropic", sse(START, *text(0, "kelp"), ends(reason), STOP))
    assert (ended.finish, ended.natives) == ((finish,), (reason,))


def test_why_it_stopped_is_told() -> None:
    """A refusal's explanation and a pause are warnings; the stop sequence and the details are for debug."""
    why = {"type": "refusal", "category": "bio", "explanation": "not this"}
    events, ended = told("anthropic", sse(START, ends("refusal", stop_details=why), STOP))
    assert events == [Warned("Claude refused: not this")]
    assert ended.details["stop_details"] == why
    events, _ = told("anthropic", sse(START, ends("pause_turn"), STOP))
    assert isinstance(events[0], Warned)
    _, ended = told("anthropic", sse(START, ends("stop_sequence", stop_sequence="END"), STOP))
    assert ended.details["stop_sequence"] == "END"


def test_citations_are_kept_for_debug() -> None:
    """What the answer cites is in the details, as it came."""
    events = [begin(0, type="text", text="kelp"), more(0, "citations_delta", citation=CITED), close(0)]
    _, ended = told("anthropic", sse(START, *events, ends(), STOP))
    assert ended.details["citations"] == [CITED]


USAGES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        {"input_tokens": 11, "output_tokens": 1},
        {"output_tokens": 6},
        {"prompt_tokens": 11, "completion_tokens": 6, "total_tokens": 17},
    ),
    (
        {"input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 1},
        {"output_tokens": 6, "input_tokens": 11, "output_tokens_details": {"thinking_tokens": 4}},
        {
            "prompt_tokens": 18,
            "completion_tokens": 6,
            "total_tokens": 24,
            "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    ),
    ({}, {"output_tokens": 6}, {"completion_tokens": 6}),
    ({}, {}, {}),
    ({"input_tokens": "many", "output_tokens": None}, {"output_tokens": 6.0}, {"completion_tokens": 6}),
]


@pytest.mark.parametrize(("first", "last", "usage"), USAGES)
def test_usage(first: dict[str, Any], last: dict[str, Any], usage: dict[str, Any]) -> None:
    """Counts are cumulative, what was cached belongs to the prompt, and nothing is made up."""
    start = {"type": "message_start", "message": {"usage": first}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}
    assert told("anthropic", sse(start, end, STOP))[1].usage == usage


@pytest.mark.parametrize(
    ("kind", "meant"),
    [("overloaded_error", "overloaded"), ("rate_limit_error", "rate_limit"), ("api_error", "server"),
     ("authentication_error", "auth"), ("invalid_request_error", "bad_request"), ("timeout_error", "timeout")],
)  # fmt: skip
def test_errors_inside_a_stream(kind: str, meant: str) -> None:
    """An error inside a reply of status 200 is raised as what it is, whatever was told before."""
    reader = dialect("anthropic").reader(request(), target("anthropic"))
    error = {"type": "error", "error": {"type": kind, "message": "no more"}}
    with pytest.raises(ProviderError, match="no more") as raised:
        told("anthropic", sse(START, *text(0, "kelp"), error))
    assert raised.value.kind == meant
    with pytest.raises(ProviderError, match="no more") as raised:
        reader.whole(error)
    assert raised.value.kind == meant


@pytest.mark.parametrize(
    ("reply", "error", "kind"),
    [
        (sse(START, *text(0, "kelp")), StreamTruncated, "truncated"),
        (sse(START, *text(0, "kelp"), ends())[:-3], StreamTruncated, "truncated"),
        (b"", StreamTruncated, "truncated"),
        (sse(START, "{no json"), ProviderError, "protocol"),
        (sse(START, "[1]"), ProviderError, "protocol"),
        (b'{"hello": "world"}', ProviderError, "protocol"),
    ],
)
def test_replies_that_are_none(reply: bytes, error: type[ProviderError], kind: str) -> None:
    """A stream without its end is truncated; what is no message of the API's is told as such."""
    with pytest.raises(error) as raised:
        told("anthropic", reply)
    assert raised.value.kind == kind


def test_a_stop_reason_is_an_end() -> None:
    """A message that said why it stopped is whole, also where the gateway swallowed message_stop."""
    assert told("anthropic", sse(START, *text(0, "kelp"), ends()))[1].finish == ("stop",)
    assert told("anthropic", sse(START, *text(0, "kelp"), "[DONE]"))[1].finish == (None,)


WHOLE = {
    "id": "m1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "tool_use",
    "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 6},
    "content": [
        SIGNED, SEALED, {"type": "text", "text": "Let me see.", "citations": [CITED]},
        {"type": "tool_use", "id": "t1", "name": "tide", "input": {"port": "Brest"}},
    ],
}  # fmt: skip
STREAMED = sse(
    START, *thinks(0), begin(1, **SEALED), close(1), *text(2, "Let me", " see."), *use(3, '{"port": "Brest"}'),
    ends("tool_use"), STOP,
)  # fmt: skip


def test_whole_and_streamed_are_one_answer() -> None:
    """The same message, sent whole and as a stream in pieces of one byte, gives the same answer."""
    whole = answer("anthropic", json.dumps(WHOLE).encode(), JSON, tools=[TIDE])
    assert whole == answer("anthropic", STREAMED, tools=[TIDE])
    assert told("anthropic", STREAMED, step=1)[1].usage == whole["usage"]
    (choice,) = whole["choices"]
    assert choice["finish_reason"] == "tool_calls"
    message = choice["message"]
    assert (message["content"], message["reasoning_content"]) == ("Let me see.", "weigh it")
    assert message["reasoning_details"] == [SIGNED, SEALED]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"port": "Brest"}


def test_what_came_goes_back() -> None:
    """The next request has the answer's blocks as they came and in their order, and the tool's result behind them."""
    assert again("anthropic", STREAMED, tools=[TIDE])["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                SIGNED,
                SEALED,
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "tide", "input": {"port": "Brest"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "6 m"}]},
    ]


def test_text_around_the_providers_own_tools_goes_back_where_it_stood() -> None:
    """What stood before a block of the provider's own tools stands before it again."""
    events = [
        *text(0, "Let me look."),
        begin(1, **SEARCH),
        close(1),
        begin(2, **FOUND),
        close(2),
        *text(3, "It drifts."),
    ]
    sent = again("anthropic", sse(START, *events, ends(), STOP))["messages"]
    assert sent[1]["content"] == [
        {"type": "text", "text": "Let me look."}, SEARCH, FOUND, {"type": "text", "text": "It drifts."},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "said", ['a "quote"\nand a \\', "event: message_stop", "data: [DONE]\r\n\r\n", "</s>{{x}}", "  "]
)
def test_text_is_text(said: str) -> None:
    """What a model writes is never read as a part of the stream, and never escaped twice."""
    assert answered("anthropic", sse(START, *text(0, said), ends(), STOP)).text() == said


def test_max_tokens_given_unasked_is_told() -> None:
    """Where the request said no limit, debug says which one was sent."""
    assert told("anthropic", sse(START, ends(), STOP))[1].details["max_tokens"] == 4096
    asked = request(max_tokens=7)
    assert "max_tokens" not in told("anthropic", sse(START, ends(), STOP), asked=asked)[1].details


def test_what_messages_say_in_vain_is_told_of() -> None:
    """The detail of a picture and the name of a message, which the API cannot say, are no silent loss."""
    picture = {"type": "image_url", "image_url": {"url": "https://x.org/a.png", "detail": "high"}}
    asked = request({"role": "user", "content": [picture], "name": "ann"})
    events, _ = told("anthropic", sse(START, ends(), STOP), asked=asked)
    assert events == [Warned("the detail of a picture has no effect here: only OpenAI's API knows it")]
    (warning,) = Providers().check(asked, target("anthropic"))
    assert "names of messages are left out" in warning


def test_lists() -> None:
    """A page of models says what the API says of each, skips what is none, and names the next page."""
    talk, provider = dialect("anthropic"), target("anthropic").provider
    first = talk.list_call(provider, {})
    assert first.url == "https://api.anthropic.com/v1/models?limit=1000"
    assert (first.method, first.headers) == ("GET", {"anthropic-version": "2023-06-01"})
    rows = [
        {
            "id": "claude-x", "display_name": "Claude X", "created_at": "2026-02-04T00:00:00Z",
            "max_input_tokens": 200000, "max_tokens": 64000,
            "lifecycle": "deprecated", "retires_at": "2027-01-01T00:00:00Z",
            "capabilities": {"image_input": {"supported": True}, "thinking": {"supported": True}, "batch": 1},
        },
        {"id": "claude-y", "lifecycle": "retired", "created_at": "1970-01-01T00:00:00Z"},
        {"display_name": "no id"}, {"id": 3}, {"id": "a\nb"}, {"id": "x" * 600}, {"id": "claude-x"}, "claude-z", None,
    ]  # fmt: skip
    page = talk.list_page({"data": rows, "has_more": True, "last_id": "claude-y"}, provider)
    x, y, z = page.rows
    assert z.id == "claude-z"
    assert (x.id, x.title, x.kind, x.context_length, x.most_output) == ("claude-x", "Claude X", "chat", 200000, 64000)
    assert (x.capabilities, x.created, x.retired) == (("reasoning", "vision"), 1770163200, False)
    assert x.description == "deprecated; it retires on 2027-01-01"
    assert (y.title, y.context_length, y.created, y.retired) == ("", None, None, True)
    assert talk.list_call(provider, page.following).url.endswith("?limit=1000&after_id=claude-y")
    assert talk.list_page({"data": [], "has_more": False, "last_id": None}, provider).following == {}
    for none in ("x", {}, {"id": 1}):
        with pytest.raises(ValueError, match="no list of models"):
            talk.list_page(none, provider)
    with pytest.raises(ProviderError, match="not now"):
        talk.list_page({"type": "error", "error": {"type": "api_error", "message": "not now"}}, provider)
    assert [row.id for row in talk.list_page(["a"], provider).rows] == ["a"]
    elsewhere = provider.model_copy(update={"models": Listing(path="https://x.org/list?all=1")})
    assert talk.list_call(elsewhere, {"after_id": "a b"}).url == "https://x.org/list?all=1&after_id=a+b"
