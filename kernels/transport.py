"""The one import of the HTTP client, and what its errors are in words.

httpx (https://www.python-httpx.org) honours HTTP_PROXY, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from httpx import Client, HTTPError, InvalidURL, Response

__all__ = ["Client", "HTTPError", "InvalidURL", "Response", "client", "why"]

CONNECT = 10.0  # seconds until a connection stands
SILENCE = 20.0  # seconds without a byte


def client(headers: Mapping[str, str] | None = None) -> Client:
    """A client that follows redirects; `headers` go with each of its requests, a key never to another host."""
    return Client(headers=headers, follow_redirects=True, timeout=httpx.Timeout(SILENCE, connect=CONNECT))


def why(error: Exception) -> str:
    """What went wrong on the way, in a few words."""
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return f"no connection within {CONNECT:g} seconds"
    if isinstance(error, httpx.TimeoutException):
        return f"no byte came for {SILENCE:g} seconds"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused: {error}"
    if isinstance(error, httpx.ConnectError):
        return f"no connection: {error}"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return "the connection was cut"
    if isinstance(error, httpx.TooManyRedirects):
        return "it redirects in a circle"
    if isinstance(error, httpx.UnsupportedProtocol | InvalidURL):
        return f"the address is none: {error}"
    return str(error) or type(error).__name__


_client: httpx.AsyncClient | None = None


def async_client() -> httpx.AsyncClient:
    """The client of modelhub's loop: it follows no redirect."""
    global _client
    if _client is None:
        _client = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT), follow_redirects=False)
    return _client
