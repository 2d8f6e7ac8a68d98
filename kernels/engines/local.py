"""The local engine: one GGUF, in a worker process that is started when it is first asked and again after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shlex
from collections.abc import AsyncGenerator, Callable
from typing import Any

import modelhub.errors as errors
from modelhub.errors import (
    BadRequest,
    ContextTooLong,
    EngineCrashed,
    EngineFailed,
    EngineMissing,
    HubError,
    LoadCancelled,
    TemplateFailed,
)
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.engines.worker_process import INSTALL, WorkerProcess
from modelhub.kernels.protocol.events import Delta, Ended, Event, Progress, PromptLogprobs, Started
from modelhub.kernels.protocol.load_params import LoadParams
from modelhub.kernels.protocol.messages import for_template
from modelhub.kernels.protocol.plan import plan_of, scoring_plan
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.worker.link import Message


class LocalEngine:
    """Runs requests for one GGUF file."""

    kind = "local"

    def __init__(self, card: ModelCard) -> None:
        """An engine for `card`, which has a path; nothing is loaded yet."""
        self.card = card
        self.params = LoadParams()
        self._loaded_with = self.params  # the last that went well
        self._worker: WorkerProcess | None = None
        self._starting: asyncio.Task[WorkerProcess] | None = None
        self._waiting: set[object] = set()  # who waits for it
        self._part = 0.0
        self._failed = False

    @property
    def state(self) -> str:
        """`downloaded`, `loading`, `running` or `failed`."""
        if self._starting is not None:
            return "loading"
        if self._worker is not None and self._worker.alive:
            return "running"
        return "failed" if self._failed else "downloaded"

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs."""
        return self._worker.process.pid if self._worker is not None and self._worker.alive else None

    @property
    def part(self) -> float:
        """How much of the file has been loaded, 0 to 1."""
        return self._part

    @property
    def loaded(self) -> dict[str, Any]:
        """What the worker says of the loaded model; empty when it is not loaded."""
        return self._worker.model if self._worker is not None and self._worker.alive else {}

    @property
    def log(self) -> list[str]:
        """The last lines of the worker's log."""
        return list(self._worker.log) if self._worker is not None else []

    async def load(self, params: LoadParams | None = None) -> AsyncGenerator[Event]:
        """Make the model ready, yielding Progress. With other `params` than it has, it is loaded again.

        Callers that arrive while it loads wait for the same load; when the last of them gives up, it is cancelled.
        """
        if importlib.util.find_spec("llama_cpp") is None:
            raise EngineMissing(INSTALL)
        if params is not None and params != self.params:
            await self.unload()
            self.params = params
        if self._worker is not None and self._worker.alive:
            return
        task = self._starting
        if task is None:
            self._part = 0.0
            task = self._starting = asyncio.create_task(self._start())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to ask
            self._waiting = set()
        me, waiting = object(), self._waiting  # those of this load, not of a later one
        waiting.add(me)
        try:
            while not task.done():
                yield Progress(f"loading {self.card.id}", self._part)
                await asyncio.wait([task], timeout=0.1)
            task.result()
        except asyncio.CancelledError:
            raise LoadCancelled(f"loading {self.card.id} was stopped") from None
        finally:
            waiting.remove(me)
            if not task.done() and not waiting:
                task.cancel()
                self._starting = None

    async def _start(self) -> WorkerProcess:
        params = self.params
        try:
            assert self.card.path is not None
            worker = await WorkerProcess.start(self.card.id, self.card.path, params, self._progress)
        except BaseException as error:
            self._failed = not isinstance(error, LoadCancelled | asyncio.CancelledError | BadRequest)
            if isinstance(error, BadRequest) and self.params is params:
                self.params = self._loaded_with  # or every question that follows would be refused with it
            raise
        else:
            self._worker, self._failed, self._loaded_with = worker, False, params
            return worker
        finally:
            if self._starting is asyncio.current_task():  # not a later load's
                self._starting = None

    def _progress(self, part: float) -> None:
        self._part = part

    async def unload(self) -> None:
        """End the worker, so that its memory really comes back."""
        if (starting := self._starting) is not None:
            starting.cancel()
            await asyncio.wait([starting])
            if self._starting is starting:  # cancelled before it had begun, it could not clear this itself
                self._starting = None
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Run one request; see `Engine.chat`. A worker that died before it took the request is replaced, once."""
        return self._run(lambda: self._ask(request))

    def score(self, text: str, window: int | None, stride: int | None, top: int) -> AsyncGenerator[Event]:
        """Read a text for its log probabilities; see `Engine.score`."""
        return self._run(lambda: self._read(text, window, stride, top))

    async def _run(self, ask: Callable[[], AsyncGenerator[Event]]) -> AsyncGenerator[Event]:
        for last in (False, True):
            async for progress in self.load():
                yield progress
            taken = False
            try:
                async with contextlib.aclosing(ask()) as events:
                    async for event in events:
                        taken = True
                        yield event
                return
            except EngineCrashed:
                if taken or last:
                    raise

    async def _ask(self, request: ChatRequest) -> AsyncGenerator[Event]:
        worker = self._worker
        assert worker is not None
        plan = plan_of(request)
        messages = for_template(request.messages)
        text = ""
        answers = worker.request({"m": "chat", "messages": messages, "tools": None, "plan": plan})
        async with contextlib.aclosing(answers):
            async for message in answers:
                kind = message["m"]
                if kind == "delta":
                    _, index, piece, tokens, logprobs = message["d"]
                    yield Delta(index, piece, tokens, (_entry(logprobs),) if logprobs else ())
                elif kind == "prompt_logprobs":
                    yield PromptLogprobs(message["at"], tuple(_entry(row) for row in message["d"]))
                elif kind == "prompt":
                    text = message["text"]
                elif kind == "start":
                    yield Started(self._details(plan, text, message))
                elif kind == "error":
                    raise self._error(message)
                elif kind == "done":
                    yield _ended(message)

    async def _read(self, text: str, window: int | None, stride: int | None, top: int) -> AsyncGenerator[Event]:
        worker = self._worker
        assert worker is not None
        plan, reading = scoring_plan(top), {}
        asked = {"m": "score", "text": text, "window": window, "stride": stride, "plan": plan}
        async with contextlib.aclosing(worker.request(asked)) as answers:
            async for message in answers:
                kind = message["m"]
                if kind == "prompt_logprobs":
                    yield PromptLogprobs(message["at"], tuple(_entry(row) for row in message["d"]))
                elif kind == "scoring":
                    reading = {name: message[name] for name in ("window", "stride", "windows", "begins")}
                elif kind == "start":
                    yield Started({**self._details(plan, text, message), **reading})
                elif kind == "error":
                    raise self._error(message)
                elif kind == "done":
                    yield _ended(message)

    def _details(self, plan: dict[str, Any], prompt: str, message: Message) -> dict[str, Any]:
        return {
            "engine": self.kind,
            "prompt": prompt,
            "prompt_tokens": message["prompt_tokens"],
            "request_parameters": plan,
            "sampling": message["chain"],
            "load_parameters": self.params.to_dict(),
            "model": self.loaded,
            "seed": plan["seed"],
        }

    def _error(self, message: Message) -> HubError:
        kind, text = message["kind"], message["text"]
        if kind == "ContextTooLong":
            tokens, context = message["prompt_tokens"], message["context"]
            return ContextTooLong(
                f"this model's maximum context length is {context} tokens, however the prompt has {tokens}. "
                f"Shorten it, begin a new conversation with --new, or load more context: "
                f"%models load {self._typed()} -c {_round_up(tokens)}",
                param="messages", prompt_tokens=tokens, context=context,
            )  # fmt: skip
        if kind == "TemplateFailed":
            return TemplateFailed(f"the chat template of {self.card.id} cannot be used: {text}")
        known: type[HubError] = getattr(errors, kind, EngineFailed)
        return known(f"{self.card.id}: {text}")

    def _typed(self) -> str:
        """The name to type for this model."""
        return shlex.quote(self.card.path) if self.card.source == "file" and self.card.path else self.card.id

    async def status(self) -> dict[str, Any]:
        """Pid, memory in bytes and the scheduler's figures; empty when nothing is loaded."""
        worker = self._worker
        if worker is None or not worker.alive:
            return {}
        figures = {k: v for k, v in (await worker.status()).items() if k != "m"}
        return {"pid": worker.process.pid, "memory": _resident(worker.process.pid), **figures}


def _round_up(tokens: int) -> int:
    """A context that holds a prompt of `tokens` and an answer: the next power of two that leaves a quarter free."""
    return 1 << (tokens * 4 // 3).bit_length()


def _ended(message: Message) -> Ended:
    completion_tokens = sum(message["drawn"])
    return Ended(
        finish=tuple(None if f == "cancelled" else f for f in message["finish"]),
        kept=tuple(message["kept"]),
        usage={
            "prompt_tokens": message["prompt_tokens"],
            "completion_tokens": completion_tokens,
            "total_tokens": message["prompt_tokens"] + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": message["cached_tokens"]},
        },
        details={"timings": message["timings"], "restored_tokens": message["restored_tokens"]},
    )


def _entry(row: list[Any]) -> dict[str, Any]:
    """An entry of OpenAI's logprobs.content, and the token's id, from the worker's compact row."""
    text, raw, logprob, ident, top, *left = row
    return {**_token(text, raw, logprob, ident, *left), "top_logprobs": [_token(*alternative) for alternative in top]}


def _token(text: str, raw: list[int] | None, logprob: float | None, ident: int, *left: float | None) -> dict[str, Any]:
    token = {"token": text, "logprob": logprob, "bytes": list(text.encode()) if raw is None else raw, "id": ident}
    return {**token, "post_sampling_logprob": left[0]} if left else token


def _resident(pid: int) -> int | None:
    """Bytes of memory the process holds, where the system says it (Linux); else None."""
    import os
    from pathlib import Path

    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
