"""What a catalogue keeps of a GGUF's header: small, plain data, so that a file need be read once only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from modelhub.kernels.catalog.headers.gguf import Header, read_header
from modelhub.kernels.catalog.headers.header_bytes import KnownLists
from modelhub.kernels.catalog.headers.hints import request_of
from modelhub.kernels.catalog.headers.templates import abilities, templates_of

# Architectures that give vectors for texts (llama.cpp, llama-arch.cpp), where the file names no way of pooling.
EMBEDDING = ("bert", "nomic-bert", "jina-bert", "modern-bert", "neo-bert", "eurobert", "gemma-embedding", "t5encoder")
RANK = 4  # of `pooling_type` (llama.h): a score for a pair of texts


@dataclass(frozen=True, slots=True)
class Facts:
    """One GGUF file. Lengths are tokens; what the file does not say is None.

    role: `model`, `shard` (a further file of a split model), `mmproj` or `lora`. kind: as of a card. part, parts: its
    number among the files of a split model, from 1, and how many these are. width: values in which a token is held;
    of an mmproj, those that it gives. request: fields of a request that the file recommends.
    """

    role: str = "model"
    kind: str = "completion"
    architecture: str | None = None
    description: str | None = None
    licence: str | None = None
    parameters: int = 0
    quantisation: str = ""
    context_length: int | None = None
    templates: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    tokenizer: str | None = None
    tensors: int = 0
    part: int = 1
    parts: int = 1
    width: int | None = None
    request: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data for `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Facts:
        """What `to_dict` gave. Raises TypeError for names that it did not give."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**values)


def facts_of(path: Path, known: KnownLists | None = None) -> Facts:
    """Read the header of the GGUF at `path`. known: as of `read_header`. Raises ModelFileError."""
    header = read_header(path, known)
    architecture = text(header, "general.architecture")
    role = _role(header, architecture)
    pooling = number(header, "{arch}.pooling_type")
    templates = templates_of(header.metadata)
    embedding = bool(pooling) or (pooling is None and architecture in EMBEDDING)
    kind = "embedding" if embedding else "chat" if templates else "completion"
    found = ("rerank" if pooling == RANK else "embedding",) if embedding else abilities(header.metadata, templates)
    return Facts(
        role=role,
        kind=kind,
        architecture=architecture,
        description=text(header, "general.description") or text(header, "general.name"),
        licence=text(header, "general.license"),
        parameters=header.parameters,
        quantisation=header.quantisation,
        context_length=number(header, "{arch}.context_length"),
        templates=tuple(templates),
        capabilities=found if role == "model" else (),
        tokenizer=text(header, "tokenizer.ggml.model"),
        tensors=len(header.tensors),
        part=(number(header, "split.no") or 0) + 1,
        parts=max(1, number(header, "split.count") or 1),
        width=number(header, "clip.vision.projection_dim" if role == "mmproj" else "{arch}.embedding_length"),
        request=request_of(header.metadata),
    )


def text(header: Header, key: str) -> str | None:
    """A text of the metadata that is not empty."""
    found = header.get(key)
    return found if isinstance(found, str) and found else None


def number(header: Header, key: str) -> int | None:
    """A whole number of the metadata."""
    found = header.get(key)
    return found if type(found) is int else None


def _role(header: Header, architecture: str | None) -> str:
    if number(header, "split.no"):
        return "shard"
    kind = text(header, "general.type")
    if kind == "adapter":
        return "lora"
    return "mmproj" if kind == "mmproj" or architecture in {"clip", "mmproj"} else "model"
