"""Plugins: what other packages bring. Nothing of them is imported before models are needed.

A plugin is a module named by an entry point of the group `modelhub`; its functions marked with `@modelhub.hookimpl`
are called once. `MODELHUB_PLUGINS=off` leaves all of them out, `MODELHUB_PLUGINS=a,b` all but these.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelhub.kernels.plugins.installed import Plugins

_registry: Plugins | None = None
_lock = threading.Lock()
_listeners: list[Callable[[], object]] = []


def registry() -> Plugins:
    """The plugins of this kernel."""
    global _registry
    with _lock:
        if _registry is None:
            from modelhub.kernels.plugins.installed import Plugins

            _registry = Plugins(listeners=_listeners)
        return _registry


def on_change(listener: Callable[[], object]) -> Callable[[], None]:
    """Call `listener` whenever a plugin was taken in, from any thread; calling the result ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def wanted() -> set[str] | None:
    """The names of the plugins or packages that MODELHUB_PLUGINS allows; None: all."""
    said = os.environ.get("MODELHUB_PLUGINS", "").strip()
    if said.lower() in {"", "on", "all"}:
        return None
    return set() if said.lower() == "off" else {name.strip() for name in said.split(",")}
