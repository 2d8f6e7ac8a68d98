"""Cohere's v2 chat: what it takes, requests, lists. `cohere_reader` reads its replies.

Facts: https://docs.cohere.com/reference/chat and the types of Cohere's Python SDK 7.3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import H, X
from modelhub.kernels.protocol.request import ChatRequest, Message
from modelhub.kernels.providers.dialects.cohere_reader import CohereReader
from modelhub.kernels.providers.dialects.dialect import Call, Listed, Page, Reader
from modelhub.kernels.providers.dialects.wire_content import Media, pieces, text_only, unread
from modelhub.kernels.providers.dialects.wire_fields import in_range, most_tokens, plain, stops, table, with_extra
from modelhub.kernels.providers.dialects.wire_list import joined, page_call, page_rows, whole
from modelhub.kernels.providers.dialects.wire_tools import (
    calls_of,
    choice_of,
    object_of,
    result_of,
    schema_of,
    tools_of,
)
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import FieldRule, Target

# Tokens to think with, by reasoning_effort; without a number the model takes as many as it likes.
BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192, "high": 16384}

RULES = table(
    "Cohere has nothing like it",
    {"image_url": "data: URLs and addresses of https, with models that see"},
    temperature=FieldRule(H, "0 to 1, default 0.3", low=0, high=1),
    top_p=FieldRule(H, "0.01 to 0.99, default 0.75, sent as p; 1 is sent as 0.99", low=0.01, high=1),
    top_k=FieldRule(H, "0 to 500, sent as k; 0 is off, the default", wire="k", low=0, high=500),
    max_completion_tokens=FieldRule(H, "sent as max_tokens; thinking counts"),
    max_tokens=FieldRule(H, "the older name of max_completion_tokens, which wins"),
    n=FieldRule(X, "one answer a request; ask again for another", (1,)),
    stop=FieldRule(H, "at most 5, sent as stop_sequences", most=5),
    seed=FieldRule(H, "from 0", low=0),
    frequency_penalty=FieldRule(H, "0 to 1", low=0, high=1),
    presence_penalty=FieldRule(H, "0 to 1", low=0, high=1),
    logit_bias=FieldRule(X, "Cohere has none", ({},)),
    logprobs=FieldRule(H, "of the tokens that were chosen; one entry a span of text"),
    top_logprobs=FieldRule(X, "Cohere gives no alternatives; logprobs alone gives the chosen tokens", (0,)),
    tools=FieldRule(H, "functions"),
    tool_choice=FieldRule(H, "none, auto, required; not a function's name"),
    parallel_tool_calls=FieldRule(X, "Cohere may always call several; ask for one call in the prompt", (True,)),
    response_format=FieldRule(H, "json_object, json_schema; not together with tools"),
    json_schema=FieldRule(H, "the same as response_format's"),
    reasoning_effort=FieldRule(H, "with models that think: none turns it off, others are a budget of tokens"),
    verbosity=FieldRule(X, "say it in the prompt, as in 'answer briefly'"),
)
SPOKEN = frozenset({
    "top_p", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "parallel_tool_calls",
    "response_format", "x_modelhub.json_schema", "reasoning_effort",
})  # fmt: skip


class Cohere:
    """The dialect."""

    name = "cohere"
    rules: Mapping[str, FieldRule] = RULES

    def build(self, request: ChatRequest, target: Target) -> Call:
        """See `Dialect.build`."""
        whose = target.provider.shown
        messages = [_message(m, number, whose) for number, m in enumerate(request.messages)]
        body: dict[str, Any] = {"model": target.model, "stream": True, "messages": messages}
        _tools(body, request)
        body |= plain(request, target, SPOKEN)
        if request.top_p is not None and target.rules["top_p"].status == H:
            body["p"] = min(in_range("top_p", request.top_p, target), 0.99)
        if (most := most_tokens(request)) is not None:
            body["max_tokens"] = most
        if sequences := stops(request, target):
            body["stop_sequences"] = sequences
        _shape(body, request)
        if request.reasoning_effort is not None and target.rules["reasoning_effort"].status == H:
            body["thinking"] = {"type": "disabled" if request.reasoning_effort == "none" else "enabled"}
            if budget := BUDGETS.get(request.reasoning_effort):
                body["thinking"]["token_budget"] = budget
        url = joined(target.provider.base_url, "/v2/chat")
        return Call("POST", url, with_extra(body, request), stream=True)

    def reader(self, request: ChatRequest, target: Target) -> Reader:
        """See `Dialect.reader`."""
        return CohereReader(request, target)

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """See `Dialect.list_call`."""
        return page_call(provider, following, "/v1/models")

    def list_page(self, body: Any, provider: Provider) -> Page:
        """See `Dialect.list_page`."""
        rows = [_listed(name, row) for name, row in page_rows(body, "models", ("name", "id"), provider).items()]
        token = body.get("next_page_token") if isinstance(body, dict) else None
        return Page(tuple(rows), {"page_token": token} if isinstance(token, str) and token else {})


def _message(message: Message, number: int, whose: str) -> dict[str, Any]:
    found = pieces(message, number)
    match message.role:
        case "system" | "developer":
            return {"role": "system", "content": text_only(found, f"a system message of {whose}", number)}
        case "user":
            if not found:
                raise BadRequest(f"messages.{number} is empty: write a question", param="messages")
            return {"role": "user", "content": _content(found, whose, number)}
        case "assistant":
            return _said(message, text_only(found, f"an answer of {whose}", number), number)
    ident = result_of(message, number)
    return {"role": "tool", "tool_call_id": ident, "content": text_only(found, f"a tool's result at {whose}", number)}


def _content(found: list[str | Media], whose: str, number: int) -> str | list[dict[str, Any]]:
    if all(isinstance(piece, str) for piece in found):
        return "".join(piece for piece in found if isinstance(piece, str))
    rows: list[dict[str, Any]] = []
    for piece in found:
        if isinstance(piece, str):
            rows.append({"type": "text", "text": piece})
        elif piece.kind != "image" or piece.url.startswith("gs:"):
            raise unread(piece, whose, number)
        else:
            url = piece.url or f"data:{piece.mime};base64,{piece.data}"
            rows.append({"type": "image_url", "image_url": {"url": url}})
    return rows


def _said(message: Message, text: str, number: int) -> dict[str, Any]:
    """An answer: with its calls go the plan it made and what it thought."""
    kept = [b for b in message.reasoning_details or () if isinstance(b, dict)]
    thoughts = [b for b in kept if b.get("type") == "thinking" and "signature" not in b and b.get("thinking")]
    plan = "".join(str(b["tool_plan"]) for b in kept if isinstance(b.get("tool_plan"), str))
    calls = [
        {
            "id": call.ident,
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(object_of(call, number), ensure_ascii=False)},
        }
        for call in calls_of(message, number)
    ]
    said: dict[str, Any] = {"role": "assistant"}
    if thoughts:
        said["content"] = [*thoughts, *([{"type": "text", "text": text}] if text else [])]
    elif text or not calls:
        said["content"] = text
    if calls:
        said |= {"tool_calls": calls, **({"tool_plan": plan} if plan else {})}
    return said


def _tools(body: dict[str, Any], request: ChatRequest) -> None:
    functions, own = tools_of(request)
    if own:
        raise BadRequest("tools: Cohere takes functions, as {'type': 'function', 'function': {...}}", param="tools")
    if functions:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    **({"description": tool.description} if tool.description else {}),
                    "parameters": tool.parameters or {"type": "object", "properties": {}},
                },
            }
            for tool in functions
        ]
        if any(tool.strict for tool in functions):
            body["strict_tools"] = True
    mode, name = choice_of(request)
    if name:
        raise BadRequest(
            f"tool_choice: Cohere cannot be told to call {name!r}; give that tool alone, and tool_choice='required'",
            param="tool_choice",
            code="unsupported_value",
        )
    if mode == "required" and not functions:
        raise BadRequest("tool_choice='required' needs tools", param="tool_choice")
    if mode in {"required", "none"} and functions:
        body["tool_choice"] = mode.upper()


def _shape(body: dict[str, Any], request: ChatRequest) -> None:
    kind, schema = schema_of(request)
    if kind and "tools" in body:
        raise BadRequest(
            "response_format and tools do not go together at Cohere; leave one out", param="response_format"
        )
    if kind:
        body["response_format"] = {"type": "json_object", **({"json_schema": schema} if kind == "schema" else {})}


def _listed(name: str, row: dict[str, Any]) -> Listed:
    points = row.get("endpoints")
    kind = None
    if isinstance(points, list):
        kinds = {"chat": "chat", "generate": "completion", "embed": "embedding"}
        kind = next((ours for theirs, ours in kinds.items() if theirs in points), "other")
    features = row.get("features")
    features = {f for f in features if isinstance(f, str)} if isinstance(features, list) else set()
    names = {
        "tools": "tools", "vision": "vision", "reasoning": "reasoning", "json_schema": "json_schema",
        "logprobs": "logprobs",
    }  # fmt: skip
    return Listed(
        id=name,
        kind=kind,
        context_length=whole(row.get("context_length")),
        capabilities=tuple(sorted(names[f] for f in features & names.keys())),
        retired=row.get("is_deprecated") is True,
        raw=row,
    )


DIALECT = Cohere()
