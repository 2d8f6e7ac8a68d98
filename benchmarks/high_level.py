"""The peer that people use today: `llama_cpp.Llama`, llama-cpp-python's high-level API, in a process of its own."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.isolated import Isolated
from benchmarks.native_timer import Costs, NativeTimer

Messages = list[dict[str, Any]]

_llama: Any = None  # in the peer's process


class HighLevel:
    """A loaded `Llama`, with its own defaults but for what is given, as `n_ctx`."""

    def __init__(self, path: Path, **options: Any) -> None:
        self._process = Isolated(_load, str(path), options)
        self.pid = self._process.pid

    def __enter__(self) -> HighLevel:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.__exit__()

    def times(self, messages: Messages, tokens: int, **options: Any) -> list[float]:
        """Seconds from the request to each chunk of a greedy streamed answer with text in it."""
        return self._process.run(_times, messages, tokens, options)

    def costs(
        self, messages: Messages, tokens: int, at: Sequence[int], window: int = 100, **options: Any
    ) -> list[Costs]:
        """What a token of a streamed answer costs at each place in it."""
        return self._process.run(_costs, messages, tokens, at, window, options)

    def rate_beside_a_busy_thread(self, messages: Messages, tokens: int) -> float:
        """Tokens a second while another thread of the same process computes in pure Python."""
        return self._process.run(_rate_beside_a_busy_thread, messages, tokens)

    def interrupted_after(self, messages: Messages, seconds: float) -> float | None:
        """Seconds from an interrupt, sent so long after the request, until KeyboardInterrupt arrives."""
        return self._process.run(_interrupted_after, messages, seconds)


def rate(times: list[float]) -> float:
    """Tokens a second after the first."""
    return (len(times) - 1) / (times[-1] - times[0])


def _load(path: str, options: dict[str, Any]) -> None:
    global _llama
    from llama_cpp import Llama

    _llama = Llama(path, verbose=False, **options)


def _stream(messages: Messages, tokens: int, options: dict[str, Any]) -> Any:
    return _llama.create_chat_completion(messages, stream=True, max_tokens=tokens, temperature=0.0, **options)


def _times(messages: Messages, tokens: int, options: dict[str, Any]) -> list[float]:
    began = time.monotonic()
    times = []
    for chunk in _stream(messages, tokens, options):
        if chunk["choices"][0]["delta"].get("content"):
            times.append(time.monotonic() - began)
    return times


def _costs(messages: Messages, tokens: int, at: Sequence[int], window: int, options: dict[str, Any]) -> list[Costs]:
    with NativeTimer() as timer:
        for _chunk in _stream(messages, tokens, options):
            pass
    return [timer.costs(place, window=window) for place in at]


def _rate_beside_a_busy_thread(messages: Messages, tokens: int) -> float:
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        return rate(_times(messages, tokens, {}))
    finally:
        over.set()
        thread.join()


def _interrupted_after(messages: Messages, seconds: float) -> float | None:
    sent = 0.0

    def interrupt() -> None:
        nonlocal sent
        sent = time.monotonic()
        _thread.interrupt_main()

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        _times(messages, 4096, {})
    except KeyboardInterrupt:
        return time.monotonic() - sent
    finally:
        timer.cancel()
    return None  # the interrupt was lost in one of its callbacks
