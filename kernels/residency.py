"""What is in memory: the engines of this kernel, each made when its model is first asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from modelhub.errors import Stopped
from modelhub.kernels import background
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.engines.local import LocalEngine
from modelhub.kernels.protocol.load_params import LoadParams, load_params


class Residency:
    """Which models are loaded, and with what."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._engines: dict[Any, LocalEngine] = {}
        self._lock = threading.Lock()

    def engine(self, card: ModelCard, load: Mapping[str, Any] | None = None) -> LocalEngine:
        """The engine of a model, made but not loaded if need be.

        load: the load parameters that go with the name it was asked by (a preset's); names with equal ones share an
        engine, and those with none share the model's own.
        """
        assert card.path is not None
        with self._lock:
            return self._engines.setdefault(card.path, LocalEngine(card))

    def engines(self) -> list[LocalEngine]:
        """Every engine that was asked for so far."""
        return list(self._engines.values())

    def load(
        self, engine: LocalEngine, progress: Callable[[float], None], reload: bool, params: dict[str, Any]
    ) -> None:
        """Load and wait for it; see `Hub.load`."""
        wanted: LoadParams | None = load_params(**params) if params else None
        future = background.submit(self._load(engine, wanted, reload))
        try:
            while not future.done():
                progress(engine.part)
                with contextlib.suppress(TimeoutError):
                    future.exception(background.WAKE)
        except KeyboardInterrupt:
            future.cancel()
            raise Stopped(f"loading {engine.card.id} was stopped") from None
        future.result()

    async def _load(self, engine: LocalEngine, params: LoadParams | None, reload: bool) -> None:
        if reload:
            await engine.unload()
        async for _progress in engine.load(params):
            pass

    def unload(self, engine: LocalEngine) -> bool:
        """Free a model's memory; whether it held any."""
        held = engine.state in {"running", "loading"}
        background.wait(engine.unload())
        return held

    def status(self) -> list[dict[str, Any]]:
        """A row for every loaded model: name, state, pid, memory in bytes, requests running and waiting."""

        async def rows() -> list[dict[str, Any]]:
            return [{"model": e.card.name, "state": e.state, **await e.status()} for e in self.engines()]

        return [row for row in background.wait(rows()) if row["state"] in {"running", "loading"}]

    def close(self) -> None:
        """Free every model."""
        for engine in self.engines():
            background.wait(engine.unload())
