"""What a name means: user's alias, full name, preset, plugin's alias, id of one model, newest quantisation, file.

The first that fits is taken, in this order. What fits several models is settled by `%models prefer`, or refused with
their full names.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from modelhub.errors import HubError, ModelNotFound, did_you_mean, nearest
from modelhub.kernels import settings
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.fetching import well_known
from modelhub.kernels.catalog.fetching.well_known import Entry
from modelhub.kernels.catalog.ids import QUANT
from modelhub.kernels.catalog.presets.preset import Preset
from modelhub.kernels.protocol.request import short

SHOWN = 8  # names in a message
ALIKE = 0.75  # how alike a provider's name must be to be meant: groq for grok, and not cohere for corp


class Known(Protocol):
    """Where names come from."""

    def here(self) -> list[ModelCard]:
        """The models of this machine, for which no plugin is loaded."""

    def offered(self) -> list[ModelCard]:
        """The models of plugins, also those that answer by their names and are not listed."""

    def unlisted(self, name: str) -> ModelCard | None:
        """A card for `provider/id` of a provider there is."""

    def serving(self) -> list[str]:
        """The names of the providers there are."""

    def preset(self, name: str) -> Preset | None:
        """The preset of this name."""

    def presets(self) -> list[Preset]:
        """Every preset."""

    def user_aliases(self) -> Mapping[str, str]:
        """The user's aliases and what they stand for."""

    def plugin_aliases(self) -> Mapping[str, str]:
        """The plugins' aliases and the full names they stand for."""

    def looked_in(self) -> list[str]:
        """The places models were looked for in, in words."""

    def file(self, path: Path) -> ModelCard:
        """The card of a file."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a name led to. note: what was chosen for the user, in one line."""

    card: ModelCard
    preset: Preset | None = None
    note: str = ""


@dataclass(slots=True)
class Names:
    """Resolves names against one look at what there is."""

    known: Known
    _here: list[ModelCard] | None = field(default=None, init=False)
    _cards: list[ModelCard] | None = field(default=None, init=False)

    @property
    def here(self) -> list[ModelCard]:
        """The models of this machine, looked for once."""
        if self._here is None:
            self._here = self.known.here()
        return self._here

    @property
    def cards(self) -> list[ModelCard]:
        """Every model that can be asked by name; waits for plugins, and is looked for once."""
        if self._cards is None:
            described = {c.name for c in self.here if c.engine == "http"}  # whose documents say more than a list
            more = [c for c in self.known.offered() if c.name not in described]
            self._cards = sorted([*self.here, *more], key=lambda c: c.name)
        return self._cards

    def find(self, name: str) -> Found:
        """What `name` means. Raises ModelNotFound, with the nearest names, or ModelFileError for a path."""
        wanted = name.strip()
        target = self.known.user_aliases().get(wanted)
        if target is None:
            return self._model(wanted, name)
        try:
            return self._model(target, target)
        except HubError as error:
            raise ModelNotFound(
                f"{short(wanted)} is an alias of {short(target)}, and that cannot be had: {error}",
                name=name,
                param="model",
            ) from None

    def alias_target(self, name: str) -> str:
        """What an alias of `name` stands for: the full name, the preset's name, a path, or a name without its quant.

        Raises ModelNotFound; also for an alias: there are no aliases of aliases.
        """
        wanted = name.strip()
        aliases = {**self.known.plugin_aliases(), **self.known.user_aliases()}
        if wanted in aliases and not self.known.preset(wanted) and not self._of_name(wanted):
            raise ModelNotFound(
                f"{short(wanted)} is an alias itself, of {aliases[wanted]}; name that instead", name=name, param="model"
            )
        found = self._model(wanted, name)
        if found.preset is not None:
            return found.preset.name
        if found.card.source == "file" and found.card.path:
            return found.card.path
        return found.card.name if wanted in (found.card.id, found.card.name) else wanted

    def hides(self, name: str) -> str | None:
        """What is called `name` already, in words: a model or a preset; None when it is free."""
        if self.known.preset(name) is not None:
            return "a preset"
        if self._of_name(name) or any(c.id == name for c in self.cards):
            return "a model"
        return None

    # -- one name after the other --------------------------------------------------------------------------------------

    def _model(self, wanted: str, asked: str, presets: bool = True) -> Found:
        """As `find`, without the user's aliases."""
        if cards := self._of_name(wanted):
            return self._mine_first(cards, wanted) or self._one(cards, wanted)
        if presets and (preset := self.known.preset(wanted)) is not None:
            return self._of_preset(preset)
        same = [c for c in self.here if c.id == wanted or c.id.startswith(f"{wanted}@")]
        if [c.source for c in same] == ["packaged"]:  # its name is promised, and asking it waits for no plugin
            return Found(same[0])
        target = self.known.plugin_aliases().get(wanted)
        if target is not None and (cards := self._of_name(target)):
            return self._one(cards, wanted)
        if cards := [c for c in self._asked_by_id(wanted) if c.id == wanted]:
            twins = [c for c in self._own if c.id.startswith(f"{wanted}@")]  # the same id in a later place
            if min(map(_rank, twins), default=len(preferred())) < min(map(_rank, cards)):
                cards = [*cards, *twins]
            return self._one(cards, wanted)
        if found := self._newest(wanted):
            return found
        if os.path.isfile(wanted) and (card := self._path(wanted)):  # noqa: PTH113 - Path.is_file raises for long names
            return Found(card)
        if card := self.known.unlisted(wanted):
            return Found(card, note=str(card.metadata.get("unlisted", "")))
        if card := self._path(wanted):
            return Found(card)
        if entry := well_known.find(wanted):
            return self._well_known(entry)
        raise self._unknown(wanted, asked)

    def _of_name(self, name: str) -> list[ModelCard]:
        if name.startswith("local/"):  # no plugin has these
            return [c for c in self.here if c.name == name]
        return [c for c in self.cards if c.name == name] if "/" in name else []

    @property
    def _own(self) -> list[ModelCard]:
        """The models that no provider lists: an id there is sent as it stands, whatever it looks like."""
        return [c for c in self.cards if c.engine != "http"]

    def _asked_by_id(self, wanted: str) -> list[ModelCard]:
        """The models whose id may be asked alone; what looks like a path is a file's."""
        return self._own if wanted.startswith((".", "~", "/")) else self.cards

    def _mine_first(self, cards: Sequence[ModelCard], wanted: str) -> Found | None:
        """What of this machine was called so before a provider listed the name: nothing that was local goes out."""
        if any(c.engine != "http" for c in cards):
            return None
        mine = [c for c in self.here if c.id == wanted]
        found = self._one(mine, wanted) if mine else self._newest(wanted)
        if found is None or found.card.provider != "local" or _rank(cards[0]) < _rank(found.card):
            return None
        provider = cards[0].provider
        note = f"{wanted} is {found.card.name} here; %models prefer {provider} lets {provider} answer to this name"
        return replace(found, note=note)

    def _of_preset(self, preset: Preset) -> Found:
        if not preset.asked:
            raise ModelNotFound(
                f"the preset {preset.name!r} is for {preset.endpoint}, which is not asked by modelhub yet",
                name=preset.name,
                param="model",
            )
        base = preset.model
        for folder in (Path(preset.path).parent if preset.path else None, settings.models_home()):
            if folder is not None and (path := folder / base).is_file():  # LocalAI names a file of its models' folder
                return Found(self.known.file(path), preset)
        with contextlib.suppress(ModelNotFound):
            target = self.known.user_aliases().get(base)
            known = [c.id for c in self.cards]
            if target is None and base not in known and base.removesuffix(".gguf") in known:
                target = base.removesuffix(".gguf")
            found = self._model(target if target is not None else base, base, presets=False)
            return Found(found.card, preset, found.note)
        where = f" ({preset.path})" if preset.path else ""
        names = [c.id for c in self.cards]
        raise ModelNotFound(
            f"the preset {preset.name!r}{where} is made of {short(base)}, and there is no such model."
            f"{did_you_mean(base, names)} Looked in: {', '.join(self.known.looked_in())}",
            name=preset.name,
            param="model",
        )

    def _one(self, cards: Sequence[ModelCard], wanted: str) -> Found:
        """The one of several models that is meant. Raises ModelNotFound when nothing says which."""
        apart = list({(c.name, c.path): c for c in cards}.values())
        if len(apart) == 1:
            return Found(apart[0])
        ranks = [_rank(card) for card in apart]
        best = [card for card, rank in zip(apart, ranks, strict=True) if rank == min(ranks)]
        if len(best) == 1:
            others = ", ".join(_full(c, apart) for c in apart if c is not best[0])
            return Found(best[0], note=f"{wanted} is {_full(best[0], apart)}, which is preferred to {others}")
        raise ModelNotFound(
            f"{short(wanted)} is the name of {len(apart)} models: {', '.join(_full(c, apart) for c in apart)}. "
            f"Ask for one of these names, or let one come first: %models prefer {_prefer(apart)}",
            name=wanted,
            param="model",
            candidates=[_full(c, apart) for c in apart],
        )

    def _newest(self, wanted: str) -> Found | None:
        """The quantisation of `owner/repo`, or of a name, that is preferred or was fetched last."""
        base, colon, tag = wanted.rpartition(":")
        if colon:
            cards = [
                c for c in self._own if base in {c.id, c.name} | families(c) | endings(c) and tag.lower() in quants(c)
            ]
            return self._one(cards, wanted) if cards else None
        own = self._own
        here = [c for c in own if c.state not in {"downloadable", "downloading"}]
        for names in (families, endings):
            for pool in (here, own):
                cards = [c for c in pool if wanted in names(c)]
                groups = {(c.provider, family(c)): [d for d in cards if family(d) == family(c)] for c in cards}
                if len(groups) > 1:
                    one = self._one([group[0] for group in groups.values()], wanted)
                    return Found(self._quant(groups[one.card.provider, family(one.card)], wanted).card, note=one.note)
                if groups:
                    return self._quant(next(iter(groups.values())), wanted)
        return None

    def _quant(self, cards: list[ModelCard], wanted: str) -> Found:
        newest = max(cards, key=lambda c: (c.created or 0, c.name))
        for quant in preferred_quantisations():
            same = [c for c in cards if quant.lower() in quants(c)]
            if same:
                chosen = max(same, key=lambda c: (c.created or 0, c.name))
                break
        else:
            quant, chosen = "", newest
        if len(cards) == 1:
            return Found(chosen)
        why = f"the {quant} you prefer" if quant else "the one that came last"
        return Found(chosen, note=f"{wanted} is {chosen.id} here, {why} of {len(cards)}")

    def _well_known(self, entry: Entry) -> Found:
        """The model that a name of `%models browse` stands for, once it has been fetched."""
        found = self._newest(entry.repository)
        if found is None:
            raise ModelNotFound(
                f"{entry.name} is not on this machine yet; %models pull {entry.name} gets it from {entry.repository}",
                name=entry.name,
                param="model",
            )
        return found

    def _path(self, wanted: str) -> ModelCard | None:
        begins = wanted.endswith(".gguf") or wanted.startswith((".", "~", "/"))
        if not begins and os.sep not in wanted.removeprefix("local/"):
            return None
        path = Path(wanted)
        with contextlib.suppress(RuntimeError):  # there is no such user, so it is no home of one
            path = path.expanduser()
        if begins or os.path.exists(path):  # noqa: PTH110 - Path.exists raises for long names
            return self.known.file(path)
        return None

    def _unknown(self, wanted: str, asked: str) -> ModelNotFound:
        presets = [p.name for p in self.known.presets()]  # what is of this machine comes before what plugins bring
        ids = list(dict.fromkeys([*(c.id for c in self.here), *presets, *(c.id for c in self._own)]))
        served = [c for c in self.cards if c.engine == "http"]
        names = [*ids, *self.known.user_aliases(), *self.known.plugin_aliases()]
        names += [c.name for c in served] if "/" in wanted else [c.id for c in served]
        provider, slash, rest = wanted.partition("/")
        provided = slash and any(c.provider == provider for c in self.cards)
        near = did_you_mean(rest if provided else wanted, names)
        if provider in self.known.serving() and not rest:
            near = f" {provider} is a provider: {provider}/ID asks its models, which %models list {provider} shows."
        elif slash and not near and (who := nearest(provider, self.known.serving(), 1, ALIKE)):
            near = f" Did you mean '{who[0]}/{rest}'?"
        more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
        more += f", and {len(served):,} of {', '.join(sorted({c.provider for c in served}))}" if served else ""
        there = f"There {'is' if len(ids) == 1 else 'are'} {', '.join(ids[:SHOWN]) or 'none'}{more}"
        return ModelNotFound(
            f"no model is named {short(asked)}.{near} {there}; looked in: "
            f"{', '.join(self.known.looked_in())}; the path of a .gguf file works too. Type %models to see them.",
            name=asked,
            param="model",
        )


def family(card: ModelCard) -> str:
    """The id without its quantisation: `owner/repo` of `owner/repo:Q4_K_M`, `name` of `name-Q4_K_M`."""
    base, colon, _tag = card.id.rpartition(":")
    return base if colon else QUANT.sub("", card.id) or card.id


def quants(card: ModelCard) -> set[str]:
    """Its quantisation in small letters, as its name and as its file say it."""
    named = card.id.removeprefix(family(card)).lstrip(":-._")
    return {named.lower(), (card.quantisation or "").lower()} - {""}


def families(card: ModelCard) -> set[str]:
    """The names that stand for every quantisation of this model."""
    base = family(card)
    found = {base, f"{card.provider}/{base}"} if base != card.id else set()
    return found | ({card.origin} if card.origin and "://" not in card.origin else set())


def endings(card: ModelCard) -> set[str]:
    """The same without its owner, and without the -GGUF that repositories end with."""
    last = {name.rpartition("/")[2] for name in families(card)}
    return last | {name[:-5] for name in last if name.lower().endswith("-gguf")}


def preferred() -> list[str]:
    """Providers and places in the order the user prefers them."""
    return _words("prefer")


def preferred_quantisations() -> list[str]:
    """Quantisations in the order the user prefers them."""
    return _words("quantisations")


def _words(setting: str) -> list[str]:
    found = settings.load(setting)
    return [w for w in found if isinstance(w, str)] if isinstance(found, list) else []


def _rank(card: ModelCard) -> int:
    order = [w.lower() for w in preferred()]
    return min((order.index(w) for w in (card.provider.lower(), card.source.lower()) if w in order), default=len(order))


def _full(card: ModelCard, among: Sequence[ModelCard]) -> str:
    """Its full name, or its path where another has the same one."""
    twin = sum(c.name == card.name for c in among) > 1
    return card.path if twin and card.path else card.name


def _prefer(cards: Sequence[ModelCard]) -> str:
    providers = {c.provider for c in cards}
    words = providers if len(providers) > 1 else {c.source for c in cards}
    word = min(words)
    return f"'{word}'" if " " in word else word
