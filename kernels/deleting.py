"""Deleting a model: freed first, refused while it answers, and only what is modelhub's own."""

from __future__ import annotations

from pathlib import Path

from modelhub.errors import BadRequest, StateConflict
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.catalog.places.deletion import Deletion, delete, deletion
from modelhub.kernels.catalog.states import State
from modelhub.kernels.residency import Residency


def plan(catalog: Catalog, name: str) -> tuple[ModelCard, Deletion]:
    """The model of this name, and what deleting it would remove.

    name: its id, its full name or the path of one of its files. Raises ModelNotFound, and BadRequest for another name
    of it, an alias or a preset, and for a model that is not modelhub's own.
    """
    if (target := catalog.user_aliases().get(name.strip())) is not None:
        raise BadRequest(
            f"{name.strip()} is an alias of {target}; type %models alias remove {name.strip()} to have the alias gone, "
            f"or %models delete {target}",
            param="model",
        )
    card, here = catalog.find(name), catalog.here()
    if card.source == "file":
        card = next((c for c in here if card.path in [f.path for f in c.files]), card)
    elif name.strip() not in (card.id, card.name):
        raise BadRequest(
            f"{name.strip()} is another name for {card.id}; type %models delete {card.id} to delete the model itself",
            param="model",
        )
    if card.engine == "http" and card.source == card.provider:
        raise BadRequest(
            f"{card.name} is served by {card.provider}, and nothing of it is here to be deleted; "
            f"%models provider disable {card.provider} hides all its models",
            param="model",
        )
    others = [other for other in here if other.name != card.name]
    return card, deletion(card, others, catalog.places.document(card.name))


def carry_out(residency: Residency, card: ModelCard, what: Deletion, force: bool = False) -> list[Path]:
    """Free the model's memory and delete; what was removed.

    Raises StateConflict while it answers or loads, unless `force`: then its answers end first. Raises StoreFailed.
    """
    engines = residency.of_file(card.path) if card.path else []
    for engine in engines:
        if not force and (engine.state in (State.LOADING, State.STOPPING) or engine.requests):
            doing = "answers" if engine.requests else f"is {engine.state}"
            raise StateConflict(
                f"{card.id} {doing}: nothing was deleted; wait, or add --force to stop it first", state=engine.state
            )
    if engines:
        residency.unload(engines, force)
    return delete(what)
