"""The models of providers, as cards; nothing is fetched for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from modelhub.errors import did_you_mean
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.states import State
from modelhub.kernels.providers.dialects.dialect import Listed
from modelhub.kernels.providers.lists.list_file import KeptList
from modelhub.kernels.providers.lists.lists import shown
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.providers import Providers


class RemoteModels:
    """What the catalogue knows of models that providers serve."""

    def __init__(self, providers: Providers, used: Callable[[], Collection[str]] = tuple) -> None:
        """Of these providers. used: full names that aliases, presets and settings stand for."""
        self._providers = providers
        self._used = used
        self._made: dict[str, tuple[Any, list[ModelCard], list[ModelCard]]] = {}

    def cards(self, hidden: bool = False) -> list[ModelCard]:
        """A card for every model that is listed by a provider, as its list was last read.

        hidden: also those that are for something else than chats, nightly, dated or retired.
        """
        found: list[ModelCard] = []
        for provider in self._providers.all().values():
            if provider.enabled and provider.base_url:
                found += self._of(provider)[1 if hidden else 0]
        return found + self._gone({card.name for card in found})

    def card(self, name: str) -> ModelCard | None:
        """A card for `provider/id`, listed or not; None where there is no such provider."""
        who, _, ident = name.partition("/")
        provider = self._providers.all().get(who) if ident else None
        if provider is None or ident != ident.strip() or not ident.isprintable():
            return None
        if provider.source == "packaged" and "-gguf" in ident.lower():
            return None  # a repository of that owner, which is to be pulled
        for card in self._of(provider)[1]:
            if card.id == ident:
                return card
        kept = self._providers.lists.kept(provider)
        metadata: dict[str, Any] = {}
        if kept.listed is not None and kept.rows:
            near = did_you_mean(ident, [row.id for row in kept.rows])
            metadata["unlisted"] = f"{provider.name} does not list {ident}.{near}"
        return ModelCard(
            id=ident, provider=provider.name, engine="http", state=State.REMOTE, source=provider.name, metadata=metadata
        )

    def serving(self) -> list[str]:
        """The names of the providers there are."""
        return list(self._providers.all())

    @property
    def problems(self) -> list[str]:
        """What is wrong with providers, and which of their models that are in use are listed no more."""
        retired = [
            f"{card.name} is in use (an alias, a preset or the default) and is not listed by {card.provider} any more, "
            f"since {card.metadata['retired']}"
            for card in self._gone(set())
        ]
        return [*self._providers.problems, *retired]

    def _of(self, provider: Provider) -> tuple[list[ModelCard], list[ModelCard]]:
        """Its cards for every day, and all of them; made anew when its list changed."""
        kept = self._providers.lists.kept(provider)
        held = self._made.get(provider.name)
        if held is None or held[0][0] is not kept.rows or held[0][1] is not provider:
            everyday = {row.id for row in shown(provider, kept.rows)}
            every = [card_of(provider, row, kept, row.id not in everyday) for row in kept.rows]
            some = [card for card in every if card.id in everyday]
            held = self._made[provider.name] = ((kept.rows, provider), some, every)
        return held[1], held[2]

    def _gone(self, there: Collection[str]) -> list[ModelCard]:
        """Models that are listed no more and that the user's names stand for."""
        found = []
        for name in self._used():
            who, _, ident = name.partition("/")
            provider = self._providers.all().get(who) if ident and name not in there else None
            if provider is None or not provider.enabled:
                continue
            when = self._providers.lists.kept(provider).gone.get(ident)
            if when is not None:
                found.append(
                    ModelCard(
                        id=ident, provider=who, engine="http", state=State.REMOTE, source=who,
                        metadata={"retired": _day(when)},
                    )
                )  # fmt: skip
        return found


def card_of(provider: Provider, row: Listed, kept: KeptList, hidden: bool) -> ModelCard:
    """The card of one listed model: what the list says, and nothing it does not."""
    when = _day(kept.listed) if kept.listed is not None else provider.models.dated
    metadata = {
        "title": row.title if row.title != row.id else "",
        "most_output": row.most_output,
        "prices": dict(row.prices),
        "takes": list(row.parameters),
        "listed": when,
        "packaged": kept.listed is None,
        "hidden": hidden,
        "retired": row.retired,
    }
    return ModelCard(
        id=row.id,
        provider=provider.name,
        engine="http",
        kind=row.kind or "chat",
        state=State.REMOTE,
        source=provider.name,
        context_length=row.context_length,
        capabilities=row.capabilities,
        created=row.created,
        owned_by=row.owned_by,
        description=row.description,
        metadata={name: value for name, value in metadata.items() if value},
    )


def _day(when: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(when))
