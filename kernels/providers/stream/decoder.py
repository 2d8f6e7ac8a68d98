"""Server-sent events from bytes, however they are cut."""

from __future__ import annotations

from modelhub.kernels.providers.stream.server_event import ServerEvent


class Decoder:
    """Fed with the bytes of a reply; gives its events. Thin: LF only."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._rest = b""

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that are whole now."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        return [ServerEvent(b[5:].strip().decode()) for b in blocks if b.startswith(b"data:")]
