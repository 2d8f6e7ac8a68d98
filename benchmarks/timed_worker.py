"""The worker's own loop in an isolated process, with the calls into llama.cpp timed apart from its Python.

Requests come by `Worker.handle` and messages leave by the real link, to a process that throws them away.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.isolated import Isolated
from benchmarks.native_timer import Costs, NativeTimer
from modelhub.kernels.protocol.load_params import load_params
from modelhub.kernels.protocol.messages import for_template
from modelhub.kernels.protocol.plan import plan_of
from modelhub.kernels.protocol.request import ChatRequest

_worker: Any = None  # in the isolated process


class TimedWorker:
    """A worker with one model loaded."""

    def __init__(self, path: Path, **load: Any) -> None:
        self._process = Isolated(_load, str(path), load_params(**load).to_dict())

    def __enter__(self) -> TimedWorker:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.__exit__()

    def costs(
        self, prompts: Sequence[str], tokens: int, at: Sequence[int], window: int = 100, **fields: Any
    ) -> list[Costs]:
        """All prompts at once, greedily, `tokens` each: what a token costs at each place in the answers."""
        messages = [_message(number, prompt, tokens, fields) for number, prompt in enumerate(prompts)]
        return self._process.run(_costs, messages, at, window)

    def arrivals(
        self, prompts: Sequence[str], tokens: int, newcomer: str, after: int, whole: bool
    ) -> tuple[list[list[float]], float]:
        """When each token of the prompts' answers came, and of the newcomer's, which is last, and when it was asked.

        It is asked when the first answer has `after` tokens, and its first token ends them all. With `whole` its prompt
        is read in one step, whoever else is running.
        """
        messages = [_message(number, prompt, tokens, {}) for number, prompt in enumerate([*prompts, newcomer])]
        return self._process.run(_arrivals, messages, after, whole)


def _message(number: int, prompt: str, tokens: int, fields: dict[str, Any]) -> dict[str, Any]:
    request = ChatRequest.make(model="-", messages=[{"role": "user", "content": prompt}], temperature=0,
                               max_tokens=tokens, **fields)  # fmt: skip
    return {"m": "chat", "r": number, "messages": for_template(request.messages), "tools": None,
            "plan": plan_of(request)}  # fmt: skip


def _load(path: str, load: dict[str, Any]) -> None:
    global _worker
    from modelhub.kernels.worker.__main__ import Worker
    from modelhub.kernels.worker.link import Link

    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - os.devnull is no path of ours
        os.dup2(nowhere.fileno(), 2)  # llama.cpp's log, which a kernel reads into a ring
    ours, theirs = socket.socketpair()
    subprocess.Popen(["cat"], stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
    theirs.close()
    _worker = Worker(Link(ours), {"m": "load", "path": path, "load": load})


def _step() -> None:
    _worker.model.resume()
    _worker.scheduler.step()


def _costs(messages: list[dict[str, Any]], at: Sequence[int], window: int) -> list[Costs]:
    with NativeTimer() as timer:
        for message in messages:
            _worker.handle(message)
        while not _worker.scheduler.idle:
            _step()
    return [timer.costs(place, len(messages), window) for place in at]


def _arrivals(messages: list[dict[str, Any]], after: int, whole: bool) -> tuple[list[list[float]], float]:
    from modelhub.kernels.worker.pace import Pace

    class WholePrompts(Pace):
        def chunk(self, streams: int, most: int) -> int:
            return most

    scheduler = _worker.scheduler
    times: list[list[float]] = [[] for _ in messages]
    send, pace = scheduler.send, scheduler.pace

    def timed(message: dict[str, Any]) -> None:
        if message["m"] == "step":
            for delta in message["d"]:
                times[delta[0]].append(time.monotonic())
        send(message)

    scheduler.send = timed
    scheduler.pace = WholePrompts() if whole else pace
    try:
        for message in messages[:-1]:
            _worker.handle(message)
        while len(times[0]) < after:
            _step()
        asked = time.monotonic()
        _worker.handle(messages[-1])
        while not times[-1]:
            _step()
        for message in messages:
            scheduler.cancel(message["r"])
    finally:
        scheduler.send, scheduler.pace = send, pace
    return times, asked
