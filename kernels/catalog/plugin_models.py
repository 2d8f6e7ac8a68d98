"""The models that plugins offer, as cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelhub.kernels import plugins
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.states import State
from modelhub.kernels.plugins.brought import Offer
from modelhub.kernels.protocol import honesty, model, options
from modelhub.kernels.protocol.request import ChatRequest

TOLD = ("needs_key", "key_env_var")  # what a card's metadata has of a model


def cards(wait: bool = True, hidden: bool = False) -> list[ModelCard]:
    """A card for every model of a plugin, by full name.

    wait: whether plugins that are still loading are waited for. hidden: also those that are not listed.
    """
    return [card_of(offer) for offer in plugins.registry().offers(wait, hidden)]


def card_of(offer: Offer) -> ModelCard:
    """The card of one model."""
    of = offer.model
    return ModelCard(
        id=offer.ident,
        provider=offer.provider,
        engine="plugin",
        state=State.REMOTE,
        source=f"plugin {offer.plugin}",
        description=of.description or None,
        context_length=of.context_length,
        owned_by=offer.plugin,
        metadata={name: value for name in TOLD if (value := getattr(of, name, None))},
    )


def split_options(card: ModelCard, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given to ask a model with, as fields of a request; the own options of a plugin's model in their place.

    Anything for a model that is no plugin's. Raises BadRequest for a name that neither the request nor the model has.
    """
    if card.engine != "plugin":
        return dict(given)
    return model.split_options(plugins.registry().offer(card.name).model, given)


def check(card: ModelCard, request: ChatRequest) -> list[str]:
    """The warnings of a request to a plugin's model. Raises BadRequest for a field or a value that it does not take."""
    asked = plugins.registry().offer(card.name).model
    warnings = honesty.check(request, card.id, model.honesty_of(asked))
    model.options_in(asked, request)
    return warnings


def rules(card: ModelCard) -> dict[str, honesty.Rule]:
    """The honesty table of a plugin's model: what it does with each field of a request."""
    return model.honesty_of(plugins.registry().offer(card.name).model)


def option_rows(card: ModelCard) -> list[dict[str, Any]]:
    """A row for each option of a plugin's model: option, type, range, default, required, description."""
    return options.option_rows(plugins.registry().offer(card.name).model.Options)
