"""Messages as chat templates expect them: text content, `system` for `developer`, one system message in front."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import Message


def for_template(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Plain messages for a model file's chat template.

    Many templates know no `developer`, raise on a second system message and expect the arguments of a tool call as an
    object: so developer becomes system, all system messages become the first one, and arguments are parsed.
    Raises BadRequest for a tool call whose function is none.
    """
    plain = [_plain(m) for m in messages]
    system = [m["content"] for m in plain if m["role"] == "system"]
    rest = [m for m in plain if m["role"] != "system"]
    return [{"role": "system", "content": "\n\n".join(system)}, *rest] if system else rest


def without_open_calls(messages: Sequence[Message], until: int) -> tuple[list[Message], list[str]]:
    """`messages` without tool calls that no message behind them answers, and the names of what was called.

    Providers refuse a conversation with such calls. Looked through are the first `until` messages: the rest are the
    user's own.
    """
    kept, dropped = list(messages), []
    for place, message in enumerate(messages[:until]):
        if not message.tool_calls:
            continue
        answers = {m.tool_call_id for m in _run_of_answers(messages[place + 1 :])}
        calls = [call for call in message.tool_calls if call.get("id") in answers]
        if len(calls) < len(message.tool_calls):
            dropped += [_name_of(call) for call in message.tool_calls if call.get("id") not in answers]
            changes = {"tool_calls": calls or None, "content": message.content if calls else message.content or ""}
            kept[place] = message.model_copy(update=changes)
    return kept, dropped


def _run_of_answers(messages: Sequence[Message]) -> Iterator[Message]:
    for message in messages:
        if message.role != "tool":
            return
        yield message


def _name_of(call: dict[str, Any]) -> str:
    function = call.get("function")
    return str(function.get("name") or "a tool") if isinstance(function, dict) else "a tool"


def text_of(message: Message) -> str:
    """The text of a message, its parts joined."""
    return message.text


def _plain(message: Message) -> dict[str, Any]:
    role = {"developer": "system", "function": "tool"}.get(message.role, message.role)
    plain: dict[str, Any] = {"role": role, "content": text_of(message)}
    for name in ("name", "tool_call_id"):
        if (value := getattr(message, name)) is not None:
            plain[name] = value
    if message.tool_calls:
        plain["tool_calls"] = [_call(c) for c in message.tool_calls]
    return plain


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function", {})
    if not isinstance(function, dict):
        raise BadRequest(
            f"messages: the function of a tool call must have a name and arguments; got {ascii(function)[:60]}",
            param="messages",
        )
    function = dict(function)
    if isinstance(function.get("arguments"), str):
        with contextlib.suppress(ValueError):
            function["arguments"] = json.loads(function["arguments"])
    rest = {name: value for name, value in call.items() if name != "extra_content"}  # which is for providers
    return {**rest, "function": function}
