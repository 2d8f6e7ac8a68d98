"""The card: all that is known about a model, one type everywhere."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelhub.kernels.catalog.gguf import Header, read_header


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model. Sizes are bytes, lengths are tokens; what is not known is None.

    provider: who serves it; `local` is this machine.
    id: its name at the provider; `name` is the full name, `provider/id`.
    """

    id: str
    provider: str = "local"
    path: str | None = None
    size: int | None = None
    parameters: int | None = None
    quantisation: str | None = None
    context_length: int | None = None
    architecture: str | None = None
    description: str | None = None
    licence: str | None = None
    has_template: bool | None = None
    source: str = "file"

    @property
    def name(self) -> str:
        """The full name, `provider/id`."""
        return f"{self.provider}/{self.id}"

    def to_dict(self) -> dict[str, Any]:
        """The card as plain data."""
        return dataclasses.asdict(self)


def card_of_file(path: Path, ident: str | None = None, source: str = "file") -> ModelCard:
    """The card of the GGUF at `path`. Raises ModelFileError."""
    header = read_header(path)
    context = header.get("{arch}.context_length")
    return ModelCard(
        id=ident or path.name.removesuffix(".gguf"),
        path=str(path.resolve()),
        size=header.size,
        parameters=header.parameters,
        quantisation=header.quantisation,
        context_length=context if type(context) is int else None,
        architecture=_text(header, "general.architecture"),
        description=_text(header, "general.description") or _text(header, "general.name"),
        licence=_text(header, "general.license"),
        has_template=isinstance(header.get("tokenizer.chat_template"), str),
        source=source,
    )


def _text(header: Header, key: str) -> str | None:
    found = header.get(key)
    return found if isinstance(found, str) and found else None
