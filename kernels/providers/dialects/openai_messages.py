"""Messages as OpenAI-like servers take them.

Settings of a target: `developer`: whether the role of that name is taken ("developer"), or is said as system (""); at
OpenAI itself it is always taken. `reasoning_back`: what goes back of earlier answers' thoughts: "" nothing,
"with_tools" their reasoning_content where tools were called (DeepSeek refuses the request without), "details" their
reasoning_details (OpenRouter). `extra_content`: whether what came with a tool call goes back (Gemini's signatures); by
default to servers of which nothing else is known. `prefix`: whether a last message of the assistant's is marked as the
beginning of the answer (Mistral). `tool_id`: a pattern that ids of tool calls must have; others are replaced by ones
made of them. `joined`: whether content of several text parts is sent as one text.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from modelhub.kernels.protocol.honesty import H
from modelhub.kernels.protocol.request import ChatRequest, Message, Part
from modelhub.kernels.providers.dialects.openai_fields import official
from modelhub.kernels.providers.rules import Target

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


SAID = {"text", "refusal"}  # the parts that an assistant's message may have; `checking` tells of others


def messages_of(request: ChatRequest, target: Target) -> list[dict[str, Any]]:
    """The messages of a request, as data."""
    older: list[str] = []  # ids made for calls of `function_call`, whose results have none
    back = str(target.settings.get("reasoning_back") or "")
    if back == "with_tools" and not any(message.tool_calls for message in request.messages):
        back = ""
    said = [_message(message, number, target, older, back) for number, message in enumerate(request.messages)]
    if target.settings.get("prefix") and said[-1]["role"] == "assistant":
        said[-1]["prefix"] = True
    return said


def _message(message: Message, number: int, target: Target, older: list[str], back: str) -> dict[str, Any]:
    settings, own = target.settings, official(target.provider)
    role: str = message.role
    if role == "developer" and not own and settings.get("developer") != "developer":
        role = "system"
    said: dict[str, Any] = {"role": "tool" if role == "function" else role, "content": _content(message, target, own)}
    name = target.rules.get("messages.name")
    if message.name is not None and role != "function" and (name is None or name.status == H):
        said["name"] = message.name
    if message.refusal is not None:
        if own:
            said["refusal"] = message.refusal
        elif not said["content"]:
            said["content"] = message.refusal
    extra = settings.get("extra_content", target.provider.record == "openai" and not own)
    calls = [_call(call, settings, bool(extra)) for call in message.tool_calls or ()]
    if message.function_call is not None:
        older.append(f"call_{number}")
        ident = _ident(older[-1], settings)
        calls.append({"id": ident, "type": "function", "function": _function(message.function_call)})
    if calls:
        said["tool_calls"] = calls
    if message.tool_call_id is not None:
        said["tool_call_id"] = _ident(message.tool_call_id, settings)
    elif role == "function" and older:
        said["tool_call_id"] = _ident(older.pop(0), settings)
    if back == "with_tools" and message.reasoning_content is not None:
        said["reasoning_content"] = message.reasoning_content
    if back == "details" and message.reasoning_details:
        said["reasoning_details"] = message.reasoning_details
    return said


def _content(message: Message, target: Target, own: bool) -> Any:
    content = message.content
    if not isinstance(content, list):
        return content
    parts = [_part(part, own) for part in content if message.role != "assistant" or part.type in SAID]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    if len(texts) == len(parts) and (len(parts) < 2 or target.settings.get("joined")):
        return "".join(texts)
    return parts


def _part(part: Part, own: bool) -> dict[str, Any]:
    if part.type == "refusal" and not own:
        return {"type": "text", "text": part.refusal or ""}
    if part.type == "text":
        return {"type": "text", "text": part.text or ""}
    return {"type": part.type, part.type: getattr(part, part.type)}


def _call(call: dict[str, Any], settings: Any, extra: bool) -> dict[str, Any]:
    said = {name: value for name, value in call.items() if name not in {"extra_content", "index", "incomplete"}}
    if extra and call.get("extra_content"):
        said["extra_content"] = call["extra_content"]
    said.setdefault("type", "function")
    if isinstance(call.get("function"), dict):
        said["function"] = _function(call["function"])
    if isinstance(call.get("id"), str):
        said["id"] = _ident(call["id"], settings)
    return said


def _function(function: dict[str, Any]) -> dict[str, Any]:
    """A call's function: its arguments are text of JSON on this wire."""
    arguments = function.get("arguments")
    if arguments is None or arguments == "":
        arguments = "{}"
    elif not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {**function, "arguments": arguments}


def _ident(ident: str, settings: Any) -> str:
    """An id the provider takes: the same for the call and for its result."""
    pattern = settings.get("tool_id")
    if not pattern or re.fullmatch(pattern, ident):
        return ident
    number = int.from_bytes(hashlib.sha256(ident.encode("utf-8", "replace")).digest()[:8], "big")
    made = ""
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHABET))
        made += _ALPHABET[digit]
    return made
