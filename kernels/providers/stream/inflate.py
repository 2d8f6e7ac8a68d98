"""A compressed reply, read as it comes: some proxies compress though they were asked not to."""

from __future__ import annotations

import contextlib
import zlib

from modelhub.errors import ProviderError

STEP = 1 << 20  # bytes made at once


class Inflate:
    """Undoes gzip and deflate. `on`: whether there is anything to undo."""

    def __init__(self, encoding: str, most: int) -> None:
        """For this content-encoding. most: bytes that one piece may become. Raises ProviderError for others."""
        names = {n.strip().lower() for n in encoding.split(",")} - {"", "identity"}
        if names - {"gzip", "x-gzip", "deflate"}:
            raise ProviderError(
                f"the answer is compressed as {encoding!r}, though it was asked for as it is; modelhub reads gzip and "
                "deflate: ask who runs the proxy",
                kind="protocol",
            )
        self.on = bool(names)
        self._most = most
        self._deflate = "deflate" in names
        self._zlib: zlib._Decompress | None = None
        self._problem: ProviderError | None = None

    def feed(self, data: bytes) -> bytes:
        """What is whole now. Raises ProviderError for what is not what it says it is, once what came before is told."""
        if self._problem is not None:
            raise self._problem
        if not data:
            return b""
        if self._zlib is None:
            # deflate is zlib's form by RFC 9110, and raw in some servers; a low nibble of 8 begins the first.
            raw = self._deflate and data[0] & 0x0F != 8 and data[0] != 0x1F
            self._zlib = zlib.decompressobj(-15 if raw else 47)
        found: list[bytes] = []
        size = 0
        try:
            while data:
                spare = self._zlib.copy()
                piece = self._zlib.decompress(data, STEP)
                size += len(piece)
                if size > self._most:
                    raise ProviderError("the answer grows beyond all measure when it is unpacked", kind="too_large")
                found.append(piece)
                data = self._zlib.unconsumed_tail
                if self._zlib.eof and self._zlib.unused_data:  # several members, one behind the other
                    data, self._zlib = self._zlib.unused_data, zlib.decompressobj(47)
        except zlib.error as error:
            problem = ProviderError(f"the answer says it is compressed and is not ({error})", kind="protocol")
            found += _up_to(spare, data)
            if not any(found):
                raise problem from None
            self._problem = problem
        return b"".join(found)

    def end(self) -> bytes:
        """What is left. Raises ProviderError as `feed`."""
        if self._problem is not None:
            raise self._problem
        try:
            return self._zlib.flush() if self._zlib is not None else b""
        except zlib.error:
            return b""


def _up_to(unpacker: zlib._Decompress, data: bytes) -> list[bytes]:
    """What comes of `data` before the byte that cannot be read."""
    found: list[bytes] = []
    with contextlib.suppress(zlib.error):
        for at in range(len(data)):
            found.append(unpacker.decompress(data[at : at + 1]))
    return found
