"""Google's Gemini API, generateContent: what it takes, requests, lists. `gemini_reader` reads its replies.

Facts: https://ai.google.dev/api/generate-content and the types of google-genai 3.4. What changes with the models is in
dated_rules.toml, as settings: `thinking` is `level` (the default, since Gemini 3) or `budget`; `schema` and
`tool_schema` name the fields that JSON schemas go to. The key goes in a header, never in the address.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import H, X
from modelhub.kernels.protocol.request import ChatRequest, Message, short
from modelhub.kernels.providers.dialects.dialect import Call, Listed, Page, Reader
from modelhub.kernels.providers.dialects.gemini_reader import GeminiReader
from modelhub.kernels.providers.dialects.wire_content import Media, pieces, text_only
from modelhub.kernels.providers.dialects.wire_fields import most_tokens, plain, put, stops, table, with_extra
from modelhub.kernels.providers.dialects.wire_list import page_call, page_rows, whole
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

# Thinking by reasoning_effort: a word since Gemini 3, a number of tokens before (those of Google's own route for
# OpenAI's clients; https://ai.google.dev/gemini-api/docs/openai).
LEVELS = {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
_CONFIG = "generationConfig"

RULES = table(
    "Gemini has nothing like it",
    {"image_url": "data: URLs and addresses", "input_audio": "wav, mp3 and more", "file": "data: URLs and addresses"},
    temperature=FieldRule(H, "0 to 2", wire=f"{_CONFIG}.temperature", low=0, high=2),
    top_p=FieldRule(H, "0 to 1", wire=f"{_CONFIG}.topP", low=0, high=1),
    top_k=FieldRule(H, "sent as topK", wire=f"{_CONFIG}.topK"),
    max_completion_tokens=FieldRule(H, "sent as maxOutputTokens; thinking counts"),
    max_tokens=FieldRule(H, "the older name of max_completion_tokens, which wins"),
    n=FieldRule(H, "1 to 8; not every model takes more than 1", wire=f"{_CONFIG}.candidateCount", low=1, high=8),
    stop=FieldRule(H, "at most 5, sent as stopSequences", most=5),
    seed=FieldRule(H, "32 bits", wire=f"{_CONFIG}.seed", low=-(1 << 31), high=(1 << 31) - 1),
    frequency_penalty=FieldRule(H, "-2 to 2, not with every model", wire=f"{_CONFIG}.frequencyPenalty", low=-2, high=2),
    presence_penalty=FieldRule(H, "-2 to 2, not with every model", wire=f"{_CONFIG}.presencePenalty", low=-2, high=2),
    logit_bias=FieldRule(X, "Gemini has none", ({},)),
    logprobs=FieldRule(H, "sent as responseLogprobs; some models refuse it", wire=f"{_CONFIG}.responseLogprobs"),
    top_logprobs=FieldRule(H, "0 to 20, sent as logprobs", wire=f"{_CONFIG}.logprobs", low=0, high=20),
    tools=FieldRule(H, "functions; tools of Google's own go as they are, as {'google_search': {}}"),
    tool_choice=FieldRule(H, "none, auto, required or a function's name"),
    parallel_tool_calls=FieldRule(X, "Gemini may always call several; ask for one call in the prompt", (True,)),
    response_format=FieldRule(H, "json_object, json_schema"),
    json_schema=FieldRule(H, "the same as response_format's"),
    reasoning_effort=FieldRule(H, "sent as thinkingLevel, before Gemini 3 as thinkingBudget; thoughts are told"),
    verbosity=FieldRule(X, "say it in the prompt, as in 'answer briefly'"),
)  # fmt: skip
SPOKEN = frozenset({
    "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "x_modelhub.json_schema", "reasoning_effort",
})  # fmt: skip


class Gemini:
    """The dialect."""

    name = "gemini"
    rules: Mapping[str, FieldRule] = RULES

    def build(self, request: ChatRequest, target: Target) -> Call:
        """See `Dialect.build`."""
        whose = target.provider.shown
        body: dict[str, Any] = {}
        system = [
            text_only(pieces(m, number), f"a system message of {whose}", number)
            for number, m in enumerate(request.messages)
            if m.role in {"system", "developer"}
        ]
        if said := "\n\n".join(text for text in system if text):
            body["systemInstruction"] = {"parts": [{"text": said}]}
        body["contents"] = _contents(request)
        _tools(body, request, target)
        body |= plain(request, target, SPOKEN)
        if (most := most_tokens(request)) is not None:
            put(body, f"{_CONFIG}.maxOutputTokens", most)
        if sequences := stops(request, target):
            put(body, f"{_CONFIG}.stopSequences", sequences)
        kind, schema = schema_of(request)
        if kind:
            put(body, f"{_CONFIG}.responseMimeType", "application/json")
            if kind == "schema":
                put(body, f"{_CONFIG}.{target.settings.get('schema', 'responseJsonSchema')}", schema)
        _thinking(body, request, target)
        url = f"{target.provider.base_url}/{_path(target.model)}:streamGenerateContent?alt=sse"
        return Call("POST", url, with_extra(body, request), stream=True)

    def reader(self, request: ChatRequest, target: Target) -> Reader:
        """See `Dialect.reader`."""
        return GeminiReader(request, target)

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """See `Dialect.list_call`."""
        return page_call(provider, following, "/models")

    def list_page(self, body: Any, provider: Provider) -> Page:
        """See `Dialect.list_page`."""
        rows = [_listed(name, row) for name, row in page_rows(body, "models", ("name", "id"), provider).items()]
        token = body.get("nextPageToken") if isinstance(body, dict) else None
        return Page(tuple(rows), {"pageToken": token} if isinstance(token, str) and token else {})


def _path(model: str) -> str:
    """The path of a model, whose id may begin with the collection it is in. Raises BadRequest for what is no id."""
    full = model if "/" in model else f"models/{model}"
    if any(step in {"", ".", ".."} for step in full.split("/")):
        raise BadRequest(f"{short(model)} is no id of a model of Gemini's", param="model")
    return quote(full, safe="/-._~@")


def _contents(request: ChatRequest) -> list[dict[str, Any]]:
    """The turns: a tool's results are the user's, neighbours of one role are one turn."""
    turns: list[dict[str, Any]] = []
    names: dict[str, tuple[str, bool]] = {}  # of the functions, by the id of the call, and whether the id is Gemini's
    for number, message in enumerate(request.messages):
        if message.role in {"system", "developer"}:
            continue
        role = "model" if message.role == "assistant" else "user"
        if role == "model":
            parts = _said(message, number, names)
        elif message.role == "user":
            parts = [_part(piece) for piece in pieces(message, number)]
            if not parts:
                raise BadRequest(f"messages.{number} is empty: write a question", param="messages")
        else:
            parts = _result(message, number, names)
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"].extend(parts)
        elif parts:
            turns.append({"role": role, "parts": parts})
    return turns


def _said(message: Message, number: int, names: dict[str, tuple[str, bool]]) -> list[dict[str, Any]]:
    """The parts of an answer: each signature on the part it came on."""
    kept = [p for p in message.reasoning_details or () if _ours(p)]
    parts: list[dict[str, Any]] = [p for p in kept if p.get("thought") is True]
    said = pieces(message, number)
    text = "".join(piece for piece in said if isinstance(piece, str))
    rest = [_part(piece) for piece in said if isinstance(piece, Media)]
    for signed in kept:
        if "picture" in signed:  # its number among the pictures, with which it goes back
            picture = signed["picture"]
            if isinstance(picture, int) and 0 <= picture < len(rest):
                rest[picture]["thoughtSignature"] = signed.get("thoughtSignature")
            continue
        if signed.get("thought") is True:
            continue
        own = signed.get("text")
        if not own:
            rest.append(signed)  # a signature alone, or code that ran: behind the text, as it comes
            continue
        before, found, after = text.partition(str(own))
        if found:  # else the text was changed, and the signature is for nothing
            parts += [{"text": before}] if before else []
            parts.append(signed)
            text = after
    parts += [{"text": text}] if text else []
    parts += rest
    for call in calls_of(message, number):
        google = call.extra.get("google")
        google = google if isinstance(google, dict) else {}
        names[call.ident] = (call.name, "id" in google)
        function: dict[str, Any] = {"name": call.name, "args": object_of(call, number)}
        part: dict[str, Any] = {"functionCall": {**({"id": google["id"]} if "id" in google else {}), **function}}
        signature = google.get("thought_signature")
        parts.append({**part, "thoughtSignature": signature} if signature else part)
    return parts


def _ours(part: Any) -> bool:
    """Whether a kept block is a part of Gemini's."""
    return isinstance(part, dict) and "type" not in part and bool(
        part.keys() & {"thoughtSignature", "executableCode", "codeExecutionResult"}
    )  # fmt: skip


def _part(piece: str | Media) -> dict[str, Any]:
    if isinstance(piece, str):
        return {"text": piece}
    if piece.url:
        mime = piece.mime or mimetypes.guess_type(piece.url.partition("?")[0])[0]
        return {"fileData": {**({"mimeType": mime} if mime else {}), "fileUri": piece.url}}
    return {"inlineData": {"mimeType": piece.mime, "data": piece.data}}


def _result(message: Message, number: int, names: Mapping[str, tuple[str, bool]]) -> list[dict[str, Any]]:
    """A tool's result, which goes back under the function's name and is an object."""
    ident = result_of(message, number)
    name, own = names.get(ident) or (message.name or "", False)
    if not name:
        raise BadRequest(
            f"messages.{number}: no assistant's message before it has a tool call with the id {short(ident)}",
            param="messages",
        )
    found = pieces(message, number)
    text = "".join(p for p in found if isinstance(p, str))
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    response = value if isinstance(value, dict) else {"result": value}
    part = {"functionResponse": {**({"id": ident} if own else {}), "name": name, "response": response}}
    return [part, *(_part(p) for p in found if isinstance(p, Media))]


def _tools(body: dict[str, Any], request: ChatRequest, target: Target) -> None:
    functions, own = tools_of(request)
    field = target.settings.get("tool_schema", "parametersJsonSchema")
    rows = [
        {
            "name": tool.name,
            **({"description": tool.description} if tool.description else {}),
            **({field: tool.parameters} if tool.parameters else {}),
        }
        for tool in functions
    ]
    if rows or own:
        body["tools"] = [*([{"functionDeclarations": rows}] if rows else []), *own]
    mode, name = choice_of(request)
    if mode in {"required", "function"} and not rows:
        raise BadRequest(f"tool_choice={mode!r} needs functions in tools", param="tool_choice")
    if mode and rows:
        config: dict[str, Any] = {"mode": {"none": "NONE", "auto": "AUTO"}.get(mode, "ANY")}
        body["toolConfig"] = {"functionCallingConfig": {**config, **({"allowedFunctionNames": [name]} if name else {})}}


def _thinking(body: dict[str, Any], request: ChatRequest, target: Target) -> None:
    effort = request.reasoning_effort
    if effort is None or target.rules["reasoning_effort"].status != H:
        return
    config: dict[str, Any]
    if target.settings.get("thinking") == "budget":
        config = {"thinkingBudget": BUDGETS[effort]}
    elif effort == "none":
        raise BadRequest(
            f"reasoning_effort='none': {target.model} always thinks; 'minimal' or 'low' is the least",
            param="reasoning_effort",
            code="unsupported_value",
        )
    else:
        config = {"thinkingLevel": LEVELS[effort]}
    put(body, f"{_CONFIG}.thinkingConfig", {**config, **({"includeThoughts": True} if effort != "none" else {})})


def _listed(name: str, row: dict[str, Any]) -> Listed:
    methods = row.get("supportedGenerationMethods")
    kind = None
    if isinstance(methods, list):
        kind = "chat" if "generateContent" in methods else "embedding" if "embedContent" in methods else "other"
    title, about = row.get("displayName"), row.get("description")
    return Listed(
        id=name.removeprefix("models/"),
        title=title if isinstance(title, str) else "",
        kind=kind,
        context_length=whole(row.get("inputTokenLimit")),
        most_output=whole(row.get("outputTokenLimit")),
        capabilities=("reasoning",) if row.get("thinking") is True else (),
        description=about if isinstance(about, str) else None,
        raw=row,
    )


DIALECT = Gemini()
