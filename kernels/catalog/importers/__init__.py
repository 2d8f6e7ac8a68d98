"""Importers: what other programs' documents say about models, as cards, presets, aliases and keys."""

from __future__ import annotations

import os
from pathlib import Path

from modelhub.errors import HubError, ImportFailed
from modelhub.kernels.catalog.documents.documents import Document, read_document
from modelhub.kernels.catalog.importers.imported import Imported, ImportedKey
from modelhub.kernels.catalog.importers.registry import format_of, importer, names, register
from modelhub.kernels.catalog.importers.secrets import take_keys
from modelhub.kernels.secret import Secret

__all__ = ["Imported", "ImportedKey", "documents_in", "names", "read", "read_one", "register"]

SHOWN = 10  # failures of a folder's documents that are told one by one


def read(path: Path, import_format: str | None = None, headers: bool = True) -> list[Imported]:
    """What a document describes; of a folder, what each document in it does.

    import_format: the importer, where the document does not name the right one. headers: whether the GGUF files beside
    a document may be read. In a folder a document that fails is a note of the others.
    Raises ImportFailed.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for long names
        return [read_one(path, import_format, headers)]
    found: list[Imported] = []
    failed: list[str] = []
    for one in documents_in(path):
        try:
            found.append(read_one(one, import_format, headers))
        except HubError as error:
            failed.append(str(error))
    if not found:
        why = f": {failed[0]}" if failed else ""
        raise ImportFailed(f"{path} holds no document that describes a model{why}", path=str(path))
    found[0].notes += failed[:SHOWN] + (
        [f"{len(failed) - SHOWN} more files are no documents"] if failed[SHOWN:] else []
    )
    return found


def documents_in(folder: Path) -> list[Path]:
    """The files below a folder that may describe models, by name; those that never do are left out."""
    from modelhub.kernels.catalog.places.described import is_document
    from modelhub.kernels.catalog.places.walk import walk

    files = walk(folder, lambda name: is_document(name) or name.lower().endswith(".toml")).files
    return [Path(file.path) for file in files if not file.name.startswith(".")]


def read_one(source: Path | str, import_format: str | None = None, headers: bool = True) -> Imported:
    """What the document in a file, or in a text, describes. Raises ImportFailed."""
    document = read_document(source)
    found = Imported()
    for part in _parts(document):
        found.add(_import(part, import_format, headers))
    found.notes = [_line(note) for note in found.notes]
    return found


def _parts(document: Document) -> list[Document]:
    data = document.data
    if isinstance(data, dict) and data.get("object") == "list" and isinstance(data.get("data"), list):
        document = document.part("data")
        data = document.data
    if not isinstance(data, list):
        return [document]
    parts = [document.part(n) for n in range(len(data))]
    if not parts or not all(isinstance(p.data, dict) for p in parts):
        raise document.error("expected models, each with its fields")
    return parts


def _import(document: Document, import_format: str | None, headers: bool) -> Imported:
    document, keys = take_keys(document)
    run = importer(import_format or format_of(document), document)
    try:
        found = run(document, headers=headers)
    except HubError:
        raise
    except Exception as error:
        raise document.error(f"its importer failed ({type(error).__name__})") from error
    if not isinstance(found, Imported):
        raise document.error(f"its importer gave {type(found).__name__}, and an Imported is expected")
    for place, value in keys:
        name = found.cards[0].provider if found.cards else document.stem or "unknown"
        origin = found.cards[0].origin if found.cards else None
        found.keys.setdefault(name, ImportedKey(Secret(value), origin))
        found.notes.append(f"{document.where(*place)}: it holds a key for {name}, which goes to the key store only")
    return found


def _line(note: str) -> str:
    """A note as one line that can be shown; names of fields come from outside."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(note.split()))
