"""The link between kernel and worker: what is sent arrives, and a broken stream is an end, not a message."""

from __future__ import annotations

import json
import socket
import struct
import threading

import pytest

from modelhub.kernels.worker.link import HEADER, MAX_MESSAGE, Link, pack, unpack


def test_what_is_sent_arrives() -> None:
    """Any JSON comes out as it went in: lone surrogates, NUL, megabytes, several messages in a row."""
    here, there = socket.socketpair()
    messages = [{"m": "a", "t": "\ud83d\0\n😀"}, {"m": "b", "t": "x" * 3_000_000}, {"m": "c", "d": [[1, None, 0.5]]}]
    with here, there:
        sender = Link(here)
        thread = threading.Thread(target=lambda: [sender.send(m) for m in messages])
        thread.start()
        receiver = Link(there)
        assert [receiver.receive() for _ in messages] == messages
        thread.join()


@pytest.mark.parametrize("sent", [b"", b"\0\0", struct.pack(">I", 50) + b"{}", HEADER.pack(MAX_MESSAGE + 1) + b"{}"])
def test_a_stream_that_ends_or_breaks_is_over(sent: bytes) -> None:
    """A closed link, half a message and an impossible length are all the end."""
    here, there = socket.socketpair()
    with there:
        with here:
            here.sendall(sent)
        assert Link(there).receive() is None


def test_only_objects_are_messages() -> None:
    """A list is no message."""
    assert unpack(pack({"m": "x"})[HEADER.size :]) == {"m": "x"}
    with pytest.raises(ValueError, match="list"):
        unpack(json.dumps([1]).encode())
