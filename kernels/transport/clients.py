"""The clients of modelhub's loop: one for each file of certificates, and whether a proxy may be between."""

from __future__ import annotations

import contextlib
import functools
import http.cookiejar
import importlib.metadata
import logging
import ssl
from collections.abc import Generator, Iterator
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.transport.coalescing import backend_over
from modelhub.kernels.transport.library import httpx
from modelhub.kernels.transport.outgoing import Key, Outgoing

KEPT_ALIVE = 60.0  # seconds an idle connection stays open; servers close theirs after 5 to 600
A_POOL = 24  # connections
LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")


@contextlib.contextmanager
def client_for(outgoing: Outgoing) -> Iterator[httpx.AsyncClient]:
    """A client for one request. On the background loop only. Raises ProviderError for a bad file of certificates."""
    try:
        pools = _pools(outgoing.ca, outgoing.direct)
    except (OSError, ssl.SSLError) as error:
        problem = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
        pools = None
    if pools is None:
        raise ProviderError(
            f"the certificates {outgoing.ca or 'of SSL_CERT_FILE'} cannot be read ({problem}): a file in PEM form "
            "is wanted",
            kind="connection",
            provider=outgoing.provider,
        )
    with pools.one() as client:
        yield client


class _Pools:
    """Clients with a few connections each: httpcore's pool looks at every pair of its connections for each request."""

    def __init__(self, verify: ssl.SSLContext, direct: bool) -> None:
        """direct: without a proxy."""
        self._verify, self._direct = verify, direct
        self._clients: list[httpx.AsyncClient] = []
        self._used: list[int] = []

    @contextlib.contextmanager
    def one(self) -> Iterator[httpx.AsyncClient]:
        """The first client that has room."""
        at = next((i for i, used in enumerate(self._used) if used < A_POOL), len(self._used))
        if at == len(self._used):
            self._clients.append(_client(self._verify, self._direct))
            self._used.append(0)
        self._used[at] += 1
        try:
            yield self._clients[at]
        finally:
            self._used[at] -= 1


@functools.cache
def _pools(ca: str | None, direct: bool) -> _Pools:
    _quiet()
    verify = httpx.create_ssl_context()
    if ca is not None:
        verify.load_verify_locations(ca)
    return _Pools(verify, direct)


def _client(verify: ssl.SSLContext, direct: bool) -> httpx.AsyncClient:
    client = httpx.AsyncClient(
        verify=verify,
        trust_env=not direct,
        follow_redirects=False,
        headers={"User-Agent": _user_agent(), "Accept": "*/*"},
        timeout=None,  # the clocks are ours: see `clock`
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=A_POOL, keepalive_expiry=KEPT_ALIVE),
    )
    client.cookies.jar.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))  # none is taken, none is sent
    for transport in [client._transport, *client._mounts.values()]:
        if isinstance(transport, httpx.AsyncHTTPTransport):
            # httpx has no argument for it; without it all is right and hundreds of streams are slow.
            pool = transport._pool
            pool._network_backend = backend_over(pool._network_backend)
    return client


class Keyed(httpx.Auth):
    """Puts the key into a request when it is sent: it stands in no dict and no local of ours."""

    def __init__(self, key: Key) -> None:
        """Put in this key."""
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        request.headers[self._key.header] = self._key.value()
        yield request


def _user_agent() -> str:
    try:
        return f"modelhub/{importlib.metadata.version('jupyter-modelhub')}"
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        return "modelhub"


def _quiet() -> None:
    """Keep what httpx says of our requests out of the user's log: their own use of it goes on being told."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_not_ours)


def _not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != "modelhub"


def encoded(body: Any) -> bytes:
    """The bytes of a JSON body. Raises ValueError for NaN and the infinities, which JSON has none of."""
    import json

    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
