"""Ollama's manifests: which blobs a model is made of, and what its parameters, template and licence say.

Layout: https://github.com/ollama/ollama, server/manifest.go and types/model/name.go: `manifests/HOST/OWNER/NAME/TAG`
beside `blobs/sha256-…`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelhub.errors import ImportFailed, ModelFileError
from modelhub.kernels.catalog.card import ModelCard, ModelFile, card_of_file
from modelhub.kernels.catalog.documents.documents import Document, read_document
from modelhub.kernels.catalog.ids import clean
from modelhub.kernels.catalog.importers.building import deep, metadata_of
from modelhub.kernels.catalog.importers.fields import Fields
from modelhub.kernels.catalog.importers.imported import Imported
from modelhub.kernels.catalog.importers.secrets import take_keys
from modelhub.kernels.catalog.importers.settings_map import load_settings, request_settings
from modelhub.kernels.catalog.states import State

MOST = 1 << 20  # bytes of a layer that is text
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})\Z")
_KINDS = {"model", "projector", "adapter", "template", "params", "system", "license", "messages", "prompt"}


def settings_of(layers: Mapping[str, Path]) -> dict[str, Any]:
    """What the layers of a model say beside its weights, as fields of a card: load, request, system, licence, metadata.

    layers: the files by the last word of their media type: `params`, `template`, `system`, `license`. A layer that
    cannot be read says nothing.
    """
    found: dict[str, Any] = {}
    own: dict[str, Any] = {}
    if text := _text(layers.get("params")):
        try:
            document, _keys = take_keys(read_document(text))
        except ImportFailed as error:
            own["problem"] = str(error)
        else:
            fields = Fields(document, [])
            found["load"], found["request"] = load_settings(fields), request_settings(fields)
            own |= {"unread": fields.rest()} if fields.rest() else {}
    if text := _text(layers.get("template")):
        own["ollama_template"] = text  # Go's, and kept only; the GGUF has its own
    found["system"] = _text(layers.get("system"))
    if text := _text(layers.get("license")):
        found["licence"] = text.strip().splitlines()[0].strip()[:80]
    if own:
        found["metadata"] = {"modelhub": own}
    return {k: v for k, v in found.items() if v}


def card_of_manifest(name: str, layers: Mapping[str, Path]) -> ModelCard:
    """The card of a model of Ollama, by its name there, as `llama3:8b`.

    layers: the blobs by media type, whole or its last word. Raises ModelFileError where the weights are no GGUF.
    """
    layers = {kind.rsplit(".", 1)[-1]: path for kind, path in layers.items()}
    weights = layers.get("model")
    if weights is None:
        raise ModelFileError(f"{name} of Ollama has no weights of its own on this machine", path="")
    card = card_of_file(weights, clean(name), "ollama")
    said = settings_of(layers)
    said["request"] = deep(dict(card.request), said.get("request", {}))
    said["metadata"] = deep(dict(card.metadata), said.get("metadata", {}))
    extra = tuple(
        ModelFile(str(layers[kind]), role, size=layers[kind].stat().st_size)
        for kind, role in (("projector", "mmproj"), ("adapter", "lora"))
        if kind in layers and layers[kind].is_file() and str(layers[kind]) not in {f.path for f in card.files}
    )
    capabilities = (*card.capabilities, *(["vision"] if "projector" in layers else []))
    return replace(
        card,
        files=(*card.files, *extra),
        import_format="ollama",
        capabilities=tuple(dict.fromkeys(capabilities)),
        **said,
    )


def ollama(document: Document, headers: bool = True) -> Imported:
    """The importer `ollama`: a manifest, its blobs found beside the folder `manifests` it lies in."""
    notes = list(document.notes)
    layers = document.data.get("layers")
    path = document.path.absolute() if document.path is not None else None
    root = next((p.parent for p in path.parents if p.name == "manifests"), None) if path is not None else None
    if not isinstance(layers, list) or path is None or root is None:
        raise document.error("a manifest of Ollama is read where Ollama keeps it, below its folder manifests")
    found: dict[str, Path] = {}
    missing = []
    for layer in layers:
        kind = str(layer.get("mediaType", "")).rsplit(".", 1)[-1] if isinstance(layer, dict) else ""
        digest = _DIGEST.match(str(layer.get("digest"))) if isinstance(layer, dict) else None
        if kind not in _KINDS or digest is None:
            continue
        blob = root / "blobs" / f"sha256-{digest[1]}"
        if blob.is_file():
            found.setdefault(kind, blob)
        else:
            missing.append(kind)
    name = ":".join(path.relative_to(root / "manifests").parts[-2:])
    if missing:
        notes.append(f"{document.label}: not here: {', '.join(missing)}; type ollama pull {name}")
    if "model" in found and headers:
        return Imported([card_of_manifest(name, found)], notes=notes)
    fields = Fields(Document(settings_of(found)), notes)
    files = (ModelFile(str(found["model"]), size=found["model"].stat().st_size),) if "model" in found else ()
    state = State.DOWNLOADED if files else State.FAILED
    said = {k: v for k, v in fields.pairs() if k != "metadata"}
    card = ModelCard(
        id=clean(name), files=files, state=state, source="ollama", import_format="ollama",
        metadata=metadata_of(Fields(Document(settings_of(found)), [])), **said,
    )  # fmt: skip
    return Imported([card], notes=notes)


def _text(path: Path | None) -> str | None:
    try:
        if path is None or path.stat().st_size > MOST:
            return None
        return path.read_text("utf-8") or None
    except (OSError, ValueError):
        return None
