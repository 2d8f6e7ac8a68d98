"""JSON as people write it: comments, no outer braces, keys without quotation marks, commas too many or too few.

Read so far as it can be meant in one way only; anything else is an error with its line. What was put up with beyond
that is noted.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

DEEPEST = 64  # levels
MOST = 50_000  # values in one document
Place = tuple[str | int, ...]

_SPACES = re.compile(r"[ \t\r]*")
_BLANK = re.compile(r"(?:\s+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.S)
_TEXT = {
    '"': re.compile(r'"((?:[^"\\\n]|\\[^\n])*)"'),
    "'": re.compile(r"'((?:[^'\\\n]|\\[^\n])*)'"),
}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=[\s,}\]]|$|#|//)", re.ASCII)
_DIGITS = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_$][\w.$-]*")
_PLACEHOLDER = re.compile(r"\{\{?[ \t]*[A-Za-z_][\w.-]*[ \t]*\}\}?|<[A-Za-z_][\w -]*>")
_BARE = re.compile(r"[^\n,}\]]*")
_COMMENT = re.compile(r"\s(?:#|//)")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}


class Malformed(Exception):
    """A text is not what it should be. `what` says why, `line` where; 0: nowhere in particular."""

    def __init__(self, what: str, line: int) -> None:
        """Keep both."""
        super().__init__(what)
        self.what, self.line = what, line


def read_loose_json(text: str) -> tuple[Any, dict[Place, int], list[tuple[int, str]]]:
    """The data, the line of each key, and notes with their lines. Raises Malformed."""
    return _Parser(text).read()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._newlines = [m.start() for m in re.finditer("\n", text)]
        self._lines: dict[Place, int] = {}
        self._notes: list[tuple[int, str]] = []
        self._count = 0

    def read(self) -> tuple[Any, dict[Place, int], list[tuple[int, str]]]:
        found: list[Any] = []
        while self._next():
            if found and self._text[self._at] in ",;":
                self._at += 1
            elif self._text[self._at] in "{[" and not _PLACEHOLDER.match(self._text, self._at):
                found.append(self._value((), 0))
            elif found:
                raise self._error("more follows behind the end of the value")
            else:
                found.append(self._object((), 0, 0))
        if not found:
            raise Malformed("it is empty", 0)
        if len(found) > 1:  # one value a line
            self._lines.clear()
        return found[0] if len(found) == 1 else found, self._lines, self._notes

    def _line(self, at: int | None = None) -> int:
        return bisect_right(self._newlines, (self._at if at is None else at) - 1) + 1

    def _error(self, what: str, at: int | None = None) -> Malformed:
        return Malformed(what, self._line(at))

    def _next(self) -> str:
        """The next character that is no blank and no comment; empty at the end."""
        match = _BLANK.match(self._text, self._at)
        assert match is not None  # it matches nothing at least
        self._at = match.end()
        if self._text.startswith("/*", self._at):
            raise self._error("the comment that begins here is not closed")
        return self._text[self._at : self._at + 1]

    def _object(self, place: Place, depth: int, opened: int | None) -> dict[str, Any]:
        """Keys and values up to a `}`, or, with `opened` 0, to the end of the text."""
        found: dict[str, Any] = {}
        while True:
            ahead = self._next()
            if ahead == "":
                if opened:
                    raise self._error("the { that begins here is not closed", opened - 1)
                return found
            if ahead == "}" and opened:
                self._at += 1
                return found
            if ahead == ",":
                self._at += 1
                continue
            start = self._at
            key = self._key()
            if self._next() not in {":", "="}:
                raise self._error('expected a field and its value, as "id": "my-model"', start)
            self._at += 1
            line = self._line(start)
            if key in found:
                self._notes.append((line, f"{_shown(key)} stands there twice; the later one is taken"))
            self._lines[(*place, key)] = line
            found[key] = self._value((*place, key), depth + 1)
            self._behind()

    def _key(self) -> str:
        if self._text[self._at] in _TEXT:
            return self._quoted()
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise self._error('expected the name of a field, as "id"')
        self._at = match.end()
        return match[0]

    def _array(self, place: Place, depth: int) -> list[Any]:
        start, found = self._at, list[Any]()
        self._at += 1
        while True:
            ahead = self._next()
            if ahead in {"", "}"}:
                raise self._error("the [ that begins here is not closed", start)
            if ahead == "]":
                self._at += 1
                return found
            if ahead == ",":
                self._at += 1
                continue
            if ahead in ":=":
                raise self._error("expected a value or ]")
            here = (*place, len(found))
            self._lines[here] = self._line()
            found.append(self._value(here, depth + 1))
            self._behind()

    def _value(self, place: Place, depth: int) -> Any:
        self._count += 1
        if self._count > MOST:
            raise self._error(f"it has more than {MOST:,} values")
        if depth > DEEPEST:
            raise self._error(f"it is nested deeper than {DEEPEST} levels")
        ahead = self._next()
        if match := _PLACEHOLDER.match(self._text, self._at):
            self._notes.append((self._line(), "a placeholder stands where a value should: taken as unset"))
            self._at = match.end()
            return None
        if ahead == "{":
            self._at += 1
            return self._object(place, depth, self._at)
        if ahead == "[":
            return self._array(place, depth)
        if ahead in _TEXT and ahead:
            return self._quoted()
        if match := _NUMBER.match(self._text, self._at):
            self._at = match.end()
            return number(match[0])
        match = _BARE.match(self._text, self._at)
        bare = match[0] if match else ""
        if cut := _COMMENT.search(bare):
            bare = bare[: cut.start()]
        if not bare.strip():
            raise self._error("a value is missing")
        self._at += len(bare)
        bare = bare.strip()
        return _WORDS.get(bare, bare)

    def _quoted(self) -> str:
        match = _TEXT[self._text[self._at]].match(self._text, self._at)
        if match is None:
            raise self._error("the text that begins here is not closed on its line")
        self._at = match.end()
        return whole(_ESCAPE.sub(_unescaped, match[1])) if "\\" in match[1] else whole(match[1])

    def _behind(self) -> None:
        """Pass over what stands behind a value and means nothing, as a dash at the end of the line."""
        match = _SPACES.match(self._text, self._at)
        at = match.end() if match else self._at
        ahead = self._text[at : at + 1]
        if ahead in {"", ",", "}", "]", "\n", "#", '"', "'"} or self._text.startswith(("//", "/*"), at):
            return
        bare = _BARE.match(self._text, at)
        junk = bare[0] if bare else ""
        if cut := _COMMENT.search(junk):
            junk = junk[: cut.start()]
        if any(mark in junk for mark in ":={[\"'"):
            raise self._error("expected a comma or the end of the line behind a value", at)
        self._notes.append((self._line(at), "what stands behind the value means nothing and was passed over"))
        self._at = at + len(junk)


def number(text: str) -> int | float | str:
    """The number a text stands for; the text itself where it is none, or too long or too large for one."""
    if len(text) > 40 or not _DIGITS.fullmatch(text):
        return text
    try:
        return int(text)
    except ValueError:
        found = float(text)
        return found if found - found == 0 else text


def whole(text: str) -> str:
    """The text with halves of characters joined, or, where the other is missing, replaced."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    if code in "\"'\\/":
        return code
    return _ESCAPES.get(code, "\\" + code)  # a path of Windows


def _shown(key: str) -> str:
    return ascii(key if len(key) <= 40 else key[:39] + "…")
