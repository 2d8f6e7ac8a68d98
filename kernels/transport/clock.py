"""How long an answer is waited for: one timer for each answer, however many pieces it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from modelhub.errors import ProviderError
from modelhub.kernels.transport.outgoing import Outgoing

T = TypeVar("T")


GRACE = 3.0  # seconds; how long an answer whose end was seen may be silent before it is taken for whole


class Clock:
    """Watches one answer: `first` runs until it begins, `idle` between its pieces.

    over: asked after three seconds of silence whether the answer has ended all the same, as where a server says why it
    stopped and never closes; then nothing more is waited for.
    """

    def __init__(self, outgoing: Outgoing) -> None:
        """Begin to wait for the answer to begin. On a running loop."""
        self._outgoing = outgoing
        self._loop = asyncio.get_running_loop()
        self._which, self._seconds = "first", outgoing.first
        self._since = self._loop.time()
        self._waiting: asyncio.Task[object] | None = None
        self._expired = False
        self.over: Callable[[], bool] = lambda: False
        self._timer = self._loop.call_later(outgoing.first, self._look)

    def piece(self) -> None:
        """A piece came, be it a comment."""
        if self._which == "idle":
            self._since = self._loop.time()

    def began(self) -> None:
        """The answer has begun: from now on the time between its pieces counts."""
        if self._which == "first":
            self._which, self._seconds = "idle", self._outgoing.idle
            self._since = self._loop.time()
            self._timer.cancel()
            self._timer = self._loop.call_later(min(self._seconds, GRACE), self._look)

    def stop(self) -> None:
        """The answer has ended."""
        self._timer.cancel()

    async def wait(self, what: Awaitable[T]) -> T:
        """What `what` gives. Raises ProviderError of kind timeout when it takes too long."""
        self._waiting = asyncio.current_task()
        assert self._waiting is not None
        if self._expired:
            self._waiting.cancel()
        try:
            return await what
        except asyncio.CancelledError:
            if not self._expired or self._waiting.uncancel() > 0:
                raise
        finally:
            self._waiting = None
        raise self._late()

    def _look(self) -> None:
        """Is it too late? Looks again when it may be: pieces do not set a timer each."""
        silent = self._loop.time() - self._since
        if silent < self._seconds:
            in_answer = self._which == "idle"
            if not (in_answer and silent >= GRACE and self.over()):
                soon = in_answer and silent < GRACE < self._seconds
                self._timer = self._loop.call_later((GRACE if soon else self._seconds) - silent, self._look)
                return
        self._expired = True
        if self._waiting is not None:
            self._waiting.cancel()

    def _late(self) -> ProviderError:
        name, seconds = self._outgoing.provider, self._seconds
        what = "did not begin to answer within" if self._which == "first" else "was silent in its answer for"
        return ProviderError(
            f"{name} {what} {seconds:g} s: %models provider edit {name} --{self._which} {seconds * 2:g} waits longer",
            kind="timeout",
            provider=name,
            retryable=True,
        )
