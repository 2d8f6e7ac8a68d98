"""From token bytes to text that may be shown: whole characters only, and nothing that may become a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class StreamText:
    """Collects the bytes of one answer and releases text as soon as it is certain.

    Bytes that end inside a UTF-8 character are held back until it is whole; bytes that can never become a character
    are shown as U+FFFD at once. Text that is the beginning of a stop string is held back until that is decided.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        """Stop before the first of `stops` (non-empty) that is complete; of two that end together, the longer."""
        self._stops = tuple(stops)
        self._longest = max((len(s) for s in stops), default=0)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.released = 0  # bytes of UTF-8 released so far
        self.stopped: str | None = None  # the stop string that ended the text

    def add(self, piece: bytes) -> str:
        """Take the bytes of one token; return the text that may be shown now."""
        return self._take(self._decoder.decode(piece))

    def end(self) -> str:
        """No more tokens: return whatever was held back."""
        text = self._take(self._decoder.decode(b"", final=True))
        if self.stopped is None and self._held:
            self._count(self._held)
            text, self._held = text + self._held, ""
        return text

    def _take(self, text: str) -> str:
        if self.stopped is not None:
            return ""
        if not self._stops:
            self._count(text)
            return text
        self._held += text
        found = [(at, stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            # The one that is complete first, so that the text does not depend on where the tokens' borders are.
            at, self.stopped = min(found, key=lambda pair: (pair[0] + len(pair[1]), pair[0]))
            out, self._held = self._held[:at], ""
        else:
            keep = self._undecided()
            cut = len(self._held) - keep
            out, self._held = self._held[:cut], self._held[cut:]
        self._count(out)
        return out

    def _undecided(self) -> int:
        """How many characters at the end of what is held may be the beginning of a stop string."""
        for length in range(min(self._longest - 1, len(self._held)), 0, -1):
            tail = self._held[-length:]
            if any(stop.startswith(tail) for stop in self._stops):
                return length
        return 0

    def _count(self, text: str) -> None:
        self.released += len(text.encode("utf-8", "surrogatepass"))
