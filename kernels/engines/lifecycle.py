"""From a file to a worker and back: the states of one GGUF, its loading, its unloading, and who may ask for them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shlex
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

from modelhub.errors import BadRequest, EngineMissing, LoadCancelled, StateConflict
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.states import State, step
from modelhub.kernels.engines.base import Room
from modelhub.kernels.engines.worker_process import INSTALL, WorkerProcess
from modelhub.kernels.protocol.events import Progress
from modelhub.kernels.protocol.load_params import RULES, LoadParams

# Load parameters of which it makes no difference whether they were said or settled by the worker.
SETTLED = ("context", "ubatch", "flash_attn", "mmap", "kv_unified", "gpu_layers")
SHOWN = 40  # characters of a load parameter's value in a message


class Lifecycle:
    """One GGUF and the worker it is loaded into. Coroutines run on modelhub's background loop, as do observers.

    Every change of state goes through `catalog.states.step`, on that one loop: there is nothing to lock, and a load, an
    unload and a request that come together are put in order where they wait.
    """

    kind = "local"

    def __init__(self, card: ModelCard, params: LoadParams | None = None, room: Room | None = None) -> None:
        """Nothing is loaded yet.

        card: has a path. params: load parameters of its name; what it is loaded with while nobody says otherwise.
        room: who makes room for it; None: it takes what is free.
        """
        self.card = card
        self.named = self.params = params or LoadParams()
        self.keep = False  # whether it stays in memory when room is wanted and however long it is idle
        self.on_state: list[Callable[[Lifecycle, State], None]] = []  # told of each new state, on the loop
        self.on_idle: list[Callable[[Lifecycle], None]] = []  # told when the last request has ended
        self.requests = 0  # that run or wait for the model
        self.used = time.monotonic()  # when it was loaded, or the last request ended
        self._room = room
        self._state = State.DOWNLOADED
        self._loaded_with = self.params  # the last that went well
        self._worker: WorkerProcess | None = None
        self._starting: asyncio.Task[WorkerProcess] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._waiting: set[object] = set()  # who waits for the load under way
        self._unloaded = 0  # how often it was unloaded on request: who waits for it then gives up
        self._part = 0.0
        self._file: tuple[int, int, int] | None = None  # what tells the file that was loaded from another one

    # -- what is there -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`downloaded`, `loading`, `running`, `stopping` or `failed`."""
        return self._state.value

    @property
    def idle(self) -> bool:
        """Whether it is loaded and no request runs or waits."""
        return self._state is State.RUNNING and not self.requests

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
    def gpu_memory(self) -> int:
        """Bytes that loading it took of the GPUs' memory, measured; 0 when it is not loaded or there is no GPU."""
        return self._worker.gpu_memory if self._worker is not None and self._worker.alive else 0

    @property
    def log(self) -> list[str]:
        """The last lines of the worker's log."""
        return list(self._worker.log) if self._worker is not None else []

    @property
    def typed(self) -> str:
        """The name to type for this model."""
        return shlex.quote(self.card.path) if self.card.source == "file" and self.card.path else self.card.id

    # -- loading -----------------------------------------------------------------------------------------------------

    async def load(self, params: LoadParams | None = None, reload: bool = False) -> AsyncGenerator[Progress]:
        """Make the model ready, yielding Progress; at once where it is loaded with `params` already.

        params: what it must be loaded with; None: as it is, or as it was. reload: load it again where it is loaded,
        also with the parameters it has. Callers that arrive while it loads wait for the same load; when the last of
        them gives up, it is cancelled.

        Raises StateConflict where it is loaded with other parameters and `reload` is False, or where it is to be
        loaded again while it answers; LoadCancelled; and what loading raises.
        """
        if importlib.util.find_spec("llama_cpp") is None:
            raise EngineMissing(INSTALL)
        async with contextlib.aclosing(self._ready(self._unloaded, params, reload)) as progress:
            async for told in progress:
                yield told

    async def _ready(
        self, unloaded: int, params: LoadParams | None = None, reload: bool = False
    ) -> AsyncGenerator[Progress]:
        """As `load`. unloaded: `_unloaded` when the caller began: an unload since then is an end to its waiting."""
        while True:
            self._look()
            if self._unloaded != unloaded:
                raise LoadCancelled(f"loading {self.card.id} was stopped: it was unloaded")
            if self._stopping is not None:
                await asyncio.wait([self._stopping])
            elif self._state is State.RUNNING and reload:
                self._refuse_while_busy("loading it again would stop it; wait, or type %models unload {} --force first")
                reload = False
                self._stop()
            elif self._state is State.RUNNING and self.requests <= 1 and self._replaced():  # at most the one that asks
                self._stop()
            elif self._state is State.RUNNING:
                self._refuse_other(params)
                return
            elif self._starting is not None:
                if params is not None and reload and params != self.params:
                    reload = False
                    self._give_up()
                    continue
                self._refuse_other(params)
                task = self._starting
                async with contextlib.aclosing(self._wait(task)) as waiting:
                    async for progress in waiting:
                        yield progress
                try:
                    worker = task.result()
                except (asyncio.CancelledError, LoadCancelled):
                    continue  # it was unloaded, or is loaded again with other parameters
                if worker is self._worker:
                    return  # where it died meanwhile the request finds out
            else:
                reload = False
                self.params = params if params is not None else self.params
                self._part, self._waiting = 0.0, set()
                self._become(State.LOADING)
                self._starting = asyncio.create_task(self._start())
                # Nobody may be left to ask it what it raised.
                self._starting.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _wait(self, task: asyncio.Task[WorkerProcess]) -> AsyncGenerator[Progress]:
        """Wait for a load with others; the last one that gives up ends it."""
        me, waiting = object(), self._waiting
        waiting.add(me)
        try:
            while not task.done():
                yield Progress(f"loading {self.card.id}", self._part)
                await asyncio.wait([task], timeout=0.1)
        finally:
            waiting.remove(me)
            if not waiting and task is self._starting:
                self._give_up()

    async def _start(self) -> WorkerProcess:
        params = self.params
        try:
            assert self.card.path is not None
            self._file = _mark(self.card.path)
            turn = None if self._room is None else self._room.turn(self)
            worker = await WorkerProcess.start(self.card.id, self.card.path, params, self._progress, turn, self._look)
        except BaseException as error:
            if isinstance(error, BadRequest) and self.params is params:
                self.params = self._loaded_with  # or every question that follows would be refused with it
            if self._starting is asyncio.current_task():  # it was not given up
                self._starting = None
                harmless = BadRequest | EngineMissing | LoadCancelled | asyncio.CancelledError
                self._become(State.DOWNLOADED if isinstance(error, harmless) else State.FAILED)
            raise
        self._starting, self._worker, self._loaded_with = None, worker, params
        self.used = time.monotonic()
        self._become(State.RUNNING)
        return worker

    def _progress(self, part: float) -> None:
        self._part = part

    # -- unloading ---------------------------------------------------------------------------------------------------

    async def unload(self, force: bool = False) -> bool:
        """End the worker, so that its memory really comes back; whether there was one. A load under way is cancelled.

        Raises StateConflict while it answers, unless `force`: then the answers end with EngineCrashed.
        """
        self._look()
        if self._state is State.RUNNING and not force:
            self._refuse_while_busy("--force stops {it}")
        held = self._state in (State.RUNNING, State.LOADING)
        self._unloaded += held or force
        self.keep = False
        if self._starting is not None:
            self._give_up()
        elif self._state is State.RUNNING:
            self._stop()
        elif self._state is State.FAILED:
            self._become(State.DOWNLOADED)
            worker, self._worker = self._worker, None
            if worker is not None:
                await worker.stop()  # it is dead; its last descriptors are closed
        await self.stopped()
        return held

    async def stopped(self) -> None:
        """Wait for the end of a worker that is being ended."""
        if (stopping := self._stopping) is not None:
            await asyncio.wait([stopping])

    def free(self) -> bool:
        """Begin to end the worker if it is idle; whether it was. `stopped` waits for it."""
        self._look()
        if self.idle:
            self._stop()
            return True
        return False

    def _give_up(self) -> None:
        """Cancel the load under way."""
        starting = self._starting
        assert starting is not None
        self._starting = None
        self._become(State.STOPPING)
        starting.cancel()

        async def ended() -> None:
            await asyncio.wait([starting])

        self._end_with(ended())

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        assert worker is not None
        self._become(State.STOPPING)
        self._end_with(worker.stop())

    def _end_with(self, ending: Any) -> None:
        async def end() -> None:
            try:
                await ending
            finally:
                self._stopping = None
                self._become(State.DOWNLOADED)

        self._stopping = asyncio.create_task(end())

    # -- inside ------------------------------------------------------------------------------------------------------

    def _become(self, then: State) -> None:
        self._state = step(self.card.id, self._state, then)
        for tell in list(self.on_state):
            with contextlib.suppress(Exception):  # an observer's defect is not the model's
                tell(self, self._state)

    def _replaced(self) -> bool:
        """Whether another file lies there now than the one that was loaded; one that is gone goes on answering."""
        now = _mark(self.card.path or "")
        return now is not None and now != self._file

    def _look(self) -> None:
        """Take note of a worker that died."""
        if self._state is State.RUNNING and (self._worker is None or not self._worker.alive):
            self._become(State.FAILED)

    @contextlib.contextmanager
    def _request(self) -> Iterator[None]:
        """Count a request while it lasts."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.used = time.monotonic()
            if not self.requests:
                for tell in list(self.on_idle):
                    with contextlib.suppress(Exception):
                        tell(self)

    def _refuse_while_busy(self, remedy: str) -> None:
        if self.requests:
            running = "1 request is running" if self.requests == 1 else f"{self.requests} requests are running"
            remedy = remedy.format(self.typed, it="it" if self.requests == 1 else "them")
            raise StateConflict(f"{self.card.id}: {running}; {remedy}", state=self._state.value)

    def _refuse_other(self, params: LoadParams | None) -> None:
        changes = self._changes(params) if params is not None else {}
        if changes:
            now = ", ".join(f"{name}={_short(name, had)}" for name, (had, _) in changes.items())
            then = ", ".join(f"{name}={_short(name, wanted)}" for name, (_, wanted) in changes.items())
            being = "is loaded" if self._state is State.RUNNING else "is being loaded"
            raise StateConflict(
                f"{self.card.id} {being} with {now}; {then} would load it again: add --reload",
                state=self._state.value,
            )

    def _changes(self, params: LoadParams) -> dict[str, tuple[Any, Any]]:
        """What would change with `params`: what is in force, and what would be asked for."""
        had, wanted, loaded = self.params.to_dict(), params.to_dict(), self.loaded
        known = {n: loaded[n] for n in SETTLED if n in loaded}
        return {
            name: (known.get(name, had[name]), wanted[name])
            for name in wanted
            if wanted[name] != had[name] and (name not in known or wanted[name] != known[name])
        }


def _mark(path: str) -> tuple[int, int, int] | None:
    """What changes with a file that is replaced or written to; None where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _short(name: str, value: Any) -> str:
    if value == RULES[name].auto:
        return "auto"
    text = str(value) if not isinstance(value, str) or value.isidentifier() else repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
