"""Messages as chat templates expect them: text content, `system` for `developer`, one system message in front."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
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
    return {**call, "function": function}
