"""The card: all that is known about a model, one type from file to panel.

Written out it is OpenAI's model object (https://platform.openai.com/docs/api-reference/models/object) and Jan's model
object: `id, object, created, owned_by`, `origin, import_format, download_url`, `parameters.init` (how it is loaded),
`parameters.runtime` (how it is asked), `metadata`; and what a list of models shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelhub.kernels.catalog.states import State

ROLES = ("model", "mmproj", "draft", "lora", "shard")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    role: one of ROLES; `model` is what is loaded, `shard` what belongs to it in further files (the second on).
    path: where it lies on this machine, absolute; None: it is not here. url: where it can be had. size: bytes.
    """

    path: str | None = None
    role: str = "model"
    url: str | None = None
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model. Sizes are bytes, lengths are tokens, times are Unix seconds; what is not known is None.

    provider: who serves it; `local` is this machine. id: its name at the provider; `name` is `provider/id`.
    engine: how it is run: `llamacpp` (a worker), `http` (a remote provider) or `plugin` (a plugin's own code).
    kind: `chat`, `completion` (text goes on, no chat), or `embedding`. capabilities: as `chat`, `tools`, `vision`.
    load: load parameters that differ from the defaults, by the names of `LoadParams`; Jan's `parameters.init`.
    request: fields of a request that are sent where a question does not say; Jan's `parameters.runtime`.
    system: the system message where none is given. source: the place it was found at, as `packaged`, `models home`,
    `ollama`, `file`, `plugin NAME`. origin: where it came from: `owner/repo` of the Hugging Face Hub, or an address.
    parameters: how many weights it has.
    """

    id: str
    provider: str = "local"
    engine: str = "llamacpp"
    kind: str = "chat"
    state: str = State.DOWNLOADED
    files: tuple[ModelFile, ...] = ()
    source: str = "file"
    parameters: int | None = None
    quantisation: str | None = None
    context_length: int | None = None
    architecture: str | None = None
    description: str | None = None
    licence: str | None = None
    has_template: bool | None = None
    capabilities: tuple[str, ...] = ()
    origin: str | None = None
    import_format: str | None = None
    download_url: str | None = None
    created: int | None = None
    owned_by: str | None = None
    load: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The full name, `provider/id`."""
        return f"{self.provider}/{self.id}"

    @property
    def path(self) -> str | None:
        """The file that is loaded, where it is here."""
        return next((f.path for f in self.files if f.role == "model"), None)

    @property
    def size(self) -> int | None:
        """Bytes of its weights, all shards together; None when one is not known."""
        sizes = [f.size for f in self.files if f.role in {"model", "shard"}]
        return sum(s for s in sizes if s is not None) if sizes and None not in sizes else None

    def to_dict(self) -> dict[str, Any]:
        """The card as plain data: OpenAI's and Jan's model object, and beside it what else is known."""
        known = {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": self.owned_by or self.provider,
            "origin": self.origin,
            "import_format": self.import_format,
            "download_url": self.download_url,
            "provider": self.provider,
            "engine": self.engine,
            "kind": self.kind,
            "state": str(self.state),
            "source": self.source,
            "size": self.size,
            "parameter_count": self.parameters,
            "quantisation": self.quantisation,
            "context_length": self.context_length,
            "architecture": self.architecture,
            "capabilities": list(self.capabilities),
            "description": self.description,
            "licence": self.licence,
            "has_template": self.has_template,
            "system": self.system,
            "files": [{s: v for s in ModelFile.__slots__ if (v := getattr(f, s)) is not None} for f in self.files],
            "parameters": {"init": dict(self.load), "runtime": dict(self.request)},
            "metadata": dict(self.metadata),
        }
        return {k: v for k, v in known.items() if v is not None}


def card_of_file(path: Path, ident: str | None = None, source: str = "file") -> ModelCard:
    """The card of the GGUF at `path`, with all its parts where it is one of several. Raises ModelFileError."""
    from modelhub.kernels.catalog.headers.local_card import card_of_path

    return card_of_path(path, ident, source)
