"""The client of the threads that fetch files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelhub.kernels.transport.words import CONNECT, SILENCE

if TYPE_CHECKING:
    from modelhub.kernels.transport.library import httpx


def client(headers: Mapping[str, str] | None = None) -> httpx.Client:
    """A client that follows redirects; `headers` go with each of its requests, a key never to another host."""
    from modelhub.kernels.transport.library import httpx

    return httpx.Client(headers=headers, follow_redirects=True, timeout=httpx.Timeout(SILENCE, connect=CONNECT))
