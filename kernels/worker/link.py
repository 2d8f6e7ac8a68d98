"""Messages between the kernel and a worker: length-prefixed JSON over a socket pair.

A message is a dict with a key `m` that names its kind. On the wire: 4 bytes of length (unsigned, big endian), then
the JSON in ASCII, so that any Unicode, lone surrogates included, arrives as it was sent.

Kernel to worker: `load`, `chat`, `score`, `cancel`, `status`.
Worker to kernel: `progress`, `ready`, `failed` (loading); `prompt`, `scoring`, `start`, `prompt_logprobs`, `step`,
`done`, `error` (a request); `cancelled` (whatever was to be cancelled, it is over); `status`.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

Message = dict[str, Any]

HEADER = struct.Struct(">I")
MAX_MESSAGE = 256 * 1024 * 1024  # bytes; a header beyond this is a broken stream, not a message

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


def pack(message: Message) -> bytes:
    """The bytes of one message, its length first."""
    body = _encode(message).encode("ascii")
    return HEADER.pack(len(body)) + body


def unpack(body: bytes) -> Message:
    """The message in the bytes behind a header."""
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError(f"expected a message (a JSON object), got {type(message).__name__}")
    return message


class Link:
    """The blocking end of the pair, used in the worker. Any thread may send; one thread receives."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over `sock`, a connected stream socket."""
        self._sock = sock
        self._file = sock.makefile("rb")

    def send(self, message: Message) -> None:
        """Send one message whole. Raises OSError when the other side is gone."""
        self._sock.sendall(pack(message))

    def receive(self) -> Message | None:
        """The next message, waiting for it; None when the other side closed."""
        header = self._file.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        (length,) = HEADER.unpack(header)
        if length > MAX_MESSAGE:
            return None
        body = self._file.read(length)
        return unpack(body) if len(body) == length else None
