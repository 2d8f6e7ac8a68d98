"""The engines of this kernel, each made when its model is first asked for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from modelhub.errors import HubError, StateConflict, Stopped
from modelhub.kernels import background, settings, system
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.catalog.states import State
from modelhub.kernels.engines.lifecycle import Lifecycle
from modelhub.kernels.engines.local import LocalEngine
from modelhub.kernels.engines.plugin import PluginEngine
from modelhub.kernels.protocol.load_params import LoadParams, load_params
from modelhub.kernels.residency.idle_times import IdleTimes
from modelhub.kernels.residency.room import ModelRoom

IN_MEMORY = (State.RUNNING, State.LOADING, State.STOPPING)


class Residency:
    """Which models are loaded, and with what; who goes when there is no room, and when."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._engines: list[LocalEngine] = []
        self._lock = threading.Lock()
        self.on_state: list[Callable[[Lifecycle, State], None]] = []  # told of every model's new state, on the loop
        self.room = ModelRoom(self.engines)
        self.idle_times = IdleTimes()

    def engine(self, card: ModelCard, load: Mapping[str, Any] | None = None) -> LocalEngine:
        """The engine of a model, made but not loaded if need be.

        load: the load parameters that go with the name it was asked by (a preset's). Names with equal ones, the
        defaults filled in, share an engine, whatever it was loaded with since; a name also shares one that happens to
        have been loaded with its parameters. Names with none share the model's own.

        Raises BadRequest for load parameters that cannot be, and StateConflict for a model that is not here.
        """
        if card.engine == "plugin":
            return PluginEngine(card)  # type: ignore[return-value]  # an engine that holds nothing
        wanted = load_params(**load or {})
        if card.path is None:
            raise StateConflict(
                f"{card.id} is {card.state}, not on this machine: type %models pull {card.id}", state=str(card.state)
            )
        with self._lock:
            same = [e for e in self._engines if e.card.path == card.path and wanted in (e.named, e.params)]
            if same:
                return min(same, key=lambda e: (e.state not in IN_MEMORY, e.named != wanted))
            engine = LocalEngine(card, wanted, self.room)
            self.idle_times.watch(engine)
            engine.on_state.append(self._tell)
            self._engines.append(engine)
            return engine

    def engines(self) -> list[LocalEngine]:
        """Every engine that was asked for so far."""
        return list(self._engines)

    def called(self, name: str, resolve: Callable[[str], Named]) -> list[LocalEngine]:
        """The engines that go by a name: of a model's own name all that its file is loaded in, of a preset's its own.

        Raises what `resolve` raises, unless a model of this name is loaded though its file may be gone.
        """
        try:
            named = resolve(name)
        except HubError:
            if loaded := [e for e in self.engines() if name in (e.card.id, e.card.name, e.card.path)]:
                return loaded
            raise
        return [self.engine(named.card, named.load)] if named.preset else self.of_file(named.card.path)

    def of_file(self, path: str | None) -> list[LocalEngine]:
        """The engines of one file, whatever they are loaded with."""
        return [e for e in self.engines() if e.card.path == path]

    def load(
        self,
        engine: LocalEngine,
        progress: Callable[[float], None] = lambda part: None,
        reload: bool = False,
        keep: bool | None = None,
        params: LoadParams | None = None,
    ) -> None:
        """Load and wait for it; see `Hub.load`. params: None for those it has or is named with."""
        future = background.submit(self._load(engine, params, reload, keep))
        try:
            while not future.done():
                progress(engine.part)
                with contextlib.suppress(TimeoutError):
                    future.exception(background.WAKE)
        except KeyboardInterrupt:
            future.cancel()
            raise Stopped(f"loading {engine.card.id} was stopped") from None
        future.result()

    def _tell(self, engine: Lifecycle, state: State) -> None:
        for tell in list(self.on_state):
            with contextlib.suppress(Exception):
                tell(engine, state)

    async def _load(self, engine: LocalEngine, params: LoadParams | None, reload: bool, keep: bool | None) -> None:
        async with contextlib.aclosing(engine.load(params, reload)) as loading:
            async for _progress in loading:
                pass
        if keep is not None:
            engine.keep = keep
            self.idle_times.look(engine)

    def unload(self, engines: list[LocalEngine], force: bool = False) -> bool:
        """Free the memory of these; whether they held any. Raises StateConflict while one answers, unless `force`."""

        async def unload() -> bool:
            return any([await engine.unload(force) for engine in engines])

        return background.wait(unload())

    def status(self) -> list[dict[str, Any]]:
        """A row for every loaded model.

        model, state, pid; memory and gpu_memory in bytes; requests running and waiting; held of cells, the tokens in
        its context; idle: seconds since the last request ended, unloads_in: seconds until it goes, each None where it
        does not apply; keep; load: the load parameters it was given. What a worker does not say in two seconds is left
        out.
        """

        async def rows() -> list[dict[str, Any]]:
            return [await self._row(e) for e in self.engines() if e.state in IN_MEMORY]

        return [row for row in background.wait(rows()) if row["state"] in IN_MEMORY]

    async def _row(self, engine: LocalEngine) -> dict[str, Any]:
        figures = await engine.status()
        defaults = LoadParams().to_dict()
        left = self.idle_times.left(engine)
        return {
            "model": engine.card.name,
            "state": engine.state,
            "idle": round(time.monotonic() - engine.used, 1) if engine.idle else None,
            "unloads_in": None if left is None else round(left, 1),
            "keep": engine.keep,
            "load": {k: v for k, v in engine.params.to_dict().items() if v != defaults[k]},
            **figures,
        }

    def system(self) -> dict[str, Any]:
        """See `Hub.system_status`."""
        rows = self.status()
        own = system.memory_of(os.getpid())
        workers = sum(row.get("memory") or 0 for row in rows)
        kernel = own.resident if own is not None else None
        ram = {"kernel": kernel, "workers": workers, "used": (kernel or 0) + workers, "budget": self.room.budget}
        return {
            "cpu": system.processors(),
            "ram": {**system.memory(), **ram},
            "gpus": system.gpus(),
            "disk": system.disk(settings.models_home()),
            "workers": rows,
        }

    def close(self) -> None:
        """Free every model, whatever it does."""

        async def unload() -> None:
            await asyncio.gather(*(engine.unload(force=True) for engine in self.engines()))

        background.wait(unload())
