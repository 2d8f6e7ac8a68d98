"""The dialects of Anthropic, Gemini, Cohere and Ollama through the hub, over a socket: what goes, what comes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, serve
from tests.providers.talk import JSON, NDJSON, SSE, TIDE, ndjson, sse

KEY = "sk-native-0123456789abcdef"


@dataclass(frozen=True)
class Native:
    """One provider.

    path, query, header: where a chat and its key go. call, text: a stream that calls a tool, and one that answers.
    whole: the same as `text`, sent whole; cut: `text` without its end; error: a stream that ends with an error.
    pages: of its list; second: how the query for the second ends.
    """

    name: str
    base: str
    path: str
    query: str
    header: tuple[str, str]
    call: bytes
    text: bytes
    whole: dict[str, Any]
    cut: bytes
    error: bytes
    pages: tuple[dict[str, Any], ...]
    second: str = ""
    headers: dict[str, str] = field(default_factory=lambda: SSE)


def block(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """A block of Anthropic's."""
    rows = [{"type": "content_block_start", "index": index, "content_block": begin}]
    rows += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
    return [*rows, {"type": "content_block_stop", "index": index}]


def claude(*blocks: list[dict[str, Any]], reason: str = "end_turn") -> bytes:
    """A stream of Anthropic's."""
    usage = {"input_tokens": 2, "output_tokens": 1}
    start = {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": usage}}
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}
    return sse(start, *(row for rows in blocks for row in rows), end, {"type": "message_stop"})


def google(*parts: dict[str, Any]) -> bytes:
    """A stream of Gemini's."""
    counts = {"promptTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 5}
    rows: list[dict[str, Any]] = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    return sse(*rows, {"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts})


def command(*rows: dict[str, Any], reason: str = "COMPLETE") -> bytes:
    """A stream of Cohere's."""
    usage = {"tokens": {"input_tokens": 2.0, "output_tokens": 3.0}}
    return sse(*rows, {"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}})


def delta(kind: str, **message: Any) -> dict[str, Any]:
    """An event of Cohere's."""
    return {"type": kind, "index": 0, "delta": {"message": message}}


def lines(*messages: dict[str, Any]) -> bytes:
    """A stream of Ollama's."""
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 2, "eval_count": 3, "message": {"content": ""}}
    return ndjson(*({"message": m, "done": False} for m in messages), end)


TOOL = {"name": "tide", "args": {"port": "Brest"}}
ARGUMENTS = '{"port": "Brest"}'
THINKS = block(
    0,
    {"type": "thinking", "thinking": ""},
    {"type": "thinking_delta", "thinking": "weigh"},
    {"type": "signature_delta", "signature": "c2ln"},
)
USES = block(
    1,
    {"type": "tool_use", "id": "t1", "name": "tide", "input": {}},
    {"type": "input_json_delta", "partial_json": ARGUMENTS},
)
KELP, DRIFTS = ({"type": "text_delta", "text": piece} for piece in ("kelp ", "drifts"))
CLAUDE_TEXT = claude(block(0, {"type": "text", "text": ""}, KELP, DRIFTS))
CLAUDE_CUT = CLAUDE_TEXT.partition(b"event: message_delta")[0]
COMMAND_TEXT = command(*(delta("content-delta", content={"text": piece}) for piece in ("kelp ", "drifts")))
COMMAND_CUT = COMMAND_TEXT.partition(b"event: message-end")[0]
GOOGLE_CUT = {
    "candidates": [{"content": {"parts": [{"text": "kelp drifts"}]}}],
    "usageMetadata": {"promptTokenCount": 2},
}
OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}
NATIVES = [
    Native(
        "anthropic", "", "/v1/messages", "", ("x-api-key", KEY),
        claude(THINKS, USES, reason="tool_use"),
        CLAUDE_TEXT,
        {
            "type": "message", "content": [{"type": "text", "text": "kelp drifts"}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 2, "output_tokens": 3},
        },
        CLAUDE_CUT, CLAUDE_CUT + sse({"type": "error", "error": OVERLOADED}),
        ({"data": [{"id": "a"}], "has_more": True, "last_id": "a"}, {"data": [{"id": "b"}], "has_more": False}),
        "limit=1000&after_id=a",
    ),
    Native(
        "gemini", "/v1beta", "/v1beta/models/m:streamGenerateContent", "alt=sse", ("x-goog-api-key", KEY),
        google({"text": "weigh", "thought": True}, {"functionCall": TOOL, "thoughtSignature": "c2ln"}),
        google({"text": "kelp "}, {"text": "drifts"}),
        {
            "candidates": [{"content": {"parts": [{"text": "kelp drifts"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 5},
        },
        sse(GOOGLE_CUT), sse(GOOGLE_CUT, {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}),
        (
            {"models": [{"name": "models/a", "supportedGenerationMethods": ["generateContent"]}], "nextPageToken": "n"},
            {"models": [{"name": "models/b", "supportedGenerationMethods": ["generateContent"]}]},
        ),
        "pageSize=1000&pageToken=n",
    ),
    Native(
        "cohere", "", "/v2/chat", "", ("authorization", f"Bearer {KEY}"),
        command(
            delta("tool-plan-delta", tool_plan="weigh"),
            delta("tool-call-start", tool_calls={"id": "t1", "function": {"name": "tide", "arguments": ""}}),
            delta("tool-call-delta", tool_calls={"function": {"arguments": ARGUMENTS}}),
            reason="TOOL_CALL",
        ),
        COMMAND_TEXT,
        {
            "message": {"content": [{"type": "text", "text": "kelp drifts"}]}, "finish_reason": "COMPLETE",
            "usage": {"tokens": {"input_tokens": 2, "output_tokens": 3}},
        },
        COMMAND_CUT, COMMAND_CUT + sse({"error": OVERLOADED}),
        (
            {"models": [{"name": "a", "endpoints": ["chat"]}], "next_page_token": "n"},
            {"models": [{"name": "b", "endpoints": ["chat"]}]},
        ),
        "page_token=n",
    ),
    Native(
        "ollama", "", "/api/chat", "", ("authorization", f"Bearer {KEY}"),
        lines({"thinking": "weigh"}, {"tool_calls": [{"function": {"name": "tide", "arguments": TOOL["args"]}}]}),
        lines({"content": "kelp "}, {"content": "drifts"}),
        {
            "message": {"content": "kelp drifts"}, "done": True, "done_reason": "stop", "prompt_eval_count": 2,
            "eval_count": 3,
        },
        ndjson({"message": {"content": "kelp drifts"}, "done": False}),
        ndjson({"message": {"content": "kelp drifts"}, "done": False}, {"error": "server overloaded"}),
        ({"models": [{"name": "a"}, {"name": "b"}]},),
        headers=NDJSON,
    ),
]  # fmt: skip
each = pytest.mark.parametrize("native", NATIVES, ids=lambda n: n.name)


def corp(hub: Hub, native: Native, url: str) -> None:
    """Add the provider `corp` at this address."""
    hub.providers.add("corp", base_url=url + native.base, dialect=native.name, key=KEY, settings={"tries": 1})


@each
def test_a_stream(own_hub: Hub, native: Native) -> None:
    """A stream that comes byte by byte is told as it comes; the key goes in its header and nowhere else."""
    with serve(Reply(native.text, headers=native.headers, bytes_per_write=7)) as server:
        corp(own_hub, native, server.url)
        response = own_hub.chat("hi", model="corp/m", max_tokens=5)
        assert "".join(response) == "kelp drifts"
        (asked,) = server.requests
    assert (asked.method, asked.path, asked.query) == ("POST", native.path, native.query)
    name, value = native.header
    assert asked.headers[name] == value
    assert KEY not in f"{asked.path}{asked.query}{asked.body!r}"
    assert [n for n, v in asked.headers.items() if KEY in v] == [name]
    assert response.finish_reason == "stop"
    usage = response.usage()
    assert [usage[n] for n in ("prompt_tokens", "completion_tokens", "total_tokens")] == [2, 3, 5]


@each
def test_a_whole_reply(own_hub: Hub, native: Native) -> None:
    """A server that does not stream, though it was asked to, gives the same answer."""
    with serve(
        [Reply(json.dumps(native.whole).encode(), headers=JSON), Reply(native.text, headers=native.headers)]
    ) as server:
        corp(own_hub, native, server.url)
        whole, streamed = (own_hub.chat("hi", model="corp/m").json() for _ in range(2))
    assert whole["choices"] == streamed["choices"]
    assert whole["usage"]["total_tokens"] == streamed["usage"]["total_tokens"] == 5


@each
def test_tools_there_and_back(own_hub: Hub, native: Native) -> None:
    """A call, its result and the thoughts go back in the second request, and the answer comes."""
    with serve([Reply(native.call, headers=native.headers), Reply(native.text, headers=native.headers)]) as server:
        corp(own_hub, native, server.url)
        first = own_hub.chat("hi", model="corp/m", tools=[TIDE])
        (used,) = first.tool_calls
        assert (used["function"]["name"], json.loads(used["function"]["arguments"])) == ("tide", {"port": "Brest"})
        assert (first.finish_reason, first.reasoning) == ("tool_calls", "weigh")
        result = {"role": "tool", "tool_call_id": used["id"], "content": "6 m"}
        messages = [{"role": "user", "content": "hi"}, first.message(), result]
        assert own_hub.chat(messages, model="corp/m", tools=[TIDE]).text() == "kelp drifts"
        sent = server.requests[1].json()
    turns = sent.get("messages") or sent["contents"]
    assert len(turns) == 3
    assert "Brest" in json.dumps(turns[1]) and "6 m" in json.dumps(turns[2])
    assert ("c2ln" in json.dumps(turns[1])) == (native.name in {"anthropic", "gemini"})
    assert ("weigh" in json.dumps(turns[1])) == (native.name != "gemini")


@each
def test_an_answer_that_breaks_off(own_hub: Hub, native: Native) -> None:
    """A stream without its end is an error that has what came and what was counted; so is one that ends with one."""
    with serve([Reply(b, headers=native.headers) for b in (native.cut, native.error)]) as server:
        corp(own_hub, native, server.url)
        for kind in ("truncated", "overloaded"):
            response = own_hub.chat("hi", model="corp/m")
            with pytest.raises(ProviderError) as raised:
                response.text()
            assert raised.value.kind == kind, raised.value
            partial = raised.value.partial
            assert partial.partial() == "kelp drifts"
            assert partial.debug["usage"].get("prompt_tokens") == (
                2 if native.name in {"anthropic", "gemini"} else None
            )


@each
def test_a_list(own_hub: Hub, native: Native) -> None:
    """Every page of a list is read, each model under the id that is asked for."""
    with serve([Reply(json.dumps(page).encode(), headers=JSON) for page in native.pages]) as server:
        corp(own_hub, native, server.url)
        found = own_hub.providers.models("corp", refresh=True, all=True)
        assert [model.id for model in found] == ["a", "b"]
        assert len(server.requests) == len(native.pages)
        assert server.requests[-1].query.endswith(native.second)


@each
def test_a_field_that_is_refused_is_not_sent(own_hub: Hub, native: Native) -> None:
    """What a provider does not take is refused before anything is sent, by name."""
    with serve(Reply(native.text, headers=native.headers)) as server:
        corp(own_hub, native, server.url)
        with pytest.raises(Exception, match="logit_bias") as raised:
            own_hub.chat("hi", model="corp/m", logit_bias={5: 1}).text()
        assert raised.value.param == "logit_bias"
        assert server.requests == []
