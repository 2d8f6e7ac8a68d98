"""The response: the live object of one answer, filled by the background loop and read from anywhere."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

from modelhub.errors import HubError, Stopped
from modelhub.kernels.background import WAKE
from modelhub.kernels.protocol.completion import Choice, completion
from modelhub.kernels.protocol.events import Delta, Ended, Event, Progress, Started, Warned
from modelhub.kernels.protocol.request import ChatRequest

STOP_SECONDS = 3.0  # how long a caller that was interrupted waits for the engine to let go


class Response:
    """One answer, while it comes and afterwards.

    Iterate over it, also with `async for`, for its text as it comes; `await` it for its end; or ask for `.text()`,
    which waits. Interrupting any of these stops the answer, keeps what came and raises `Stopped`.
    """

    def __init__(self, request: ChatRequest, warnings: list[str] | None = None) -> None:
        """A response to `request` that nothing has come of yet."""
        self.request = request
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self.warnings: list[str] = list(warnings or ())
        self.notes: list[str] = []
        """What the user should know that is no warning: a turn replaced, a conversation begun."""
        self.interrupted = False
        self.error: HubError | None = None
        self.progress: Progress | None = None
        self._debug: dict[str, Any] = {}
        self._choices = [Choice() for _ in range(request.n or 1)]
        self._usage: dict[str, Any] | None = None
        self._changed = threading.Condition()
        self._done = False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None], bool]] = []
        self._started = time.monotonic()
        self._first: float | None = None
        self._last = self._started
        self._cancel: Callable[[], object] = lambda: None
        self._stopping = False

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the answer has ended, well or badly."""
        return self._done

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
        pieces = self._choices[choice].text
        if len(pieces) > 1:
            with self._changed:
                pieces[:] = ["".join(pieces)]
        return pieces[0] if pieces else ""

    def json(self) -> dict[str, Any]:
        """The answer as OpenAI's `chat.completion` object; waits for the end."""
        self._wait_done()
        return completion(
            self.id,
            self.created,
            self.request.model,
            self._choices,
            self.usage(),
            bool(self.request.logprobs),
        )

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
    def finish_reason(self) -> str | None:
        """Why the first choice ended: `stop`, `length`, or None where it was stopped or is still coming."""
        return self._choices[0].finish

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
        seen = 0
        while True:
            with self._changed:
                pieces, done = self._new(seen), self._done
            if pieces:
                seen += len(pieces)
                yield pieces
            elif done:
                self._raise()
                return
            else:
                self._wait(self._more_than(seen))

    async def __aiter__(self) -> AsyncIterator[str]:
        seen = 0
        while True:
            with self._changed:
                pieces, done = self._new(seen), self._done
            if pieces:
                seen += len(pieces)
                yield pieces
            elif done:
                self._raise()
                return
            else:
                await self._cancellable(only_end=False)

    def __await__(self) -> Generator[Any, None, Response]:
        return self._awaited().__await__()

    async def _awaited(self) -> Response:
        while not self._done:
            await self._cancellable(only_end=True)
        self._raise()
        return self

    async def _cancellable(self, only_end: bool) -> None:
        """As `changed`; for callers that asyncio may cancel it says so in asyncio's own way.

        `asyncio.timeout`, `gather` and a task group understand CancelledError alone, and a KeyboardInterrupt that
        leaves a task ends its whole event loop: in a notebook, the kernel.
        """
        try:
            await self.changed(only_end)
        except Stopped as stopped:
            error = asyncio.CancelledError(str(stopped))
            error._render_traceback_ = stopped._render_traceback_  # type: ignore[attr-defined]  # IPython asks for it
            raise error from None

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; whether it has come. An interrupt stops the answer and raises Stopped."""
        self._wait(lambda: self._done, seconds)
        return self._done

    def wait_for_more(self, seen: int, progress: Progress | None = None) -> None:
        """Wait until there is more than `seen` characters, other progress than `progress`, or the end."""
        self._wait(lambda: self._done or self.progress is not progress or len(self.partial()) > seen)

    async def changed(self, only_end: bool = False, seconds: float = WAKE) -> None:
        """Wait until something came (with `only_end`: the end), or `seconds` passed; cancelling it stops the answer."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        waiter = (loop, woken, only_end)
        with self._changed:
            if self._done:
                return
            self._waiters.append(waiter)
        # Short waits: ipykernel delivers an interrupt to a loop that wakes by itself, and to no other. A timer of our
        # own, because a wait happens ten times a second and asyncio.timeout ends by raising twice.
        timer = loop.call_later(min(seconds, WAKE), _resolve, woken)
        try:
            await woken
        except asyncio.CancelledError:
            raise self.stopped() from None
        finally:
            timer.cancel()
            with self._changed:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

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
        response._choices = [
            Choice([c["text"]], c["logprobs"], c["tokens"], c["finish_reason"]) for c in data["choices"]
        ]
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
                    choice = self._choices[event.index]
                    if event.text:
                        choice.text.append(event.text)
                    choice.logprobs.extend(event.logprobs)
                    choice.tokens += event.tokens
                    self._last = time.monotonic()
                    if self._first is None:
                        self._first = self._last
                case Progress():
                    self.progress = event
                case Started():
                    self.progress = None
                    self._debug.update(event.details)
                case Warned():
                    self.warnings.append(event.text)
                case Ended():
                    for choice, finish, kept in zip(self._choices, event.finish, event.kept, strict=True):
                        choice.finish = finish
                        del choice.logprobs[kept:]
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

    # -- inside ------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._changed.notify_all()
        if not self._waiters:
            return
        woken = self._waiters if self._done else [w for w in self._waiters if not w[2]]
        if not woken:
            return
        self._waiters = [w for w in self._waiters if w not in woken]
        for loop, future, _only_end in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)

    def _new(self, seen: int) -> str:
        return self.partial()[seen:]

    def _more_than(self, seen: int) -> Callable[[], bool]:
        return lambda: self._done or len(self.partial()) > seen

    def _wait_done(self) -> None:
        self._wait(lambda: self._done)
        self._raise()

    def _raise(self) -> None:
        if self.error is not None:  # a stopped answer raises nothing: what came can be read
            raise self.error

    def _wait(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        try:
            with self._changed:
                while not ready() and (end is None or time.monotonic() < end):
                    self._changed.wait(WAKE if end is None else min(WAKE, max(0.0, end - time.monotonic())))
        except KeyboardInterrupt:
            raise self.stopped() from None

    def stopped(self) -> Stopped:
        """Stop the answer, wait until the engine has let go, and give the error to raise."""
        self.stop()
        self.wait_quietly(STOP_SECONDS)
        tokens = sum(c.tokens for c in self._choices)
        return Stopped(f"the answer was stopped after {tokens} tokens; what came is kept", self)

    def wait_quietly(self, seconds: float | None = None) -> None:
        """Wait for the end and raise nothing that ended it."""
        with self._changed:
            self._changed.wait_for(lambda: self._done, seconds)

    def _usage_so_far(self) -> dict[str, Any]:
        if self._usage is not None:
            return self._usage
        prompt = self._debug.get("prompt_tokens", 0)
        drawn = sum(c.tokens for c in self._choices)
        return {"prompt_tokens": prompt, "completion_tokens": drawn, "total_tokens": prompt + drawn}

    def _restore_times(self, timings: dict[str, Any]) -> None:
        total, first = timings.get("total_s"), timings.get("first_token_s")
        self._last = self._started + (total or 0.0)
        self._first = None if first is None else self._started + first


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
