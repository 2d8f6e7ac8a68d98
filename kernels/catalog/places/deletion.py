"""Deleting models: only files that are modelhub's own, which are those in the models home that no link leads to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modelhub.errors import BadRequest, StoreFailed
from modelhub.kernels import settings
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.places.walk import seen


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that would be deleted. path: of the file, or of the link. size: bytes that come free. link: to what."""

    path: Path
    size: int
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting a model would remove, and what it would leave, in one line each."""

    entries: tuple[Entry, ...]
    kept: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes that come free."""
        return sum(entry.size for entry in self.entries)


def owned(path: Path) -> bool:
    """Whether what lies at `path`, a file or a link, is modelhub's own: in the models home, and not behind a link."""
    home = settings.models_home().resolve()
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link
    below = [folder for folder in path.parents if home in folder.parents]
    return home in path.parents and not any(folder.is_symlink() for folder in below)


def deletion(card: ModelCard, others: Iterable[ModelCard] = (), document: Path | None = None) -> Deletion:
    """What deleting `card` would remove. Nothing is deleted yet.

    others: the models that stay; what one of them needs stays too. document: the file that describes the model.
    Raises BadRequest for a model of which nothing is modelhub's own.
    """
    needed = {f.path: other.id for other in others for f in other.files if f.path}
    entries: list[Entry] = []
    kept: list[str] = []
    paths = [Path(f.path) for f in card.files if f.path] + ([document] if document is not None else [])
    for path in dict.fromkeys(paths):
        if not owned(path):
            kept.append(f"{path} stays: it is not modelhub's own")
        elif (other := needed.get(str(path))) is not None:
            kept.append(f"{path} stays: {other} needs it")
        elif path.is_symlink():
            entries.append(Entry(path, 0, str(path.readlink())))
        elif (file := seen(str(path))) is not None:
            entries.append(Entry(path, file.size))
    if not entries:
        whose = {"packaged": "comes with modelhub and stays", "file": "was asked by its path"}
        what = whose.get(card.source, f"was found in {card.source}" if card.source else "has no file here")
        raise BadRequest(
            f"{card.id} {what}: modelhub deletes only what lies in its own folder, {settings.models_home()}, and what "
            "no link leads to; delete this one where it came from",
            param="model",
        )
    return Deletion(tuple(entries), tuple(kept))


def delete(what: Deletion) -> list[Path]:
    """Do it; what was removed, folders that became empty too. Raises StoreFailed where the system does not allow it."""
    removed: list[Path] = []
    home = settings.models_home().resolve()
    for entry in what.entries:
        if not owned(entry.path):
            continue  # it has become a link since
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            done = f"; {len(removed)} files are gone already" if removed else ""
            raise StoreFailed(f"{entry.path} could not be deleted: {error.strerror or error}{done}") from None
        removed.append(entry.path)
    for folder in dict.fromkeys(folder for entry in what.entries for folder in entry.path.parents):
        if home in folder.parents and owned(folder) and not folder.is_symlink():
            try:
                folder.rmdir()
            except OSError:
                continue  # something else lies in it
            removed.append(folder)
    return removed
