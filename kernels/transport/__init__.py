"""The one way out: HTTP, by httpx, which is imported when something is first sent.

httpx honours HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR; what is on this machine is
never asked through a proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelhub.kernels.transport.blocking import client
from modelhub.kernels.transport.outgoing import Key, Outgoing
from modelhub.kernels.transport.reply import Reply, send
from modelhub.kernels.transport.words import why

if TYPE_CHECKING:
    from modelhub.kernels.transport.library import Client, HTTPError, InvalidURL, Response

__all__ = ["Client", "HTTPError", "InvalidURL", "Key", "Outgoing", "Reply", "Response", "client", "send", "why"]


def __getattr__(name: str) -> Any:
    """Give the names of httpx that others catch and annotate with; it is imported then, not before."""
    if name in {"Client", "HTTPError", "InvalidURL", "Response"}:
        from modelhub.kernels.transport.library import httpx

        return getattr(httpx, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
