"""Text whose characters were cut in two: a surrogate pair, half of it in one chunk and half in the next."""

from __future__ import annotations

import math
from typing import Any

DEEPEST = 50  # levels of a value that are kept


class Halves:
    """Joins the halves of surrogate pairs over the pieces of one text; what it gives always encodes to UTF-8.

    JSON may write a character outside the basic plane as two escapes, and a server may cut between them.
    """

    __slots__ = ("held",)

    def __init__(self) -> None:
        """Nothing is held back."""
        self.held = ""  # the first half of a pair

    def whole(self, text: str) -> str:
        """What can be told of the text so far; the first half of a pair at its end waits for the other half.

        A half that never finds its other becomes U+FFFD.
        """
        if self.held:
            text, self.held = self.held + text, ""
        elif text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self.held = text[:-1], text[-1]
            return mended(text)
        return text

    def rest(self) -> str:
        """What is still held back when no more will come."""
        held, self.held = self.held, ""
        return mended(held)


def mended(text: str) -> str:
    """Text with its surrogate pairs joined and its lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def sayable(value: Any, deep: int = 0) -> Any:
    """A value out of a reply as JSON in UTF-8 can say it: numbers that are none become None, half characters U+FFFD."""
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {mended(str(k)): sayable(v, deep + 1) for k, v in value.items()} if deep < DEEPEST else None
    if isinstance(value, list):
        return [sayable(v, deep + 1) for v in value] if deep < DEEPEST else None
    return value
