"""YAML 1.2 from ruamel.yaml's events: plain data with line numbers, and bounds on everything.

Only YAML 1.2's words are booleans (https://yaml.org/spec/1.2.2/#103-core-schema), so `n`, `no`, `on`, `off` and `y`
stay what they are, also as keys. A number with a leading zero, and what stands where a name or a version does, is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from modelhub.kernels.catalog.documents.loose_json import DEEPEST, MOST, Malformed, Place, _shown, number, whole

# Fields whose value is text whatever it looks like: 1.10 is not 1.1.
NAMES = {"id", "name", "model", "version", "api-version", "api_version", "revision", "model_id", "model_name"}

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*|(?:0|[1-9]\d*)?\.\d+|(?:0|[1-9]\d*)\.)(?:[eE][-+]?\d+)?", re.ASCII)


def read_yaml(text: str) -> tuple[Any, dict[Place, int], list[tuple[int, str]]]:
    """The data, the line of each key, and notes with their lines; of several documents a list. Raises Malformed."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    builder = _Builder()
    try:
        return builder.read(iter(YAML(typ="safe", pure=True).parse(text)))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = getattr(error, "problem", None) or "it holds a character that no text has"
        told = re.sub(r"'[^']{12,}'", "'…'", str(what))  # a message quotes nothing long enough to be a key
        raise Malformed(f"it is not valid YAML: {told}", mark.line + 1 if mark is not None else 0) from None
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, AssertionError, RecursionError):
        raise Malformed("it is not valid YAML", builder.line) from None  # ruamel's own slips on broken text


class _Builder:
    def __init__(self) -> None:
        self.line = 0
        self._lines: dict[Place, int] = {}
        self._notes: list[tuple[int, str]] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0

    def read(self, events: Iterator[Any]) -> tuple[Any, dict[Place, int], list[tuple[int, str]]]:
        found: list[Any] = []
        for event in events:
            if type(event).__name__ == "DocumentStartEvent":
                self._anchors.clear()
                found.append(self._value(next(events), events, (), 0))
        if not found:
            raise Malformed("it is empty", 0)
        found = [f for f in found if f is not None] or [None]
        if len(found) > 1:
            self._lines.clear()
        return found[0] if len(found) == 1 else found, self._lines, self._notes

    def _value(self, event: Any, events: Iterator[Any], place: Place, depth: int) -> Any:
        self.line = event.start_mark.line + 1
        kind = type(event).__name__
        if kind == "AliasEvent":
            value, weight = self._anchors.get(event.anchor, (None, -1))
            if weight < 0:
                raise Malformed("an alias (*) stands for something that is not there yet", self.line)
            self._add(weight)
            return value
        before = self._count
        self._add(1)
        if depth > DEEPEST:
            raise Malformed(f"it is nested deeper than {DEEPEST} levels", self.line)
        if kind == "MappingStartEvent":
            value = self._mapping(events, place, depth)
        elif kind == "SequenceStartEvent":
            value = []
            while type(item := next(events)).__name__ != "SequenceEndEvent":
                here = (*place, len(value))
                self._lines[here] = item.start_mark.line + 1
                value.append(self._value(item, events, here, depth + 1))
        else:
            value = _scalar(event, bool(place) and place[-1] in NAMES)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._count - before)
        return value

    def _mapping(self, events: Iterator[Any], place: Place, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while type(event := next(events)).__name__ != "MappingEndEvent":
            line = event.start_mark.line + 1
            if type(event).__name__ not in {"ScalarEvent", "AliasEvent"}:
                raise Malformed("the name of a field must be a word", line)
            key = whole(event.value) if type(event).__name__ == "ScalarEvent" else None
            if key is None:
                key = str(self._value(event, events, place, depth + 1))
            elif event.anchor:
                self._anchors[event.anchor] = (key, 1)
            here = (*place, key)
            value = self._value(next(events), events, here, depth + 1)
            if key == "<<" and isinstance(value, dict | list):
                for base in reversed(value if isinstance(value, list) else [value]):
                    merged |= base if isinstance(base, dict) else {}
                self._add(len(merged))
                continue
            if key in found:
                self._notes.append((line, f"{_shown(key)} stands there twice; the later one is taken"))
            self._lines[here] = line
            found[key] = value
        return merged | found

    def _add(self, weight: int) -> None:
        self._count += weight
        if self._count > MOST:
            raise Malformed(f"it has more than {MOST:,} values, aliases written out", self.line)


def _scalar(event: Any, name: bool) -> Any:
    """The value of a scalar: YAML 1.2's core schema, with numbers and names as the module says."""
    text: str = whole(event.value)
    tag = str(event.tag or "")
    if event.style in {"'", '"', "|", ">"} or tag == "!" or tag.endswith(":str"):
        return text
    if text in _NULLS:
        return None
    if name:
        return text
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    return number(text) if _NUMBER.fullmatch(text) else text
