"""Documents whose model was fetched since: what they say, put onto the file that lies elsewhere in the same place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath, PurePosixPath

from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.ids import quantisation
from modelhub.kernels.catalog.importers.building import repository
from modelhub.kernels.catalog.places.layouts import Found
from modelhub.kernels.catalog.states import State


def wanted_of(card: ModelCard) -> str | None:
    """What `%models pull` is asked for a model that is not here: the address of its file, or its repository."""
    if card.engine != "llamacpp" or card.path is not None or card.state in (State.DOWNLOADING, State.FAILED):
        return None
    if url := next((f.url for f in card.files if f.role == "model" and f.url), None):
        return url
    repo, quant = repository(card.origin), _quantisation(card)
    return f"{repo}:{quant}" if repo and quant else repo


def _quantisation(card: ModelCard) -> str | None:
    """The quantisation of a file that a document names by a pattern, as `*Q4_K_M*.gguf`."""
    if "*" not in (card.download_url or ""):
        return None
    parts = re.split(r"\*|\.gguf$", card.download_url or "", flags=re.IGNORECASE)
    return next((quant for part in parts if (quant := quantisation(part.strip("-._")))), None)


def join_fetched(found: Sequence[Found]) -> list[Found]:
    """The same models, those without a file with the one that was fetched from where their document says it is."""
    from modelhub.kernels.catalog.places.described import over

    here = [f for f in found if f.card.path is not None]
    joined = []
    for one in found:
        same = None if wanted_of(one.card) is None else _same(one.card, (f.card for f in here))
        if same is None:
            joined.append(one)
            continue
        file = next(f for f in here if f.card is same)
        card = over(replace(same, id=one.card.id), one.card)
        joined.append(replace(one, card=card, same=file.same, link=file.link, meant=True))
    return joined


def _same(wanted: ModelCard, cards: Iterable[ModelCard]) -> ModelCard | None:
    """The one of the cards that came from where the wanted one is to be had."""
    url = next((f.url for f in wanted.files if f.role == "model" and f.url), None)
    origin = repository(url) or repository(wanted.origin)
    name = PurePosixPath(url.split("?")[0]).name if url else None
    for card in cards:
        if url is not None and card.download_url == url:
            return card
        if origin is not None and card.origin == origin and name in (None, PurePath(card.path or "").name):
            if url is None and (_quantisation(wanted) or card.quantisation) != card.quantisation:
                continue
            return card
    return None
