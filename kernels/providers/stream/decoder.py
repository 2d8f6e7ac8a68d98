"""From the bytes of a reply to its events, however the network cuts them and whatever form the reply turns out to have.

A reply that was asked for as a stream comes as server-sent events, as one JSON value a line, as one JSON value, or as a
page of somebody else. The first bytes say which; the content type is believed only where they leave it open. Bytes are
UTF-8 whatever the charset of a header says (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing).
Time is linear in the bytes, however few come at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from modelhub.kernels.providers.stream.inflate import Inflate
from modelhub.kernels.providers.stream.lines import LONGEST, Lines, too_long
from modelhub.kernels.providers.stream.parsed import parsed
from modelhub.kernels.providers.stream.server_event import ServerEvent

BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"
PAGE = 256 << 10  # bytes of a page that are kept: its title stands near its beginning


def body_decoder(
    headers: Mapping[str, str], longest: int = LONGEST, keep: Callable[[bytes], None] | None = None
) -> Decoder:
    """A decoder for a reply with these headers, by names in small letters.

    longest: bytes of its longest line. keep: is given the bytes of the reply without its compression.

    Raises ProviderError for a compression that cannot be read.
    """
    return Decoder(headers.get("content-type", ""), headers.get("content-encoding", ""), longest, keep)


class Decoder:
    """Fed with the bytes of one reply; gives its events.

    whole: the value of a reply that was one JSON value, once `end` was called; else None. page: the bytes of a reply
    that was a page (HTML, XML) or plain words, at most 256 KiB of them, once `end` was called; else empty.
    """

    def __init__(
        self,
        content_type: str = "",
        encoding: str = "",
        longest: int = LONGEST,
        keep: Callable[[bytes], None] | None = None,
    ) -> None:
        """Nothing has come; see `body_decoder`."""
        self.whole: Any = None
        self.page = b""
        self._keep = keep
        self._longest = longest
        self._inflate = Inflate(encoding, longest)
        self._by_line = "ndjson" in content_type or "jsonl" in content_type
        self._state = _START
        self._held: list[bytes] = []  # what came while it is open what the reply is
        self._size = 0
        self._lines = Lines(longest)

    @property
    def begun(self) -> bool:
        """Whether more than blanks and comments has come: something that is an answer."""
        return self._lines.begun if self._state is _EVENTS else self._state is not _START

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that are whole now. Raises ProviderError for a line, or a value, beyond `longest` bytes."""
        if self._inflate.on:
            data = self._inflate.feed(data)
        if self._keep is not None:
            self._keep(data)
        if self._state is _EVENTS:
            return self._lines.feed(data)
        return self._sniff(data)

    def end(self) -> list[ServerEvent]:
        """What stood at the end of the reply without the end its format asks for; called once."""
        found: list[ServerEvent] = []
        if self._inflate.on and (rest := self._inflate.end()):
            if self._keep is not None:
                self._keep(rest)
            found = self._lines.feed(rest) if self._state is _EVENTS else self._sniff(rest)
        if self._state in {_START, _VALUE, _LINE, _AFTER}:
            return [*found, *self._value()]
        if self._state is _EVENTS:
            found += self._lines.end()
            self.page = self._lines.stray
        return found

    # -- what the reply is -------------------------------------------------------------------------------------------

    def _sniff(self, data: bytes) -> list[ServerEvent]:
        self._size += len(data)
        if self._size > self._longest:
            raise too_long(self._longest)
        if self._state is _PAGE:
            self.page += data[: PAGE - len(self.page)]
            return []
        if self._state is _START:
            data = self._begin(data)
        if self._state is _EVENTS:
            return self._lines.feed(data)
        if data:
            self._held.append(data)
        if self._state is _LINE and (b"\n" in data or b"\r" in data):
            self._first_line()
        elif self._state is _AFTER and data.strip(BLANK):
            self._state = _EVENTS
        if self._state is _EVENTS:
            self._lines.bare = True
            held, self._held = b"".join(self._held), []
            return self._lines.feed(held)
        return []

    def _begin(self, data: bytes) -> bytes:
        """Decide by the first byte that is not blank what comes; the bytes that the state they lead to is given."""
        head = b"".join(self._held) + data
        self._held = []
        bare = head.removeprefix(BOM)
        if not bare.strip(BLANK) or BOM.startswith(head):
            # Blank lines before anything else keep a connection alive; a few bytes of them are enough to remember.
            self._held = [head if BOM.startswith(head) else head[:3] + head[-1:] if len(head) > 4 else head]
            return b""
        match bare.lstrip(BLANK)[:1]:
            case b"{":
                self._state = _LINE
                return bare.lstrip(BLANK)
            case b"[":
                self._state = _VALUE
                return bare.lstrip(BLANK)
            case b"<":
                self._state = _PAGE
                self.page = bare[:PAGE]
                return b""
        self._state = _EVENTS
        return bare

    def _first_line(self) -> None:
        """The first line of what may be JSON by the line is there: a value, or the beginning of one on many lines."""
        held = b"".join(self._held)
        self._held = [held]
        first = held.replace(b"\r", b"\n").partition(b"\n")[0]
        if loads(first) is None:
            self._state = _VALUE
        elif self._by_line or held[len(first) :].strip(BLANK):
            self._state = _EVENTS
        else:
            self._state = _AFTER

    def _value(self) -> list[ServerEvent]:
        """A reply that was not events: one value, several, or a part of one."""
        text = b"".join(self._held).removeprefix(BOM).decode("utf-8", "replace").strip()
        self._held = []
        self.whole = loads(text)
        if self.whole is not None or not text:
            return []
        return [ServerEvent(part, whole=whole) for part, whole in _values(text)]


_START, _LINE, _AFTER, _VALUE, _PAGE, _EVENTS = "start", "line", "after", "value", "page", "events"


def loads(text: str | bytes) -> Any:
    """The value of a JSON text; None if it is none."""
    try:
        return parsed(text if isinstance(text, str) else text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _values(text: str) -> list[tuple[str, bool]]:
    """The JSON values that stand in `text` one behind the other, as text; what is none comes last, with False.

    Of a list that was cut they are its items: Gemini's stream, where `alt=sse` got lost.
    """
    found: list[tuple[str, bool]] = []
    listed = text.startswith("[")
    decoder, at = json.JSONDecoder(strict=False), int(listed)
    while at < len(text):
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return [*found, (text[at:], False)]
        found.append((text[at:end], True))
        at = end
        while at < len(text) and (text[at].isspace() or (listed and text[at] in ",]")):
            at += 1
    return found
