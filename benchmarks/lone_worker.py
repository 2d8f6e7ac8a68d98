"""A worker process with no hub, no response and no display around it: what the kernel's figures are compared with,
and what the worker's own are taken from. Every message is timed as it arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.timed_kernel import cpu_of
from modelhub.kernels import background
from modelhub.kernels.engines.worker_process import WorkerProcess
from modelhub.kernels.protocol.load_params import LoadParams, load_params
from modelhub.kernels.protocol.messages import for_template
from modelhub.kernels.protocol.plan import plan_of
from modelhub.kernels.protocol.request import ChatRequest

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A request: its messages, or the text of the only one, and its other fields.

    after: seconds to wait before it is sent.
    """

    prompt: str | list[dict[str, Any]]
    fields: dict[str, Any] = field(default_factory=dict)
    after: float = 0.0

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.prompt if isinstance(self.prompt, list) else [{"role": "user", "content": self.prompt}]


@dataclass(frozen=True)
class Answer:
    """Seconds from the request to the first text and to the end, tokens drawn, the worker's CPU seconds.

    sent and times: when the request was sent and when each token came, by time.monotonic.
    """

    first_text: float
    end: float
    tokens: int
    cpu: float
    done: dict[str, Any]
    text: str
    sent: float
    times: list[float]

    @property
    def gaps(self) -> list[float]:
        """Seconds between one token and the next."""
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]


class LoneWorker:
    """A worker with one model loaded, with the load parameters given."""

    def __init__(self, path: Path, **load: Any) -> None:
        self._worker = background.wait(start(path, load_params(**load)))

    def __enter__(self) -> LoneWorker:
        return self

    def __exit__(self, *_raised: object) -> None:
        background.wait(self._worker.stop())

    @property
    def pid(self) -> int:
        return self._worker.process.pid

    @property
    def model(self) -> dict[str, Any]:
        """What the worker says of the loaded model: its threads, …"""
        return dict(self._worker.model)

    @property
    def threads(self) -> int:
        """Threads it decodes with."""
        return int(self.model["threads"])

    def ask(self, prompt: str | list[dict[str, Any]], **fields: Any) -> Answer:
        """One question, as `%%chat --new` asks it."""
        return self.ask_all([Question(prompt, fields)])[0]

    def ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """All of them at once; the CPU of each answer is that of the worker until its end."""

        async def all_of_them() -> list[Answer]:
            return list(await asyncio.gather(*(self._ask(question) for question in questions)))

        return background.wait(all_of_them())

    def cancelled_after(self, question: Question, seconds: float) -> float:
        """Ask, cancel after so many seconds, and give the seconds until the worker says that nothing runs."""

        async def cancel() -> float:
            asking = asyncio.create_task(self._ask(question))
            await asyncio.sleep(seconds)
            if asking.done():
                raise RuntimeError("the answer was complete before it was cancelled")
            began = time.monotonic()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            while (status := await self._worker.status())["running"] or status["waiting"]:
                pass
            return time.monotonic() - began

        return background.wait(cancel())

    async def _ask(self, question: Question) -> Answer:
        if question.after:
            await asyncio.sleep(question.after)
        request = ChatRequest.make(model="-", messages=question.messages, **question.fields)
        message = {"m": "chat", "messages": for_template(request.messages), "tools": None, "plan": plan_of(request)}
        before = cpu_of(self.pid)
        sent = time.monotonic()
        first = 0.0
        times: list[float] = []
        text: list[str] = []
        async with contextlib.aclosing(self._worker.request(message)) as answers:
            async for answer in answers:
                now = time.monotonic()
                if answer["m"] == "delta":
                    piece, tokens = answer["d"][2:4]
                    if piece and not first:
                        first = now - sent
                    text.append(piece)
                    times.extend([now] * tokens)
                elif answer["m"] == "error":
                    raise RuntimeError(str(answer))
                elif answer["m"] == "done":
                    cpu = cpu_of(self.pid) - before
                    return Answer(first, now - sent, sum(answer["drawn"]), cpu, answer, "".join(text), sent, times)
        raise RuntimeError("the worker did not finish its answer")


def start(path: Path, load: LoadParams) -> Coroutine[Any, Any, WorkerProcess]:
    """Start a worker for the file; see WorkerProcess.start."""
    return WorkerProcess.start(path.stem, str(path), load, lambda _part: None)
