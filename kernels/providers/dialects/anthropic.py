"""Anthropic's Messages API: what it takes, requests, lists. `anthropic_reader` reads its replies.

Facts: https://docs.anthropic.com/en/api/messages and the types of Anthropic's Python SDK 2.12. What changes with the
models is in dated_rules.toml, as settings: `thinking` is `adaptive` (the default), `budget` or `none`;
`thinking_display` goes with adaptive thinking; `prefill`, see `continuing`; `anthropic_version`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import H, N, X
from modelhub.kernels.protocol.request import ChatRequest, Message
from modelhub.kernels.providers.dialects.anthropic_reader import AnthropicReader
from modelhub.kernels.providers.dialects.dialect import Call, Listed, Page, Reader
from modelhub.kernels.providers.dialects.wire_content import Media, pieces, text_only, unread
from modelhub.kernels.providers.dialects.wire_fields import most_tokens, plain, put, stops, table, with_extra
from modelhub.kernels.providers.dialects.wire_list import joined, page_call, page_rows, second, whole
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

VERSION = "2023-06-01"
MOST = 4096  # tokens of an answer where neither the request nor the model's card says: every model can this many
# Tokens to think with, by reasoning_effort, for models that take a number; Anthropic's least is 1,024.
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32768}
LEVELS = {"minimal": "low"}  # of those that take a word; all others are called as we call them

_CACHE = "Claude keeps what it is told to: extra_body={'cache_control': {'type': 'ephemeral'}}"
RULES = table(
    "Claude has nothing like it",
    {"image_url": "data: URLs and addresses of https", "file": "PDF and plain text"},
    temperature=FieldRule(H, "0 to 1, default 1; not while it thinks, nor with the newest models", low=0, high=1),
    top_p=FieldRule(H, "0 to 1, while it thinks from 0.95; not with the newest models", low=0, high=1),
    top_k=FieldRule(H, "not while it thinks, nor with the newest models", wire="top_k"),
    max_completion_tokens=FieldRule(H, "thinking counts; default: the most of the model where known, else 4096"),
    max_tokens=FieldRule(H, "the older name of max_completion_tokens, which wins"),
    n=FieldRule(X, "one answer a request; ask again for another", (1,)),
    stop=FieldRule(H, "sent as stop_sequences; which one ended it is in response.debug"),
    seed=FieldRule(X, "Claude takes no seed"),
    frequency_penalty=FieldRule(X, "Claude has no penalties", (0, 0.0)),
    presence_penalty=FieldRule(X, "Claude has no penalties", (0, 0.0)),
    logit_bias=FieldRule(X, "Claude's tokens are not public", ({},)),
    logprobs=FieldRule(X, "Claude gives no log probabilities; ask a local model for them", (False,)),
    top_logprobs=FieldRule(X, "Claude gives no log probabilities; ask a local model for them", (0,)),
    tools=FieldRule(H, "functions; tools of Anthropic's own go as they are"),
    tool_choice=FieldRule(H, "none, auto, required or a function's name; while it thinks only none and auto"),
    parallel_tool_calls=FieldRule(H, "false: at most one call an answer"),
    response_format=FieldRule(H, "json_schema, with models that have structured outputs"),
    json_schema=FieldRule(H, "the same as response_format's, with models that have structured outputs"),
    reasoning_effort=FieldRule(H, "adaptive thinking of this effort, or a budget with older models; none: no thinking"),
    service_tier=FieldRule(H, "auto; default never takes priority capacity; others are OpenAI's own"),
    verbosity=FieldRule(X, "say it in the prompt, as in 'answer briefly'"),
    prompt_cache_key=FieldRule(N, _CACHE),
    prompt_cache_options=FieldRule(N, _CACHE),
    prompt_cache_retention=FieldRule(N, _CACHE),
    chat_template_kwargs=FieldRule(X, "the provider's template is not public"),
    n_probs=FieldRule(X, "Claude gives no log probabilities; ask a local model for them"),
)
SPOKEN = frozenset({
    "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "x_modelhub.json_schema", "reasoning_effort", "service_tier",
})  # fmt: skip


class Anthropic:
    """The dialect."""

    name = "anthropic"
    rules: Mapping[str, FieldRule] = RULES

    def build(self, request: ChatRequest, target: Target) -> Call:
        """See `Dialect.build`."""
        body: dict[str, Any] = {"model": target.model, "max_tokens": most_output(request, target), "stream": True}
        system = [m.text for m in request.messages if m.role in {"system", "developer"} and m.text]
        if system:
            body["system"] = "\n\n".join(system)
        body["messages"] = _messages(request, target.provider.shown)
        body |= plain(request, target, SPOKEN)
        if sequences := stops(request, target):
            body["stop_sequences"] = sequences
        _tools(body, request)
        _shape(body, request)
        _thinking(body, request, target)
        _tier(body, request, target)
        url = joined(target.provider.base_url, "/v1/messages")
        return Call("POST", url, with_extra(body, request), _headers(target.provider, target.settings), stream=True)

    def reader(self, request: ChatRequest, target: Target) -> Reader:
        """See `Dialect.reader`."""
        own = most_tokens(request) is None
        return AnthropicReader(request, target, {"max_tokens": most_output(request, target)} if own else {})

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """See `Dialect.list_call`."""
        call = page_call(provider, following, "/v1/models")
        return Call(call.method, call.url, headers=_headers(provider, provider.settings))

    def list_page(self, body: Any, provider: Provider) -> Page:
        """See `Dialect.list_page`."""
        rows = [_listed(ident, row) for ident, row in page_rows(body, "data", ("id",), provider).items()]
        last = body.get("last_id") if isinstance(body, dict) and body.get("has_more") is True else None
        return Page(tuple(rows), {"after_id": last} if isinstance(last, str) and last else {})


def most_output(request: ChatRequest, target: Target) -> int:
    """The `max_tokens` that the API demands: as asked, else the most the model can, else MOST and what it thinks."""
    asked = most_tokens(request)
    if asked is not None:
        return asked
    return target.most_output or MOST + (_budget(request, target) or 0)


def _headers(provider: Provider, settings: Mapping[str, Any]) -> dict[str, str]:
    said = {name.lower() for name in provider.headers}
    return {} if "anthropic-version" in said else {"anthropic-version": str(settings.get("anthropic_version", VERSION))}


def _messages(request: ChatRequest, whose: str) -> list[dict[str, Any]]:
    """The turns: a tool's results are the user's, neighbours of one role are one turn."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for number, message in enumerate(request.messages):
        match message.role:
            case "system" | "developer":
                continue
            case "assistant":
                role, blocks = "assistant", _said(message, number, whose)
            case "user":
                role, blocks = "user", _blocks(pieces(message, number), whose, number)
                if not blocks:
                    raise BadRequest(f"messages.{number} is empty: write a question", param="messages")
            case _:
                role, blocks = "user", [_result(message, number, whose)]
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    return [{"role": role, "content": _short(blocks)} for role, blocks in turns]


def _short(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """The blocks, or the text itself where they are one text: the API reads both alike."""
    return str(blocks[0]["text"]) if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks


def _said(message: Message, number: int, whose: str) -> list[dict[str, Any]]:
    """The blocks of an answer: what was kept of it as it came, its text, its calls."""
    kept = [b for b in message.reasoning_details or () if _ours(b)]
    text = text_only(pieces(message, number), f"an answer of {whose}", number)
    before = "".join(str(b.get("text", "")) for b in kept if b["type"] == "text")
    if text.startswith(before):
        text = text[len(before) :]
    else:  # it was changed: what was signed still goes back, ahead of it
        kept = [b for b in kept if b["type"] != "text"]
    content = [{"type": "text", "text": text}] if text else []
    calls = [
        {"type": "tool_use", "id": call.ident, "name": call.name, "input": object_of(call, number)}
        for call in calls_of(message, number)
    ]
    return [*kept, *content, *calls]


def _ours(block: Any) -> bool:
    """Whether a kept block is of this wire: not one of OpenRouter's or Cohere's, nor a thought that is not signed."""
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str) or kind.startswith("reasoning.") or kind == "tool_plan":
        return False
    return kind != "thinking" or "signature" in block


def _blocks(found: list[str | Media], whose: str, number: int) -> list[dict[str, Any]]:
    return [{"type": "text", "text": p} if isinstance(p, str) else _medium(p, whose, number) for p in found]


def _medium(media: Media, whose: str, number: int) -> dict[str, Any]:
    source: dict[str, Any] = {"type": "base64", "media_type": media.mime, "data": media.data}
    if media.url:
        if not media.url.startswith(("http://", "https://")):
            raise unread(media, whose, number, "give a data: URL, or an address of https")
        source = {"type": "url", "url": media.url}
    if media.kind == "image":
        return {"type": "image", "source": source}
    if media.mime.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": media.text}
    elif media.mime not in {"", "application/pdf"}:
        raise unread(media, whose, number, "it reads PDF and plain text")
    return {"type": "document", "source": source, **({"title": media.title} if media.title else {})}


def _result(message: Message, number: int, whose: str) -> dict[str, Any]:
    ident = result_of(message, number)
    blocks = _blocks(pieces(message, number), whose, number)
    return {"type": "tool_result", "tool_use_id": ident, **({"content": _short(blocks)} if blocks else {})}


def _tools(body: dict[str, Any], request: ChatRequest) -> None:
    functions, own = tools_of(request)
    rows: list[dict[str, Any]] = []
    for tool in functions:
        row: dict[str, Any] = {"name": tool.name}
        if tool.description:
            row["description"] = tool.description
        row["input_schema"] = tool.parameters or {"type": "object", "properties": {}}
        rows.append({**row, "strict": True} if tool.strict else row)
    if rows or own:
        body["tools"] = [*rows, *own]
    mode, name = choice_of(request)
    single = request.parallel_tool_calls is False
    if "tools" not in body:
        if mode in {"required", "function"}:
            raise BadRequest(f"tool_choice={mode!r} needs tools", param="tool_choice")
        return
    choice: dict[str, Any] = {"type": {"required": "any", "function": "tool"}.get(mode, mode or "auto")}
    if name:
        choice["name"] = name
    if single and mode != "none":
        choice["disable_parallel_tool_use"] = True
    if mode or single:
        body["tool_choice"] = choice


def _shape(body: dict[str, Any], request: ChatRequest) -> None:
    kind, schema = schema_of(request)
    if kind == "json":
        raise BadRequest(
            "response_format: Claude gives JSON by a schema; give {'type': 'json_schema', ...}, or ask for JSON in the "
            "prompt",
            param="response_format",
            code="unsupported_value",
        )
    if kind:
        put(body, "output_config.format", {"type": "json_schema", "schema": schema})


def _budget(request: ChatRequest, target: Target) -> int | None:
    """The tokens to think with, where the model takes a number and is asked to think."""
    if target.settings.get("thinking") != "budget" or target.rules["reasoning_effort"].status != H:
        return None
    return BUDGETS.get(request.reasoning_effort or "none")


def _thinking(body: dict[str, Any], request: ChatRequest, target: Target) -> None:
    effort = request.reasoning_effort
    if effort is None or target.rules["reasoning_effort"].status != H:
        return
    if effort == "none":
        body["thinking"] = {"type": "disabled"}
        return
    if (budget := _budget(request, target)) is not None:
        most = body["max_tokens"]
        if most <= BUDGETS["minimal"]:
            raise BadRequest(
                f"max_tokens={most} leaves no room to think: give more than {BUDGETS['minimal']}, or leave "
                "reasoning_effort out",
                param="max_tokens",
            )
        body["thinking"] = {"type": "enabled", "budget_tokens": min(budget, most - 1)}
    else:
        display = target.settings.get("thinking_display")
        body["thinking"] = {"type": "adaptive", **({"display": display} if display else {})}
        put(body, "output_config.effort", LEVELS.get(effort, effort))
    for name in ("temperature", "top_k"):
        if body.get(name) not in (None, 1):
            raise BadRequest(
                f"{name} and reasoning_effort do not go together: Claude thinks with its own sampling; leave one out",
                param=name,
            )
        body.pop(name, None)
    if body.get("top_p", 1) < 0.95:
        raise BadRequest("while Claude thinks, top_p is 0.95 to 1; leave it out", param="top_p")
    if body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        raise BadRequest("while Claude thinks, tool_choice is 'auto' or 'none'", param="tool_choice")
    if request.messages[-1].role == "assistant":
        raise BadRequest(
            "while Claude thinks, it cannot go on with a last message of the assistant's: say reasoning_effort='none'",
            param="reasoning_effort",
        )


def _tier(body: dict[str, Any], request: ChatRequest, target: Target) -> None:
    tier = request.service_tier
    if tier is None or target.rules["service_tier"].status != H:
        return
    if tier not in {"auto", "default"}:
        raise BadRequest(
            f"service_tier={tier!r}: {target.provider.shown} takes 'auto' and 'default'",
            param="service_tier",
            code="unsupported_value",
        )
    body["service_tier"] = "auto" if tier == "auto" else "standard_only"


def _listed(ident: str, row: dict[str, Any]) -> Listed:
    able = row.get("capabilities")
    names = {"image_input": "vision", "structured_outputs": "json_schema", "thinking": "reasoning", "pdf_input": "pdf"}
    has = {
        ours
        for theirs, ours in names.items()
        if isinstance(able, dict) and isinstance(able.get(theirs), dict) and able[theirs].get("supported") is True
    }
    stage, until = row.get("lifecycle"), row.get("retires_at")
    dying = f"deprecated; it retires on {until[:10]}" if isinstance(until, str) else "deprecated"
    title = row.get("display_name")
    return Listed(
        id=ident,
        title=title if isinstance(title, str) else "",
        kind="chat",
        context_length=whole(row.get("max_input_tokens")),
        most_output=whole(row.get("max_tokens")),
        capabilities=tuple(sorted(has)),
        created=second(row.get("created_at")),
        description=dying if stage == "deprecated" else None,
        retired=stage == "retired",
        raw=row,
    )


DIALECT = Anthropic()
