"""The local engine: one GGUF, in a worker process that is started when it is first asked and again after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncGenerator, Callable
from typing import Any

import modelhub.errors as errors
from modelhub.errors import (
    ContextTooLong,
    EngineCrashed,
    EngineFailed,
    EngineMissing,
    HubError,
    TemplateFailed,
)
from modelhub.kernels.engines.lifecycle import Lifecycle
from modelhub.kernels.engines.worker_process import INSTALL
from modelhub.kernels.protocol.events import Delta, Ended, Event, PromptLogprobs, Started
from modelhub.kernels.protocol.messages import for_template
from modelhub.kernels.protocol.plan import plan_of, scoring_plan
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.system import memory_of
from modelhub.kernels.worker.link import Message

STATUS_SECONDS = 2.0  # a worker that hangs keeps nobody who looks waiting for longer


class LocalEngine(Lifecycle):
    """Runs requests for one GGUF file."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Run one request; see `Engine.chat`. A worker that died before it took the request is replaced, once."""
        return self._run(lambda: self._ask(request))

    def score(self, text: str, window: int | None, stride: int | None, top: int) -> AsyncGenerator[Event]:
        """Read a text for its log probabilities; see `Engine.score`."""
        return self._run(lambda: self._read(text, window, stride, top))

    async def _run(self, ask: Callable[[], AsyncGenerator[Event]]) -> AsyncGenerator[Event]:
        if importlib.util.find_spec("llama_cpp") is None:
            raise EngineMissing(INSTALL)
        unloaded = self._unloaded
        with self._request():
            for last in (False, True):
                async with contextlib.aclosing(self._ready(unloaded)) as loading:
                    async for progress in loading:
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
        begun, said = "", request.messages
        if request.x_modelhub and request.x_modelhub.continue_final_message:
            begun, said = said[-1].text, said[:-1]
        messages = for_template(said)
        text = ""
        answers = worker.request({"m": "chat", "messages": messages, "begun": begun, "tools": None, "plan": plan})
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
                f"%models load {self.typed} -c {_round_up(tokens)}",
                param="messages", prompt_tokens=tokens, context=context,
            )  # fmt: skip
        if kind == "TemplateFailed":
            return TemplateFailed(f"the chat template of {self.card.id} cannot be used: {text}")
        known: type[HubError] = getattr(errors, kind, EngineFailed)
        return known(f"{self.card.id}: {text}")

    async def status(self) -> dict[str, Any]:
        """Pid, memory in bytes and the scheduler's figures; empty when nothing is loaded.

        The figures are left out where the worker does not say them within STATUS_SECONDS.
        """
        worker = self._worker
        if worker is None or not worker.alive:
            return {}
        figures: Message = {}
        with contextlib.suppress(TimeoutError, EngineCrashed):
            async with asyncio.timeout(STATUS_SECONDS):
                figures = await worker.status()
        held = await asyncio.to_thread(memory_of, worker.process.pid)
        memory = {"memory": held.resident if held else None, "gpu_memory": worker.gpu_memory}
        return {"pid": worker.process.pid, **memory, **{k: v for k, v in figures.items() if k != "m"}}


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
