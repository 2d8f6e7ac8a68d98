"""What grows in one thread and is waited for in others: the waiting, apart from what grows."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, NoReturn, TypeVar

from modelhub.errors import Stopped
from modelhub.kernels.background import WAKE

T = TypeVar("T")


class Growing(ABC):
    """Something that grows bit by bit and ends once. One thread fills it; any thread or asyncio task may wait for it.

    Every wait looks up ten times a second, so that an interrupt is heard; it then raises what `stopped` gives.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._changed = threading.Condition()
        self._done = False
        self._events = 0  # how often something came
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None], bool]] = []

    # -- for whom it grows -------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._done

    @abstractmethod
    def stopped(self) -> Stopped:
        """Stop it and give the error to raise."""

    @abstractmethod
    def _raise(self) -> None:
        """Raise what ended it badly."""

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; whether it has come. An interrupt stops it and raises Stopped."""
        self._wait(lambda: self._done, seconds)
        return self._done

    def wait_quietly(self, seconds: float | None = None) -> None:
        """Wait for the end and raise nothing that ended it."""
        with self._changed:
            self._changed.wait_for(lambda: self._done, seconds)

    async def changed(self, only_end: bool = False, seconds: float = WAKE) -> None:
        """Wait until something came (with `only_end`: the end), or `seconds` passed; cancelling it stops it."""
        await self._come(None, only_end, seconds)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Something came: tell those who wait. Called under the lock."""
        self._events += 1
        self._changed.notify_all()
        if not self._waiters:
            return
        woken = self._waiters if self._done else [w for w in self._waiters if not w[2]]
        if not woken:
            return
        self._waiters = [w for w in self._waiters if w not in woken]
        for loop, future, _only_end in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)

    def _wait(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        try:
            with self._changed:
                while not ready() and (end is None or time.monotonic() < end):
                    self._changed.wait(WAKE if end is None else min(WAKE, max(0.0, end - time.monotonic())))
        except KeyboardInterrupt:
            raise self.stopped() from None

    def _wait_done(self) -> None:
        self._wait(lambda: self._done)
        self._raise()

    async def _come(self, events: int | None, only_end: bool = False, seconds: float = WAKE) -> None:
        """As `changed`; returns at once when more than `events` events have come already."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        waiter = (loop, woken, only_end)
        with self._changed:
            if self._done or (events is not None and events != self._events):
                return
            self._waiters.append(waiter)
        # Short waits: ipykernel delivers an interrupt to a loop that wakes by itself, and to no other. A timer of our
        # own, because a wait happens ten times a second and asyncio.timeout ends by raising twice.
        timer = loop.call_later(min(seconds, WAKE), _resolve, woken)
        try:
            await woken
        except asyncio.CancelledError:
            raise self.stopped() from None
        finally:
            timer.cancel()
            with self._changed:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    async def _ended(self) -> None:
        """Wait for the end, as `_wait_done`, for callers that asyncio may cancel."""
        while not self._done:
            try:
                await self._come(None, only_end=True)
            except Stopped as stopped:
                _cancelled(stopped)
        self._raise()


class Reading(Generic[T]):
    """What a `Growing` thing gives as it comes: for `for` and for `async for`, each time from the beginning."""

    def __init__(self, of: Growing, reader: Callable[[], Callable[[bool], list[T]]]) -> None:
        """Of `of`; `reader` begins a reading: a function that takes what is new, told whether it is all there is."""
        self._of, self._reader = of, reader

    def __iter__(self) -> Iterator[T]:
        of, take = self._of, self._reader()
        while True:
            with of._changed:
                done, events = of._done, of._events
                found = take(done)
            yield from found
            if done:
                of._raise()
                return
            if not found:
                of._wait(lambda events=events: of._done or of._events != events)  # type: ignore[misc]  # its default

    async def __aiter__(self) -> AsyncIterator[T]:
        of, take = self._of, self._reader()
        while True:
            with of._changed:
                done, events = of._done, of._events
                found = take(done)
            for one in found:
                yield one
            if done:
                of._raise()
                return
            if not found:
                try:
                    await of._come(events)
                except Stopped as stopped:
                    _cancelled(stopped)


def _cancelled(stopped: Stopped) -> NoReturn:
    """Say a stop in asyncio's own way.

    `asyncio.timeout`, `gather` and a task group understand CancelledError alone, and a KeyboardInterrupt that leaves
    a task ends its whole event loop: in a notebook, the kernel.
    """
    error = asyncio.CancelledError(str(stopped))
    error._render_traceback_ = stopped._render_traceback_  # type: ignore[attr-defined]  # IPython asks for it
    raise error from None


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
