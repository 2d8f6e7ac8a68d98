"""One request sent once, and its reply read up to its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels import transport
from modelhub.kernels.protocol.events import Ended, Event, Started, Warned
from modelhub.kernels.protocol.raw import Raw
from modelhub.kernels.providers.dialects.dialect import Call, Reader
from modelhub.kernels.providers.failures.failures import failure, kept_raw, request_id_in
from modelhub.kernels.providers.keys.key_auth import KeyAuth
from modelhub.kernels.providers.outgoing import outgoing
from modelhub.kernels.providers.rules import Target
from modelhub.kernels.providers.stream.decoder import Decoder, body_decoder
from modelhub.kernels.providers.stream.lines import LONGEST
from modelhub.kernels.providers.stream.server_event import ServerEvent
from modelhub.kernels.redaction import scrub

LINGER = 0.25  # seconds; how long a server may take to close an answer whose end has come
LONGEST_ERROR = 1 << 20  # bytes of an error's body that are read
OVER = {"message_stop", "message-end"}  # kinds of events that end a stream, beside `[DONE]`


class Exchange:
    """One request to a model. `open` it, take `events`, and `close` it, which ends the connection.

    raw: what went over the wire; None before the reply's head is there. warnings: of the key.
    """

    def __init__(
        self, call: Call, target: Target, reader: Reader, key: KeyAuth, known: Callable[[], Iterable[str]] = tuple
    ) -> None:
        """Nothing is sent. known: gives the ids of the provider's list, for a model that is nearly one of them."""
        self._known = known
        self._call, self._target, self._reader = call, target, reader
        self._outgoing = outgoing(call, target.provider, key)
        self._resources = contextlib.AsyncExitStack()
        self._reply: transport.Reply | None = None
        self._decoder: Decoder | None = None
        self._first: list[Event] = []
        self._over = False  # whether the end of the answer was seen
        self._ended: Ended | None = None
        self._seen: Ended | None = None  # what the reader said of the end before the server closed
        self._failed: ProviderError | None = None
        self._sent = 0.0
        self._first_byte: float | None = None
        self.raw: Raw | None = None
        self.warnings = key.warnings

    async def open(self) -> None:
        """Send it, and read until there is something to tell. Raises ProviderError; then nothing was told."""
        provider = self._target.provider
        self._sent = time.monotonic()
        reply = await self._resources.enter_async_context(transport.send(self._outgoing))
        self._reply = reply
        call, status = self._call, reply.status
        headers = {**self._outgoing.headers}
        said = {name: scrub(value) for name, value in reply.headers.items()}  # some servers repeat what they were sent
        self.raw = Raw(call.method, call.url, headers, call.body, status, said)
        if not 200 <= status < 300:
            body = await reply.read(LONGEST_ERROR, cut=True)
            self.raw.add(body)
            known = self._known() if status == 404 else ()
            raise failure(status, reply.headers, body, provider, model=self._target.model, known=known)
        longest = self._target.settings.get("line_mib")
        bytes_ = int(longest) << 20 if isinstance(longest, int) and longest > 0 else LONGEST
        try:
            self._decoder = body_decoder(said, bytes_, self.raw.add)
        except ProviderError as raised:
            raised.provider = provider.name
            raise
        while self._ended is None and not any(not isinstance(e, Started | Warned) for e in self._first):
            if self._failed is not None:
                raise self._failed
            self._first += await self._more()

    def started(self) -> dict[str, object]:
        """Facts about the request, for `response.debug`."""
        raw = self.raw
        assert raw is not None
        request = {"method": raw.method, "url": raw.url, "headers": raw.headers, "body": raw.body}
        return {"request": request, "raw": raw}

    async def events(self) -> AsyncIterator[list[Event]]:
        """What the reply says, from its beginning; `Ended` comes last. Raises ProviderError."""
        yield self._first
        self._first = []
        while self._ended is None:
            if self._failed is not None:
                raise self._failed
            yield await self._more()

    async def close(self) -> None:
        """End the connection, unless all was read: then it is used again."""
        await self._resources.aclose()

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _more(self) -> list[Event]:
        """What the next piece of the reply says; sets `_ended` with the last, `_failed` with an error behind it."""
        found: list[Event] = []
        try:
            await self._next(found)
        except ProviderError as raised:
            raised.provider = raised.provider or self._target.provider.name
            found += [e for e in self._reader.rest() if not isinstance(e, Warned)]
            raised.request_id = raised.request_id or request_id_in(self._reply.headers if self._reply else {})
            if self.raw is not None:
                raised.raw = raised.raw or kept_raw(self.raw.reply)
            self._failed = raised
        return found

    async def _next(self, found: list[Event]) -> None:
        assert self._reply is not None and self._decoder is not None
        try:
            data = await self._reply.piece()
        except ProviderError as raised:
            cut = raised
        else:
            if data is None:
                self._finish(found)
                return
            if self._first_byte is None and data:
                self._first_byte = time.monotonic()
            self._read(self._decoder.feed(data), found)
            if self._decoder.begun:
                self._reply.clock.began()
                self._reply.clock.over = self._is_over
            if self._over:
                await self._linger(found)
            return
        self._cut(cut, found)

    def _read(self, events: list[ServerEvent], found: list[Event]) -> None:
        reader = self._reader
        for event in events:
            try:
                found += reader.event(event)
            except ProviderError:
                if not self._over:
                    raise
                return  # behind the end there is only junk
            if event.kind in OVER or event.data.strip() == "[DONE]":
                self._over = True

    async def _linger(self, found: list[Event]) -> None:
        """The end was seen: what comes at once still counts, and nothing is waited for."""
        assert self._reply is not None and self._decoder is not None
        with contextlib.suppress(TimeoutError, ProviderError):
            async with asyncio.timeout(LINGER):
                while (data := await self._reply.piece()) is not None:
                    self._read(self._decoder.feed(data), found)
                self._read(self._decoder.end(), found)
        self._ended = self._end()
        found.append(self._ended)

    def _finish(self, found: list[Event]) -> None:
        """All of the body is there."""
        assert self._reply is not None and self._decoder is not None
        decoder = self._decoder
        self._read(decoder.end(), found)
        if decoder.page and not found:
            raise failure(self._reply.status, self._reply.headers, decoder.page, self._target.provider)
        if isinstance(decoder.whole, dict | list):
            found += self._reader.whole(decoder.whole)
        elif decoder.whole is not None:
            raise failure(self._reply.status, self._reply.headers, str(decoder.whole).encode(), self._target.provider)
        self._ended = self._end()
        found.append(self._ended)

    def _cut(self, raised: ProviderError, found: list[Event]) -> None:
        """The connection was cut, or a clock ran out. After the end of the answer that is no error."""
        assert self._decoder is not None
        try:
            self._read(self._decoder.end(), found)
            if isinstance(self._decoder.whole, dict | list):  # the value is whole, whatever should have come behind it
                found += self._reader.whole(self._decoder.whole)
            self._ended = self._end()
        except ProviderError as said:
            if said.kind not in {"truncated", "protocol"}:  # the provider's own words were the last that came
                raise
        else:
            found.append(self._ended)
            return
        if raised.kind != "truncated":
            raise raised
        if self._first_byte is None:
            raise ProviderError(
                f"{raised.provider}: the connection was closed before its answer began",
                kind="connection",
                provider=raised.provider,
                retryable=True,
            )
        raise StreamTruncated(str(raised), provider=raised.provider)

    def _is_over(self) -> bool:
        """Whether the reader has seen the end, though the server has not closed."""
        try:
            self._seen = self._reader.end()
        except ProviderError:
            return False
        return True

    def _end(self) -> Ended:
        ended = self._seen or self._reader.end()
        raw = self.raw
        assert raw is not None
        first = None if self._first_byte is None else self._first_byte - self._sent
        reply = {"status": raw.status, "headers": raw.reply_headers, "first_byte_s": first}
        return replace(ended, details={**ended.details, "reply": reply})
