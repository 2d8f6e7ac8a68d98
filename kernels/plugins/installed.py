"""Every plugin that is installed, and what they bring together: built once, when it is first needed, one by one.

Each plugin is imported in a thread of its own. One that raises is reported; one that hangs is left after a time
(MODELHUB_PLUGIN_SECONDS, default 10), and what it brings is taken when it is done after all.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from modelhub.errors import PluginFailed, Stopped, did_you_mean
from modelhub.kernels.plugins import wanted
from modelhub.kernels.plugins.brought import Offer, offered
from modelhub.kernels.plugins.plugin import Plugin, said

GROUP = "modelhub"
SECONDS = 10.0  # how long one plugin may take before the others go on without it
NOTEBOOK = "notebook"  # the plugin of models that were registered by hand
WAKE = 0.1  # seconds between two looks, so that an interrupt is heard


class Plugins:
    """The plugins of this kernel. Every method loads them first; with `wait=False` it takes what is there by now."""

    def __init__(self, seconds: float | None = None, listeners: Sequence[Callable[[], object]] = ()) -> None:
        """Nothing is looked for yet.

        seconds: how long one plugin may take. listeners: called whenever a plugin was taken in, from any thread.
        """
        self._seconds = seconds
        self._lock = threading.RLock()
        self._plugins: list[Plugin] | None = None
        self._ready = threading.Event()
        self._taken: set[str] = set()
        self._offers: dict[str, Offer] = {}
        self._aliases: dict[str, str] = {}
        self._things: dict[str, dict[str, Any]] = {
            kind: {} for kind in ("providers", "importers", "tools", "panels", "magics")
        }
        self._listeners = listeners

    # -- what there is -----------------------------------------------------------------------------------------------

    def plugins(self, wait: bool = True) -> list[Plugin]:
        """Every plugin there is, in the order of their names."""
        self._load(wait)
        with self._lock:
            return list(self._plugins or ())

    def offers(self, wait: bool = True, hidden: bool = False) -> list[Offer]:
        """The models plugins offer, by full name; with `hidden` also those that are not listed."""
        self._load(wait)
        with self._lock:
            found = sorted(self._offers.values(), key=lambda o: o.name)
        return [o for o in found if hidden or o.shown()]

    def offer(self, name: str) -> Offer:
        """The model of a full name. Raises PluginFailed when no plugin has it (any more)."""
        with self._lock:
            found = self._offers.get(name)
        if found is None:
            self._load(True)
            with self._lock:
                found = self._offers.get(name)
        if found is None:
            raise PluginFailed(f"no plugin offers {name} now; type %models plugins to see what became of it")
        return found

    def aliases(self, wait: bool = True) -> dict[str, str]:
        """Further names of models, each with the full name it stands for."""
        self._load(wait)
        with self._lock:
            return dict(self._aliases)

    def things(self, kind: str, wait: bool = True) -> dict[str, Any]:
        """What plugins bring beside models, by name. kind: providers, importers, tools, panels or magics."""
        self._load(wait)
        with self._lock:
            return dict(self._things[kind])

    def panel(self, name: str) -> Any:
        """The panel of this name, made anew: in a notebook the last line of a cell shows it. Raises PluginFailed."""
        panels = self.things("panels")
        if name not in panels:
            there = f"there are {', '.join(panels)}" if panels else "there is none"
            raise PluginFailed(
                f"no plugin has a panel {name!r}.{did_you_mean(name, panels)} {there[0].upper()}{there[1:]}"
            )
        try:
            return panels[name]()
        except Exception as error:
            raise PluginFailed(f"the panel {name} failed: {said(error)}") from error

    # -- by hand -----------------------------------------------------------------------------------------------------

    def add(self, model: Any, aliases: Iterable[str] = ()) -> Offer:
        """Offer a model that belongs to no package; one of the same name that was added so before is replaced.

        Raises PluginFailed for what is no model, and for a name or an alias that another plugin has.
        """
        offer = offered(model, NOTEBOOK, aliases)
        with self._lock:
            there = self._offers.get(offer.name)
            if there is not None and there.plugin != NOTEBOOK:
                raise PluginFailed(f"the plugin {there.plugin} has a model {offer.name} already; choose another id")
            for alias in offer.aliases:
                if self._aliases.get(alias, offer.name) != offer.name:
                    raise PluginFailed(f"the alias {alias!r} stands for {self._aliases[alias]} already")
            self.remove(offer.name)
            self._offers[offer.name] = offer
            self._aliases |= dict.fromkeys(offer.aliases, offer.name)
        return offer

    def remove(self, name: str) -> bool:
        """Take back a model that was added by hand; whether there was one. name: its full name."""
        with self._lock:
            offer = self._offers.get(name)
            if offer is None or offer.plugin != NOTEBOOK:
                return False
            del self._offers[name]
            self._aliases = {a: n for a, n in self._aliases.items() if n != name}
            return True

    # -- loading -----------------------------------------------------------------------------------------------------

    def _load(self, wait: bool) -> None:
        with self._lock:
            if self._plugins is None:
                self._plugins = list(_found())
                threading.Thread(target=self._one_by_one, name="modelhub plugins", daemon=True).start()
        if wait:
            try:
                while not self._ready.wait(WAKE):
                    pass
            except KeyboardInterrupt:
                names = ", ".join(p.name for p in self._plugins or () if p.state == "loading")
                raise Stopped(
                    f"waiting for plugins was stopped; still loading: {names or 'none'}. MODELHUB_PLUGINS=off leaves "
                    "all of them out, MODELHUB_PLUGINS=a,b all but these"
                ) from None
        self._take_late()

    def _one_by_one(self) -> None:
        seconds = self._seconds if self._seconds is not None else _seconds()
        for plugin in self._plugins or ():
            if plugin.state != "found":
                continue
            plugin.start()
            if plugin.done.wait(seconds):
                self._take(plugin)
            else:
                plugin.problems.append(
                    f"it was not there after {seconds:g} seconds and goes on loading; MODELHUB_PLUGIN_SECONDS waits "
                    "longer, MODELHUB_PLUGINS=off leaves plugins out"
                )
        self._ready.set()

    def _take_late(self) -> None:
        with self._lock:
            late = [p for p in self._plugins or () if p.done.is_set() and p.name not in self._taken and p.seconds]
        if self._ready.is_set():
            for plugin in late:
                plugin.problems = [x for x in plugin.problems if "goes on loading" not in x]
                self._take(plugin)

    def _take(self, plugin: Plugin) -> None:
        """Add what one plugin brought to what there is; names that are taken stay with whom they belong to."""
        with self._lock:
            if plugin.name in self._taken:
                return
            self._taken.add(plugin.name)
            brought = plugin.brought
            if brought is None:
                return
            plugin.problems += brought.problems
            twin = next((p for p in self._plugins or () if p is not plugin and p.module is plugin.module), None)
            if twin is not None and twin.name in self._taken and twin.module is not None:
                plugin.state = "failed"
                plugin.problems.append(f"it is the plugin {twin.name} registered once more; only that one counts")
                return
            for offer in brought.models.values():
                there = self._offers.get(offer.name)
                if there is not None:
                    plugin.problems.append(f"the model {offer.name} is {there.plugin}'s already; it keeps the name")
                    continue
                self._offers[offer.name] = offer
                for alias in offer.aliases:
                    if alias in self._aliases:
                        plugin.problems.append(f"the alias {alias!r} stands for {self._aliases[alias]} already")
                    else:
                        self._aliases[alias] = offer.name
            for kind, place in self._things.items():
                for name, thing in getattr(brought, kind).items():
                    if name in place:
                        plugin.problems.append(f"another plugin has {kind.removesuffix('s')} {name!r} already")
                    else:
                        place[name] = thing
        for listener in list(self._listeners):
            listener()


def _found() -> Iterator[Plugin]:
    """A plugin for every entry point of the group, and the built-in ones, by name."""
    allowed = wanted()
    found = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist is not None else ("", "")
        found.append(Plugin(entry.name, entry.load, package, version))
    if importlib.util.find_spec("llm") is not None:
        found.append(Plugin("llm", _bridge, "llm", _version("llm")))
    found.sort(key=lambda p: (p.name, p.package))
    names: set[str] = set()
    for plugin in found:
        if allowed is not None and not allowed & {plugin.name, plugin.package}:
            plugin.state = "off"
        if plugin.name in names:
            plugin.state = "failed"
            plugin.problems.append(f"another plugin is called {plugin.name} too, and was found first")
        names.add(plugin.name)
        yield plugin


def _bridge() -> Any:
    from modelhub.kernels.plugins import llm_bridge

    return llm_bridge


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _seconds() -> float:
    try:
        return max(0.1, float(os.environ["MODELHUB_PLUGIN_SECONDS"]))
    except (KeyError, ValueError):
        return SECONDS
