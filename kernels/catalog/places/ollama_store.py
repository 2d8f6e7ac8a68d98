"""Ollama's models: a manifest for each name, which lists blobs by their kinds.

Layout: `manifests/HOST/NAMESPACE/MODEL/TAG` and `blobs/sha256-…` (ollama, docs and manifest package); media types
`application/vnd.ollama.image.*`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from modelhub.kernels.catalog import ids
from modelhub.kernels.catalog.headers.local_card import card_of_weights
from modelhub.kernels.catalog.places.described import deep
from modelhub.kernels.catalog.places.index import Index
from modelhub.kernels.catalog.places.layouts import Found, read_weights
from modelhub.kernels.catalog.places.place import Place
from modelhub.kernels.catalog.places.walk import Seen, opens, seen, walk

HOST, NAMESPACE = "registry.ollama.ai", "library"
KIND = "application/vnd.ollama.image."
LARGEST = 1 << 20  # bytes of a manifest
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})\Z")


@dataclass(slots=True)
class OllamaStore(Place):
    """The store: a model is called as Ollama calls it, `llama3.2:1b`."""

    manifests: list[tuple[Seen, dict[str, list[Seen]]]] = field(default_factory=list)

    def look(self, index: Index) -> None:
        """Read the manifests that are new, and see which blobs there are."""
        found = walk(self.folder / "manifests", lambda name: not name.startswith("."))
        self.files, self.problems, self.manifests = list(found.files), found.problems, []
        blobs: dict[str, Seen | None] = {}
        for file in found.files:
            layers = index.get(file, "ollama", partial(_layers, file), _checked)
            if layers is None:
                self.problems.append(f"cannot use {file.path!r}: it is no manifest of Ollama; pull the model again")
                continue
            there: dict[str, list[Seen]] = {}
            for kind, digest in layers:
                if digest not in blobs:
                    blobs[digest] = seen(str(self.folder / "blobs" / f"sha256-{digest}"))
                if (blob := blobs[digest]) is not None:
                    there.setdefault(kind, []).append(blob)
                    self.files.append(blob)
                elif kind == "model":
                    self.problems.append(f"cannot use {file.path!r}: its weights are not there; pull the model again")
            self.manifests.append((file, there))

    def models(self, index: Index) -> list[Found]:
        """A model for each manifest; names of the very same are one model, under the most telling name."""
        found: dict[Any, Found] = {}
        for file, layers in self.manifests:
            if not layers.get("model"):
                continue
            weights = read_weights(layers["model"], index, self.problems)
            beside = read_weights([*layers.get("projector", ()), *layers.get("adapter", ())], index, self.problems)
            if len(weights) != len(layers["model"]) or weights[0].facts.role != "model":
                continue
            ident = name_of(self.folders_of(file)[1:], file.name)
            card = card_of_weights(ident, self.source, weights[:1], beside, layers["model"][0].path[-64:])
            said = index.get(file, "ollama-settings", partial(_settings, layers), dict)
            card = replace(
                card,
                request=deep(dict(card.request), said.get("request", {})),
                metadata=deep(dict(card.metadata), said.get("metadata", {})),
                load=said.get("load", {}),
                system=said.get("system"),
                licence=card.licence or said.get("licence"),
                origin=ident,
                import_format="ollama",
            )
            key = tuple((kind, tuple(b.same for b in blobs)) for kind, blobs in sorted(layers.items()))
            same = found.get(key)
            if same is None or same.card.id.endswith(":latest"):
                found[key] = Found(card, layers["model"][0].same, meant=True)
        return list(found.values())


def name_of(folders: tuple[str, ...], tag: str) -> str:
    """The name Ollama shows for a manifest: host and namespace are left out where they are the usual ones."""
    if folders[:1] == (HOST,):
        folders = folders[1:]
        if folders[:1] == (NAMESPACE,):
            folders = folders[1:]
    return ids.clean(f"{'/'.join(folders)}:{tag}")


def _settings(layers: Mapping[str, Sequence[Seen]]) -> dict[str, Any]:
    """What the layers say beside the weights: load parameters, fields of a request, a system message, a licence."""
    from modelhub.kernels.catalog.importers.ollama import settings_of

    return settings_of({kind: Path(blobs[0].path) for kind, blobs in layers.items()})


def _layers(file: Seen) -> list[list[str]] | dict[str, bool]:
    """Kind and hash of each layer; a mapping where it is no manifest, or cannot be read now."""
    if file.size > LARGEST:
        return {}
    try:
        data = json.loads(Path(file.path).read_bytes())
        pairs = [(layer["mediaType"], _DIGEST.match(layer["digest"])) for layer in data["layers"]]
        return [[kind.removeprefix(KIND), digest[1]] for kind, digest in pairs if digest and kind.startswith(KIND)]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {"passing": not opens(file)}


def _checked(data: Any) -> list[tuple[str, str]] | None:
    return [(str(kind), str(digest)) for kind, digest in data] if isinstance(data, list) else None
