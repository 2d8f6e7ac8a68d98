"""One plugin: an entry point, imported and asked in a thread of its own, and what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelhub.errors import did_you_mean

if TYPE_CHECKING:
    from modelhub.kernels.plugins.brought import Brought


class Plugin:
    """One plugin and what it brought.

    state: `found`, `loading`, `loaded`, `failed`, or `off` where MODELHUB_PLUGINS leaves it out. problems: what is
    wrong with it, a line each. seconds: how long importing and asking it took; None while it goes on.
    """

    def __init__(self, name: str, load: Callable[[], Any], package: str = "", version: str = "") -> None:
        """name: of its entry point. load: imports it. package, version: the distribution it came with."""
        self.name, self.package, self.version = name, package, version
        self.state = "found"
        self.problems: list[str] = []
        self.hooks: tuple[str, ...] = ()
        self.seconds: float | None = None
        self.brought: Brought | None = None
        self.module: Any = None
        self.done = threading.Event()
        self._load = load
        self._began = 0.0

    def start(self) -> None:
        """Begin to import it and ask its hooks; `done` is set at the end, if it ever comes."""
        self.state, self._began = "loading", time.monotonic()
        threading.Thread(target=self._run, name=f"modelhub plugin {self.name}", daemon=True).start()

    @property
    def waited(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    def _run(self) -> None:
        state = "loaded"
        try:
            self._ask()
        except BaseException as error:  # SystemExit too: a plugin ends nothing but itself
            state = "failed"
            self.problems.append(said(error))
        self.seconds = self.waited
        self.state = state
        self.done.set()

    def _ask(self) -> None:
        import pluggy

        from modelhub.kernels.plugins.brought import Brought
        from modelhub.kernels.plugins.hooks import GROUP, NAMES, Hooks

        self.module = self._load()
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(Hooks)
        manager.register(self.module, self.name)
        callers = manager.get_hookcallers(self.module) or []
        self.hooks = tuple(sorted(c.name for c in callers if c.name in NAMES))
        self.brought = brought = Brought(self.name)
        for caller in sorted(callers, key=lambda c: c.name):
            if caller.name not in NAMES:
                brought.problems.append(f"there is no hook {caller.name!r}.{did_you_mean(caller.name, NAMES)}")
                continue
            try:
                caller(register=brought.register(caller.name))
            except BaseException as error:
                brought.problems.append(f"{caller.name}: {said(error)}")
        if not callers:
            self.problems.append(f"it has no hooks; there are {', '.join(NAMES)}, marked with @modelhub.hookimpl")


def said(error: BaseException) -> str:
    """An error in one line: its kind and what it says."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    kind = type(error).__name__
    line = text if kind == "PluginFailed" else f"{kind}: {text}" if text else kind
    return line if len(line) <= 300 else line[:297] + "..."
