"""What came of a document: cards, presets, aliases, options, keys, and notes on what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.secret import Secret


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """A key that stood in a document, on its way to the key store; it is shown nowhere.

    origin: the address it is for, where the document says; a key is sent to no other.
    """

    secret: Secret
    origin: str | None = None


@dataclass(slots=True)
class Imported:
    """What came of one document.

    cards: models. presets: each a dictionary as a preset's file holds it, with its `name`. aliases: names for names.
    options: fields of a request, by the name of the model they are for. keys: by the provider's name; never in
    anything else here. notes: one line each, with the file and the line where there is one.
    """

    cards: list[ModelCard] = field(default_factory=list)
    presets: list[dict[str, Any]] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, ImportedKey] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Imported) -> None:
        """Take in what came of another part of the document."""
        self.cards += other.cards
        self.presets += other.presets
        self.aliases |= other.aliases
        self.options |= other.options
        self.keys |= other.keys
        self.notes += [n for n in other.notes if n not in self.notes]
