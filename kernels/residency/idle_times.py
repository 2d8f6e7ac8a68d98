"""How long a model stays in memory when nobody asks it."""

from __future__ import annotations

import math
import time
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels import background, settings
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.states import State
from modelhub.kernels.engines.lifecycle import Lifecycle

DEFAULT = 1800.0  # seconds
SETTING = "ttl"
LONGEST = 366 * 86400.0


class IdleTimes:
    """Unloads models that have been idle for their time, which counts from the end of the last request.

    A time is in seconds; None is for ever. The user sets one for all models, and others for some.
    """

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self._engines: list[Lifecycle] = []
        self._timers: dict[Lifecycle, Any] = {}
        self._now: dict[str, float | None] = {}  # set in this kernel, by `_key`; "" is for all

    def of(self, card: ModelCard | None) -> float | None:
        """The time of a model; without a card the one for all."""
        saved = settings.load(SETTING)
        known = {**(saved if isinstance(saved, dict) else {}), **self._now}
        for key in ([_key(card)] if card is not None else []) + [""]:
            value = known.get(key, ...)
            if value is None:
                return None
            if type(value) in (int, float) and 0 <= value <= LONGEST:
                return float(value)
        return DEFAULT

    def set(self, seconds: float | None, card: ModelCard | None = None) -> None:
        """Set it for a model, or for all that have none of their own, in this kernel and later ones.

        Raises BadRequest, or StoreFailed when it holds for this kernel only.
        """
        if seconds is not None and not (
            type(seconds) in (int, float) and math.isfinite(seconds) and 0 < seconds <= LONGEST
        ):
            raise BadRequest(f"a ttl must be more than 0 seconds and at most 366 days, or None; got {seconds!r}")
        key = _key(card) if card is not None else ""
        self._now[key] = seconds
        background.loop().call_soon_threadsafe(self._wait_for_all)
        settings.change(SETTING, lambda saved: {**(saved if isinstance(saved, dict) else {}), key: seconds})

    def left(self, engine: Lifecycle) -> float | None:
        """Seconds until a model goes; None: it does not, or is not idle."""
        lasts = self.of(engine.card) if engine.idle and not engine.keep else None
        return None if lasts is None else max(0.0, engine.used + lasts - time.monotonic())

    def watch(self, engine: Lifecycle) -> None:
        """Unload this one too when its time has come."""
        self._engines.append(engine)
        engine.on_state.append(lambda e, state: self._wait(e) if state is State.RUNNING else self._forget(e))
        engine.on_idle.append(self._wait)

    def look(self, engine: Lifecycle) -> None:
        """Count anew for a model that is kept from now on, or no more. On the loop."""
        self._wait(engine)

    def _wait_for_all(self) -> None:
        for engine in self._engines:
            self._wait(engine)

    def _wait(self, engine: Lifecycle) -> None:
        """Look again when its time has come. On the loop."""
        self._forget(engine)
        left = self.left(engine)
        if left is not None:
            self._timers[engine] = background.loop().call_later(left, self._over, engine)

    def _over(self, engine: Lifecycle) -> None:
        if self.left(engine) == 0.0:
            engine.free()
        else:
            self._wait(engine)

    def _forget(self, engine: Lifecycle) -> None:
        if timer := self._timers.pop(engine, None):
            timer.cancel()


def _key(card: ModelCard) -> str:
    return card.path if card.source == "file" and card.path else card.name
