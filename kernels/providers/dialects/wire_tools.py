"""Tools of a request, and the calls in its messages, read once for every wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import ChatRequest, Message, short


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call. parameters: a JSON schema, {} where it takes none."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of an assistant's message. arguments: parsed. extra: what must go back with it."""

    ident: str
    name: str
    arguments: Any
    extra: dict[str, Any] = field(default_factory=dict)


def tools_of(request: ChatRequest) -> tuple[list[Tool], list[dict[str, Any]]]:
    """The functions of a request that may be called, and the tools of a provider's own, as they are.

    Raises BadRequest.
    """
    functions, own = [], []
    for number, row in enumerate(request.tools or ()):
        kind, function = row.get("type"), row.get("function")
        if kind == "function" or (kind is None and isinstance(function, dict)):
            name = function.get("name") if isinstance(function, dict) else None
            if not isinstance(function, dict) or not isinstance(name, str) or not name:
                raise BadRequest(f"tools.{number}: a function needs a name", param="tools")
            parameters = function.get("parameters") or {}
            if not isinstance(parameters, dict):
                raise BadRequest(f"tools.{number}: parameters is a JSON schema; got {short(parameters)}", param="tools")
            said = function.get("description")
            description = said if isinstance(said, str) else ""
            functions.append(Tool(name, description, parameters, function.get("strict") is True))
        elif kind == "custom":
            raise BadRequest(f"tools.{number}: custom tools are OpenAI's own; use a function", param="tools")
        else:
            own.append(dict(row))
    match request.tool_choice:
        case {"type": "allowed_tools", "allowed_tools": {"tools": [*rows]}}:  # no other wire has a choice of several
            allowed = [_name_of(row) for row in rows]
            if strange := [name for name in allowed if name not in {tool.name for tool in functions}]:
                raise BadRequest(f"tool_choice: there is no tool {short(strange[0])}", param="tool_choice")
            functions = [tool for tool in functions if tool.name in allowed]
    return functions, own


def _name_of(row: Any) -> Any:
    """The name in a row of `allowed_tools`, which may be `{"function": {"name"}}` or `{"name"}`."""
    inner = row.get("function", row) if isinstance(row, dict) else row
    return inner.get("name") if isinstance(inner, dict) else inner


def choice_of(request: ChatRequest) -> tuple[str, str]:
    """`none`, `auto`, `required`, or `function` with its name; ("", "") where nothing is said. Raises BadRequest."""
    choice = request.tool_choice
    match choice:
        case None:
            return "", ""
        case "none" | "auto" | "required":
            return str(choice), ""
        case {"type": "function", "function": {"name": str(name)}}:
            if request.tools and name not in {t.name for t in tools_of(request)[0]}:
                raise BadRequest(f"tool_choice: there is no tool {short(name)}", param="tool_choice")
            return "function", name
        case {"type": "allowed_tools", "allowed_tools": {"mode": ("auto" | "required") as mode, "tools": [*_]}}:
            return str(mode), ""
    raise BadRequest(
        "tool_choice is 'none', 'auto', 'required' or {'type': 'function', 'function': {'name': ...}} here; "
        f"got {short(choice)}",
        param="tool_choice",
    )


def calls_of(message: Message, number: int) -> Iterator[ToolCall]:
    """The tool calls of a message. number: of the message, for errors. Raises BadRequest."""
    if message.function_call is not None:
        raise BadRequest(f"messages.{number}: function_call is OpenAI's older name; use tool_calls", param="messages")
    for row in message.tool_calls or ():
        function = row.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadRequest(
                f"messages.{number}: a tool call has a function with a name and arguments; got {short(row)}",
                param="messages",
            )
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments, parse_constant=_no_number) if arguments.strip() else {}
            except ValueError:
                raise BadRequest(
                    f"messages.{number}: the arguments of {short(function['name'])} are no JSON: {short(arguments)}",
                    param="messages",
                ) from None
        extra, ident = row.get("extra_content"), row.get("id")
        yield ToolCall(
            ident if isinstance(ident, str) else "",
            str(function["name"]),
            {} if arguments is None else arguments,
            dict(extra) if isinstance(extra, dict) else {},
        )


def _no_number(name: str) -> None:
    """NaN and Infinity, which servers write and JSON does not know."""
    raise ValueError(name)


def object_of(call: ToolCall, number: int) -> dict[str, Any]:
    """The arguments of a call, for wires that want an object. Raises BadRequest."""
    if not isinstance(call.arguments, dict):
        raise BadRequest(
            f"messages.{number}: the arguments of {short(call.name)} must be a JSON object", param="messages"
        )
    return call.arguments


def result_of(message: Message, number: int) -> str:
    """The id of the call that a tool's message answers. Raises BadRequest."""
    if message.role == "function":
        raise BadRequest(
            f"messages.{number}: the role 'function' is OpenAI's older one; use 'tool' with tool_call_id",
            param="messages",
        )
    if not message.tool_call_id:
        raise BadRequest(f"messages.{number}: a tool's message needs tool_call_id", param="messages")
    return message.tool_call_id


def schema_of(request: ChatRequest) -> tuple[str, dict[str, Any]]:
    """What shape the answer shall have: `json` (any), `schema` and the schema, or "" for text. Raises BadRequest."""
    own = request.x_modelhub.json_schema if request.x_modelhub else None
    if own is not None:
        return "schema", dict(own)
    wanted: dict[str, Any] = dict(request.response_format or {"type": "text"})
    match wanted.get("type"):
        case "text":
            return "", {}
        case "json_object":
            schema = wanted.get("schema")
            return ("schema", schema) if isinstance(schema, dict) else ("json", {})
        case "json_schema":
            named = wanted.get("json_schema")
            schema = named.get("schema") if isinstance(named, dict) else None
            if isinstance(schema, dict):
                return "schema", schema
    raise BadRequest(
        "response_format is {'type': 'json_object'} or {'type': 'json_schema', 'json_schema': {'name': ..., "
        f"'schema': {{...}}}}}}; got {short(request.response_format)}",
        param="response_format",
    )
