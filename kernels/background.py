"""The one asyncio loop, in a thread of its own, on which all of modelhub's input and output runs.

The thread lives as long as the process: workers ask the system to end them when the thread that started them ends
(Linux ties PR_SET_PDEATHSIG to the thread, prctl(2)), so they must be started from one that stays.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

WAKE = 0.1  # seconds; how often a waiting caller looks up, so that an interrupt is heard

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The loop, started when it is first wanted."""
    global _loop
    with _lock:
        if _loop is None:
            made = asyncio.new_event_loop()
            started = threading.Event()

            def run() -> None:
                asyncio.set_event_loop(made)
                made.call_soon(started.set)
                made.run_forever()

            threading.Thread(target=run, name="modelhub", daemon=True).start()
            started.wait()
            _loop = made
        return _loop


def submit(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Run `work` on the loop; the future is for any thread."""
    return asyncio.run_coroutine_threadsafe(work, loop())


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the loop and wait for it, from another thread; an interrupt cancels it."""
    future = submit(work)
    while True:
        try:
            return future.result(WAKE)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
        except BaseException:
            future.cancel()
            raise
