"""The official SDKs as witnesses: they send what we send, and where they read a reply right, we read the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from modelhub.kernels.hub import Hub
from tests.providers.cases import Case, cases
from tests.providers.outcome import Outcome, of_modelhub
from tests.providers.replay import Reply, Request, serve
from tests.providers.sdks import KEY, anthropic_client, of_anthropic, of_openai, openai_client

ONCE = {"tries": 1, "loading_s": 0}  # as the SDKs are told: what is retried is no matter here
NEITHER = {"gemini", "cohere", "ollama"}  # these two SDKs do not speak them
WHOLE = {"content-type": "application/json"}
OPENAI_REPLY = Reply(json.dumps({
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
}).encode(), headers=WHOLE)  # fmt: skip
OPENAI_STREAM = Reply(
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    b'{"content":"yes"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
ANTHROPIC_REPLY = Reply(json.dumps({
    "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
}).encode(), headers=WHOLE)  # fmt: skip

PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}
TOOL = {"type": "function", "function": {"name": "tide", "description": "When it is high.", "parameters": SCHEMA}}
CALLED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "When is the tide high in Brest?"},
    {"role": "assistant", "content": None,
     "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Brest"}'}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "at noon"},
]  # fmt: skip
SEEN = [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                     {"type": "image_url", "image_url": {"url": PIXEL}}]}]  # fmt: skip
HI = [{"role": "user", "content": "hi"}]

OPENAI_REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sampling": {"temperature": 0.2, "top_p": 0.9, "seed": 7, "max_tokens": 5, "stop": ["END", "FIN"]},
    "penalties": {"presence_penalty": 0.5, "frequency_penalty": -0.5, "logit_bias": {"50256": -100}},
    "kept for later": {"store": True, "metadata": {"a": "b"}},
    "logprobs": {"logprobs": True, "top_logprobs": 3, "n": 2},
    "new names": {"max_completion_tokens": 5, "reasoning_effort": "low", "user": "somebody"},
    "tools": {"messages": CALLED, "tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
    "a tool by name": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "tide"}}},
    "a schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA}}},
    "a picture": {"messages": SEEN},
}


@pytest.fixture
def corp(hub: Hub) -> Iterator[Hub]:
    """The hub; what a test adds as `corp` is forgotten after it."""
    yield hub
    if "corp" in hub.providers.all():
        hub.providers.remove("corp")


def sent(request: Request) -> tuple[str, str, str, dict[str, Any]]:
    """What of a request makes a difference: method, path, type and body."""
    return request.method, request.path, request.headers["content-type"], request.json()


@pytest.mark.parametrize("name", OPENAI_REQUESTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_openai_sends_what_we_send(corp: Hub, name: str, stream: bool) -> None:
    """The same parameters make the same request: path, key, type, and every field of the body."""
    asked = {"messages": HI, **OPENAI_REQUESTS[name]}
    if stream:
        asked["stream_options"] = {"include_usage": True}
    with serve(OPENAI_STREAM if stream else OPENAI_REPLY) as server:
        with openai_client(f"{server.url}/v1") as client:
            answer = client.chat.completions.create(model="m", stream=stream, **asked)
            if stream:
                list(answer)
        corp.providers.add("corp", base_url=f"{server.url}/v1", dialect="openai", key=KEY)
        messages = asked.pop("messages")
        assert corp.chat(messages, model="corp/m", stream=stream, **asked).text() == "yes"
        theirs, ours = server.requests
    assert ours.headers["authorization"] == theirs.headers["authorization"] == f"Bearer {KEY}"
    method, path, kind, body = sent(theirs)
    if not stream:  # we always stream, so that an answer can be shown, stopped and timed; the reply may be whole
        body.pop("stream", None)
    got = sent(ours)
    if not stream:
        assert got[3].pop("stream", None) in (None, True, False)
        got[3].pop("stream_options", None)
    assert got == (method, path, kind, body)


ANTHROPIC_REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"messages": HI, "max_tokens": 64}, {"messages": HI, "max_tokens": 64}),
    "sampling": (
        {"messages": HI, "max_tokens": 64, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop": ["END"]},
        {"messages": HI, "max_tokens": 64, "stop_sequences": ["END"],  # newest models take no others, nor does the SDK
         "extra_body": {"temperature": 0.5, "top_p": 0.9, "top_k": 40}},
    ),
    "tools": (
        {"messages": CALLED, "max_tokens": 64, "tools": [TOOL], "tool_choice": "auto"},
        {"messages": [
            {"role": "user", "content": "When is the tide high in Brest?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "c1", "name": "tide", "input": {"port": "Brest"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "at noon"}]},
        ], "system": "Be brief.", "max_tokens": 64, "tool_choice": {"type": "auto"},
         "tools": [{"name": "tide", "description": "When it is high.", "input_schema": SCHEMA}]},
    ),
    "a picture": (
        {"messages": SEEN, "max_tokens": 64},
        {"messages": [{"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                         "data": PIXEL.partition(",")[2]}}]}], "max_tokens": 64},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANTHROPIC_REQUESTS)
def test_anthropic_sends_what_we_send(corp: Hub, name: str) -> None:
    """A request in OpenAI's words becomes the one that Anthropic's SDK sends for the same in its own."""
    ours_asked, theirs_asked = ANTHROPIC_REQUESTS[name]
    with serve(ANTHROPIC_REPLY) as server:
        with anthropic_client(server.url) as client:
            client.messages.create(model="claude-x", **theirs_asked)
        corp.providers.add("corp", base_url=server.url, dialect="anthropic", key=KEY)
        asked = dict(ours_asked)
        assert corp.chat(asked.pop("messages"), model="corp/claude-x", stream=False, **asked).text() == "yes"
        theirs, ours = server.requests
    assert (ours.headers["x-api-key"], ours.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in ours.headers  # the SDK says both otherwise since 2.12: as Bearer, of a newer version
    method, path, kind, body = sent(theirs)
    got = sent(ours)
    got[3].pop("stream", None)
    assert (*got[:3], plain(got[3])) == (method, path, kind, plain(body))


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A body in one of its spellings: text as it is, where a list with one text part says the same."""

    def simple(content: Any) -> Any:
        if isinstance(content, list) and len(content) == 1 and set(content[0]) == {"type", "text"}:
            return content[0]["text"]
        if isinstance(content, list):
            return [{**p, "content": simple(p["content"])} if "content" in p else p for p in content]
        return content

    messages = [{**m, "content": simple(m["content"])} for m in body["messages"]]
    system = {"system": simple(body["system"])} if "system" in body else {}
    return {**body, "messages": messages, **system}


READ = [case for case in cases() if case.kind != "models" and case.dialect not in NEITHER]
# Replies that OpenAI's SDK reads otherwise than the catalogue says, and what of them: no witness there.
OTHERWISE = {
    "groq_stream.sse": {"usage"},  # it stands in `x_groq`
    "wire_two_spaces.sse": {"error"},  # two blanks behind `data:`, and it knows `[DONE]` without any
    "wire_id_retry_fields.sse": {"text", "finish", "usage", "error"},  # an `id:` without data is an event to it
    "wire_invalid_utf8.sse": {"text", "finish", "error"},  # it decodes strictly
    "wire_choices_null.sse": {"text", "finish", "usage", "error"},  # it goes through the choices of null
    "wire_tool_id_every_chunk.sse": {"tool_calls"},  # pieces are the caller's to put together: names come twice
    "wire_ndjson_openai.ndjson": {"text", "finish"},  # lines without `data:` are no events
}


def by_sdk(case: Case) -> Outcome:
    """What the SDK of its dialect makes of a case."""
    with serve(case.reply()) as server:
        if case.dialect == "anthropic":
            return of_anthropic(server.url, case.kind == "stream")
        return of_openai(f"{server.url}/v1", case.kind == "stream", **case.request)


def by_us(hub: Hub, case: Case) -> Outcome:
    """What modelhub makes of it."""
    with serve(case.reply()) as server:
        path = "" if case.dialect == "anthropic" else "/v1"
        hub.providers.add("corp", base_url=f"{server.url}{path}", dialect=case.dialect, key=KEY, settings=ONCE)
        asked = {k: v for k, v in case.request.items() if k not in {"stream", "stream_options"}}
        return of_modelhub(hub.chat("hi", model="corp/m", stream=case.kind == "stream", **asked))


@pytest.mark.parametrize(
    "case", [c for c in READ if "error" not in c.expect and c.name not in OTHERWISE], ids=lambda case: case.name
)
def test_where_an_sdk_is_right_we_read_the_same(corp: Hub, case: Case) -> None:
    """Text, finish reasons, thoughts, calls and counts are the SDK's, where it is as right as the catalogue."""
    ours, theirs = by_us(corp, case), by_sdk(case)
    assert theirs.wrong(case.expect) == [] and ours.error is None and theirs.error is None
    assert ours.choices == theirs.choices
    assert ours.calls == theirs.calls
    assert ours.reasoning == theirs.reasoning
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert ours.usage.get(name) == theirs.usage.get(name)
    assert drawn(ours) == drawn(theirs)


@pytest.mark.parametrize("name", OTHERWISE)
def test_where_the_sdk_is_otherwise_we_are_right(corp: Hub, name: str) -> None:
    """The SDK is no witness for these, still; modelhub reads them as the catalogue says."""
    case = next(c for c in READ if c.name == name)
    assert set(by_sdk(case).wrong(case.expect)) == OTHERWISE[name]
    assert by_us(corp, case).wrong(case.expect) == []


def drawn(outcome: Outcome) -> list[tuple[Any, ...]]:
    """Tokens with their bytes, and how many alternatives; numbers apart, since stand-ins for minus infinity differ."""
    return [(e["token"], e.get("bytes"), len(e.get("top_logprobs") or [])) for e in outcome.logprobs or []]


@pytest.mark.parametrize("case", [c for c in READ if c.kind == "error"], ids=lambda case: case.name)
def test_an_error_is_one_for_both(corp: Hub, case: Case) -> None:
    """What the SDK takes for an error is one here, with the same status."""
    theirs, ours = by_sdk(case), by_us(corp, case)
    assert theirs.wrong(case.expect) == [] == ours.wrong(case.expect)
