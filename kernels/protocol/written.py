"""Lists and dicts that were typed as text."""

from __future__ import annotations

import ast
import json
from typing import Any


def collection(text: str, kind: Any) -> Any:
    """The list or dict written in `text`, as JSON, as a Python literal, or a dict as `key:value,key:value`.

    kind: list or dict. Where none is written it is `text` itself, which a check then refuses.
    """
    written = text.strip()
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(written)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, kind):
            return found
        if kind is list and isinstance(found, tuple | set):
            return list(found)
    pairs = [pair.partition(":") for pair in written.split(",")]
    if kind is dict and not written.startswith("{") and all(colon for _, colon, _ in pairs):
        return {key.strip(): _value(value.strip()) for key, _, value in pairs}
    return text


def where_broken(value: Any) -> str:
    """Where text that begins as JSON stops being it, in words; empty for anything else."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return ""
    try:
        json.loads(value)
    except ValueError as error:
        return f", which is no JSON: {error}"
    except RecursionError:
        return ", which is nested too deep"
    return ""


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
