"""The response: the live object of one answer, filled by the background loop and read from anywhere."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

from modelhub.errors import HubError, Stopped
from modelhub.kernels.protocol.chunk import ChunkReader
from modelhub.kernels.protocol.completion import Answer, Choice, completion
from modelhub.kernels.protocol.events import (
    Called,
    Delta,
    Ended,
    Event,
    Kept,
    Pictured,
    Progress,
    PromptLogprobs,
    Reasoned,
    Refused,
    Started,
    Warned,
)
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.waiting import Growing, Reading

STOP_SECONDS = 3.0  # how long a caller that was interrupted waits for the engine to let go


class Response(Growing):
    """One answer, while it comes and afterwards.

    Iterate over it, also with `async for`, for its text as it comes; `await` it for its end; or ask for `.text()`,
    which waits. Interrupting any of these stops the answer, keeps what came and raises `Stopped`.
    """

    def __init__(self, request: ChatRequest, warnings: list[str] | None = None) -> None:
        """A response to `request` that nothing has come of yet."""
        super().__init__()
        self.request = request
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self.warnings: list[str] = list(warnings or ())
        self.notes: list[str] = []
        """What the user should know that is no warning: a turn replaced, a conversation begun."""
        self.interrupted = False
        self.complete = False
        """Whether the engine said that the answer is whole."""
        self.error: HubError | None = None
        self.progress: Progress | None = None
        self._debug: dict[str, Any] = {}
        self._choices = [Choice() for _ in range(request.n or 1)]
        self._prompt_logprobs: list[dict[str, Any]] = []
        self._usage: dict[str, Any] | None = None
        self._started = time.monotonic()
        self._first: float | None = None
        self._last = self._started
        self._cancel: Callable[[], object] = lambda: None
        self._stopping = False

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping

    def text(self, choice: int = 0) -> str:
        """The whole text of one choice; waits for the end. Raises what ended it badly; `partial` has what came."""
        self._wait_done()
        return self.partial(choice)

    def partial(self, choice: int = 0) -> str:
        """The text so far; never waits."""
        with self._changed:
            return self._choices[choice].text()

    def json(self) -> dict[str, Any]:
        """The answer as OpenAI's `chat.completion` object; waits for the end."""
        self._wait_done()
        return completion(self._answer(), self._usage_so_far())

    def chunks(self) -> Reading[dict[str, Any]]:
        """The answer as OpenAI's `chat.completion.chunk` objects, as they come: for `for` and for `async for`.

        Each reading begins at the beginning; where one chunk ends and the next begins depends on how fast it is read.
        All choices stream, told apart by `index`. Folded, the chunks are `json()`; they have its `usage` where the
        request says `stream_options={"include_usage": True}`, and never its `metadata`. Raises what `text` raises,
        after what came.
        """
        return Reading(self, self._chunk_reader)

    def usage(self) -> dict[str, Any]:
        """Tokens of prompt and answer, as OpenAI counts them; waits for the end."""
        self._wait_done()
        return self._usage_so_far()

    @property
    def logprobs(self) -> list[dict[str, Any]]:
        """Entries of OpenAI's logprobs.content of the first choice; natural logarithms. Waits for the end."""
        self._wait_done()
        return self._choices[0].logprobs

    @property
    def prompt_logprobs(self) -> list[dict[str, Any]]:
        """An entry for every token of the prompt, where `prompt_logprobs` was asked for; the first has no logprob.

        Natural logarithms. Waits for the end.
        """
        self._wait_done()
        return self._prompt_logprobs

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended: `stop`, `length`, or None where it was stopped or is still coming."""
        return self._choices[0].finish

    @property
    def system_fingerprint(self) -> str | None:
        """Short hash of file, load parameters and llama.cpp: equal seeds need equal ones. None before it began."""
        model = self._debug.get("model") or {}
        return model.get("fingerprint")

    @property
    def size(self) -> int:
        """Characters of all choices so far; never waits."""
        return sum(c.length for c in self._choices)

    @property
    def debug(self) -> dict[str, Any]:
        """What really happened: rendered prompt, token counts, timings, sampling chain, load and request parameters."""
        timings = self.timings()
        return {
            **self._debug,
            "usage": self._usage_so_far(),
            "timings": {**self._debug.get("timings", {}), **timings},
        }

    def timings(self) -> dict[str, float | None]:
        """Seconds to the first token and in all, and tokens a second after the first (as the engine measured them)."""
        tokens = sum(c.tokens for c in self._choices)
        decoding = self._debug.get("timings", {}).get("decode_s")
        if decoding is None:
            decoding = self._last - self._first if self._first is not None else 0.0
        return {
            "first_token_s": None if self._first is None else self._first - self._started,
            "total_s": self._last - self._started,
            "tokens_per_s": (tokens - 1) / decoding if tokens > 1 and decoding > 0 else None,
        }

    def stop(self) -> None:
        """Stop the answer; what came is kept. Any thread; returns at once."""
        with self._changed:
            first, self._stopping = not self._stopping, True
            cancel = self._cancel
        if first:
            cancel()

    def __iter__(self) -> Iterator[str]:
        return iter(Reading(self, self._text_reader))

    def __aiter__(self) -> AsyncIterator[str]:
        return aiter(Reading(self, self._text_reader))

    def __await__(self) -> Generator[Any, None, Response]:
        return self._awaited().__await__()

    async def _awaited(self) -> Response:
        await self._ended()
        return self

    def wait_for_more(self, seen: int, progress: Progress | None = None) -> None:
        """Wait until there are more than `seen` characters of all choices, other progress than this, or the end."""
        self._wait(lambda: self._done or self.progress is not progress or self.size > seen)

    # -- as data -----------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything the response holds now, as plain data; `from_dict` makes a finished response of it."""
        return {
            "id": self.id,
            "created": self.created,
            "request": self.request.to_dict(),
            "choices": [
                {
                    "text": self.partial(i),
                    "logprobs": c.logprobs,
                    "tokens": c.tokens,
                    "finish_reason": c.finish,
                }
                for i, c in enumerate(self._choices)
            ],
            "prompt_logprobs": self._prompt_logprobs,
            "usage": self._usage_so_far(),
            "debug": self.debug,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "interrupted": self.interrupted,
            "error": None if self.error is None else {"type": type(self.error).__name__, "message": str(self.error)},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Response:
        """The finished response that `to_dict` gave."""
        import modelhub.errors as errors

        response = cls(ChatRequest.make(**data["request"]), data["warnings"])
        response.id, response.created = data["id"], data["created"]
        response.notes = list(data["notes"])
        response.interrupted = data["interrupted"]
        response._choices = [Choice(c["text"], c["logprobs"], c["tokens"], c["finish_reason"]) for c in data["choices"]]
        response._prompt_logprobs = data.get("prompt_logprobs", [])  # absent in logs of modelhub 0.1
        response._usage = data["usage"]
        response._debug = data["debug"]
        response._restore_times(data["debug"].get("timings", {}))
        if data["error"] is not None:
            kind = getattr(errors, data["error"]["type"], HubError)
            response.error = kind(data["error"]["message"])
        response._done = True
        return response

    def __repr__(self) -> str:
        if self.error is not None:
            return f"<Response from {self.request.model}: {type(self.error).__name__}>"
        state = "stopped" if self.interrupted else self.finish_reason if self._done else "running"
        text = self.partial()
        return f"<Response from {self.request.model}, {state}: {text if len(text) <= 60 else text[:57] + '...'!r}>"

    # -- filled by the hub -------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        """Take what the engine yielded. The hub calls it, from the background loop."""
        with self._changed:
            match event:
                case Delta():
                    choice = self._choice(event.index)
                    choice.add(event.text)
                    choice.logprobs.extend(event.logprobs)
                    choice.tokens += event.tokens
                    self._last = time.monotonic()
                    if self._first is None:
                        self._first = self._last
                case Reasoned():
                    self._choice(event.index).reasoning.append(event.text)
                case Called():
                    self._choice(event.index).call(event)
                case Refused():
                    self._choice(event.index).refusal.append(event.text)
                case Kept():
                    self._choice(event.index).blocks.extend(event.blocks)
                case Pictured():
                    self._choice(event.index).images.append(event.url)
                case PromptLogprobs():
                    self._prompt_logprobs[event.at :] = event.entries
                case Progress():
                    self.progress = event
                case Started():
                    self.progress = None
                    self._debug.update(event.details)
                case Warned():
                    self.warnings.append(event.text)
                case Ended():
                    for index, (finish, kept) in enumerate(zip(event.finish, event.kept, strict=True)):
                        self._choice(index).finish = finish
                        del self._choice(index).logprobs[kept:]
                    for index, native in enumerate(event.natives):
                        self._choice(index).native = native
                    self.complete = True
                    self._usage = event.usage
                    self._debug.update(event.details)
            self._wake()

    def settle(self, error: HubError | None = None, interrupted: bool = False) -> None:
        """No more will come, and this is how it ended; readers are told by `end`. The hub calls it, once."""
        with self._changed:
            self.error, self.interrupted, self.progress = error, interrupted, None
            self._last = time.monotonic()

    def end(self) -> None:
        """The answer is complete and written down: wake every reader. The hub calls it, once, after `settle`."""
        with self._changed:
            self._done = True
            self._wake()

    def on_cancel(self, cancel: Callable[[], object]) -> None:
        """What `stop` calls, at once if it was asked to stop before. The hub sets it."""
        with self._changed:
            self._cancel = cancel
            late = self._stopping
        if late:
            cancel()

    def _choice(self, index: int) -> Choice:
        """A choice; providers may send more of them than were asked for."""
        while index >= len(self._choices):
            self._choices.append(Choice())
        return self._choices[index]

    # -- inside ------------------------------------------------------------------------------------------------------

    def _text_reader(self) -> Callable[[bool], list[str]]:
        seen = 0

        def take(_all: bool) -> list[str]:
            nonlocal seen
            new = self._choices[0].pieces[seen:]
            seen += len(new)
            return ["".join(new)] if new else []

        return take

    def _chunk_reader(self) -> Callable[[bool], list[dict[str, Any]]]:
        reader = ChunkReader(self.request)

        def take(all_: bool) -> list[dict[str, Any]]:
            if all_ and self.error is None:
                return reader.end(self._answer(), self._usage_so_far())
            return reader.more(self._answer())

        return take

    def _answer(self) -> Answer:
        request, choices, prompt = self.request, self._choices, self._prompt_logprobs
        return Answer(self.id, self.created, request, choices, self.system_fingerprint, prompt)

    def _raise(self) -> None:
        if self.error is not None:  # a stopped answer raises nothing: what came can be read
            raise self.error

    def stopped(self) -> Stopped:
        """Stop the answer, wait until the engine has let go, and give the error to raise."""
        self.stop()
        self.wait_quietly(STOP_SECONDS)
        tokens = sum(c.tokens for c in self._choices)
        after = f" after {tokens} tokens" if self._debug.get("counts_tokens", True) else ""
        return Stopped(f"the answer was stopped{after}; what came is kept", self)

    def _usage_so_far(self) -> dict[str, Any]:
        if self._usage is not None:
            return self._usage
        if not self._debug.get("counts_tokens", True):  # a plugin that did not tell; nobody counts for it
            return {}
        prompt = self._debug.get("prompt_tokens", 0)
        drawn = sum(c.tokens for c in self._choices)
        return {"prompt_tokens": prompt, "completion_tokens": drawn, "total_tokens": prompt + drawn}

    def _restore_times(self, timings: dict[str, Any]) -> None:
        total, first = timings.get("total_s"), timings.get("first_token_s")
        self._last = self._started + (total or 0.0)
        self._first = None if first is None else self._started + first
