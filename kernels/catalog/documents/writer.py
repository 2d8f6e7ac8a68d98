"""A card on disk: `model.json`, strict JSON, which the importer `default` reads back. A key is never in it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.importers.secrets import without_keys
from modelhub.kernels.settings import write_atomically

NAME = "model.json"
OWN = ("default", "thebloke", "janhq", "hf_gguf", "openai", "azure_openai")  # formats a model.json may say it is of


def write_card(card: ModelCard, folder: Path) -> Path:
    """Write the card to `model.json` in `folder`, in one step; the file's path.

    Files are named as they lie in the folder; one that lies elsewhere is left to its address. Raises BadRequest for a
    card whose values no JSON can hold, StoreFailed where it cannot be written.
    """
    try:
        text = json.dumps(document_of(card, folder), indent=2, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (TypeError, ValueError) as error:
        what = str(error).split(":")[0]
        raise BadRequest(f"the card of {card.name} cannot be written as JSON ({what})") from None
    path = folder / NAME
    write_atomically(path, text + "\n")
    return path


def document_of(card: ModelCard, folder: Path) -> dict[str, Any]:
    """The card as the document that is written: what is not known is not in it, nor what a look at the disk tells."""
    metadata = dict(card.metadata)
    own = card.import_format
    if own is not None and own not in OWN:  # how it was read is no way to read what is written
        metadata["modelhub"] = {**metadata.get("modelhub", {}), "imported_as": own}
        own = "default"
    known = {
        "origin": card.origin,
        "import_format": own,
        "download_url": card.download_url,
        "id": card.id,
        "object": "model",
        "created": card.created,
        "owned_by": card.owned_by,
        "provider": card.provider if card.provider != "local" else None,
        "engine": card.engine,
        "kind": card.kind,
        "description": card.description,
        "licence": card.licence,
        "parameter_count": card.parameters,
        "quantisation": card.quantisation,
        "context_length": card.context_length,
        "architecture": card.architecture,
        "has_template": card.has_template,
        "capabilities": list(card.capabilities),
        "system": card.system,
        "files": [named for f in card.files if (named := _file(f, folder))],
        "parameters": {"init": dict(card.load), "runtime": dict(card.request)},
        "metadata": metadata,
    }
    kept = {k: v for k, v in known.items() if v is not None and v != []}
    written: dict[str, Any] = without_keys(kept)
    return written


def _file(file: ModelFile, folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {"role": file.role}
    if file.path is not None:
        inside = os.path.relpath(file.path, folder.absolute()).replace(os.sep, "/")
        if not inside.startswith("..") and not Path(inside).is_absolute():
            said["path"] = inside
    said |= {k: v for k, v in (("url", file.url), ("size", file.size), ("sha256", file.sha256)) if v is not None}
    return said if "path" in said or "url" in said else {}
