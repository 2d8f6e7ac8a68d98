"""A process of its own in which functions are run: what they load, break or patch is gone with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Isolated:
    """One new Python process; the functions it is given run there one after another, in its main thread."""

    def __init__(self, initializer: Callable[..., object] | None = None, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer, arguments)
        self.pid = self.run(os.getpid)

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """What a function of a module gives, or raises, there."""
        return self._pool.submit(function, *arguments, **options).result()


class BusyNeighbour:
    """A process that takes all of one core while the `with` lasts."""

    def __enter__(self) -> BusyNeighbour:
        self._process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
