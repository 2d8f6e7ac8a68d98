"""What Python costs between the calls into llama.cpp: the CPU of a thread, with theirs taken out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llama_cpp import llama_cpp as lc

# What llama.cpp itself does for a token; all else of the thread is Python (and numpy). Everybody who calls them
# by the module's name is timed: the worker and the high-level API alike.
NATIVE = ("llama_sampler_sample", "llama_sampler_apply", "llama_sampler_accept")


@dataclass(frozen=True)
class Costs:
    """Microseconds of the thread's CPU a token: of Python, and of llama_decode."""

    python: float
    decode: float


class NativeTimer:
    """Times every decode, and what lies between it and the one before. Between `with` and its end."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, float, float]] = []
        """A row a decode: its tokens, its own seconds, and the seconds of Python from its end to the next decode."""
        self._left: float | None = None  # the thread's CPU when the last decode returned
        self._other = 0.0  # of it, other native calls since
        self._real: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> NativeTimer:
        self._real = {name: getattr(lc, name) for name in (*NATIVE, "llama_decode")}
        for name in NATIVE:
            setattr(lc, name, self._timed(self._real[name]))
        lc.llama_decode = self._decode
        return self

    def __exit__(self, *_raised: object) -> None:
        for name, real in self._real.items():
            setattr(lc, name, real)

    def _timed(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.thread_time()
            try:
                return real(*arguments)
            finally:
                self._other += time.thread_time() - began

        return call

    def _decode(self, context: Any, batch: Any) -> Any:
        began = time.thread_time()
        if self._left is not None:
            tokens, own, _ = self.steps[-1]
            self.steps[-1] = (tokens, own, began - self._left - self._other)
        self._other = 0.0
        result = self._real["llama_decode"](context, batch)
        self._left = time.thread_time()
        self.steps.append((int(batch.n_tokens), self._left - began, 0.0))
        return result

    def costs(self, at: int, streams: int = 1, window: int = 100) -> Costs:
        """What a token costs within `window` tokens of place `at` of so many answers that go on at once.

        A step of no more tokens than streams is one that draws; others read prompts and are left out.
        """
        rows: list[tuple[int, float, float]] = []
        place = 0.0
        for row in self.steps[:-1]:  # what follows the last one is unknown
            if row[0] <= streams:
                place += row[0] / streams
                if abs(place - at) <= window:
                    rows.append(row)
        tokens = sum(row[0] for row in rows)
        return Costs(1e6 * sum(row[2] for row in rows) / tokens, 1e6 * sum(row[1] for row in rows) / tokens)
