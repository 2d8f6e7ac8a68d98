"""The peer of the kernel's figures: the same worker process, spoken to with no kernel and no display."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.timed_kernel import cpu_of
from modelhub.kernels import background
from modelhub.kernels.engines.worker_process import WorkerProcess
from modelhub.kernels.protocol.messages import for_template
from modelhub.kernels.protocol.plan import LoadParams, plan_of
from modelhub.kernels.protocol.request import ChatRequest


@dataclass(frozen=True)
class Answer:
    """Seconds from the request to the first text and to the end, tokens drawn, the worker's CPU seconds."""

    first_text: float
    end: float
    tokens: int
    cpu: float
    done: dict[str, Any]


class LoneWorker:
    """A worker with one model loaded."""

    def __init__(self, path: Path, **load: int) -> None:
        self._worker = background.wait(
            WorkerProcess.start(path.stem, str(path), LoadParams(**load), lambda _part: None)
        )

    def __enter__(self) -> LoneWorker:
        return self

    def __exit__(self, *_raised: object) -> None:
        background.wait(self._worker.stop())

    def ask(self, prompt: str, **options: Any) -> Answer:
        """One question, as `%%chat --new` asks it."""
        return background.wait(self._ask(prompt, options))

    async def _ask(self, prompt: str, options: dict[str, Any]) -> Answer:
        request = ChatRequest.make(model="-", messages=[{"role": "user", "content": prompt}], **options)
        before = cpu_of(self._worker.process.pid)
        began = time.monotonic()
        messages = for_template(request.messages)
        message = {"m": "chat", "messages": messages, "tools": None, "plan": plan_of(request)}
        first = 0.0
        async with contextlib.aclosing(self._worker.request(message)) as answers:
            async for answer in answers:
                if answer["m"] == "delta" and answer["d"][2] and not first:
                    first = time.monotonic() - began
                elif answer["m"] == "error":
                    raise RuntimeError(str(answer))
                elif answer["m"] == "done":
                    end = time.monotonic() - began
                    cpu = cpu_of(self._worker.process.pid) - before
                    return Answer(first, end, sum(answer["drawn"]), cpu, answer)
        raise RuntimeError("the worker did not finish its answer")
