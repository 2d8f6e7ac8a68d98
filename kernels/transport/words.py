"""What went wrong on the way, in a few words."""

from __future__ import annotations

CONNECT = 10.0  # seconds until a connection stands
SILENCE = 20.0  # seconds without a byte


def why(error: Exception) -> str:
    """What went wrong on the way, in a few words, without an address and without what was sent."""
    from modelhub.kernels.transport.library import httpx

    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return f"no connection within {CONNECT:g} seconds"
    if isinstance(error, httpx.TimeoutException):
        return f"no byte came for {SILENCE:g} seconds"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused: {error}"
    if isinstance(error, httpx.ConnectError):
        return f"no connection: {error}"
    if isinstance(error, httpx.LocalProtocolError):  # whose text quotes the header, and that may be the key
        return "the request has a header that HTTP cannot carry"
    if isinstance(error, httpx.RemoteProtocolError | httpx.NetworkError):
        return "the connection was cut"
    if isinstance(error, httpx.TooManyRedirects):
        return "it redirects in a circle"
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return f"the address is none: {error}"
    return str(error) or type(error).__name__
