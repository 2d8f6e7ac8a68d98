"""The response: the live object of one answer, filled by the background loop and read from anywhere."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Any

from modelhub.errors import HubError, Stopped
from modelhub.kernels.protocol.chunk import ChunkReader
from modelhub.kernels.protocol.completion import Answer, completion
from modelhub.kernels.protocol.events import Event, Progress
from modelhub.kernels.protocol.gathered import Gathered
from modelhub.kernels.protocol.raw import Raw
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
        self.notes: list[str] = []
        """What the user should know that is no warning: a turn replaced, a conversation begun."""
        self.interrupted = False
        self.error: HubError | None = None
        self.origin = request
        """The request that began the answer: another than `request` where it was gone on with."""
        self.begun = 0
        """Characters of the text that came of earlier requests, where the answer was gone on with."""
        self._came = Gathered(request.n or 1, warnings or ())
        self._cancel: Callable[[], object] = lambda: None
        self._stopping = False

    # -- what has come; none of these waits --------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether the engine said that the answer is whole."""
        return self._came.complete

    @property
    def warnings(self) -> list[str]:
        """What of the request had no effect, and what else the user should know."""
        return self._came.warnings

    @property
    def progress(self) -> Progress | None:
        """What is done before the answer comes, as loading or waiting."""
        return self._came.progress

    @property
    def raw(self) -> Raw | None:
        """The exchange with a provider as it went over the wire; None for other models. It is in no log."""
        return self._came.raw

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping

    def partial(self, choice: int = 0) -> str:
        """The text so far; never waits."""
        with self._changed:
            return self._came.choices[choice].text()

    def partial_message(self, choice: int = 0) -> dict[str, Any]:
        """As `message`, of what has come so far."""
        with self._changed:
            return self._came.choices[choice].to_send()

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended: `stop`, `length`, `tool_calls`, `content_filter`; `error` where it was given up.

        None where it was stopped, is still coming, or is whole and the provider does not say.
        """
        return self._came.choices[0].finish

    @property
    def native_finish_reason(self) -> str | None:
        """The provider's own word for why the first choice ended, where it gave one."""
        return self._came.choices[0].native

    @property
    def count(self) -> int:
        """Choices there are: as many as were asked for, or more where a provider sent more."""
        return len(self._came.choices)

    @property
    def system_fingerprint(self) -> str | None:
        """Short hash of file, load parameters and llama.cpp: equal seeds need equal ones. None before it began.

        Of a remote model, what its provider says.
        """
        model = self._came.debug.get("model") or {}
        said: str | None = model.get("fingerprint") or self._came.said.get("system_fingerprint")
        return said

    @property
    def size(self) -> int:
        """Characters of all choices so far; never waits."""
        return sum(c.length for c in self._came.choices)

    @property
    def thought(self) -> str:
        """What the first choice thought so far; `reasoning` waits for the end."""
        with self._changed:
            return "".join(self._came.choices[0].reasoning)

    @property
    def extent(self) -> int:
        """A number that grows with all that can be seen to come: text, and pieces of thoughts."""
        return sum(c.length + len(c.reasoning) for c in self._came.choices)

    @property
    def empty(self) -> bool:
        """Whether nothing has come: no text, no thought, no tool call, no picture."""
        return all(choice.empty for choice in self._came.choices)

    @property
    def debug(self) -> dict[str, Any]:
        """What really happened: rendered prompt, token counts, timings, sampling chain, load and request parameters."""
        return self._came.facts()

    def timings(self) -> dict[str, float | None]:
        """Seconds to the first token and in all, and tokens a second after the first (as the engine measured them).

        Tokens a second of a remote model come of its provider's count, and of the seconds from the first piece to the
        last; None where it did not count, or sent all in one piece.
        """
        return self._came.timings()

    def calls(self, choice: int = 0) -> list[dict[str, Any]]:
        """The tool calls of one choice so far; see `tool_calls`. Never waits."""
        with self._changed:
            calls = self._came.choices[choice].calls
            cut = None if self.complete else len(calls) - 1  # nobody said that the last one is whole
            return [
                {**call.to_dict(), **({"incomplete": True} if number == cut or not call.whole else {})}
                for number, call in enumerate(calls)
            ]

    # -- reading -----------------------------------------------------------------------------------------------------

    def text(self, choice: int = 0) -> str:
        """The whole text of one choice; waits for the end. Raises what ended it badly; `partial` has what came."""
        self._wait_done()
        return self.partial(choice)

    def json(self) -> dict[str, Any]:
        """The answer as OpenAI's `chat.completion` object; waits for the end."""
        self._wait_done()
        return completion(self._answer(), self._came.usage())

    def chunks(self) -> Reading[dict[str, Any]]:
        """The answer as OpenAI's `chat.completion.chunk` objects, as they come: for `for` and for `async for`.

        Each reading begins at the beginning; where one chunk ends and the next begins depends on how fast it is read.
        All choices stream, told apart by `index`. Folded, the chunks are `json()`; they have its `usage` where the
        request says `stream_options={"include_usage": True}`, and never its `metadata`. Raises what `text` raises,
        after what came.
        """
        return Reading(self, self._chunk_reader)

    def usage(self) -> dict[str, Any]:
        """Tokens of prompt and answer, as OpenAI counts them; {} where nobody counted. Waits as `reasoning`."""
        self._wait_came()
        return self._came.usage()

    def message(self, choice: int = 0) -> dict[str, Any]:
        """The assistant's message to send back when the conversation goes on.

        With its text, its tool calls, and what a provider wants back with them (`reasoning_content`,
        `reasoning_details`). A tool call that was cut off is left out. Waits as `reasoning`.
        """
        self._wait_came()
        return self.partial_message(choice)

    @property
    def reasoning(self) -> str:
        """What the first choice thought beside its answer, as far as it is told; "" where it is not.

        Waits for the end. Of an answer that broke off: what came; raises what ended it where nothing did.
        """
        self._wait_came()
        return self.thought

    @property
    def refusal(self) -> str | None:
        """Why the first choice refuses to answer, where that is said apart from the answer. Waits as `reasoning`."""
        self._wait_came()
        return "".join(self._came.choices[0].refusal) or None

    @property
    def images(self) -> list[str]:
        """Pictures of the first choice: data: URLs, or addresses, which are never fetched. Waits as `reasoning`."""
        self._wait_came()
        return list(self._came.choices[0].images)

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """Tool calls of the first choice, as OpenAI's message has them; arguments are JSON text.

        One that was cut off has `"incomplete": True`. Waits as `reasoning`.
        """
        self._wait_came()
        return self.calls()

    @property
    def logprobs(self) -> list[dict[str, Any]]:
        """Entries of OpenAI's logprobs.content of the first choice; natural logarithms. Waits as `reasoning`."""
        self._wait_came()
        return self._came.choices[0].logprobs

    @property
    def prompt_logprobs(self) -> list[dict[str, Any]]:
        """An entry for every token of the prompt, where `prompt_logprobs` was asked for; the first has no logprob.

        Natural logarithms. Waits for the end.
        """
        self._wait_done()
        return self._came.prompt_logprobs

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
        """Wait until `seen`, an earlier `extent`, is exceeded, there is other progress than this, or the end."""
        self._wait(lambda: self._done or self.progress is not progress or self.extent > seen)

    def began(self, seen: int) -> bool:
        """Whether there is a first text now, or a first thought where nothing was `seen`, an earlier `extent`."""
        return self._done or self.size > 0 or (not seen and self.extent > 0)

    def wait_for_first(self, seen: int, seconds: float) -> None:
        """Wait until it `began`, at most so many seconds."""
        self._wait(lambda: self.began(seen), seconds)

    # -- as data -----------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything the response holds now, as plain data; `from_dict` makes a finished response of it."""
        return {
            "id": self.id,
            "created": self.created,
            "request": self.request.to_dict(),
            **self._came.to_dict(),
            **({"origin": self.origin.to_dict(), "begun": self.begun} if self.begun else {}),
            "notes": list(self.notes),
            "interrupted": self.interrupted,
            "error": None if self.error is None else self.error.to_record(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Response:
        """The finished response that `to_dict` gave."""
        response = cls(ChatRequest.make(**data["request"]))
        response.id, response.created = data["id"], data["created"]
        response._came = Gathered.from_dict(data)
        if begun := data.get("begun"):
            response.begun, response.origin = begun, ChatRequest.make(**data["origin"])
        response.notes = list(data["notes"])
        response.interrupted = data["interrupted"]
        if data["error"] is not None:
            response.error = HubError.from_record(data["error"])
        response._done = True
        return response

    def __repr__(self) -> str:
        if self.error is not None:
            return f"<Response from {self.request.model}: {type(self.error).__name__}>"
        state = "stopped" if self.interrupted else self.finish_reason if self._done else "running"
        text = self.partial()
        return f"<Response from {self.request.model}, {state}: {text if len(text) <= 60 else text[:57] + '...'!r}>"

    # -- filled by the hub -------------------------------------------------------------------------------------------

    def go_on(self, earlier: Response, text: str) -> None:
        """Begin with an `earlier` answer, whose text is `text`. The hub calls it, before anything comes."""
        with self._changed:
            self.origin, self.begun = earlier.origin, len(text)
            self._came.go_on(earlier._came, text)
            self.notes.append(f"goes on after {self.begun:,} characters")
            self._wake()

    def feed(self, event: Event) -> None:
        """Take what the engine yielded. The hub calls it, from the background loop."""
        self.feed_all((event,))

    def feed_all(self, events: Sequence[Event]) -> None:
        """As `feed`, of events that came together: who waits is woken once."""
        with self._changed:
            self._came.take(events)
            self._wake()

    def settle(self, error: HubError | None = None, interrupted: bool = False) -> None:
        """No more will come, and this is how it ended; readers are told by `end`. The hub calls it, once."""
        with self._changed:
            self.error, self.interrupted = error, interrupted
            self._came.progress, self._came.last = None, time.monotonic()

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

    def _text_reader(self) -> Callable[[bool], list[str]]:
        seen = 0

        def take(_all: bool) -> list[str]:
            nonlocal seen
            new = self._came.choices[0].pieces[seen:]
            seen += len(new)
            return ["".join(new)] if new else []

        return take

    def _chunk_reader(self) -> Callable[[bool], list[dict[str, Any]]]:
        reader = ChunkReader(self.request)

        def take(all_: bool) -> list[dict[str, Any]]:
            if all_ and self.error is None:
                return reader.end(self._answer(), self._came.usage())
            return reader.more(self._answer())

        return take

    def _answer(self) -> Answer:
        came, fingerprint = self._came, self.system_fingerprint
        return Answer(
            self.id, self.created, self.request, came.choices, fingerprint, came.prompt_logprobs, came.said,
            local=came.counts_tokens,
        )  # fmt: skip

    def _wait_came(self) -> None:
        """Wait for the end. Raises what ended it badly where nothing came of it."""
        self._wait_end()
        if self.empty:
            self._raise()

    def _raise(self) -> None:
        if self.error is not None:  # a stopped answer raises nothing: what came can be read
            raise self.error

    def stopped(self) -> Stopped:
        """Stop the answer, wait until the engine has let go, and give the error to raise."""
        self.stop()
        self.wait_quietly(STOP_SECONDS)
        after = f" after {self._came.drawn()} tokens" if self._came.counts_tokens else ""
        return Stopped(f"the answer was stopped{after}; what came is kept", self)
