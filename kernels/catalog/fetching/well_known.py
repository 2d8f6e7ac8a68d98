"""Models many people use, and where to fetch them: a list that comes with modelhub. Nothing here needs a network."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.states import State

LIST = Path(__file__).with_name("well_known.json")

BITS = {"Q8_0": 8.5, "MXFP4": 4.7}  # a weight, on average


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-known model.

    name: what it is fetched by. repository: where. quant: the quantisation that is usually taken of it. parameters: how
    many weights, in all. context: tokens it was made for. capabilities: as of a card, beside its kind. about: one line.
    size: bytes of the file, where they are known and not reckoned.
    """

    name: str
    repository: str
    quant: str
    parameters: int
    context: int
    licence: str
    kind: str
    capabilities: tuple[str, ...]
    about: str
    size: int | None = None

    @property
    def bytes(self) -> int:
        """The size, or about what it must be: the weights times the bits of their quantisation."""
        billions = self.parameters / 1e9
        # Vocabularies, which have more bits, are most of a small model: 7.9 bits of 0.5 billion weights, 5.8 of 1.5,
        # 4.9 of 7.6 (files of Qwen 2.5).
        bits = min(7.0, 4.75 + 1.4 / billions) if self.quant == "Q4_K_M" else BITS[self.quant]
        return self.size or int(self.parameters * bits / 8)

    def card(self) -> ModelCard:
        """Its card: a model that can be fetched."""
        return ModelCard(
            id=self.name,
            kind=self.kind,
            state=State.DOWNLOADABLE,
            files=(ModelFile(size=self.size),),
            source="well known",
            parameters=self.parameters,
            quantisation=self.quant,
            context_length=self.context,
            description=self.about,
            licence=self.licence,
            capabilities=self.capabilities,
            origin=self.repository,
        )


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All of them, in the order of the list."""
    found = json.loads(LIST.read_text("utf-8"))
    return tuple(Entry(**{**e, "capabilities": tuple(e["capabilities"])}) for e in found["models"])


def find(name: str) -> Entry | None:
    """The entry of this name."""
    wanted = name.strip().lower()
    return next((e for e in entries() if wanted == e.name), None)


def matching(query: str) -> list[Entry]:
    """Those that have every word of `query` somewhere."""
    words = query.lower().split()
    return [e for e in entries() if all(any(w in t for t in _texts(e)) for w in words)]


def _texts(entry: Entry) -> Iterable[str]:
    return (
        t.lower() for t in (entry.name, entry.repository, entry.about, entry.licence, entry.kind, *entry.capabilities)
    )
