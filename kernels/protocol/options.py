"""The options of a model that a plugin brings: declared as a pydantic class, checked in one line, shown as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from modelhub.errors import BadRequest, did_you_mean
from modelhub.kernels.protocol.request import short
from modelhub.kernels.protocol.written import collection, where_broken


class Options(BaseModel):
    """Base of a model's options: each field is one, with type, range (`Field(ge=0, le=1)`), default, description.

    Names that are not declared are refused, numbers become text where text is declared, and a list or a dict may also
    be given as text: as JSON, as a Python literal, or a dict as `key:value,key:value`.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _written(cls, given: Any) -> Any:
        """Values of lists and dicts that came as text."""
        if not isinstance(given, Mapping):
            return given
        return {
            name: collection(value, kind)
            if isinstance(value, str) and (field := cls.model_fields.get(name)) and (kind := _collection_kind(field))
            else value
            for name, value in given.items()
        }


def check_options(options: type[BaseModel], given: Mapping[str, Any] | Iterable[tuple[str, Any]], whose: str) -> Any:
    """An instance of `options` made of `given`. Raises BadRequest, in one line that names every option at fault.

    whose: how the message calls the model, as "parrot". A name that is unknown is named with the nearest known one; a
    value with what was expected and what came; a place inside a value as `keywords[2]`.
    """
    values = dict(given)
    for name in values:
        if name not in options.model_fields:
            raise unknown_option(name, options, whose)
    try:
        return options(**values)
    except ValidationError as error:
        problems = _one_each(error)
        texts, first = [_problem(options, problem) for problem in problems], problems[0]["loc"][:1]
        raise BadRequest(f"{whose}: {'; '.join(texts)}", param=str(first[0]) if first else "") from None


def unknown_option(name: Any, options: type[BaseModel], whose: str) -> BadRequest:
    """The error for an option that the model of this name does not have."""
    known = list(options.model_fields)
    has = f"Its options are {', '.join(known)}" if known else "It has no options"
    return BadRequest(
        f"{whose}: unknown option {short(name)}.{did_you_mean(str(name), known)} {has}",
        param=str(name),
        code="unsupported_parameter",
    )


def option_rows(options: type[BaseModel]) -> list[dict[str, Any]]:
    """A row an option: `option`, `type`, `range`, `default` (None: it has none and must be given), `description`."""
    rows = []
    for name, field in options.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        rows.append(
            {
                "option": name,
                "type": type_text(field.annotation),
                "range": range_text(field),
                "default": default,
                "required": field.is_required(),
                "description": field.description or "",
            }
        )
    return rows


def type_text(annotation: Any) -> str:
    """A type in plain words: `a number`, `a list of text`, `one of 'a', 'b'`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is not None and getattr(origin, "__name__", "") == "Annotated":
        return type_text(parts[0])
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return " or ".join(type_text(p) for p in parts if p is not type(None))
    if str(origin) == "typing.Literal":
        return f"one of {', '.join(map(repr, parts))}"
    if origin in (list, tuple, set, frozenset):
        return f"a list of {_plural(type_text(parts[0]))}" if parts else "a list"
    if origin is dict:
        return f"a dict of {_plural(type_text(parts[0]))} to {_plural(type_text(parts[1]))}"
    words = {
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        list: "a list",
        dict: "a dict",
    }
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))


def range_text(field: FieldInfo) -> str:
    """The range of a field's values or lengths, as `0 to 1` or `at least 1`; empty where any will do."""
    low = high = length = ""
    for rule in field.metadata:
        low = f"at least {rule.ge:g}" if getattr(rule, "ge", None) is not None else low
        low = f"more than {rule.gt:g}" if getattr(rule, "gt", None) is not None else low
        high = f"at most {rule.le:g}" if getattr(rule, "le", None) is not None else high
        high = f"less than {rule.lt:g}" if getattr(rule, "lt", None) is not None else high
        if getattr(rule, "min_length", None):
            length = f"at least {rule.min_length} long"
        if getattr(rule, "max_length", None) is not None:
            length = f"{length}, at most {rule.max_length} long".removeprefix(", ")
    if low.startswith("at least") and high.startswith("at most"):
        return f"{low.removeprefix('at least ')} to {high.removeprefix('at most ')}"
    return ", ".join(part for part in (low, high, length) if part)


def _collection_kind(field: FieldInfo) -> type | None:
    """List or dict where that is all the field takes, besides None; else None."""
    annotation = field.annotation
    kinds = [a for a in get_args(annotation) if a is not type(None)] if _is_union(annotation) else [annotation]
    origins = [get_origin(k) or k for k in kinds]
    return next((kind for kind in (list, dict) if origins == [kind]), None)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) is Union or str(get_origin(annotation)) == "<class 'types.UnionType'>"


def _one_each(error: ValidationError) -> list[Any]:
    """One report for each place; alternatives of a union are reported one by one, and the deepest says most."""
    found: dict[Any, Any] = {}
    for problem in error.errors(include_url=False):
        first = problem["loc"][:1]
        if first not in found or len(problem["loc"]) > len(found[first]["loc"]):
            found[first] = problem
    return list(found.values())


def _problem(options: type[BaseModel], problem: Any) -> str:
    loc = problem["loc"]
    if not loc:
        return str(problem["msg"]).removeprefix("Value error, ")
    name, path = str(loc[0]), place(loc)
    field = options.model_fields.get(name)
    if problem["type"] == "missing":
        return f"option {path} must be given{': ' + type_text(field.annotation) if field and len(loc) == 1 else ''}"
    if problem["type"] == "value_error":
        return f"option {path}: {str(problem['msg']).removeprefix('Value error, ')}; got {short(problem['input'])}"
    expected = problem["msg"][0].lower() + problem["msg"][1:]
    if field is not None and len(loc) == 1:
        span = range_text(field)
        expected = f"should be {type_text(field.annotation)}" + (f", {span}" if span else "")
    broken = where_broken(problem["input"]) if problem["type"] in {"list_type", "dict_type"} else ""
    return f"option {path}: {expected.removeprefix('input ')}; got {short(problem['input'])}{broken}"


def place(loc: tuple[int | str, ...]) -> str:
    """Where in the options, as `keywords[2].name`; without the names pydantic gives to the alternatives of a union."""
    path = str(loc[0])
    for part in loc[1:]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in {"str", "int", "float", "bool", "[key]"} and not part.startswith(
            ("list[", "dict[", "function-")
        ):
            path += f"[{part}]" if part.lstrip("-").isdigit() else f".{part}"
    return path


def _plural(text: str) -> str:
    words = {"a whole number": "whole numbers", "a number": "numbers", "a list": "lists", "a dict": "dicts"}
    return words.get(text, text)
