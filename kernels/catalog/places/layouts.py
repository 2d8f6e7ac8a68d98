"""From files to models: parts of one model put together, projectors and adapters put beside theirs, names given."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog import ids
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.headers.facts import Facts, facts_of
from modelhub.kernels.catalog.headers.gguf import MAGIC, OLD_MAGICS
from modelhub.kernels.catalog.headers.header_bytes import KnownLists
from modelhub.kernels.catalog.headers.local_card import (
    OTHER_ROLES,
    Weights,
    card_of_weights,
    missing_parts,
    unnamed_part,
)
from modelhub.kernels.catalog.headers.splits import part_of, stem_of
from modelhub.kernels.catalog.places.index import Index
from modelhub.kernels.catalog.places.walk import Seen, opens

LEGACY = re.compile(r"(?:.*\.(?:bin|ggml|proj)|ggml(?:[-_.].*)?)\Z", re.IGNORECASE)
_BLOB = re.compile(r"(?:sha256-)?([0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True)
class Found:
    """A model where it was found.

    same: what its loaded file is on disk. spare: an id to take if its own is taken. meant: whether it is a model of its
    own also where another one of this place has the same file, for a document says how it is asked. link: whether its
    file is reached by a link. document: the path of the document that describes it.
    """

    card: ModelCard
    same: tuple[int, int] | None = None
    spare: str = ""
    meant: bool = False
    link: bool = False
    document: str | None = None

    def renamed(self, ident: str) -> Found:
        """The same model under another id."""
        return replace(self, card=replace(self.card, id=ident))

    def with_origin(self, origin: str) -> Found:
        """The same model, and where it came from: `owner/repo`."""
        return replace(self, card=replace(self.card, origin=origin))


Naming = Callable[[Seen, str, str], str]
"""The id of a model: of its file, the file's name without its ending, and its quantisation."""


def is_weights(name: str) -> bool:
    """Whether a file of this name may hold weights: a GGUF, or one of the names of before there was GGUF."""
    return name.lower().endswith(".gguf") or LEGACY.match(name) is not None


def read_weights(files: Iterable[Seen], index: Index, problems: list[str]) -> list[Weights]:
    """What the headers of the files say; files that are no models are left out, with a line in `problems`."""
    found, known = [], KnownLists()
    for file in files:
        made = index.get(file, "gguf", partial(_read, file, known), _made)
        if isinstance(made, Facts):
            found.append(Weights(file, made))
        elif made:
            problems.append(made)
    return found


def models_of(
    weights: Sequence[Weights], source: str, naming: Naming, problems: list[str], together: bool = False
) -> list[Found]:
    """The models that these files are, each with the id that `naming` gives it.

    together: whether a projector or an adapter goes with a model in any folder; else with one in its own.
    """
    folders: dict[str, list[Weights]] = defaultdict(list)
    for one in weights:
        folders["" if together else one.file.folder].append(one)
    found = []
    for inside in folders.values():
        beside = [w for w in inside if w.facts.role in {"mmproj", "lora"}]
        models = list(whole(inside, problems))
        used: set[str] = set()
        for parts in models:
            with_it = companions(parts[0], beside, alone=len(models) == 1)
            used |= {w.file.path for w in with_it}
            file, facts = parts[0].file, parts[0].facts
            stem = stem_of(file.name)
            ident = naming(file, stem, facts.quantisation)
            card = card_of_weights(ident, source, parts, with_it, sha256_of(file))
            spare = f"{ident.partition(':')[0]}:{stem}" if ":" in ident else ""
            found.append(Found(card, file.same, ids.clean(spare) if spare else "", link=file.link))
        for one in beside:
            if one.file.path not in used:
                what = OTHER_ROLES[one.facts.role]
                problems.append(f"{one.file.path!r} is {what}, and no model that it fits lies beside it")
    return found


def companions(model: Weights, beside: Sequence[Weights], alone: bool) -> list[Weights]:
    """The mmproj (one) and the adapters of those beside it that go with a model.

    alone: whether it is the only model there; among others, an mmproj must give vectors of its width, and share the
    beginning of its name where the width is not known.
    """
    projectors = []
    for one in beside:
        if one.facts.role != "mmproj":
            continue
        if one.facts.width and model.facts.width:
            fits = one.facts.width == model.facts.width
        else:
            fits = alone or _alike(one.file.name, model.file.name)
        if fits:
            projectors.append(one)
    # Of several, the one of the model's name; then F16, which every llama.cpp reads and which is the usual one.
    projectors.sort(key=lambda p: (not _alike(p.file.name, model.file.name), "f16" not in p.file.name.lower()))
    adapters = [b for b in beside if b.facts.role == "lora" and b.facts.architecture == model.facts.architecture]
    return projectors[:1] + adapters


def sha256_of(file: Seen) -> str | None:
    """The hash of a file that a cache keeps under it (Hugging Face's blobs, Ollama's)."""
    target = Path(file.path)
    try:
        name = target.readlink().name if target.is_symlink() else target.name
    except OSError:
        return None
    found = _BLOB.match(name)
    return found[1] if found else None


def whole(inside: Sequence[Weights], problems: list[str]) -> Iterable[list[Weights]]:
    """The models among these files, each as its files in order; what is not whole is a line in `problems`."""
    split: dict[tuple[str, str, int], dict[int, Weights]] = defaultdict(dict)
    for one in inside:
        part = part_of(one.file.name)
        if part is not None and one.facts.role in {"model", "shard"}:
            split[one.file.folder, part.stem, part.parts][part.part] = one
        elif one.facts.role == "model":
            yield [one]
        elif one.facts.role == "shard":
            problems.append(f"cannot use {one.file.path!r}: {unnamed_part(one.facts)}")
    for (_folder, _stem, parts), there in split.items():
        first = there[min(there)]
        part = part_of(first.file.name)
        assert part is not None
        if missing := part.missing({w.file.name for w in there.values()}):
            problems.append(str(missing_parts(Path(first.file.path), part, missing)))
        else:
            yield [there[number] for number in range(1, parts + 1)]


def _alike(one: str, other: str) -> bool:
    """Whether the names of a projector and of a model begin alike, the word for a projector aside."""
    base = re.sub(r"mmproj[-_.]?|[-_.]?mmproj", "", stem_of(one), flags=re.IGNORECASE).lower()
    base = re.sub(r"[-_.]?(?:bf16|f16|f32|q8_0)\Z", "", base)
    return len(base) >= 3 and stem_of(other).lower().startswith(base)


def _read(file: Seen, known: KnownLists) -> dict[str, Any]:
    if not file.name.lower().endswith(".gguf") and not _BLOB.match(file.name):
        try:
            with Path(file.path).open("rb") as opened:
                magic = opened.read(4)
        except OSError:
            return {}
        if magic != MAGIC and magic not in OLD_MAGICS:
            return {}  # any file may be called .bin
    try:
        return {"facts": facts_of(Path(file.path), known).to_dict()}
    except ModelFileError as error:
        return {"problem": str(error), "passing": not opens(file)}  # permission is given without a change of the file


def _made(data: dict[str, Any]) -> Facts | str:
    return Facts.from_dict(data["facts"]) if "facts" in data else str(data.get("problem", ""))
