"""A place whose models may have documents beside them: what a document says goes over what the header says."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from modelhub.errors import HubError, ImportFailed
from modelhub.kernels.catalog import ids
from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.fetching.fetched import join_fetched
from modelhub.kernels.catalog.headers.local_card import Weights, card_of_weights
from modelhub.kernels.catalog.headers.splits import stem_of
from modelhub.kernels.catalog.places.index import Index
from modelhub.kernels.catalog.places.layouts import Found, companions, is_weights, models_of, read_weights, sha256_of
from modelhub.kernels.catalog.places.place import Place
from modelhub.kernels.catalog.places.walk import Seen, opens, seen
from modelhub.kernels.catalog.states import State

SUFFIXES = (".json", ".yaml", ".yml")
OTHERS = {  # what lies in folders of models and describes none: of transformers, of tokenizers, of downloads
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "preprocessor_config.json", "processor_config.json", "chat_template.json",
    "configuration.json", "adapter_config.json", "modules.json", "model_index.json", "params.json", "package.json",
}  # fmt: skip
_BLANK = ModelCard(id="")  # what a card says when nobody says anything


@dataclass(slots=True)
class Described(Place):
    """A folder of models and documents.

    everything: whether each document there is a model's; else only those called `model` or as weights beside them.
    """

    everything: bool = True

    def wanted(self, name: str) -> bool:
        """Weights and documents."""
        return is_weights(name) or is_document(name)

    def models(self, index: Index) -> list[Found]:
        """The models of documents, then the files that no document speaks of."""
        inside: dict[str, list[Seen]] = defaultdict(list)
        for file in self.files:
            inside[file.folder].append(file)
        weights = read_weights((f for f in self.files if is_weights(f.name)), index, self.problems)
        known = {w.file.path: w for w in weights}
        extras: dict[str, list[Weights]] = defaultdict(list)  # projectors and adapters by folder
        for one in weights:
            if one.facts.role in {"mmproj", "lora"}:
                extras[one.file.folder].append(one)
        found: list[Found] = []
        taken: set[str] = set()
        for folder, files in inside.items():
            stems = {stem_of(f.name) for f in files if is_weights(f.name)}
            listing = zlib.crc32("\n".join(f.name for f in files).encode("utf-8", "replace"))
            for file in files:
                stem, _, suffix = file.name.rpartition(".")
                if f".{suffix.lower()}" not in SUFFIXES or not (self.everything or stem in stems or stem == "model"):
                    continue
                said = index.get(file, f"document-{listing}", partial(self._read, file), _made)
                self.problems += said.problems
                for card in said.cards:
                    if (joined := self._joined(card, file, known, extras[folder], taken)) is not None:
                        found.append(joined)
                if said.elsewhere is not None:
                    found += self._elsewhere(*said.elsewhere, index)
        left = [w for w in weights if w.file.path not in taken]
        return join_fetched(found + models_of(left, self.source, self.ident, self.problems))

    def _joined(
        self, card: ModelCard, document: Seen, known: Mapping[str, Weights], extras: list[Weights], taken: set[str]
    ) -> Found | None:
        """The card of a document with what the headers of its files say; None for a model that is not whole."""
        listed = [f for f in card.files if f.role in {"model", "shard"}]
        here = list({f.path: known[f.path] for f in listed if f.path and f.path in known}.values())
        if card.engine != "llamacpp" or not here:
            if card.engine == "llamacpp" and any(f.path for f in listed):
                return None  # `problems` say what is wrong with the file
            can_be_had = card.state == State.REMOTE or any(f.url for f in card.files) or card.origin
            found = Found(replace(card, source=self.source), meant=True, document=document.path)
            return found if can_be_had else None
        if any(f.path not in known for f in listed):
            return None  # a part is missing, which is said of its other parts
        names = {f.path for f in card.files}
        with_it = [w for w in extras if w.file.path in names] or companions(here[0], extras, alone=True)
        taken |= {w.file.path for w in (*here, *with_it)}
        stem = stem_of(here[0].file.name)
        ident, folder = card.id, Path(document.path).parent.name
        if ident == ids.clean(folder) and ids.quantisation(folder):  # of publisher/name/quant, and no id in it
            ident = self.ident(here[0].file, stem, here[0].facts.quantisation)
        base = card_of_weights(ident, self.source, here, with_it, sha256_of(here[0].file))
        file = here[0].file
        return Found(over(base, card), file.same, meant=True, link=file.link, document=document.path)

    def _elsewhere(self, ident: str, path: str, index: Index) -> list[Found]:
        """A model that a program uses where it lies, outside the program's folders."""
        file = seen(path)
        weights = read_weights([file] if file is not None else [], index, self.problems)
        if not weights or weights[0].facts.role != "model" or weights[0].facts.parts > 1:
            return []
        return [Found(card_of_weights(ident, self.source, weights), weights[0].file.same)]

    def _read(self, file: Seen) -> dict[str, Any]:
        """What a document says, as plain data; a key it holds is not among it."""
        from modelhub.kernels.catalog.importers import read_one

        try:
            found = read_one(Path(file.path), headers=False)
        except HubError as error:
            if self.foreign and isinstance(error, ImportFailed):  # of another program: not ours to complain of
                return {"cards": [], "problems": [], "elsewhere": _elsewhere(Path(file.path))}
            return {"cards": [], "problems": [str(error)], "passing": not opens(file)}
        problems = []
        for provider in found.keys:
            problems.append(
                f"{file.path!r} holds a key for {provider}: type %models import {file.path} to keep it safe"
            )
        problems += [n for n in found.notes if "does not say where" in n]
        return {"cards": [to_data(card) for card in found.cards], "problems": problems}


@dataclass(frozen=True, slots=True)
class _Said:
    """What a document says: its cards, and what is wrong with it."""

    cards: list[ModelCard]
    problems: list[str]
    elsewhere: tuple[str, str] | None = None  # id and path of a model that lies in no place of ours


def is_document(name: str) -> bool:
    """Whether a file of this name may describe a model."""
    return name.lower().endswith(SUFFIXES) and name.lower() not in OTHERS and not name.endswith(".index.json")


def to_data(card: ModelCard) -> dict[str, Any]:
    """A card as plain data: what it says beyond the defaults."""
    said: dict[str, Any] = {f.name: getattr(card, f.name) for f in fields(card) if _says(card, f.name)}
    said["files"] = [{s: getattr(f, s) for s in ModelFile.__slots__} for f in card.files]
    return said


def from_data(data: Mapping[str, Any]) -> ModelCard:
    """The card of `to_data`. Raises TypeError for what it did not give."""
    known = dict(data)
    known["files"] = tuple(ModelFile(**f) for f in data["files"])
    known["capabilities"] = tuple(data.get("capabilities", ()))
    return ModelCard(**known)


def over(base: ModelCard, said: ModelCard) -> ModelCard:
    """The card of a header, and over it what a document says; its settings are put together name by name."""
    more: dict[str, Any] = {
        f.name: getattr(said, f.name)
        for f in fields(said)
        if f.name not in {"id", "files", "state", "source", "capabilities"} and _says(said, f.name)
    }
    for name in ("request", "metadata"):
        more[name] = deep(getattr(base, name), getattr(said, name))
    more["capabilities"] = tuple(dict.fromkeys([*base.capabilities, *said.capabilities]))
    urls = {f.path: f for f in said.files if f.path}
    more["files"] = tuple(_with_source(f, urls.get(f.path or "")) for f in base.files)
    return replace(base, **more)


def _with_source(file: ModelFile, said: ModelFile | None) -> ModelFile:
    return file if said is None else replace(file, url=said.url, sha256=file.sha256 or said.sha256)


def _says(card: ModelCard, name: str) -> bool:
    return bool(getattr(card, name) != getattr(_BLANK, name))


def deep(under: Any, above: Any) -> Any:
    """Two mappings as one, key by key; `above` wins."""
    if not isinstance(under, Mapping) or not isinstance(above, Mapping):
        return above
    return {**under, **{k: deep(under[k], v) if k in under else v for k, v in above.items()}}


def _made(data: Mapping[str, Any]) -> _Said:
    elsewhere = data.get("elsewhere")
    return _Said(
        [from_data(card) for card in data["cards"]],
        [str(problem) for problem in data["problems"]],
        (str(elsewhere[0]), str(elsewhere[1])) if elsewhere else None,
    )


def _elsewhere(document: Path) -> list[str] | None:
    """Id and path in a document of cortex or Jan whose model lies where its user keeps it."""
    from modelhub.kernels.catalog.documents.documents import read_document

    try:
        data = read_document(document).data
        files = data.get("files")
        path = data.get("model_path") or (files[0] if isinstance(files, list) and files else None)
        if not isinstance(path, str) or not Path(path).is_absolute():
            return None
        named = data.get("id") or data.get("model") or document.stem
    except (HubError, AttributeError, ValueError):
        return None
    return [ids.clean(str(named)), path]
