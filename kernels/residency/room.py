"""Making room: one model at a time takes memory, and what is idle goes for it, least recently used first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels import settings
from modelhub.kernels.catalog.states import State
from modelhub.kernels.engines.lifecycle import Lifecycle
from modelhub.kernels.system import Held, memory, memory_of

SETTING = "memory_budget"


class ModelRoom:
    """Gives models their turn to take memory, within the user's budget and what is free of the machine.

    How it goes: the worker reads the file's header and asks; when it is its turn it measures what is free and says what
    it needs (`worker.memory.needs`); as long as that is not there, but would be with what is idle, the idle model that
    was used least recently is unloaded and the worker measures again. Then it takes what it needs, or is refused. A
    model that answers, loads, waits for somebody or is kept never goes, and nothing goes where it would not help.
    """

    def __init__(self, engines: Callable[[], list[Any]]) -> None:
        """engines: gives those that may hold memory."""
        self._engines = engines
        self._taking = asyncio.Lock()
        self._budget: int | None = None
        self._set = False

    @property
    def budget(self) -> int | None:
        """Bytes that all workers together may hold; None: as much as is free."""
        if self._set:
            return self._budget
        saved = settings.load(SETTING)
        return saved if type(saved) is int and saved > 0 else None

    @budget.setter
    def budget(self, size: int | None) -> None:
        """Set it for this kernel and later ones. Raises BadRequest, or StoreFailed when it holds for this one only."""
        if size is not None:
            total = memory()["total"] or 0
            if type(size) is not int or not 0 < size <= total:
                raise BadRequest(
                    f"the memory budget must be more than 0 and at most {in_words(total)}, the memory of this machine, "
                    f"or auto; got {in_words(size) if type(size) is int else repr(size)}"
                )
        self._budget, self._set = size, True
        settings.save(SETTING, size)

    @contextlib.asynccontextmanager
    async def turn(self, engine: Lifecycle) -> AsyncIterator[ModelTurn]:
        """See `Room.turn`."""
        async with self._taking:  # or two would count the same free memory
            yield ModelTurn(self, [e for e in self._engines() if e is not engine])


class ModelTurn:
    """See `Turn`."""

    def __init__(self, room: ModelRoom, others: list[Lifecycle]) -> None:
        """others: the engines beside the one whose turn it is."""
        self._room, self._others = room, others

    async def allowance(self, pid: int) -> int | None:
        """See `Turn.allowance`."""
        budget = self._room.budget
        if budget is None:
            return None
        held = await _held([pid, *(e.pid for e in self._others)])
        return budget - sum(h.resident for h in held.values())

    async def make(self, needs: Mapping[str, Any]) -> bool:
        """See `Turn.make`."""
        idle = sorted((e for e in self._others if e.idle and not e.keep), key=lambda e: e.used)
        held = await _held([e.pid for e in idle])
        for kind in ("gpu", "host", "budget"):
            free, wanted, least = (needs[kind][name] for name in ("free", "wanted", "least"))
            if free is None:
                continue
            gains = [(e, _gain(kind, e, held)) for e in idle]
            able = free + sum(gain for _, gain in gains)
            target = wanted if wanted <= able else least
            if free < target <= able:
                for engine, gain in gains:
                    if gain and engine.free():
                        await engine.stopped()
                        return True
        return False

    async def holders(self) -> str:
        """See `Turn.holders`."""
        there = [e for e in self._others if e.state in (State.RUNNING, State.LOADING)]
        held = await _held([e.pid for e in there])
        said = []
        for engine in there:
            why = "loading" if engine.state == State.LOADING else "answering" if engine.requests else "idle"
            size = held[engine.pid].resident if engine.pid in held else None
            why = "kept" if why == "idle" and engine.keep else why
            said.append(f"{engine.card.id} ({'' if size is None else in_words(size) + ', '}{why})")
        text = f"; memory is held by {', '.join(said)}" if said else ""
        budget = self._room.budget
        return text if budget is None else f"{text}; the memory budget is {in_words(budget)}, see %models budget"


def _gain(kind: str, engine: Lifecycle, held: Mapping[int | None, Held]) -> int:
    """What would be there of this kind of memory if the model went."""
    if kind == "gpu":
        return engine.gpu_memory
    mine = held.get(engine.pid)
    return 0 if mine is None else mine.own if kind == "host" else mine.resident


async def _held(pids: list[int | None]) -> dict[int | None, Held]:
    """What each of the processes holds; adding up gigabytes of pages takes the system milliseconds."""
    found = await asyncio.gather(*(asyncio.to_thread(memory_of, pid) for pid in pids if pid is not None))
    known = [pid for pid in pids if pid is not None]
    return {pid: held for pid, held in zip(known, found, strict=True) if held is not None}


def in_words(size: int) -> str:
    """A size in words, as 1.2 GB."""
    return f"{size / 1e9:.1f} GB" if abs(size) >= 999_500_000 else f"{size / 1e6:.0f} MB"
