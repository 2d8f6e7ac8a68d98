"""What one plugin brings: each thing is looked at when it is registered; what cannot be taken becomes a line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelhub.errors import PluginFailed
from modelhub.kernels.protocol.model import RESERVED, Model
from modelhub.kernels.protocol.options import Options
from modelhub.kernels.protocol.request import short

IDENT = re.compile(r"[A-Za-z0-9][\w./:@-]*", re.ASCII)
PROVIDER = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
LONGEST = 200  # characters of an id


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that a plugin registered, with what it said of itself then.

    listed: whether it is shown among the models: True, False or a function that says so; it answers by name anyway.
    """

    model: Model
    ident: str
    provider: str
    plugin: str
    aliases: tuple[str, ...] = ()
    listed: bool | Callable[[], bool] = True

    @property
    def name(self) -> str:
        """The full name, `provider/id`."""
        return f"{self.provider}/{self.ident}"

    def shown(self) -> bool:
        """Whether it is among the models that are listed."""
        try:
            return bool(self.listed()) if callable(self.listed) else self.listed
        except Exception:
            return False


class Brought:
    """Collects what one plugin registers. Things that cannot be taken are left out, each with a line in `problems`."""

    def __init__(self, plugin: str) -> None:
        """Nothing was registered yet by `plugin`."""
        self.plugin = plugin
        self.models: dict[str, Offer] = {}
        self.providers: dict[str, Mapping[str, Any]] = {}
        self.importers: dict[str, Any] = {}
        self.tools: dict[str, Callable[..., Any]] = {}
        self.panels: dict[str, Callable[..., Any]] = {}
        self.magics: dict[str, Callable[..., Any]] = {}
        self.problems: list[str] = []

    def register(self, hook: str) -> Callable[..., None]:
        """The function that `hook` is given."""
        take: Callable[..., None] = getattr(self, f"_{hook.removeprefix('register_')}")

        def register(*given: Any, **more: Any) -> None:
            try:
                inspect.signature(take).bind(*given, **more)
            except TypeError as error:
                raise PluginFailed(f"{hook}: register() was called wrongly: {error}") from None
            try:
                take(*given, **more)
            except PluginFailed as problem:
                self.problems.append(f"{hook}: {problem}")

        return register

    def _models(self, model: Model, aliases: Iterable[str] = (), *, listed: bool | Callable[[], bool] = True) -> None:
        offer = offered(model, self.plugin, aliases, listed)
        if offer.name in self.models:
            raise PluginFailed(f"the model {offer.name} was registered twice; the first one stays")
        self.models[offer.name] = offer

    def _providers(self, record: Mapping[str, Any]) -> None:
        name = record.get("name") if isinstance(record, Mapping) else getattr(record, "name", None)
        if not isinstance(name, str) or not PROVIDER.fullmatch(name):
            raise PluginFailed(f"register() takes a dict with a name, as {{'name': 'corp'}}; got {short(record)}")
        self._once(self.providers, name, record, "provider")

    def _importers(self, name: str, importer: Any) -> None:
        self._once(self.importers, self._named(name), importer, "importer")

    def _tools(self, function: Callable[..., Any]) -> None:
        name = getattr(function, "__name__", None)
        if not callable(function) or isinstance(function, type) or not isinstance(name, str) or not name.isidentifier():
            raise PluginFailed(f"register() takes a function with a name; got {short(function)}")
        self._once(self.tools, name, function, "tool")

    def _panels(self, name: str, factory: Callable[..., Any]) -> None:
        self._once(self.panels, self._named(name), self._callable(factory), "panel")

    def _magics(self, name: str, function: Callable[..., Any]) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise PluginFailed(f"the name of a magic is a word, as shout; got {short(name)}")
        self._once(self.magics, name, self._callable(function), "magic")

    def _named(self, name: Any) -> str:
        if not isinstance(name, str) or not PROVIDER.fullmatch(name):
            raise PluginFailed(f"a name is letters, digits and . _ -; got {short(name)}")
        return name

    def _callable(self, function: Any) -> Callable[..., Any]:
        if not callable(function):
            raise PluginFailed(f"register() takes a function; got {short(function)}")
        return function  # type: ignore[no-any-return]  # callable() says no more

    def _once(self, place: dict[str, Any], name: str, thing: Any, kind: str) -> None:
        if name in place:
            raise PluginFailed(f"the {kind} {name!r} was registered twice; the first one stays")
        place[name] = thing


def offered(model: Any, plugin: str, aliases: Iterable[str] = (), listed: bool | Callable[[], bool] = True) -> Offer:
    """A model as it can be offered. Raises PluginFailed for what is none: a class, a wrong id, wrong options."""
    if isinstance(model, type):
        raise PluginFailed(f"register() takes a model instance, got class {model.__name__}", plugin=plugin)
    if not isinstance(model, Model):
        raise PluginFailed(f"register() takes a modelhub.Model instance, got {short(model)}", plugin=plugin)
    ident, provider = model.id, model.provider or plugin
    if not isinstance(ident, str) or len(ident) > LONGEST or not IDENT.fullmatch(ident) or ".." in ident:
        raise PluginFailed(
            f"the id of a model is letters, digits and . _ - : / @, beginning with a letter or digit, without '..'; "
            f"{type(model).__name__} has {short(ident)}",
            plugin=plugin,
        )
    if not isinstance(provider, str) or not PROVIDER.fullmatch(provider) or provider == "local":
        raise PluginFailed(
            f"the provider of a model is letters, digits and . _ -, and not 'local'; {ident} has {short(provider)}",
            plugin=plugin,
        )
    if not isinstance(model.Options, type) or not issubclass(model.Options, Options):
        raise PluginFailed(f"{ident}: its Options must derive from modelhub.Options", plugin=plugin)
    if taken := RESERVED & set(model.Options.model_fields):
        raise PluginFailed(
            f"{ident}: an option cannot be called {min(taken)!r}, which every request has", plugin=plugin
        )
    if isinstance(aliases, str):
        raise PluginFailed(f"{ident}: aliases is a list of names, as ('{aliases}',); got {aliases!r}", plugin=plugin)
    names = tuple(dict.fromkeys(aliases))
    for alias in names:
        if not isinstance(alias, str) or len(alias) > LONGEST or not IDENT.fullmatch(alias) or ".." in alias:
            raise PluginFailed(f"{ident}: an alias is named as an id is; got {short(alias)}", plugin=plugin)
    return Offer(model, ident, provider, plugin, names, listed)
