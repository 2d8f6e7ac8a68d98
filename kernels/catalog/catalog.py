"""The models there are on this machine, and what a name means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from modelhub.errors import HubError, StateConflict
from modelhub.kernels import plugins
from modelhub.kernels.catalog import plugin_models
from modelhub.kernels.catalog.aliases import Aliases
from modelhub.kernels.catalog.card import ModelCard, card_of_file
from modelhub.kernels.catalog.fetching.downloads import Downloads
from modelhub.kernels.catalog.fetching.fetched import wanted_of
from modelhub.kernels.catalog.model_options import ModelOptions, fields_for, key
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.catalog.names import Names
from modelhub.kernels.catalog.places.places import PACKAGED as PACKAGED  # re-exported
from modelhub.kernels.catalog.places.places import Places
from modelhub.kernels.catalog.presets.preset import Preset
from modelhub.kernels.catalog.presets.presets import Presets
from modelhub.kernels.catalog.states import State
from modelhub.kernels.protocol.load_params import load_params
from modelhub.kernels.protocol.merging import Layer, defaults, merge, over
from modelhub.kernels.protocol.request import short


class Remote(Protocol):
    """What is known of the models of providers, without asking them."""

    @property
    def problems(self) -> list[str]:
        """What is wrong with providers and their lists, in one line each."""

    def cards(self, hidden: bool = False) -> list[ModelCard]:
        """A card for every model that a provider lists; with `hidden` also those that are not for every day."""

    def card(self, name: str) -> ModelCard | None:
        """A card for `provider/id`, listed or not; None where there is no such provider."""

    def serving(self) -> list[str]:
        """The names of the providers there are."""


class Catalog:
    """Finds models: those packaged with modelhub, those in the models home, and any file by its path."""

    def __init__(self, remote: Remote | None = None) -> None:
        """Start with nothing read. remote: what is known of the models of providers; default: there are none."""
        self.remote = remote
        self._places = Places()
        self.downloads = Downloads()
        self._cards: dict[tuple[str, int, int], ModelCard] = {}
        self.aliases = Aliases()
        self.options = ModelOptions()
        self.preset_files = Presets()
        self.problems: list[str] = []  # files that are no models and no presets, in one line each

    def cards(self, wait: bool = True, hidden: bool = False) -> list[ModelCard]:
        """A card for every model that lies where modelhub looks (see `Places`), or that a plugin or a provider offers.

        By name. wait: whether plugins that are still loading are waited for. hidden: also models of providers that are
        not for every day.
        """
        here = self.here()
        mine = [*self.preset_files.problems, *self.aliases.problems, *self.options.problems]
        mine += self._conflicts(wait)
        self.problems = [*self._places.problems, *mine, *([] if self.remote is None else self.remote.problems)]
        described = {c.name for c in here if c.engine == "http"}
        served = [c for c in self.served(hidden) if c.name not in described]
        return sorted([*here, *plugin_models.cards(wait), *served], key=lambda c: c.name)

    def here(self) -> list[ModelCard]:
        """The models of this machine, by name; no plugin is loaded for them."""
        found = self._places.cards()
        self.presets()
        there = {c.id for c in found}
        coming = {c.id: c for c in self.downloads.cards() if c.state == State.DOWNLOADING or c.id not in there}
        return sorted([*(c for c in found if c.id not in coming), *coming.values()], key=lambda c: c.name)

    def offered(self) -> list[ModelCard]:
        """The models of plugins, also those that answer by their names and are not listed; waits for plugins."""
        return [*plugin_models.cards(hidden=True), *self.served(hidden=True)]

    def served(self, hidden: bool = False) -> list[ModelCard]:
        """The models that providers list, as their lists were last read."""
        return [] if self.remote is None else self.remote.cards(hidden)

    def unlisted(self, name: str) -> ModelCard | None:
        """A card for `provider/id` of a provider there is, whether or not it lists the model."""
        return None if self.remote is None else self.remote.card(name)

    def serving(self) -> list[str]:
        """The names of the providers there are."""
        return [] if self.remote is None else self.remote.serving()

    @property
    def places(self) -> Places:
        """Where models of this machine lie; `%models folder` and `delete` ask it."""
        return self._places

    def names(self) -> list[str]:
        """Every name a model can be asked for by: ids, full names, then presets and aliases.

        Those of plugins that are loaded by now: who asks for names (Tab) is not kept waiting.
        """
        cards = self.cards(wait=False)
        listed = {c.name for c in cards}
        theirs = [alias for alias, target in self.plugin_aliases(wait=False).items() if target in listed]
        more = [*(p.name for p in self.presets() if p.asked), *self.user_aliases(), *theirs]
        return list(dict.fromkeys([*(c.id for c in cards), *(c.name for c in cards), *more]))

    def find(self, name: str) -> ModelCard:
        """The model called `name`, without the settings that go with the name. Raises as `resolve` does."""
        return Names(self).find(name).card

    def resolve(self, name: str) -> Named:
        """What `name` stands for: a model and the settings that go with the name.

        name: an alias of the user's, a full name, a preset, an alias of a plugin's, an id that one model has, a name
        without its quantisation, or the path of a file; the first of these that fits.

        Raises ModelNotFound, which lists the nearest names or the models between which it cannot choose, or
        ModelFileError for a path that is no model.
        """
        found = Names(self).find(name)
        self.downloads.check(found.card)
        return self._named(name, found.card, found.preset, found.note)

    def _named(self, asked: str, card: ModelCard, preset: Preset | None, note: str = "") -> Named:
        """The model with what its card, the user's options and the preset say."""
        warnings: list[str] = list(preset.notes) if preset else []
        try:
            hints = defaults(card.request)
        except HubError as error:
            hints = {}
            warnings.append(f"what the card of {card.id} says of requests is left out: {error}")
        options = self.options.of(card)
        layers = [Layer(f"card of {card.id}", hints), Layer(f"options of {card.id}", options["request"])]
        load = {**card.load, **options["load"]}
        system = card.system
        if preset is not None:
            layers.append(Layer(f"preset {preset.name}", preset.request))
            load |= preset.load
            system = preset.system if preset.system is not None else system
        layers = [layer for layer in layers if layer.fields]
        load = {k: v for k, v in load.items() if v is not None}
        if load and card.engine == "http" and card.source == card.provider:
            warnings.append(
                f"{', '.join(load)}: no effect, for {card.provider} runs {card.id} and nothing is loaded here"
            )
        request = merge(layers).fields
        name = preset.name if preset else None
        return Named(asked, card, load, request, system, name, note, tuple(layers), tuple(warnings))

    def lasting_name(self, name: str) -> tuple[ModelCard, str]:
        """The model that `name` stands for, and a name that will mean the same tomorrow: what a setting keeps.

        A preset's and an alias's own; else the path of a file, or the id, unless that means something else as well.
        Raises as `resolve` does.
        """
        named = self.resolve(name)
        card, aliases = named.card, {**self.plugin_aliases(), **self.user_aliases()}
        if named.preset or name.strip() in aliases:
            return card, name.strip()
        if card.source == "file" and card.path:
            return card, card.path
        alone = card.engine != "http" and [c for c in Names(self).cards if c.id == card.id] == [card]
        plain = alone and card.id not in aliases and self.preset(card.id) is None
        return card, card.id if plain else card.name

    # -- presets and aliases -----------------------------------------------------------------------------------------

    def presets(self) -> list[Preset]:
        """Every preset, by name; what is wrong with others stands in `preset_files.problems`."""
        return self.preset_files.all()

    def preset(self, name: str) -> Preset | None:
        """The preset of this name that is asked at a chat; None where there is none."""
        found = [p for p in self.presets() if p.name == name]
        asked = self.preset_files.get(name)
        return asked or (found[0] if found else None)

    def names_preset(self, name: str) -> bool:
        """Whether `name` is a preset's own and nothing comes before it, also where the preset's model is gone."""
        if self.preset(name) is None or name in self.user_aliases():
            return False
        return name not in {c.name for c in Names(self).cards}

    def derive(
        self,
        base: str,
        as_: str,
        request: Mapping[str, Any] | None = None,
        load: Mapping[str, Any] | None = None,
        system: str | None = None,
        force: bool = False,
    ) -> Preset:
        """Make a preset of a model, and write it; one that is made of a preset has what that has, and more.

        base: the name of a model or a preset. as_: the name of the new one. request, load, system: its request
        defaults, load parameters and system message; a value of None sets back what was below it. force: also where
        a model, a preset or an alias has the name.

        Raises BadRequest for what no request and no loading accepts, ModelNotFound, StateConflict, StoreFailed.
        """
        names = Names(self)
        found = names.find(base)
        card, old = found.card, found.preset
        fields = defaults(fields_for(card, request or {}))
        if old is not None:
            fields = over(old.request, fields)
        loads = {**(old.load if old else {}), **(load or {})}
        load_params(**{k: v for k, v in loads.items() if v is not None})
        model = old.model if old is not None else key(card)
        taken = names.hides(as_) or ("an alias" if as_ in self.user_aliases() else None)
        if taken and not force:
            raise StateConflict(
                f"{short(as_)} is the name of {taken} already; another name keeps both, --force takes its place"
            )
        says = system if system is not None else old.system if old else None
        return self.preset_files.add(Preset(as_, model, load=loads, request=fields, system=says), force)

    def remove_preset(self, name: str) -> list[str]:
        """Delete a preset; the files that are gone. Raises ModelNotFound, StoreFailed."""
        return self.preset_files.remove(name)

    def user_aliases(self) -> dict[str, str]:
        """The user's aliases and what they stand for."""
        return self.aliases.all()

    def plugin_aliases(self, wait: bool = True) -> dict[str, str]:
        """The aliases of plugins and the full names they stand for."""
        return plugins.registry().aliases(wait)

    def set_alias(self, name: str, target: str, force: bool = False) -> str:
        """Let `name` stand for a model or a preset; what it stands for, as it is kept.

        target: any name but an alias. force: also where a model or a preset has the name, which is then hidden.

        Raises ModelNotFound for a target that is not there, StateConflict for a name that would hide another,
        BadRequest for a name that cannot be typed, StoreFailed.
        """
        name, names = name.strip(), Names(self)
        kept = names.alias_target(target)
        if kept == name:
            raise StateConflict(f"{short(name)} is its name already")
        if (hidden := names.hides(name)) and not force:
            raise StateConflict(
                f"{short(name)} is the name of {hidden}, which the alias would hide; take another name, or say --force"
            )
        self.aliases.set(name, kept)
        return kept

    def address(self, name: str) -> str:
        """Where the model called `name` can be had, when a document describes it; else `name` as it is."""
        return next((w for c in self.cards() if name in (c.id, c.name) and (w := wanted_of(c))), name)

    def looked_in(self) -> list[str]:
        """The places models are looked for in, in words."""
        sources = ["packaged", "models home", *(c.source for c in self.cards())]
        return list(dict.fromkeys([*sources, *(["presets"] if self.presets() else [])]))

    def file(self, path: Path) -> ModelCard:
        """The card of the file at `path`. Raises ModelFileError."""
        return self._card(path, "file")

    def _conflicts(self, wait: bool) -> list[str]:
        """Aliases of plugins that one of the user's takes the place of."""
        mine = self.user_aliases()
        return [
            f"the alias {name!r} of a plugin, for {target}, is not used: yours, for {mine[name]}, comes first"
            for name, target in self.plugin_aliases(wait).items()
            if name in mine and mine[name] != target
        ]

    def _card(self, path: Path, source: str) -> ModelCard:
        try:
            status = path.stat()
            key = (str(path), status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):
            return card_of_file(path, source=source)  # which says what is wrong
        card = self._cards.get(key)
        if card is None:
            card = self._cards[key] = card_of_file(path, source=source)
        return card
