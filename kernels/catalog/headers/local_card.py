"""The card of a model whose files are here: what their headers say, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.headers.facts import Facts, facts_of
from modelhub.kernels.catalog.headers.splits import Part, part_of, stem_of
from modelhub.kernels.catalog.places.walk import Seen, seen

OTHER_ROLES = {"mmproj": "a projector for images (mmproj)", "lora": "an adapter (LoRA)"}


@dataclass(frozen=True, slots=True)
class Weights:
    """One file and what its header says."""

    file: Seen
    facts: Facts

    def as_file(self, role: str, sha256: str | None = None) -> ModelFile:
        """The file as a card lists it."""
        return ModelFile(self.file.path, role, size=self.file.size, sha256=sha256)


def card_of_weights(
    ident: str, source: str, parts: Sequence[Weights], beside: Iterable[Weights] = (), sha256: str | None = None
) -> ModelCard:
    """The card of a model.

    parts: its files in their order, the one that is loaded first. beside: an mmproj and adapters that go with it.
    sha256: of the first file, where it is known.
    """
    first = parts[0].facts
    beside = tuple(beside)
    capabilities = first.capabilities
    if any(b.facts.role == "mmproj" for b in beside):
        capabilities = (*capabilities, "vision")
    known = {
        "tokenizer": first.tokenizer,
        "tensors": sum(p.facts.tensors for p in parts),
        "templates": list(first.templates),
    }
    return ModelCard(
        id=ident,
        kind=first.kind,
        files=(
            parts[0].as_file("model", sha256),
            *(p.as_file("shard") for p in parts[1:]),
            *(b.as_file(b.facts.role) for b in beside),
        ),
        source=source,
        parameters=sum(p.facts.parameters for p in parts),
        quantisation=first.quantisation,
        context_length=first.context_length,
        architecture=first.architecture,
        description=first.description,
        licence=first.licence,
        has_template="default" in first.templates,
        capabilities=capabilities,
        created=parts[0].file.mtime // 10**9,
        request=first.request,
        metadata={"modelhub": {name: value for name, value in known.items() if value}},
    )


def card_of_path(path: Path, ident: str | None = None, source: str = "file") -> ModelCard:
    """The card of the model at `path`; the path of any of its parts stands for all. Raises ModelFileError."""
    part = part_of(path.name)
    if part is None:
        facts = facts_of(path)
        if facts.role in OTHER_ROLES:
            raise ModelFileError(
                f"cannot use {str(path)!r}: it is {OTHER_ROLES[facts.role]}, not a model; name the model it goes with",
                path=str(path),
            )
        if facts.role == "shard" or facts.parts > 1:
            raise ModelFileError(
                f"cannot use {str(path)!r}: {unnamed_part(facts)}; "
                f"name them {stem_of(path.name)}-00001-of-{facts.parts:05}.gguf and so on",
                path=str(path),
            )
        return card_of_weights(ident or stem_of(path.name), source, [_weights(path.resolve(), facts)])
    return card_of_weights(ident or part.stem, source, [_weights(p, facts_of(p)) for p in part_paths(path, part)])


def part_paths(path: Path, part: Part) -> list[Path]:
    """The paths of all files of the split model that `path` is one of. Raises ModelFileError for missing ones."""
    folder = path.parent.resolve()  # not the file itself: a cache may keep its files under names that say nothing
    facts_of(path)  # which says what is wrong, where it is no GGUF at all
    there = {p.name for p in folder.iterdir()}
    if missing := part.missing(there):
        raise missing_parts(path, part, missing)
    return [folder / part.name(number) for number in range(1, part.parts + 1)]


def missing_parts(path: Path, part: Part, missing: Sequence[str]) -> ModelFileError:
    """The error for a split model whose files are not all there."""
    named = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
    lacks, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return ModelFileError(
        f"cannot use {str(path)!r}: it is file {part.part} of the {part.parts} of a split model, and {named} {lacks} "
        f"missing beside it; download or copy {them} again",
        path=str(path),
    )


def unnamed_part(facts: Facts) -> str:
    """What is wrong with a part of a split model whose name does not say which."""
    return f"it is file {facts.part} of the {facts.parts} of a split model, and its name does not say so"


def _weights(path: Path, facts: Facts) -> Weights:
    found = seen(str(path))
    if found is None:
        text = f"cannot use {str(path)!r}: it has just gone; type %models to see what there is"
        raise ModelFileError(text, path=str(path))
    return Weights(found, facts)
