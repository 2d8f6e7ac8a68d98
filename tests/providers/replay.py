"""A provider on loopback that replays bytes: cut anywhere, slowly, halted, reset, hung up. Raw sockets in threads."""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import json
import math
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 30.0  # seconds until a test that waits for something gives up


@dataclass(frozen=True)
class Request:
    """One request as it came. headers: by names in small letters. number: from 0, over all connections."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    number: int = 0

    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What is sent back, and how.

    split_at: places in the body at which one write ends and the next begins. bytes_per_write: the most bytes of a
    write. delay_s: between writes. before_s: before the first byte. chunked: with chunks, else with a content-length:
    the body's, or `content_length`, which may lie. until_close: neither; the end of the connection ends the body.
    omit_last_chunk: the connection is closed instead of the last chunk. rst_after_bytes: after so many bytes of the
    body the connection is reset; 0: before the status line. then_hang_s: after the body nothing is sent for so long.
    gates: at these places of the body nothing goes on until the event is set. head_gate: the same before the status
    line. close: the connection is closed after the reply.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    split_at: Sequence[int] = ()
    bytes_per_write: int | None = None
    delay_s: float = 0.0
    before_s: float = 0.0
    chunked: bool = True
    content_length: int | None = None
    until_close: bool = False
    omit_last_chunk: bool = False
    rst_after_bytes: int | None = None
    then_hang_s: float | None = None
    gates: Mapping[int, threading.Event] = field(default_factory=dict)
    head_gate: threading.Event | None = None
    close: bool = False

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """The body as it is written: where each write begins, and its bytes."""
        end = len(self.body) if self.rst_after_bytes is None else min(self.rst_after_bytes, len(self.body))
        cuts = {0, end, *(c for c in (*self.split_at, *self.gates) if c < end)}
        if self.bytes_per_write:
            cuts |= set(range(0, end, self.bytes_per_write))
        for begin, stop in itertools.pairwise(sorted(cuts)):
            yield begin, self.body[begin:stop]


Replies = Reply | Sequence[Reply] | Callable[[Request], Reply]


class Server:
    """Answers on 127.0.0.1 until it is closed; see `serve`."""

    def __init__(self, replies: Replies, tls: tuple[str, str] | None = None) -> None:
        """Begin to listen. tls: files of a certificate and its key."""
        self._replies = replies
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._hung_up = 0
        self._connections = 0
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._tls: ssl.SSLContext | None = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._start(self._listen)

    # -- what tests ask ----------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[Request]:
        """What came so far."""
        with self._changed:
            return list(self._requests)

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        return self._connections

    def wait_requests(self, count: int = 1, seconds: float = PATIENCE) -> list[Request]:
        """Wait until so many requests have come. Raises TimeoutError."""
        self._wait(lambda: len(self._requests) >= count, seconds, f"{count} requests")
        return self.requests

    def wait_closed(self, count: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until the client has hung up so many connections. Raises TimeoutError."""
        self._wait(lambda: self._hung_up >= count, seconds, f"{count} connections hung up by the client")

    def close(self) -> None:
        """End every connection and every thread."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _wait(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(ready, seconds):
                raise TimeoutError(f"{what} did not come within {seconds:g} s: {len(self._requests)} requests came")

    def _start(self, run: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        hung_up = False
        self._open.add(connection)
        try:
            if self._tls is not None:
                plain, connection = connection, self._tls.wrap_socket(connection, server_side=True)
                self._open = (self._open - {plain}) | {connection}
            file = connection.makefile("rb")
            while (request := self._read(file)) is not None:
                if not self._answer(connection, self._take(request)):
                    return
            hung_up = True
        except _HungUp:
            hung_up = True
        except (OSError, ValueError):
            hung_up = True
        finally:
            self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            if hung_up and not self._stopping.is_set():
                with self._changed:
                    self._hung_up += 1
                    self._changed.notify_all()

    def _read(self, file: Any) -> Request | None:
        line = file.readline().decode("latin-1").split()
        if len(line) < 3:
            return None
        headers: dict[str, str] = {}
        while (row := file.readline().decode("latin-1").strip()) != "":
            name, _, value = row.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = b""
        if "chunked" in headers.get("transfer-encoding", ""):
            while size := int(file.readline().split(b";")[0], 16):
                body += file.read(size)
                file.readline()
            file.readline()
        elif "content-length" in headers:
            body = file.read(int(headers["content-length"]))
        address = urlsplit(line[1])
        return Request(line[0], address.path, address.query, headers, body)

    def _take(self, request: Request) -> Reply:
        with self._changed:
            request = Request(**{**vars(request), "number": len(self._requests)})
            self._requests.append(request)
            self._changed.notify_all()
        if isinstance(self._replies, Reply):
            return self._replies
        if callable(self._replies):
            return self._replies(request)
        return self._replies[min(request.number, len(self._replies) - 1)]

    def _answer(self, connection: socket.socket, reply: Reply) -> bool:
        """Send a reply; whether the connection stays open."""
        self._pause(connection, reply.before_s)
        self._gate(connection, reply.head_gate)
        if reply.rst_after_bytes == 0:
            _reset(connection)
            return False
        connection.sendall(_head(reply))
        plain = reply.until_close or not reply.chunked or reply.content_length is not None
        for at, part in reply.parts():
            if at:
                self._pause(connection, reply.delay_s)
            self._gate(connection, reply.gates.get(at))
            connection.sendall(part if plain else b"%x\r\n%s\r\n" % (len(part), part))
        if reply.rst_after_bytes is not None:
            time.sleep(0.05)  # a reset overtakes bytes that were not yet read; loopback has them at once
            _reset(connection)
            return False
        self._gate(connection, reply.gates.get(len(reply.body)))
        self._pause(connection, reply.then_hang_s or 0.0)
        if not plain and not reply.omit_last_chunk:
            connection.sendall(b"0\r\n\r\n")
        short = reply.content_length is not None and reply.content_length != len(reply.body)
        return not (reply.close or reply.until_close or reply.omit_last_chunk or short)

    def _gate(self, connection: socket.socket, gate: threading.Event | None) -> None:
        if gate is not None:
            while not gate.is_set():
                self._pause(connection, 0.01)

    def _pause(self, connection: socket.socket, seconds: float) -> None:
        """Wait, and notice when the client hangs up."""
        end = math.inf if seconds == math.inf else time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._stopping.is_set():
                raise OSError("the server was closed")
            readable, _, _ = select.select([connection], [], [], min(left, 0.05))
            if readable:
                if isinstance(connection, ssl.SSLSocket) or connection.recv(1, socket.MSG_PEEK) == b"":
                    raise _HungUp
                time.sleep(min(left, 0.01))  # bytes of a next request: they wait


class _HungUp(Exception):
    """The client closed the connection."""


def _head(reply: Reply) -> bytes:
    headers = {"content-type": "text/event-stream", **{k.lower(): v for k, v in reply.headers.items()}}
    if reply.until_close or reply.close:
        headers["connection"] = "close"
    if reply.until_close:
        pass
    elif reply.content_length is not None:
        headers["content-length"] = str(reply.content_length)
    elif reply.chunked:
        headers["transfer-encoding"] = "chunked"
    else:
        headers["content-length"] = str(len(reply.body))
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    rows = [f"{name}: {value}".replace("{{HTTP_DATE_NOW_PLUS_30}}", soon) for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {reply.status} Said", *rows, "", ""]).encode("latin-1")


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextlib.contextmanager
def serve(replies: Replies, tls: tuple[str, str] | None = None) -> Iterator[Server]:
    """A server for the `with`. replies: one, a list (one a request, the last again and again), or a function."""
    server = Server(replies, tls)
    try:
        yield server
    finally:
        server.close()
