"""The hub: the one shared object in the kernel. Resolve a name, make it ready, run the request, remember the turn."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelhub.errors import BadRequest, EngineFailed, HubError, LoadCancelled, ProviderError, Stopped
from modelhub.kernels import background
from modelhub.kernels.asking import Prompt, messages_of, one_key, request_for, system_for
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.continuing import continuation
from modelhub.kernels.engines.remote import RemoteEngine
from modelhub.kernels.hub_models import HubModels
from modelhub.kernels.perplexity import Perplexity, Scoring, check
from modelhub.kernels.protocol.events import Progress, Started, Warned
from modelhub.kernels.protocol.messages import without_open_calls
from modelhub.kernels.protocol.request import ChatRequest, Message
from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.response import Response
from modelhub.kernels.secret import Secret
from modelhub.kernels.store.conversations import Conversation, Conversations, Place, Turn
from modelhub.kernels.store.turn_log import TurnLog
from modelhub.kernels.usage import UsageSums


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to run: validated, its model found, its place in a conversation known."""

    request: ChatRequest
    named: Named
    asked: tuple[Message, ...]
    system: str | None
    cell: str | None
    conversation: Conversation | None
    place: Place | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    continues: tuple[Response, str] | None = None
    """The answer that is gone on with, and its text."""
    key: Secret | None = None
    """The key that was given to this call."""


class Hub(HubModels):
    """Models, engines and conversations of this kernel. `modelhub.hub()` gives the one there is."""

    def __init__(self) -> None:
        """Nothing is read, started or written yet."""
        super().__init__()
        self.conversations = Conversations()
        self.log = TurnLog(self.providers.keys.known)
        self._used = UsageSums()

    # -- asking ------------------------------------------------------------------------------------------------------

    def chat(self, prompt: Prompt, *, model: str | None = None, system: str | None = None, **options: Any) -> Response:
        """Ask, and return the response at once; it fills as the answer comes.

        prompt: a question, or a list of messages.
        model: an id, a full name or the path of a .gguf file; default: `default_model`.
        system: a system message.
        options: fields of the request (`temperature=0.2`, `logprobs=True`, `top_k=40`, …); `conversation="name"`
            remembers the turn and sends those before it, `key=` is the key of a provider for this call alone.

        Raises BadRequest, ModelNotFound or ModelFileError; what the engine raises later comes with the text.
        """
        return self.run(self.prepare(prompt, model=model, system=system, **options))

    async def achat(
        self, prompt: Prompt, *, model: str | None = None, system: str | None = None, **options: Any
    ) -> Response:
        """As `chat`, and wait for the end of the answer; with `stream=True` return at once."""
        response = self.chat(prompt, model=model, system=system, **options)
        return response if options.get("stream") else await response

    def prepare(
        self,
        prompt: Prompt,
        *,
        model: str | None = None,
        system: str | None = None,
        conversation: str | Conversation | None = None,
        cell: str | None = None,
        warnings: Sequence[str] = (),
        key: str | Secret | None = None,
        **options: Any,
    ) -> Prepared:
        """Everything up to running: see `chat`. Raises the same, and changes nothing. `warnings` are passed on."""
        named, notes = self._find(model)
        asked = messages_of(prompt)
        place = None
        history: list[Message] = []
        if isinstance(conversation, str):
            conversation = self.conversations.choose(conversation, False, cell)
        if conversation is not None:
            place = conversation.place(cell)
            history = conversation.history(place, named.card.name)
            system = system if system is not None else conversation.system(place)
        said, open_calls = without_open_calls([*history, *asked], len(history))
        if open_calls:
            calls = "the call" if len(open_calls) == 1 else f"{len(open_calls)} calls"
            notes = (*notes, f"not answered, so not sent back: {calls} of {', '.join(dict.fromkeys(open_calls))}")
        in_force = system_for(named, system, said)
        leading = [{"role": "system", "content": in_force}] if in_force else []
        messages = [*leading, *(m.model_dump(exclude_none=True) for m in said)]
        asking = request_for(named, messages, options, self.providers)
        warnings = (*warnings, *asking.warnings)
        settled = asking.settings
        return Prepared(
            asking.request, named, asked, system, cell, conversation, place, warnings, notes, settled,
            key=one_key(key, named.card),
        )  # fmt: skip

    def continue_answer(
        self, response: Response | None = None, *, model: str | None = None, **options: Any
    ) -> Response:
        """Go on with an answer that broke off, was stopped or reached its limit; the new response is the whole answer.

        response: default: the last answer of the conversation used last. model: default: the one that began it.
        options: fields of the request, over those of the one that began it. In a conversation the whole answer takes
        the place of the one that is gone on with; `Conversation.undo` brings that back.

        Raises BadRequest where there is nothing to go on with, and what `chat` raises.
        """
        return self.run(self.prepare_continuation(response, model=model, **options))

    def prepare_continuation(
        self,
        response: Response | None = None,
        *,
        conversation: str | Conversation | None = None,
        model: str | None = None,
        warnings: Sequence[str] = (),
        key: str | Secret | None = None,
        **options: Any,
    ) -> Prepared:
        """Everything of `continue_answer` up to running; conversation: whose last answer is meant."""
        if isinstance(conversation, str):
            conversation = self.conversations.choose(conversation, False, None)
        found, number = self.conversations.turn(response, conversation)
        if found is not None:
            turn = found.turns[number]
        elif response is not None:
            turn = Turn(None, None, (), response)
        else:
            raise BadRequest("there is nothing to go on with: the conversation has no turns. Ask with %%chat first")
        response = turn.response
        named, notes = self._find(model if model is not None else response.origin.model)
        going = continuation(response, named, self.providers, options)
        asking = request_for(named, going.messages, going.fields, self.providers)
        place = None if found is None else Place(number, True, len(found.turns) - number - 1)
        return Prepared(
            asking.request, named, turn.asked, turn.system, turn.cell, found, place,
            (*warnings, *going.warnings, *asking.warnings), notes, asking.settings, (response, going.text),
            key=one_key(key, named.card),
        )  # fmt: skip

    def call(self, prepared: Prepared) -> Call | None:
        """What `run` would send over HTTP, without the key; None for a model on this machine. Raises BadRequest."""
        engine = self._engine(prepared.named)
        return engine.call(prepared.request) if isinstance(engine, RemoteEngine) else None

    def run(self, prepared: Prepared) -> Response:
        """Run a prepared request; the response fills as the answer comes."""
        response = Response(prepared.request, list(prepared.warnings))
        card = prepared.named.card
        resolved = {"model": card.name, "preset": prepared.named.preset}
        own = card.engine == "llamacpp"
        facts = {"resolved": resolved, "settings": dict(prepared.settings), **({} if own else {"counts_tokens": False})}
        if prices := card.metadata.get("prices"):
            facts["prices"] = {**prices, "listed": card.metadata.get("listed", "")}
        response.feed(Started(facts))
        response.notes += prepared.notes
        if prepared.continues is not None:
            response.go_on(*prepared.continues)
        place = prepared.place
        if place is not None and (prepared.continues is None or place.dropped) and (note := place.note()):
            response.notes.append(note)
        background.submit(self._answer(prepared, response))
        return response

    async def _answer(self, prepared: Prepared, response: Response) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        response.on_cancel(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            await self._collect(prepared, response)
        except Exception as raised:  # a defect of ours must end the answer, not hang its reader
            response.settle(_defect(raised))
        finally:
            response.end()

    async def _collect(self, prepared: Prepared, response: Response) -> None:
        engine = self._engine(prepared.named, prepared.key)
        error: HubError | None = None
        interrupted = False
        record = self.log.begin(response, prepared.conversation.name if prepared.conversation else None)
        try:
            together: Any = getattr(engine, "pieces", None)  # of a remote engine: what came together
            answering: Any = together(prepared.request) if together else engine.chat(prepared.request)
            async with contextlib.aclosing(answering) as pieces:
                async for piece in pieces:
                    response.feed_all(piece if together else (piece,))
                    record.partial(response)
        except asyncio.CancelledError:
            interrupted = True
        except LoadCancelled as raised:
            interrupted = response.stopping  # or the model was unloaded by somebody else
            error = None if interrupted else raised
        except HubError as raised:
            error = raised
        except Exception as raised:
            error = _defect(raised)
        if error is None and not interrupted and not response.complete:
            error = EngineFailed("the answer broke off: the engine never said why it ended; what came is kept")
        said_something = bool(response.partial()) or (error is None and not interrupted)
        if prepared.conversation is not None and prepared.place is not None and said_something:
            turn = Turn(prepared.cell, prepared.system, prepared.asked, response)
            self.conversations.adopt(prepared.conversation)
            prepared.conversation.add(prepared.place, turn)
        if isinstance(error, ProviderError):
            error.bare().partial = response
            if response.partial().strip() and "what came is kept" not in str(error):
                in_cell = prepared.conversation is not None
                how = "%chat --continue goes on with it" if in_cell else "the error's .partial has it"
                error.args = (f"{str(error).rstrip('.')}; what came is kept, and {how}",)
        response.settle(error, interrupted)
        self._used.add(prepared.named.card.name, response)
        writing = asyncio.create_task(record.end(response, response.to_dict(), error))
        with contextlib.suppress(asyncio.CancelledError):  # a stop that comes now has nothing left to stop
            await asyncio.wait([writing])
        if problem := await writing:
            response.warnings.append(problem)

    def usage(self) -> dict[str, Any]:
        """What this kernel has used: `{"models": {full name: …}, "total": …}`; see `usage.Sum` for what each holds."""
        return self._used.to_dict()

    # -- reading -----------------------------------------------------------------------------------------------------

    def perplexity(
        self,
        text: str,
        *,
        model: str | None = None,
        window: int | None = None,
        stride: int | None = None,
        top: int = 0,
        progress: Callable[[Progress], None] = lambda done: None,
    ) -> Perplexity:
        """How surprised a model is by `text`, which it reads as it stands: no template, no control tokens.

        model: as for `chat`. window: the most tokens read at once, from 2 to the model's context, which is the
        default. stride: how many of them are new in each window after the first, from 1 to window - 1; default: half
        of the window. top: alternatives kept of each token, 0 to 20.

        Waits for the end; `progress` is called ten times a second in the caller's thread. An interrupt raises Stopped,
        and what came is dropped. Raises BadRequest, ModelNotFound, ModelFileError or what the engine raises.
        """
        scoring, reading = self._scoring(text, model, window, stride, top)
        future, shown = background.submit(reading), None
        try:
            while not future.done():
                if scoring.progress is not None and scoring.progress is not shown:
                    shown = scoring.progress
                    progress(shown)
                with contextlib.suppress(TimeoutError):
                    future.exception(background.WAKE)
        except KeyboardInterrupt:
            raise Stopped("reading the text was stopped; what came is dropped") from None
        finally:
            future.cancel()
        return future.result()

    async def aperplexity(
        self,
        text: str,
        *,
        model: str | None = None,
        window: int | None = None,
        stride: int | None = None,
        top: int = 0,
    ) -> Perplexity:
        """As `perplexity`, leaving the caller's loop free; cancelling it stops the reading."""
        _scoring, reading = self._scoring(text, model, window, stride, top)
        return await asyncio.wrap_future(background.submit(reading))

    def _scoring(
        self, text: str, model: str | None, window: int | None, stride: int | None, top: int
    ) -> tuple[Scoring, Coroutine[Any, Any, Perplexity]]:
        """What collects, and what is to be run for it."""
        check(text, window, stride, top)
        named, notes = self._find(model)
        scoring = Scoring(named.card.id, text)
        for note in notes:
            scoring.feed(Warned(note))

        async def read() -> Perplexity:
            async with contextlib.aclosing(self._engine(named).score(text, window, stride, top)) as events:
                async for event in events:
                    scoring.feed(event)
            return scoring.result()

        return scoring, read()

    def close(self) -> None:
        """Free every model, stop what is being fetched, close the log. The hub can still be used: it starts anew."""
        self.catalog.downloads.close()
        self.residency.close()
        self.log.close()


def _defect(raised: Exception) -> EngineFailed:
    error = EngineFailed(f"{type(raised).__name__}: {raised}")
    error.__cause__ = raised
    return error


_hub: Hub | None = None
_hub_lock = threading.Lock()


def hub() -> Hub:
    """The hub of this kernel, made when it is first asked for."""
    global _hub
    with _hub_lock:
        if _hub is None:
            _hub = Hub()
        return _hub
