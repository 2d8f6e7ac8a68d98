"""Fields of a request from what is typed behind flags and `-o`: text becomes what the field takes.

Text is turned into values here and nowhere else; in Python a field takes its own type only.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from modelhub.errors import BadRequest

# What a request is made of has its own place in the cell; the rest are no fields, but words `Hub.prepare` knows.
INSTEAD = {
    "model": "use -m MODEL",
    "system": "use -s SYSTEM",
    "messages": "write the question below the flags; --chat NAME goes on with a conversation",
    "conversation": "use --chat NAME",
} | dict.fromkeys(("self", "prompt", "cell", "warnings"), "it is no field of a request")

FLAGS = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed", "stop")


def fields_of(values: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fields that parsed flags set: those with a flag of their own, `--logprobs`, and `-o`.

    own: the types of options that the model has beside the request's fields, by name. Raises BadRequest.
    """
    fields = {name: values[name] for name in FLAGS if values.get(name) is not None}
    if values.get("logprobs") is not None:
        fields["logprobs"], fields["top_logprobs"] = True, values["logprobs"]
    for pair in values.get("option", ()):
        name, equals, text = pair.partition("=")
        if not equals:
            raise BadRequest(f"-o needs NAME=VALUE, as in -o presence_penalty=0.5; got {pair!r}")
        add(fields, name, text, own or {})
    return fields


def add(fields: dict[str, Any], name: str, text: str, own: Mapping[str, Any] | None = None) -> None:
    """Set the field `name` to what `text` says; one that is a list takes one more. Raises BadRequest."""
    if name in INSTEAD:
        raise BadRequest(f"-o cannot set {name}: {INSTEAD[name]}", param=name)
    kind = type_of(name, own or {})
    value = value_of(name, text, kind)
    if name not in fields:
        fields[name] = value
    elif list in _takes(kind) and fields[name] is not None and value is not None:
        fields[name] = [*_listed(fields[name]), *_listed(value)]
    else:
        raise BadRequest(f"{name} was given twice", param=name)


def type_of(name: str, own: Mapping[str, Any]) -> Any:
    """The type of a field or of one of the model's own options. Raises BadRequest for a name that is neither."""
    from modelhub.kernels.protocol.request import ChatRequest, Extension, unknown_name

    for known in (ChatRequest.model_fields, Extension.model_fields):
        if name in known:
            return known[name].annotation
    if name in own:
        return own[name]
    error = unknown_name(name, [*own, *ChatRequest.model_fields, *Extension.model_fields])
    if own:
        raise BadRequest(f"{error} The model's own options are {', '.join(own)}", **error.details)
    raise error


def value_of(name: str, text: str, kind: Any) -> Any:
    """What `text` says for a field of the type `kind`: JSON, a Python literal, `id:bias,id:bias`, or the text itself.

    `null` and `None` are None, which sets the field back to the engine's default. Raises BadRequest.
    """
    takes = _takes(kind)
    if text in {"null", "None"}:
        return None
    if list in takes and text.lstrip().startswith("(") and isinstance(found := _literal(text), tuple):
        return found  # which no field takes; as a text it would not be what was meant
    if takes & {list, dict} and _written_out(text, str in takes or str in _items(kind)):
        return _structure(name, text)
    if takes & {list, dict} == {dict} and str not in takes:
        return _pairs(name, text)
    if str in takes or str in _items(kind):
        said = _quoted(text)
        return said if str in takes else [said]
    value = _literal(text)
    return [value] if list in takes and not isinstance(value, list) else value


def _takes(kind: Any) -> set[Any]:
    """The plain types among the alternatives of a type: str, int, float, bool, list, dict."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _takes(parts[0])
    if origin in (Union, UnionType):
        return set().union(*(_takes(p) for p in parts if p is not type(None)))
    if origin is Literal:
        return {type(p) for p in parts}
    if origin in (tuple, set, frozenset):
        return {list}
    found = origin or kind
    if found in (str, int, float, bool, list, dict):
        return {found}
    return {dict} if hasattr(kind, "model_fields") else set()


def _items(kind: Any) -> set[Any]:
    """The plain types of the items of its lists."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _items(parts[0])
    if origin in (Union, UnionType):
        return set().union(*(_items(p) for p in parts))
    return _takes(parts[0]) if origin in (list, tuple, set, frozenset) and parts else set()


def _written_out(text: str, texts: bool) -> bool:
    """Whether `text` is meant as JSON or a literal. texts: also a text is taken, and [ alone may be one."""
    start = text.lstrip()
    if not start.startswith(("[", "{")):
        return False
    return not texts or start[1:].lstrip()[:1] in set("\"'{[]}") or start.rstrip().endswith(("]", "}"))


def _structure(name: str, text: str) -> Any:
    """A list or an object written as JSON or as a Python literal."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        wrong = error
    except RecursionError:
        raise BadRequest(f"{name}: it is nested too deeply", param=name) from None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        what, at = wrong.msg[0].lower() + wrong.msg[1:], wrong.pos + 1
        where = f"at character {at}, near {text[max(0, at - 13) : at + 12]!r}" if at <= len(text) else "where it ends"
        raise BadRequest(
            f"{name}: this is no JSON and no Python literal: {what} {where} ({len(text)} characters)",
            param=name,
        ) from None


def _pairs(name: str, text: str) -> dict[str, Any]:
    """`key:value,key:value` as an object."""
    pairs: dict[str, Any] = {}
    for part in text.split(","):
        key, colon, value = part.rpartition(":")
        if not colon or not key.strip():
            raise BadRequest(
                f'{name} needs JSON, as {{"2435": -100}}, or pairs, as 2435:-100,640:-100; got {text[:60]!r}',
                param=name,
            )
        if key.strip() in pairs:
            raise BadRequest(f"{name} has {key.strip()} twice", param=name)
        pairs[key.strip()] = _literal(value.strip())
    return pairs


def _quoted(text: str) -> str:
    """A text that may be written as JSON."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            found = json.loads(text)
        except ValueError:
            return text
        return found if isinstance(found, str) else text
    return text


def _literal(text: str) -> Any:
    """A value written as JSON or as a Python literal; anything else is text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
