"""Ollama's own chat, POST /api/chat: what it takes, requests, lists. `ollama_reader` reads its replies.

Facts: https://docs.ollama.com/api and Ollama's api/types.go of 2026-08. What changes with the models is in
dated_rules.toml, as settings: `think` is `switch` (the default: true or false) or `level` (low, medium, high).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import H, X
from modelhub.kernels.protocol.request import ChatRequest, Message
from modelhub.kernels.providers.dialects.dialect import Call, Listed, Page, Reader
from modelhub.kernels.providers.dialects.ollama_reader import OllamaReader
from modelhub.kernels.providers.dialects.wire_content import Media, pieces, unread
from modelhub.kernels.providers.dialects.wire_fields import most_tokens, plain, put, stops, table, with_extra
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

LEVELS = {"minimal": "low", "xhigh": "high", "max": "high"}  # all others are called as we call them


def _option(name: str, note: str, low: float | None = None, high: float | None = None) -> FieldRule:
    return FieldRule(H, note, wire=f"options.{name}", low=low, high=high)


_MIROSTAT = "Ollama's servers before 2025-09 took it; newer ones leave it out in silence"
RULES = table(
    "Ollama has no such option",
    {"image_url": "data: URLs, with models that see"},
    temperature=_option("temperature", "from 0, default the model's", 0),
    top_p=_option("top_p", "0 to 1", 0, 1),
    max_completion_tokens=FieldRule(H, "sent as num_predict"),
    max_tokens=FieldRule(H, "the older name of max_completion_tokens, which wins"),
    n=FieldRule(X, "one answer a request; ask again for another", (1,)),
    stop=FieldRule(H),
    seed=_option("seed", "a whole number"),
    frequency_penalty=_option("frequency_penalty", "-2 to 2"),
    presence_penalty=_option("presence_penalty", "-2 to 2"),
    logit_bias=FieldRule(X, "Ollama has none", ({},)),
    logprobs=FieldRule(H, "of the tokens that were chosen, since Ollama 0.12.11"),
    top_logprobs=FieldRule(H, "0 to 20", low=0, high=20),
    tools=FieldRule(H, "functions"),
    tool_choice=FieldRule(X, "Ollama leaves it to the model; none and auto can be said", ("none", "auto")),
    parallel_tool_calls=FieldRule(X, "Ollama leaves it to the model; ask for one call in the prompt", (True,)),
    response_format=FieldRule(H, "json_object, json_schema; sent as format"),
    json_schema=FieldRule(H, "the same as response_format's"),
    reasoning_effort=FieldRule(H, "none: think is false; others: true, or a level where the model has levels"),
    verbosity=FieldRule(X, "say it in the prompt, as in 'answer briefly'"),
    top_k=_option("top_k", "0 is off"),
    min_p=_option("min_p", "0 to 1"),
    typical_p=_option("typical_p", "0 to 1"),
    repeat_penalty=_option("repeat_penalty", "1 is off"),
    repeat_last_n=_option("repeat_last_n", "-1: the whole context"),
    n_keep=_option("num_keep", "tokens of the prompt that stay when the context is full"),
    mirostat=_option("mirostat", _MIROSTAT),
    mirostat_tau=_option("mirostat_tau", _MIROSTAT),
    mirostat_eta=_option("mirostat_eta", _MIROSTAT),
    extra_body=FieldRule(H, "merged into the body last, as {'keep_alive': '10m', 'options': {'num_ctx': 8192}}"),
    n_probs=FieldRule(X, "at most 20 alternatives, by logprobs and top_logprobs"),
    chat_template_kwargs=FieldRule(X, "the model's own template is rendered by the server; reasoning_effort is taken"),
)
SPOKEN = frozenset({
    "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "x_modelhub.json_schema", "reasoning_effort",
})  # fmt: skip


class Ollama:
    """The dialect."""

    name = "ollama"
    rules: Mapping[str, FieldRule] = RULES

    def build(self, request: ChatRequest, target: Target) -> Call:
        """See `Dialect.build`."""
        body: dict[str, Any] = {"model": target.model, "stream": True}
        body["messages"] = _messages(request, target.provider.shown)
        functions, own = tools_of(request)
        if own:
            raise BadRequest("tools: Ollama takes functions, as {'type': 'function', 'function': {...}}", param="tools")
        if functions and choice_of(request)[0] != "none":
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters or {"type": "object", "properties": {}},
                    },
                }
                for tool in functions
            ]
        body |= plain(request, target, SPOKEN)
        if (most := most_tokens(request)) is not None:
            put(body, "options.num_predict", most)
        if sequences := stops(request, target):
            put(body, "options.stop", sequences)
        kind, schema = schema_of(request)
        if kind:
            body["format"] = "json" if kind == "json" else schema
        if request.reasoning_effort is not None and target.rules["reasoning_effort"].status == H:
            body["think"] = _think(request.reasoning_effort, target)
        return Call("POST", joined(target.provider.base_url, "/api/chat"), with_extra(body, request), stream=True)

    def reader(self, request: ChatRequest, target: Target) -> Reader:
        """See `Dialect.reader`."""
        asked = request.x_modelhub
        sampled = asked is not None and bool(asked.mirostat)
        return OllamaReader(request, target, (f"mirostat may have no effect: {_MIROSTAT}",) if sampled else ())

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """See `Dialect.list_call`."""
        return page_call(provider, following, "/api/tags")

    def list_page(self, body: Any, provider: Provider) -> Page:
        """See `Dialect.list_page`."""
        rows = page_rows(body, "models", ("model", "name", "id"), provider)
        return Page(tuple(_listed(name, row) for name, row in rows.items()))


def _think(effort: str, target: Target) -> bool | str:
    if effort == "none":
        return False
    return LEVELS.get(effort, effort) if target.settings.get("think") == "level" else True


def _messages(request: ChatRequest, whose: str) -> list[dict[str, Any]]:
    names: dict[str, str] = {}  # of the functions, by the id of the call
    return [_message(message, number, whose, names) for number, message in enumerate(request.messages)]


def _message(message: Message, number: int, whose: str, names: dict[str, str]) -> dict[str, Any]:
    found = pieces(message, number)
    role = "system" if message.role == "developer" else message.role
    row: dict[str, Any] = {"role": role, "content": "".join(p for p in found if isinstance(p, str))}
    images = []
    for piece in found:
        if isinstance(piece, Media):
            if piece.kind != "image" or piece.url:
                raise unread(piece, whose, number, "give a picture as a data: URL")
            images.append(piece.data)
    if images:
        row["images"] = images
    if message.role == "assistant":
        calls = list(calls_of(message, number))
        names |= {call.ident: call.name for call in calls}
        if calls and message.reasoning_content:
            row["thinking"] = message.reasoning_content
        if calls:
            row["tool_calls"] = [
                {
                    **({"id": c.ident} if c.ident else {}),
                    "function": {"name": c.name, "arguments": object_of(c, number)},
                }
                for c in calls
            ]
    elif message.role in {"tool", "function"}:
        ident = result_of(message, number)
        name = names.get(ident) or message.name
        row |= {**({"tool_name": name} if name else {}), "tool_call_id": ident}
    return row


def _listed(name: str, row: dict[str, Any]) -> Listed:
    details = row.get("details")
    details = details if isinstance(details, dict) else {}
    family = details.get("family")
    facts = [details.get(name) for name in ("family", "parameter_size", "quantization_level")]
    size = row.get("size")
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        facts.append(f"{size / 1e9:.1f} GB")
    able = row.get("capabilities")
    able = {a for a in able if isinstance(a, str)} if isinstance(able, list) else set()
    names = {"tools": "tools", "vision": "vision", "thinking": "reasoning"}
    kind = "chat" if "completion" in able else "embedding" if "embedding" in able else None
    if kind is None and isinstance(family, str) and "bert" in family:
        kind = "embedding"  # all of that family are
    return Listed(
        id=name,
        kind=kind,
        context_length=whole(details.get("context_length")),
        capabilities=tuple(sorted(names[a] for a in able & names.keys())),
        description=", ".join(f for f in facts if isinstance(f, str) and f) or None,
        raw=row,
    )


DIALECT = Ollama()
