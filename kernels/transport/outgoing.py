"""One request on its way out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit


class Key(Protocol):
    """The header that carries a key. `value` is called when the request is sent, and what it gives is kept nowhere."""

    @property
    def header(self) -> str:
        """Its name."""

    def value(self) -> str:
        """What it says."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, who is asked, and how long to wait.

    provider: the name that errors bear. headers: without the key's. body: JSON, or None. connect, first, idle: seconds
    until a connection stands, until an answer begins, between two pieces of it. ca: a file of certificates that are
    trusted besides the system's. stream: whether the answer may come bit by bit; then it is not to be compressed.
    """

    method: str
    url: str
    provider: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    key: Key | None = field(default=None, repr=False)
    connect: float = 10.0
    first: float = 600.0
    idle: float = 120.0
    ca: str | None = None
    stream: bool = False

    @property
    def host(self) -> str:
        """Who is asked: the host's name, with the port where it says one."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def direct(self) -> bool:
        """Whether this machine is asked: then no proxy is."""
        name = (urlsplit(self.url).hostname or "").lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified
