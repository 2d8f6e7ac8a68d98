"""One exchange with a provider as it went over the wire: to be looked at, and never written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 16 << 20  # bytes kept of one reply

# Headers of a reply that are kept, by how their names begin: what tells the exchange and its limits; no cookie.
KEPT = (
    "anthropic-ratelimit-", "cf-ray", "content-encoding", "content-length", "content-type", "date", "openai-model",
    "openai-processing-ms", "openai-version", "ratelimit", "request-id", "retry-after", "server", "transfer-encoding",
    "x-generation-id", "x-ratelimit-", "x-request-id", "x-should-retry",
)  # fmt: skip


class Raw:
    """The request as it was sent, without its key, and the reply as it came.

    method, url, headers, body: the request; its headers do not have the key's, its body is the JSON that was sent.
    status: of HTTP. reply_headers: those of KEPT, by names in small letters. reply: the bytes of the body, decompressed
    and otherwise as they came, at most MOST; `cut` says whether there were more.
    """

    __slots__ = ("_pieces", "body", "cut", "headers", "method", "reply_headers", "size", "status", "url")

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any,
        status: int,
        reply_headers: Mapping[str, str],
    ) -> None:
        """An exchange of whose reply no byte has come. headers: without the key's."""
        self.method = method
        self.url = url
        self.headers = dict(headers)
        self.body = body
        self.status = status
        lowered = {name.lower(): value for name, value in reply_headers.items()}
        self.reply_headers = {name: value for name, value in lowered.items() if name.startswith(KEPT)}
        self.size = 0  # bytes that came
        self.cut = False
        self._pieces: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Bytes of the reply came."""
        if self.size < MOST:
            self._pieces.append(data[: MOST - self.size])
        self.size += len(data)
        self.cut = self.size > MOST

    @property
    def reply(self) -> bytes:
        """The body of the reply as far as it came."""
        if len(self._pieces) > 1:
            self._pieces[:] = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    @property
    def text(self) -> str:
        """`reply` as text; what is no UTF-8 becomes U+FFFD."""
        return self.reply.decode("utf-8", "replace")

    def to_dict(self) -> dict[str, Any]:
        """The exchange as plain data, the reply as text."""
        names = ("method", "url", "headers", "body", "status", "reply_headers", "size", "cut")
        return {**{name: getattr(self, name) for name in names}, "reply": self.text}

    def __repr__(self) -> str:
        return f"<Raw {self.method} {self.url}: {self.status}, {self.size:,} bytes>"
