"""Dialects over data: a request becomes a call, the bytes of a reply become what is told, and an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modelhub.kernels.protocol.events import Ended, Event, Started
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.providers import Providers
from modelhub.kernels.providers.rules import Target
from modelhub.kernels.providers.stream.decoder import body_decoder
from modelhub.kernels.response import Response

SSE = {"content-type": "text/event-stream"}
NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}
PIXEL = "iVBORw0KGgo="  # base64, as a picture is sent
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
CALL = {"id": "t1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Brest"}'}}
TIDE: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "tide",
        "description": "height",
        "parameters": {"type": "object", "properties": {"port": {"type": "string"}}},
    },
}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
SHAPED = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}


def picked(name: str) -> dict[str, Any]:
    """A tool_choice that names a function."""
    return {"type": "function", "function": {"name": name}}


def part(kind: str, **said: str) -> dict[str, Any]:
    """A user's message with one part that is no text."""
    return {"role": "user", "content": [{"type": kind, kind: said}]}


def called(arguments: str, **more: Any) -> dict[str, Any]:
    """An assistant's message with one tool call."""
    function = {"name": "tide", "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": "t1", "type": "function", "function": function, **more}]}


def target(provider: str, model: str = "m") -> Target:
    """What a request to a model of a packaged provider is for."""
    return Providers().target(provider, model)


def request(*messages: Any, **fields: Any) -> ChatRequest:
    """A request; text stands for a message of the user's, without any it is "hi"."""
    said = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages or ("hi",)]
    return ChatRequest.make(model="m", messages=said, **fields)


def call(provider: str, asked: ChatRequest | None = None, model: str = "m") -> Call:
    """The call for a request, which the provider's rules have let through."""
    asked = asked or request()
    aim = target(provider, model)
    Providers().check(asked, aim)
    return dialect(aim.provider.dialect).build(asked, aim)


def body(provider: str, *messages: Any, model: str = "m", **fields: Any) -> dict[str, Any]:
    """The body of the call for a request."""
    built = call(provider, request(*messages, **fields), model).body
    assert built is not None
    json.dumps(built, allow_nan=False)
    return built


def sse(*events: Mapping[str, Any] | str, named: bool = True) -> bytes:
    """Server-sent events; a mapping's `type` names its event."""
    lines = []
    for event in events:
        kind = f"event: {event['type']}\n" if named and isinstance(event, Mapping) and "type" in event else ""
        lines.append(f"{kind}data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return "".join(lines).encode()


def ndjson(*rows: Mapping[str, Any]) -> bytes:
    """JSON by the line."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def told(
    provider: str, reply: bytes, headers: Mapping[str, str] = SSE, asked: ChatRequest | None = None, step: int = 1 << 20
) -> tuple[list[Event], Ended]:
    """What a reader tells of a reply that comes `step` bytes at once, and how it ends.

    Facts that an engine tells at the beginning (`Started`) are left out.
    """
    aim = target(provider)
    reader = dialect(aim.provider.dialect).reader(asked or request(), aim)
    decoder = body_decoder(headers)
    found: list[Event] = []
    pieces = [reply[at : at + step] for at in range(0, len(reply), step)]
    for events in (*(decoder.feed(piece) for piece in pieces), decoder.end()):
        for event in events:
            found += reader.event(event)
    if decoder.whole is not None:
        found += reader.whole(decoder.whole)
    return [event for event in found if not isinstance(event, Started)], reader.end()


def answered(
    provider: str, reply: bytes, headers: Mapping[str, str] = SSE, asked: ChatRequest | None = None
) -> Response:
    """The response that a reply makes."""
    asked = asked or request()
    response = Response(asked)
    events, ended = told(provider, reply, headers, asked)
    response.feed_all([Started({"counts_tokens": False}), *events, ended])
    response.settle()
    response.end()
    return response


def answer(provider: str, reply: bytes, headers: Mapping[str, str] = SSE, **fields: Any) -> dict[str, Any]:
    """The choices and the usage of the completion that a reply makes. fields: of the request."""
    made = answered(provider, reply, headers, request(**fields)).json()
    return {"choices": made["choices"], "usage": made.get("usage")}


def again(provider: str, reply: bytes, headers: Mapping[str, str] = SSE, **fields: Any) -> dict[str, Any]:
    """The body of the next request, after a reply and a tool's result for each of its calls."""
    message = answered(provider, reply, headers, request(**fields)).message()
    calls = message.get("tool_calls", [])
    results = [{"role": "tool", "tool_call_id": c["id"], "content": "6 m"} for c in calls]
    return body(provider, {"role": "user", "content": "hi"}, message, *(results or ["and now?"]), **fields)
