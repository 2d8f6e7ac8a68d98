"""A request is sent, and what comes back, as it comes."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from modelhub.errors import BadRequest, ProviderError
from modelhub.kernels.redaction import scrub
from modelhub.kernels.transport.clock import Clock
from modelhub.kernels.transport.outgoing import Outgoing

if TYPE_CHECKING:
    from modelhub.kernels.transport.library import httpx

SAME_AGAIN = {307, 308}
FOR_READING = {301, 302, 303, 307, 308}


class Reply:
    """What came back. status: of HTTP. headers: by names in small letters. clock: who reads calls its `began`."""

    def __init__(self, answer: httpx.Response, clock: Clock, outgoing: Outgoing) -> None:
        """Of whose body nothing was read."""
        self.status = answer.status_code
        self.headers = {name.lower(): value for name, value in answer.headers.items()}
        self.clock = clock
        self._answer = answer
        self._outgoing = outgoing
        self._pieces = answer.aiter_raw()

    async def piece(self) -> bytes | None:
        """The next bytes as they came; None at the end. Raises ProviderError: `timeout`, or `truncated` for a cut."""
        from modelhub.kernels.transport.library import httpx

        try:
            data = await self.clock.wait(anext(self._pieces, None))
        except httpx.HTTPError:
            pass
        else:
            self.clock.piece()
            return data
        raise ProviderError(
            f"the connection to {self._outgoing.provider} was cut in the middle of its answer",
            kind="truncated",
            provider=self._outgoing.provider,
            retryable=True,
        )

    async def read(self, most: int = 64 << 20, cut: bool = False) -> bytes:
        """The whole body, without its compression. cut: what is wanted is what can be had, at most `most` bytes.

        Raises ProviderError, also for more than `most` bytes.
        """
        from modelhub.kernels.transport.library import httpx

        self.clock.began()
        found = bytearray()
        pieces = self._answer.aiter_bytes()
        problem = ""
        while not problem:
            try:
                data = await self.clock.wait(anext(pieces, None))
            except httpx.DecodingError:
                if cut:
                    return bytes(found)
                problem = "says that its answer is compressed, and it is not"
                break
            except httpx.HTTPError:
                if cut:
                    return bytes(found)
                problem = "cut the connection in the middle of its answer"
                break
            if data is None:
                return bytes(found)
            self.clock.piece()
            found += data
            if len(found) > most and cut:
                return bytes(found[:most])
            if len(found) > most:
                raise ProviderError(
                    f"{self._outgoing.provider} answers with more than {most >> 20} MiB: what came is dropped",
                    kind="too_large",
                    provider=self._outgoing.provider,
                )
        raise ProviderError(
            f"{self._outgoing.provider} {problem}",
            kind="protocol" if "compressed" in problem else "truncated",
            provider=self._outgoing.provider,
            retryable="cut" in problem,
        )


@contextlib.asynccontextmanager
async def send(outgoing: Outgoing) -> AsyncIterator[Reply]:
    """Send a request, and give its reply as soon as its head is there; leaving the `async with` ends the connection
    unless all was read.

    Redirects are not followed, but for one to the same server. On the background loop only.

    Raises ProviderError: `connection`, `timeout`, `protocol`; BadRequest for a body that JSON cannot say.
    """
    from modelhub.kernels.transport.clients import client_for

    content = _content(outgoing)
    clock = Clock(outgoing)
    try:
        with client_for(outgoing) as client:
            answer = await clock.wait(_opened(client, outgoing, outgoing.url, content))
            try:
                if (there := _same_server(answer, outgoing)) is not None:
                    await answer.aclose()
                    answer = await clock.wait(_opened(client, outgoing, there, content))
                if answer.is_redirect and answer.status_code != 304:
                    raise _elsewhere(answer, outgoing)
                yield Reply(answer, clock, outgoing)
            finally:
                await answer.aclose()
    finally:
        clock.stop()


async def _opened(client: httpx.AsyncClient, outgoing: Outgoing, url: str, content: bytes | None) -> httpx.Response:
    """The head of the reply. No error of httpx leaves it: they hold the request, and with it the key."""
    from modelhub.kernels.transport.clients import Keyed
    from modelhub.kernels.transport.library import httpx

    headers = {k: v for k, v in outgoing.headers.items() if k.lower() != "accept-encoding"}
    if outgoing.stream:
        headers["Accept-Encoding"] = "identity"
    if content is not None:
        headers["Content-Type"] = "application/json"
    auth = Keyed(outgoing.key) if outgoing.key is not None else None
    try:
        timeout = httpx.Timeout(None, connect=outgoing.connect)
        request = client.build_request(outgoing.method, url, headers=headers, content=content, timeout=timeout)
        return await client.send(request, stream=True, auth=auth or httpx.Auth())
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        problem = _problem(error, outgoing)
    raise problem


def _content(outgoing: Outgoing) -> bytes | None:
    from modelhub.kernels.transport.clients import encoded

    if outgoing.body is None:
        return None
    try:
        return encoded(outgoing.body)
    except (TypeError, ValueError) as error:
        problem = str(error)
    raise BadRequest(f"the request cannot be said in JSON: {problem}")


def _problem(error: Exception, outgoing: Outgoing) -> ProviderError:
    """The error of a request that got no reply."""
    from modelhub.kernels.transport.library import httpx

    name, host = outgoing.provider, outgoing.host
    kind, again = "connection", True
    match error:
        case httpx.ConnectTimeout():
            kind = "timeout"
            said = (f"no connection to {host} within {outgoing.connect:g} s: is it up, and is the address right? "
                    f"%models provider edit {name} --connect {outgoing.connect * 2:g} waits longer")  # fmt: skip
        case httpx.ProxyError():
            said = f"the proxy to {host} refused: see HTTPS_PROXY and NO_PROXY"
        case httpx.ConnectError() if _certificate(error):
            again = False
            said = (f"the certificate of {host} is not trusted ({_certificate(error)}): for a company's own, "
                    f"%models provider edit {name} --ca FILE")  # fmt: skip
        case httpx.ConnectError():
            said = f"no connection to {host}: is it up, and is the address right? %models provider test {name} tries it"
        case httpx.LocalProtocolError():  # its text quotes the header
            kind, again = "protocol", False
            said = "the request has a header, or a key, that HTTP cannot carry"
        case httpx.RemoteProtocolError() if "without sending" not in str(error):
            kind, again = "protocol", False
            said = f"{host} does not answer in HTTP: is the address right?"
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            again = False
            said = f"the address {outgoing.url!r} is none: it begins with https:// or http://"
        case httpx.TransportError():
            said = f"{host} closed the connection before it answered"
        case _:
            kind, again = "protocol", False
            said = f"the request cannot be sent ({type(error).__name__})"
    return ProviderError(f"{name}: {said}", kind=kind, provider=name, retryable=again)


def _certificate(error: BaseException) -> str:
    """What is wrong with a certificate; "" where it is something else."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        if isinstance(seen, ssl.SSLError):
            return str(seen.reason or "").replace("_", " ").lower()
        seen = seen.__cause__ or seen.__context__
    return ""


def _same_server(answer: httpx.Response, outgoing: Outgoing) -> str | None:
    """Where a redirect leads that may be followed: to the same server, with the same request."""
    again = FOR_READING if outgoing.method == "GET" else SAME_AGAIN
    if answer.status_code not in again or "location" not in answer.headers:
        return None
    there = urljoin(outgoing.url, answer.headers["location"])
    return there if _origin(there) == _origin(outgoing.url) else None


def _elsewhere(answer: httpx.Response, outgoing: Outgoing) -> ProviderError:
    there = urljoin(outgoing.url, answer.headers.get("location", ""))
    host = scrub(_origin(there)) or "nowhere"
    where = f"to {host}" if host != _origin(outgoing.url) else "in a circle"
    return ProviderError(
        f"{outgoing.provider} redirects {where}, and modelhub sends a key nowhere but where it belongs: if that is the "
        f"right address, %models provider edit {outgoing.provider} --base-url …",
        kind="protocol",
        status=answer.status_code,
        provider=outgoing.provider,
    )


def _origin(url: str) -> str:
    """Scheme, host and port in one spelling; "" for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower(), 0)
    except ValueError:
        return ""
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{port}" if parts.hostname else ""


__all__: list[Any] = ["Reply", "send"]
