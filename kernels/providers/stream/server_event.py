"""An event of a stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of an SSE stream, or one line of NDJSON.

    data: its lines joined with newlines, not parsed. kind: its `event:` field, "message" where there is none.
    whole: whether it was ended as the format says; False for what stood at the end of the stream without that.
    """

    data: str
    kind: str = "message"
    whole: bool = True
