"""Many small chunks read as few large ones.

An answer comes as one chunk a token, and the HTTP library spends more on a chunk than all the rest of modelhub on its
token. So what one read of the socket gives is handed up as one chunk; and where many answers come at once, each socket
is read less often, so that a read gives more. The bytes of the answer are the same.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from modelhub.kernels.transport.library import httpcore

FREE = 8  # streams that are read as soon as something comes
READS = 1000.0  # reads a second of all streams together, beyond that
LONGEST_PAUSE = 0.25  # seconds
LONGEST_HEAD = 256 << 10  # bytes

_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_BRIEF = re.compile(rb"HTTP/1\.[01] 1\d\d")  # an interim reply: another head follows

_open = 0  # streams whose body is coming


def pause() -> float:
    """Seconds between two reads of a stream: none for a few streams."""
    return 0.0 if _open <= FREE else min(LONGEST_PAUSE, _open / READS)


def backend_over(inner: httpcore.AsyncNetworkBackend) -> httpcore.AsyncNetworkBackend:
    """A backend whose connections read as this module says."""
    return _Backend(inner)


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.connect_tcp(*args, **more))

    async def connect_unix_socket(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.connect_unix_socket(*args, **more))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. Each write begins a request, and what is read after it a reply."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._chunks: Chunks | None = None
        self._head = b""
        self._in_head = True
        self._read_at = 0.0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._chunks is None:
            data = await self._inner.read(max_bytes, timeout)
            return self._begin(data) if self._in_head and data else data
        while True:
            if (seconds := pause()) and (left := self._read_at + seconds - _now()) > 0:
                await asyncio.sleep(left)
            data = await self._inner.read(max_bytes, timeout)
            self._read_at = _now()
            if not data:
                self._over()
                return data
            if merged := self._chunks.feed(data):
                if self._chunks.done:
                    self._over()
                return merged

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._over()
        self._in_head, self._head = True, b""
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        self._over()
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(*args, **more))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _begin(self, data: bytes) -> bytes:
        """Bytes of a reply's head; what comes behind it in chunks is merged from here on."""
        global _open
        before, self._head = len(self._head), self._head + data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            self._in_head = len(self._head) < LONGEST_HEAD
            return data
        if _BRIEF.match(self._head):
            self._head = self._head[end + 4 :]
            return data
        self._in_head = False
        if not _CHUNKED.search(self._head[: end + 2]):
            return data
        self._chunks = Chunks()
        _open += 1
        at = end + 4 - before  # where the body begins in `data`
        merged = data[:at] + self._chunks.feed(data[at:])
        if self._chunks.done:
            self._over()
        return merged

    def _over(self) -> None:
        global _open
        if self._chunks is not None:
            self._chunks = None
            _open -= 1


class Chunks:
    """The chunked coding (RFC 9112, 7.1) with its chunks merged. done: the last chunk has come, or nonsense."""

    def __init__(self) -> None:
        """Before the first chunk."""
        self.done = False
        self._left = 0  # bytes of the chunk that have not come
        self._line = b""  # the beginning of a line that is not whole
        self._after = False  # whether the line end behind a chunk has not come

    def feed(self, data: bytes) -> bytes:
        """The same body with one chunk for what came; b"" where nothing of it is whole."""
        if self._line:
            data, self._line = self._line + data, b""
        at, size, parts, rest = 0, len(data), [], b""
        while at < size:
            if self._left:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                self._after = not self._left
                continue
            if self._after:
                if size - at < 2:
                    self._line = data[at:]
                    break
                if data[at : at + 2] != b"\r\n":
                    self.done, rest = True, b"?\r\n" + data[at:]  # which the library refuses, as it would have before
                    break
                at, self._after = at + 2, False
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                if size - at > 4096:
                    self.done, rest = True, data[at:]
                else:
                    self._line = data[at:]
                break
            try:
                self._left = int(data[at:end].split(b";")[0], 16)
            except ValueError:
                self._left = 0
            if self._left <= 0:  # the last chunk, or nonsense: the library reads what comes from here on
                self.done, rest = True, data[at:]
                break
            at = end + 2
        body = b"".join(parts)
        return (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + rest


def _now() -> float:
    return asyncio.get_running_loop().time()
