"""Who serves a model that a document describes: the provider at the address it says, made where there is none."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from modelhub.errors import BadRequest, HubError
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.providers import records
from modelhub.kernels.providers.kept import address_of
from modelhub.kernels.providers.provider import Provider, origin_of
from modelhub.kernels.providers.providers import Providers


def served(card: ModelCard, providers: Providers) -> ModelCard:
    """The card under the name of the provider that is asked for it. Raises BadRequest where there is none.

    A model that a document calls `openai` and that is elsewhere is never asked of OpenAI.
    """
    found = _match(card, providers)
    if found is None:
        name, base = _name(card, providers), _base_url(card)
        where = base if base else "URL"
        said = f"at {base}" if base else f"by {card.provider!r}"
        raise BadRequest(
            f"{card.name} is served {said}, and no provider is there: %models provider add {name} --base-url {where}",
            param="model",
        )
    return card if found.name == card.provider else replace(card, provider=found.name)


def settled(card: ModelCard, providers: Providers) -> tuple[ModelCard, str]:
    """As `served`, for a model that is taken in: a provider is made where there is none; and what was done, in a line.

    Raises nothing: where no provider can be made the line says so, and asking the model says it again.
    """
    found = _match(card, providers)
    if found is not None:
        return replace(card, provider=found.name), ""
    base = _base_url(card)
    if base is None:
        add = f"%models provider add {_name(card, providers)} --base-url URL"
        return card, f"{card.name}: the document does not say where it is served; {add} does"
    name = _name(card, providers)
    settings = {k: v for k in ("api_version",) if (v := _ours(card).get(k))}
    said: dict[str, Any] = {"base_url": base, **({"settings": settings} if settings else {})}
    try:
        if name in providers.all():
            made = providers.edit(name, **said)
        else:
            made = providers.add(name, dialect=_kind(card) if _kind(card) in records.packaged() else "openai", **said)
    except HubError as error:
        return card, f"{card.name}: no provider was made for it: {error}"
    return replace(card, provider=name), f"the provider {name} was added, at {made.base_url}: %models provider {name}"


def _match(card: ModelCard, providers: Providers) -> Provider | None:
    """The provider that serves it: the one it names, unless that is elsewhere; else one at its address."""
    there, base = providers.all(), _base_url(card)
    own = there.get(card.provider) or there.get(_kind(card))
    if own is not None and own.base_url and (base is None or _same(own, base)):
        return own
    if base is None:
        return None
    known = [one for one in there.values() if one.source == "yours" or one.needs_key]  # a port has many servers
    return next((one for one in known if one.base_url and _same(one, base)), None)


def _same(provider: Provider, base: str) -> bool:
    try:
        return origin_of(address_of(base, provider)) == provider.origin
    except BadRequest:
        return False


def _name(card: ModelCard, providers: Providers) -> str:
    """What a provider for it is called: as the document says, unless that one is elsewhere."""
    kind = _kind(card)
    there = providers.all().get(kind)
    if there is not None and not there.base_url:
        return kind
    said = _plain(kind)
    if there is None and said:
        return said
    host = _plain((urlsplit(_base_url(card) or "").hostname or "").removesuffix(".openai.azure.com"))
    base = f"{said}-{host}" if host else f"{said}-2"
    name, number = base, 1
    while name in providers.all():
        number += 1
        name = f"{base}-{number}"
    return name


def _kind(card: ModelCard) -> str:
    return records.ALIASES.get(card.provider, card.provider)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+|\.\.+", "-", text.lower()).strip("-._")[:60]


def _ours(card: ModelCard) -> dict[str, Any]:
    found = card.metadata.get("modelhub")
    return found if isinstance(found, dict) else {}


def _base_url(card: ModelCard) -> str | None:
    said = _ours(card).get("base_url")
    return said if isinstance(said, str) and said else None
