"""Tool calls from their pieces, in whatever disorder providers send them."""

from __future__ import annotations

import json
from typing import Any

from modelhub.kernels.protocol.events import Called, Event, Warned
from modelhub.kernels.providers.dialects.halves import Halves, mended, sayable

MOST = 4096  # calls in one answer; what comes above that is somebody's mistake or malice


class _Call:
    """One call as far as it has come."""

    __slots__ = ("arguments", "halves", "ident", "name", "number", "sized")

    def __init__(self, number: int) -> None:
        """A call of which nothing is known."""
        self.number = number
        self.ident = ""
        self.name = ""
        self.arguments: list[str] = []
        self.halves = Halves()
        self.sized = 0  # times its arguments came as an object

    @property
    def text(self) -> str:
        """Its arguments so far."""
        if len(self.arguments) > 1:
            self.arguments[:] = ["".join(self.arguments)]
        return self.arguments[0] if self.arguments else ""

    @property
    def whole(self) -> bool:
        """Whether its arguments are JSON."""
        return _is_json(self.text)


class ToolCalls:
    """The calls of one choice: a dense list in the order in which they began.

    A piece belongs to the call with its id; else to the call that claimed its index last; else to the one that came
    last. A new id on a used index is a new call: Ollama and some gateways number every call 0.
    """

    def __init__(self, index: int = 0) -> None:
        """The calls of choice `index`; none has come."""
        self._index = index
        self._calls: list[_Call] = []
        self._ids: dict[str, _Call] = {}
        self._claimed: dict[int, _Call] = {}
        self._last: _Call | None = None
        self._warned = False

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, pieces: Any, *, each_new: bool = False) -> list[Called]:
        """Read a `tool_calls` list, of a chunk or of a message, where each piece is a call (`each_new`)."""
        if isinstance(pieces, dict):
            pieces = [pieces]
        if not isinstance(pieces, list):
            return []
        return [told for piece in pieces if isinstance(piece, dict) for told in self._add(piece, each_new)]

    def end(self) -> list[Event]:
        """What is left to tell when no more will come: arguments that never became JSON are warned of, once."""
        found: list[Event] = []
        for call in self._calls:
            rest = call.halves.rest()
            if not call.arguments and call.sized:
                rest = "{}"
            if rest:
                call.arguments.append(rest)
                found.append(Called(self._index, call.number, arguments=rest))
        cut = [call for call in self._calls if call.arguments and not call.whole]
        if cut and not self._warned:
            self._warned = True
            named = ", ".join(f"{c.number} ({ascii(c.name)[1:-1][:60]})" if c.name else str(c.number) for c in cut)
            found.append(Warned(f"the arguments of tool call {named} are no JSON: they were cut off, or badly written"))
        return found

    def _add(self, piece: dict[str, Any], each_new: bool) -> list[Called]:
        function = piece.get("function")
        if not isinstance(function, dict):
            custom = piece.get("custom")  # a tool of free text: its input takes the place of arguments
            custom = custom if isinstance(custom, dict) else {}
            function = {"name": custom.get("name"), "arguments": custom.get("input")}
        name, ident, place = _text(function.get("name")), _text(piece.get("id")), _number(piece.get("index"))
        arguments = function.get("arguments")
        call = None if each_new else self._call_of(ident, place, name, arguments)
        if call is None:
            if len(self._calls) >= MOST:
                return []
            call = _Call(len(self._calls))
            self._calls.append(call)
        if place is not None:
            self._claimed[place] = call
        said = Called(
            self._index,
            call.number,
            ident if ident and not call.ident else "",
            name if name and not call.name else "",
            self._more(call, arguments),
            _extra(piece),
        )
        if said.ident:
            call.ident = ident
            self._ids.setdefault(ident, call)
        call.name = call.name or name
        self._last = call
        return [said] if said.ident or said.name or said.arguments or said.extra else []

    def _call_of(self, ident: str, place: int | None, name: str, arguments: Any) -> _Call | None:
        """The call a piece belongs to; None: a new one begins."""
        if ident and ident in self._ids:
            return self._ids[ident]
        last = self._claimed.get(place) if place is not None else None
        if last is None and (place is None or not name):
            last = self._last
        if last is None or (ident and last.ident):
            return None
        return None if name and last.name and self._begins_anew(last, name, arguments) else last

    @staticmethod
    def _begins_anew(last: _Call, name: str, arguments: Any) -> bool:
        """Whether a named piece is another call, and not the name said again with more arguments."""
        if name != last.name:
            return True
        if not last.arguments or not last.whole:
            return False
        if isinstance(arguments, dict):
            return _written(arguments) != last.text
        return isinstance(arguments, str) and arguments.strip() != ""

    @staticmethod
    def _more(call: _Call, arguments: Any) -> str:
        """New text of a call's arguments. An object is all of them; said again, it is not more."""
        if isinstance(arguments, dict | list):
            call.sized += 1
            if not arguments or call.arguments:
                return ""
            arguments = _written(arguments)
        if not isinstance(arguments, str) or not arguments:
            return ""
        text = call.halves.whole(arguments)
        if text:
            call.arguments.append(text)
        return text


def _extra(piece: dict[str, Any]) -> dict[str, Any]:
    """What must go back with the call: Gemini's signatures stand under this name on its OpenAI route."""
    extra = piece.get("extra_content")
    return sayable(extra) if isinstance(extra, dict) else {}


def _text(value: Any) -> str:
    return mended(value) if isinstance(value, str) else str(value) if type(value) is int else ""


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else None


def _written(arguments: Any) -> str:
    return json.dumps(sayable(arguments), ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
