"""Taking models in: a GGUF file, a document that describes models, or a folder of documents.

Nothing of the user's is moved or changed: files are linked to, or copied, and what is written is written in the home.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from modelhub.errors import BadRequest, HubError, ImportFailed, StateConflict, StoreFailed
from modelhub.kernels import settings
from modelhub.kernels.catalog import importers
from modelhub.kernels.catalog.aliases import check_name
from modelhub.kernels.catalog.card import ModelCard, ModelFile, card_of_file
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.catalog.documents.writer import NAME, write_card
from modelhub.kernels.catalog.fetching.safe_names import plain
from modelhub.kernels.catalog.fetching.unfinished import take
from modelhub.kernels.catalog.headers.gguf import MAGIC
from modelhub.kernels.catalog.ids import SHAPE, clean
from modelhub.kernels.catalog.importers import Imported
from modelhub.kernels.catalog.states import State
from modelhub.kernels.document_providers import settled
from modelhub.kernels.protocol.request import short
from modelhub.kernels.providers.keys.key_store import KeyStore
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.providers import Providers

PIECE = 8 << 20  # bytes copied at once
SPARE = 64 << 20  # bytes of the disk that are left free


@dataclass(slots=True)
class Taken:
    """What was taken in: a row each, and notes in one line each."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, name: str, state: str | None, path: Path | str | None, size: int | None = None) -> None:
        """One thing more."""
        where = str(path) if path is not None else None
        self.rows.append({"what": what, "name": name, "state": state, "size": size, "path": where})


def import_models(
    catalog: Catalog,
    providers: Providers,
    path: str | Path,
    as_: str | None = None,
    copy: bool = False,
    import_format: str | None = None,
    progress: Callable[[float], None] = lambda part: None,
) -> Taken:
    """Take in what lies at `path`; see `Hub.import_models`."""
    path = Path(path)
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    found = _found(path, import_format)
    cards = [card for one in found for card in one.cards if _of_use(card)]
    presets = [preset for one in found for preset in one.presets]
    if as_ is not None:
        cards, presets = _renamed(cards, presets, as_)
    taken = Taken(notes=[note for one in found for note in one.notes])
    if cards and _inside(path):  # a document that was put there is in force as it is; what else it has is kept
        if not any(one.keys or one.presets or one.aliases or one.options for one in found):
            raise ImportFailed(f"{path} lies in the models home already; type %models to see it", path=str(path))
        cards = []
    elif not cards and not presets and any(one.cards for one in found):
        raise ImportFailed(
            next((n for n in taken.notes if "not say where" in n), f"{path}: no model of use"), path=str(path)
        )
    moved: dict[str, Provider] = {}
    cards = [_served(card, providers, taken, moved) if card.engine == "http" else card for card in cards]
    _distinct(catalog, cards, presets, path)
    for card in cards:
        folder = folder_of(card)
        card = _brought(card, folder, copy, progress)
        try:
            write_card(card, folder)
        except HubError:
            _undo([Path(f.path) for f in card.files if f.path is not None and Path(f.path).parent == folder], folder)
            raise
        taken.add("model", card.name, str(card.state), folder / NAME, card.size)
    for preset in presets:
        kept = catalog.preset_files.add(preset)
        taken.add("preset", kept.name, None, kept.path)
    _keep_rest(catalog, found, taken, moved)
    return taken


def _served(card: ModelCard, providers: Providers, taken: Taken, moved: dict[str, Provider]) -> ModelCard:
    """A remote model under the name of who is asked for it. moved: whom the document's words for providers mean."""
    found, note = settled(card, providers)
    taken.notes += [note] if note else []
    if found.provider in providers.all():
        moved[card.provider] = providers.get(found.provider)
    return found


def folder_of(card: ModelCard) -> Path:
    """Where in the models home a card is written: a folder called as the model, below `remote` for a remote one."""
    parts = [plain(part) for part in card.id.split("/")]
    if card.engine == "http":
        parts = ["remote", plain(card.provider), *parts]
    return settings.models_home().joinpath(*parts)


def _found(path: Path, import_format: str | None) -> list[Imported]:
    """What lies at the path. Raises ImportFailed, ModelFileError."""
    try:
        is_folder = path.is_dir()
        is_gguf = not is_folder and (path.suffix.lower() == ".gguf" or _begins_as_one(path))
    except (OSError, ValueError):
        is_gguf, is_folder = False, False
    if is_gguf:
        return [Imported([replace(card_of_file(path), created=None)])]
    if is_folder and not importers.documents_in(path):
        try:
            models = sorted(p for p in path.iterdir() if p.suffix.lower() == ".gguf")
        except OSError as error:
            raise ImportFailed(f"cannot look into {path}: {error.strerror or error}", path=str(path)) from None
        if models:
            return [Imported([replace(card_of_file(p), created=None)]) for p in models]
    return importers.read(path, import_format)


def _begins_as_one(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def _inside(path: Path) -> bool:
    return path.resolve().is_relative_to(settings.models_home().resolve())


def _of_use(card: ModelCard) -> bool:
    """Whether a model is here, elsewhere, or can be had; else a note says that it is not."""
    return card.engine != "llamacpp" or bool(card.origin) or any(f.path or f.url for f in card.files)


def _renamed(
    cards: list[ModelCard], presets: list[dict[str, Any]], as_: str
) -> tuple[list[ModelCard], list[dict[str, Any]]]:
    """The one thing there is under another name. Raises BadRequest."""
    if len(cards) + len(presets) != 1:
        names = [c.id for c in cards] + [p["registration"]["model"] for p in presets]
        raise BadRequest(f"--as names one model, and here are {len(names)}: {', '.join(names) or 'none'}; leave it out")
    if cards:
        if not SHAPE.match(as_) or ".." in as_ or clean(as_) != as_:
            raise BadRequest(
                f"a model's id is letters, digits and ._:/@-, as {clean(as_)}; got {short(as_)}", param="as"
            )
        return [replace(cards[0], id=as_)], []
    check_name(as_, "a preset")
    registration = {**presets[0]["registration"], "model": as_}
    return [], [{**presets[0], "registration": registration}]


def _distinct(catalog: Catalog, cards: list[ModelCard], presets: list[dict[str, Any]], path: Path) -> None:
    """Raises StateConflict where a name is taken, by another model here or there."""
    known = {c.name: c for c in catalog.cards()}
    seen: dict[str, str] = {}
    for card in cards:
        if card.name in seen:
            raise StateConflict(
                f"{path} has two models called {card.name}; import one of their documents with --as NAME"
            )
        seen[card.name] = card.id
        other = known.get(card.name)
        where = (other and (other.path or other.origin or other.source)) or folder_of(card) / NAME
        if (folder_of(card) / NAME).exists() or other is not None:
            raise StateConflict(
                f"there is a model {card.name} already ({where}), and {path} describes one of that name; "
                f"type %models import {path} --as NAME to have both",
                state=other.state if other else "",
            )
    taken = {(p.name, p.endpoint): p for p in catalog.presets()}
    for preset in presets:
        key = (preset["registration"]["model"], preset["registration"]["endpoint"])
        if "\0".join(key) in seen or key in taken:
            there = taken[key].path if key in taken else path
            raise StateConflict(
                f"there is a preset {key[0]!r} already, in {there}, and {path} describes one of that name; "
                f"type %models import {path} --as NAME to have both"
            )
        seen["\0".join(key)] = key[0]


def _brought(card: ModelCard, folder: Path, copy: bool, progress: Callable[[float], None]) -> ModelCard:
    """The card with its files in `folder`: links to them, or copies. Raises ImportFailed, StoreFailed."""
    here = [f for f in card.files if f.path is not None]
    if not here:
        return card
    total = sum(f.size or 0 for f in here)
    done = 0
    made: list[Path] = []
    files: list[ModelFile] = []
    try:
        settings.make_folder(folder)
        if copy and (free := shutil.disk_usage(folder).free) < total + SPARE:
            raise ImportFailed(
                f"{card.id} has {total:,} bytes, and the disk of {folder} has {free:,} free; "
                "leave out --copy to link to it",
                path=here[0].path,
            )
        for file in card.files:
            if file.path is None:
                files.append(file)
                continue
            target = folder / _name(card, file)
            if copy:
                _copy(Path(file.path), target, lambda n, before=done: progress((before + n) / max(total, 1)))  # type: ignore[misc]
            else:
                target.symlink_to(Path(file.path).absolute())
            made.append(target)
            done += file.size or 0
            files.append(replace(file, path=str(target)))
    except OSError as error:
        _undo(made, folder)
        hint = "" if copy else "; --copy copies it instead of linking to it"
        raise StoreFailed(f"{card.id} cannot be put into {folder} ({error.strerror or error}){hint}") from None
    except BaseException:
        _undo(made, folder)
        raise
    state = card.state if card.state == State.FAILED else State.DOWNLOADED
    return replace(card, files=tuple(files), state=state)


def _name(card: ModelCard, file: ModelFile) -> str:
    """What a file is called in the home: as it is, or, where that does not say that it is a GGUF, as its model."""
    name = Path(file.path or "").name
    if name.lower().endswith(".gguf"):
        return name
    return f"{plain(card.id.rsplit('/', 1)[-1])}{'' if file.role == 'model' else f'-{file.role}'}.gguf"


def _copy(source: Path, target: Path, progress: Callable[[int], None]) -> None:
    """Copy a file in pieces, under another name until it is whole. Raises OSError."""
    part = target.with_name(f".{target.name}.part")
    with part.open("ab") as written:  # what a kernel that was killed left of it is written over
        if not take(written) or not part.exists() or part.stat().st_ino != os.fstat(written.fileno()).st_ino:
            raise FileExistsError(17, f"another kernel copies {target.name} just now")
        _fill(source, target, part, written, progress)


def _fill(source: Path, target: Path, part: Path, written: IO[bytes], progress: Callable[[int], None]) -> None:
    """Write the copy, whose lock is held. Raises OSError."""
    try:
        if target.exists():
            raise FileExistsError(17, f"{target.name} is there already")
        written.truncate(0)
        with source.open("rb") as read:
            done = 0
            while piece := read.read(PIECE):
                written.write(piece)
                done += len(piece)
                progress(done)
            written.flush()
            os.fsync(written.fileno())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _undo(made: list[Path], folder: Path) -> None:
    """Take away what was made, and folders that are empty now."""
    for path in made:
        with contextlib.suppress(OSError):
            path.unlink()
    home = settings.models_home()
    while folder != home and folder.is_relative_to(home):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _keep_rest(catalog: Catalog, found: list[Imported], taken: Taken, moved: Mapping[str, Provider]) -> None:
    """Aliases, options and keys: one that cannot be kept is a note, and harms no other."""
    store = KeyStore()
    for one in found:
        for name, target in one.aliases.items():
            try:
                taken.add("alias", name, None, catalog.set_alias(name, target))
            except HubError as error:
                taken.notes.append(f"the alias {short(name)} is left out: {error}")
        for name, options in one.options.items():
            try:
                catalog.options.set(catalog.find(name), options)
                taken.add("options", name, None, None)
            except HubError as error:
                taken.notes.append(f"the options of {short(name)} are left out: {error}")
        for provider, secret in one.keys.items():
            named, origin = provider, secret.origin
            if provider in moved:
                named, origin = moved[provider].name, moved[provider].origin
            try:
                store.set(named, secret.secret.reveal(), origin)
                taken.notes.append(f"the key for {named} is kept in {store.path}, and nowhere else")
            except HubError as error:
                taken.notes.append(f"the key for {provider} is not kept: {error}")
