"""What grows in one thread and is waited for in others: the waiting, apart from what grows."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, NoReturn, TypeVar

from modelhub.errors import Stopped
from modelhub.kernels.background import WAKE

T = TypeVar("T")
Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Growing(ABC):
    """Something that grows bit by bit and ends once. One thread fills it; any thread or asyncio task may wait for it.

    Every wait looks up ten times a second, so that an interrupt is heard; it then raises what `stopped` gives.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._over = threading.Condition(lock)  # who waits for the end is not woken before
        self._done = False
        self._events = 0  # how often something came
        self._waiters: list[Waiter] = []
        self._end_waiters: list[Waiter] = []

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
        self._wait_end(seconds)
        return self._done

    def wait_quietly(self, seconds: float | None = None) -> None:
        """Wait for the end and raise nothing that ended it."""
        with self._over:
            self._over.wait_for(lambda: self._done, seconds)

    async def changed(self, only_end: bool = False, seconds: float = WAKE) -> None:
        """Wait until something came (with `only_end`: the end), or `seconds` passed; cancelling it stops it."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(min(seconds, WAKE), _resolve, woken)
        try:
            await self._come(None, woken, only_end)
        finally:
            timer.cancel()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Something came: tell those who wait. Called under the lock."""
        self._events += 1
        self._changed.notify_all()
        woken, self._waiters = self._waiters, []
        if self._done:
            self._over.notify_all()
            woken, self._end_waiters = [*woken, *self._end_waiters], []
        for loop, future in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)

    def _wait_end(self, seconds: float | None = None) -> None:
        self._wait(lambda: self._done, seconds, self._over)

    def _wait(
        self, ready: Callable[[], bool], seconds: float | None = None, told: threading.Condition | None = None
    ) -> None:
        """Wait until it is `ready`, which is looked at when `told` (default: by everything that comes)."""
        told = told or self._changed
        end = None if seconds is None else time.monotonic() + seconds
        try:
            with told:
                while not ready() and (end is None or time.monotonic() < end):
                    told.wait(WAKE if end is None else min(WAKE, max(0.0, end - time.monotonic())))
        except KeyboardInterrupt:
            raise self.stopped() from None

    def _wait_done(self) -> None:
        self._wait_end()
        self._raise()

    async def _come(
        self, events: int | None, woken: asyncio.Future[None] | None = None, only_end: bool = False
    ) -> None:
        """Wait for what comes (with `only_end`: the end); not when more than `events` events have come already.

        woken: ends the wait, too.
        """
        loop = asyncio.get_running_loop()
        waiter = (loop, loop.create_future() if woken is None else woken)
        with self._changed:
            if self._done or (events is not None and events != self._events):
                return
            waiters = self._end_waiters if only_end else self._waiters
            waiters.append(waiter)
        try:
            await waiter[1]
        except asyncio.CancelledError:
            raise self.stopped() from None
        finally:
            if woken is not None or not waiter[1].done():  # else it was told, and is on no list any more
                with self._changed:
                    waiters = self._end_waiters if only_end else self._waiters
                    if waiter in waiters:
                        waiters.remove(waiter)

    async def _ended(self) -> None:
        """Wait for the end, as `_wait_done`, for callers that asyncio may cancel."""
        with _heartbeat():
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
        with _heartbeat():
            while True:
                with of._changed:
                    done, events = of._done, of._events
                    found = take(done)
                for one in found:
                    yield one
                if done:
                    break
                try:
                    await of._come(events)
                except Stopped as stopped:
                    _cancelled(stopped)
        of._raise()


class _Heart:
    """Wakes a loop ten times a second while somebody wants it."""

    def __init__(self) -> None:
        self.wanted = 0
        self._beats = False

    def want(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wanted += 1
        if not self._beats:
            self._beats = True
            self._beat(loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beats = self.wanted > 0
        if self._beats:
            loop.call_later(WAKE, self._beat, loop)


_hearts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Heart] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def _heartbeat() -> Iterator[None]:
    """Let the running loop wake by itself: to such a one ipykernel delivers an interrupt, and to no other.

    One timer for all who wait on the loop, where hundreds may.
    """
    loop = asyncio.get_running_loop()
    heart = _hearts.setdefault(loop, _Heart())
    heart.want(loop)
    try:
        yield
    finally:
        heart.wanted -= 1


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
