"""Server-sent events, and JSON by the line, from bytes that come in any pieces."""

from __future__ import annotations

from modelhub.errors import ProviderError
from modelhub.kernels.providers.stream.server_event import ServerEvent

LONGEST = 256 << 20  # bytes of a line, or of an event: pictures and batched thoughts come as one (providers.md, row 24)
STRAY = 2000  # bytes


class Lines:
    """Reads lines that end with LF, CR LF or CR, and the fields of events on them.

    Beside the standard: `data` with nothing in it is no event; a line that begins as a JSON object is an event of its
    own, as it comes of gateways that drop `data: `; a field `error` is an event of that kind (llama.cpp before 2025).
    bare: whether the reply is JSON by the line: then any line that is no field is an event. begun: whether an event has
    come, or a part of one.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        """Nothing has come."""
        self.bare = False
        self._longest = longest
        self._pieces: list[bytes] = []  # of the line that has not ended
        self._size = 0  # of the line that has not ended
        self._pending = 0  # of the data before it in its event
        self._cr = False  # whether the last byte was a CR: an LF after it ends no line
        self._data: list[bytes] = []
        self._kind = b""
        self.begun = False
        self._known = False  # whether any line was one of an event stream
        self._words: list[bytes] = []  # the first lines that are no fields

    @property
    def stray(self) -> bytes:
        """What came, at most 2,000 bytes of it, where no line of it was one of an event stream; else nothing."""
        return b"" if self._known else b"\n".join(self._words)[:STRAY].strip()

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that are whole now. Raises ProviderError for one beyond `longest` bytes."""
        if self._cr and data[:1] == b"\n":
            data = data[1:]
            self._cr = False
        if not data:
            return []
        self._cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *lines = data.split(b"\n")
        self._size += len(first)
        if self._size + self._pending > self._longest:
            raise too_long(self._longest)
        if not lines:
            self._pieces.append(first)
            return []
        if self._pieces:
            self._pieces.append(first)
            first = b"".join(self._pieces)
        self._pieces = [last] if (last := lines.pop()) else []
        found: list[ServerEvent] = []
        self._line(first, found)
        for line in lines:
            self._line(line, found)
        self._size = len(last)
        if self._size + self._pending > self._longest:
            raise too_long(self._longest)
        return found

    def end(self) -> list[ServerEvent]:
        """The event that was not ended, if there is one."""
        found: list[ServerEvent] = []
        self._cr = False
        if self._pieces:
            line, self._pieces = b"".join(self._pieces), []
            self._line(line, found, whole=False)
        self._dispatch(found, whole=False)
        return found

    def _line(self, line: bytes, found: list[ServerEvent], whole: bool = True) -> None:
        if line.startswith(b"data:"):
            self._known = self.begun = True
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            self._pending += len(line)
        elif not line:
            if self._data or self._kind:
                self._dispatch(found)
        elif line[0] == 58:  # a colon: a comment
            self._known = True
        else:
            self._field(line, found, whole)

    def _field(self, line: bytes, found: list[ServerEvent], whole: bool) -> None:
        if line[:1] == b"{" or (self.bare and line.strip()) or line.strip() == b"[DONE]":
            self._known = self.begun = True
            self._dispatch(found)
            found.append(ServerEvent(line.strip().decode("utf-8", "replace"), whole=whole))
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"event":
                self._kind = value
            case b"data":
                self._data.append(value)
            case b"error":
                self.begun = True
                self._dispatch(found)
                found.append(ServerEvent(value.decode("utf-8", "replace"), "error", whole))
            case b"id" | b"retry":
                pass
            case _:
                if sum(map(len, self._words)) < STRAY:
                    self._words.append(line[:STRAY])
                return
        self._known = True

    def _dispatch(self, found: list[ServerEvent], whole: bool = True) -> None:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        if data:
            kind = self._kind.decode("utf-8", "replace") if self._kind else "message"
            found.append(ServerEvent(data.decode("utf-8", "replace"), kind, whole))
        self._data = []
        self._pending = 0
        self._kind = b""


def too_long(longest: int) -> ProviderError:
    """The error for a line, or a value, of more bytes than may come at once."""
    return ProviderError(
        f"one event of the answer is longer than {longest >> 20:,} MiB; where that is right, give the provider "
        "settings={'line_mib': N} with a greater N",
        kind="too_large",
    )
