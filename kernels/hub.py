"""The hub: the one shared object in the kernel. Resolve a name, make it ready, run the request, remember the turn."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, EngineFailed, HubError, LoadCancelled, ModelFileError, ModelNotFound, Stopped
from modelhub.kernels import background, settings
from modelhub.kernels.asking import Prompt, check_here, messages_of, request_for, system_for
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.catalog.states import State
from modelhub.kernels.engines.local import LocalEngine
from modelhub.kernels.perplexity import Perplexity, Scoring, check
from modelhub.kernels.plugins import registry
from modelhub.kernels.protocol.events import Progress, Started, Warned
from modelhub.kernels.protocol.load_params import load_params
from modelhub.kernels.protocol.request import ChatRequest, Message
from modelhub.kernels.residency import Residency
from modelhub.kernels.response import Response
from modelhub.kernels.store.conversations import Conversation, Conversations, Place, Turn
from modelhub.kernels.store.turn_log import TurnLog

LIVELIEST = (State.RUNNING, State.LOADING, State.STOPPING, State.FAILED)
if TYPE_CHECKING:
    from modelhub.kernels.importing import Taken
    from modelhub.kernels.plugins.installed import Plugins

PACKAGED_MODEL = "tiny-chat"


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


class Hub:
    """Models, engines and conversations of this kernel. `modelhub.hub()` gives the one there is."""

    def __init__(self) -> None:
        """Nothing is read, started or written yet."""
        self.catalog = Catalog()
        self.conversations = Conversations()
        self.log = TurnLog()
        self.residency = Residency()
        self._default: str | None = None

    # -- asking ------------------------------------------------------------------------------------------------------

    def chat(self, prompt: Prompt, *, model: str | None = None, system: str | None = None, **options: Any) -> Response:
        """Ask, and return the response at once; it fills as the answer comes.

        prompt: a question, or a list of messages.
        model: an id, a full name or the path of a .gguf file; default: `default_model`.
        system: a system message.
        options: fields of the request (`temperature=0.2`, `logprobs=True`, `top_k=40`, …); `conversation="name"`
            remembers the turn and sends those before it.

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
            history = conversation.history(place)
            system = system if system is not None else conversation.system(place)
        said = [*history, *asked]
        in_force = system_for(named, system, said)
        leading = [{"role": "system", "content": in_force}] if in_force else []
        messages = [*leading, *(m.model_dump(exclude_none=True) for m in said)]
        asking = request_for(named, messages, options)
        warnings = (*warnings, *asking.warnings)
        settled = asking.settings
        return Prepared(asking.request, named, asked, system, cell, conversation, place, warnings, notes, settled)

    def run(self, prepared: Prepared) -> Response:
        """Run a prepared request; the response fills as the answer comes."""
        response = Response(prepared.request, list(prepared.warnings))
        resolved = {"model": prepared.named.card.name, "preset": prepared.named.preset}
        response.feed(Started({"resolved": resolved, "settings": dict(prepared.settings)}))
        response.notes += prepared.notes
        if prepared.place is not None and (note := prepared.place.note()):
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
        engine = self._engine(prepared.named)
        error: HubError | None = None
        interrupted = False
        record = self.log.begin(response, prepared.conversation.name if prepared.conversation else None)
        try:
            async with contextlib.aclosing(engine.chat(prepared.request)) as events:
                async for event in events:
                    response.feed(event)
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
        if error is None and not interrupted and response.finish_reason is None:
            error = EngineFailed("the answer broke off: the engine never said why it ended; what came is kept")
        said_something = bool(response.partial()) or (error is None and not interrupted)
        if prepared.conversation is not None and prepared.place is not None and said_something:
            turn = Turn(prepared.cell, prepared.system, prepared.asked, response)
            self.conversations.adopt(prepared.conversation)
            prepared.conversation.add(prepared.place, turn)
        response.settle(error, interrupted)
        writing = asyncio.create_task(record.end(response, response.to_dict(), error))
        with contextlib.suppress(asyncio.CancelledError):  # a stop that comes now has nothing left to stop
            await asyncio.wait([writing])
        if problem := await writing:
            response.warnings.append(problem)

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

    # -- models ------------------------------------------------------------------------------------------------------

    @property
    def plugins(self) -> Plugins:
        """What plugins bring; `plugins.add(model)` offers a `modelhub.Model` of this notebook."""
        return registry()

    @property
    def default_model(self) -> str:
        """The model that answers when none is named."""
        if self._default is None:
            saved = settings.load("default_model")
            self._default = saved if isinstance(saved, str) and saved else PACKAGED_MODEL
        return self._default

    def set_default(self, name: str) -> ModelCard:
        """Make a model, a preset or an alias the default, for this kernel and later ones.

        Raises ModelNotFound, or StoreFailed when it holds for this kernel only because it could not be written down.
        """
        card, self._default = self.catalog.lasting_name(name)
        settings.save("default_model", self._default)
        return card

    def engine(self, name: str) -> LocalEngine:
        """The engine of a model, made but not loaded if need be."""
        return self._engine(self.catalog.resolve(name))

    def engines(self) -> list[LocalEngine]:
        """Every engine that was asked for so far."""
        return self.residency.engines()

    def cards(self) -> list[ModelCard]:
        """A card for every model that can be asked by name, and every file that was asked by path."""
        cards = self.catalog.cards()
        paths = {c.path for c in cards}
        return cards + [e.card for e in self.engines() if e.card.path not in paths]

    def state(self, card: ModelCard) -> State:
        """Where a model stands now; of one that is loaded more than once, with other parameters, the liveliest."""
        states = [State(e.state) for e in self.engines() if e.card.name == card.name]
        return next((s for s in LIVELIEST if s in states), State(card.state))

    def models(self, state: str = "all") -> dict[str, Any]:
        """Every model as OpenAI's list object: `{"object": "list", "data": [...]}`, each with its `state`.

        state: "all", or the one they are in (`remote`, `downloadable`, `downloaded`, `running`, …). Raises BadRequest.
        """
        if state not in (known := ["all", *map(str, State)]):
            raise BadRequest(f"state must be one of {', '.join(known)}; got {state!r}", param="state")
        rows = [{**card.to_dict(), "state": str(self.state(card))} for card in self.cards()]
        return {"object": "list", "data": [row for row in rows if state in ("all", row["state"])]}

    def import_models(
        self,
        path: str | Path,
        as_: str | None = None,
        copy: bool = False,
        import_format: str | None = None,
        progress: Callable[[float], None] = lambda part: None,
    ) -> Taken:
        """Take in a .gguf file, a document that describes models, or a folder of them; what came, and notes on it.

        as_: another name, where there is one model. copy: copy files into the models home; else links lead to them.
        import_format: the importer, where the document does not speak for itself. `progress` is called with the part
        copied, 0 to 1. Keys in a document go to the key store and nowhere else.

        Raises ImportFailed, ModelFileError, BadRequest, StateConflict for a name that is taken, StoreFailed.
        """
        from modelhub.kernels.importing import import_models

        return import_models(self.catalog, path, as_, copy, import_format, progress)

    def load(
        self,
        name: str,
        progress: Callable[[float], None] = lambda part: None,
        reload: bool = False,
        keep: bool | None = None,
        **params: Any,
    ) -> LocalEngine:
        """Load a model and wait for it; an interrupt stops the loading.

        params: load parameters (`context=8192`, `threads=4`, …); see `LoadParams`. `progress` is called with the
        part done, 0 to 1, in the caller's thread. keep: whether it stays in memory though it is idle; None leaves that.

        What is idle goes where it needs room (`ModelRoom`). With the same parameters, or none, loading again is free.
        Raises StateConflict where it has others, unless `reload`, and where it would be loaded again while it answers.
        """
        named = self.catalog.resolve(name)
        engine = self._engine(named)
        wanted = load_params(**{**named.load, **params}) if params else None
        self.residency.load(engine, progress, reload, keep, wanted)
        return engine

    def unload(self, name: str, force: bool = False) -> bool:
        """Free a model's memory; whether it held any. Its own name frees all that is loaded of it, a preset's its own.

        Raises StateConflict while it answers, unless `force`: then the answers end with an error.
        """
        return self.residency.unload(self.residency.called(name, self.catalog.resolve), force)

    def status(self) -> list[dict[str, Any]]:
        """A row for every loaded model; see `Residency.status`."""
        return self.residency.status()

    def system_status(self) -> dict[str, Any]:
        """The machine in bytes and per cent: `cpu`, `ram`, `gpus`, `disk` of the models home, `workers` (`status`)."""
        return self.residency.system()

    def close(self) -> None:
        """Free every model, stop what is being fetched, close the log. The hub can still be used: it starts anew."""
        self.catalog.downloads.close()
        self.residency.close()
        self.log.close()

    def _name(self, model: str | None) -> str:
        """The model's name, or the default's. Raises BadRequest for what is none."""
        name = model if model is not None else self.default_model
        if not isinstance(name, str) or not name.strip():
            raise BadRequest(
                f"model must be the name of a model; got {name!r}. Type %models to see them", param="model"
            )
        return name

    def _find(self, model: str | None) -> tuple[Named, tuple[str, ...]]:
        """What is asked, and what the user should know: a default that is gone gives the packaged model."""
        name = self._name(model)
        try:
            named = self.catalog.resolve(name)
        except (ModelNotFound, ModelFileError):
            if model is not None or name == PACKAGED_MODEL:
                raise
            gone = f"{name} is the default and is not there now: {PACKAGED_MODEL} answers"
            return self.catalog.resolve(PACKAGED_MODEL), (f"{gone}. %models default MODEL chooses another",)
        check_here(named.card)
        return named, (named.note,) if named.note else ()

    def _engine(self, named: Named) -> LocalEngine:
        check_here(named.card)
        return self.residency.engine(named.card, named.load)


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
