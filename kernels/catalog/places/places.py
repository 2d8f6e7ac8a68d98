"""The places where models lie: the packaged one, the models home, the user's folders, and what other programs have.

Places are looked at each time, which costs a look at each folder; files are read only when they are new.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels import settings
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.places.described import Described
from modelhub.kernels.catalog.places.index import Index
from modelhub.kernels.catalog.places.layouts import Found
from modelhub.kernels.catalog.places.place import Place
from modelhub.kernels.catalog.places.programs import program_places

PACKAGED = Path(__file__).resolve().parents[2] / "models"
HOME = "models home"
FOLDERS = "folders"  # the setting that holds the user's


class Places:
    """Every model that lies on this machine where modelhub looks."""

    def __init__(self) -> None:
        """Nothing is looked at yet."""
        self.problems: list[str] = []
        """What is in the way, in one line each, as of the last `cards()`."""
        self._index = Index()
        self._lock = threading.Lock()
        self._seen: Any = None
        self._cards: list[ModelCard] = []
        self._counts: list[tuple[Place, int]] = []
        self._documents: dict[str, Path] = {}

    def cards(self) -> list[ModelCard]:
        """A card for every model, in the order of the places; no two have the same id."""
        with self._lock:
            self._index.open()
            places = all_places()
            for place in places:
                place.look(self._index)
            seen = [(p.source, p.folder, p.files, list(p.problems)) for p in places]
            if seen != self._seen:
                self._read(places)
                self._seen = None if self._index.passing else seen
                self._index.close()
            return list(self._cards)

    def counts(self) -> list[tuple[Place, int]]:
        """Every place, and how many models it has."""
        self.cards()
        return list(self._counts)

    def document(self, name: str) -> Path | None:
        """The document that describes the model of this full name; None where it has none."""
        self.cards()
        return self._documents.get(name)

    def _read(self, places: Sequence[Place]) -> None:
        """Make `_cards`, `_counts`, `_documents` and `problems` anew."""
        taken: dict[str, ModelCard] = {}
        documents: dict[str, Path] = {}
        known: set[Any] = set()
        problems: list[str] = []
        self._counts = []
        for place in places:
            mine, here = [], set[Any]()
            for found in sorted(place.models(self._index), key=_by_claim):
                if found.same is None or not (found.same in known or (found.same in here and not found.meant)):
                    mine.append(found)
                    here.add(found.same)
            known |= here
            for found in mine:
                card = found.renamed(_free(found, place, taken)).card
                taken[card.name] = card
                if found.document is not None:
                    documents[card.name] = Path(found.document)
            self._counts.append((place, len(mine)))
            problems += _few(place)
        self._cards, self._documents, self.problems = list(taken.values()), documents, problems


def all_places() -> list[Place]:
    """Every place there is to look at, in order: the first has the first choice of names."""
    places = [Place("packaged", PACKAGED), Described(HOME, settings.models_home().resolve())]
    places += [Described(f"folder {name}", Path(name), everything=False) for name in user_folders()]
    return places + program_places()


def user_folders() -> list[str]:
    """The folders that the user has named, absolute, in the order they were named in."""
    return _named(settings.load(FOLDERS))


def _named(saved: Any) -> list[str]:
    return [f for f in saved if isinstance(f, str) and Path(f).is_absolute()] if isinstance(saved, list) else []


def _by_claim(found: Found) -> tuple[bool, bool, int]:
    """Sorts models of one place by their claim to a name and a file: described, no link, near to the top."""
    return not found.meant, found.link, (found.card.path or "").count(os.sep)


def add_folder(path: Path) -> None:
    """Look for models in this folder too, now and in later kernels. Raises BadRequest, StoreFailed."""
    try:
        there = path.is_dir()
    except (OSError, ValueError):
        there = False
    if not there:
        shown = repr(str(path)[:200])
        raise BadRequest(f"there is no folder {shown}; check the path, or make the folder first")
    path = Path(os.path.normpath(path))
    home = settings.models_home()
    if path == Path(path.anchor) or path in (home, *home.parents) or home in path.parents:
        raise BadRequest(
            f"{path} holds the models home, or is in it, where models are found anyway; name another folder"
        )
    settings.change(FOLDERS, lambda saved: [*(known := _named(saved)), *([] if str(path) in known else [str(path)])])


def remove_folder(path: Path) -> None:
    """Do not look in this folder any more; nothing in it is changed. Raises BadRequest, StoreFailed."""
    known, path = user_folders(), Path(os.path.normpath(path))
    if str(path) not in known:
        raise BadRequest(f"{path} is not among the folders that were added; there are {', '.join(known) or 'none'}")
    settings.change(FOLDERS, lambda saved: [f for f in _named(saved) if f != str(path)] or None)


def _free(found: Found, place: Place, taken: dict[str, ModelCard]) -> str:
    """The model's id, or the next best that no other model of its provider has."""
    ident, provider = found.card.id, found.card.provider
    number, at = 0, f"{ident}@{place.short()}"
    for tried in (ident, found.spare):
        if tried and f"{provider}/{tried}" not in taken:
            return tried
    while f"{provider}/{(tried := at if number == 0 else f'{at}-{number + 1}')}" in taken:
        number += 1
    return tried


def _few(place: Place) -> list[str]:
    """The problems of a place; another program's in one line, for they are its own."""
    if not place.foreign or len(place.problems) < 2:
        return place.problems
    return [f"{place.source}: {len(place.problems)} files cannot be used; the first: {place.problems[0]}"]
