"""Exporting a model: its card and its files in one folder or one archive, from which it can be imported elsewhere."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from modelhub.errors import BadRequest, StoreFailed
from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.headers.splits import part_of
from modelhub.kernels.catalog.ids import clean

PIECE = 8 << 20  # bytes copied at once
SPARE = 64 << 20  # bytes of the disk that are left free


def export(card: ModelCard, target: Path, progress: Callable[[float], None] = lambda part: None) -> Path:
    """Copy a model's files and write its card to `target`; the path of what was written.

    target: a folder, made if need be, in which the model gets a folder of its own where there is something already; or
    the name of an archive that ends with `.zip`, which is not compressed. progress: told the part done, 0 to 1.
    Links are followed: what is exported needs nothing else. An interrupt leaves nothing behind.

    Raises BadRequest for a target that is there already, StoreFailed where it cannot be written.
    """
    name = folder_name(card)
    packed = target.suffix.lower() == ".zip"
    if not packed and target.is_dir() and any(target.iterdir()):
        target = target / name
    if target.exists() and (packed or not target.is_dir() or any(target.iterdir())):
        raise BadRequest(f"{target} is there already; name another path", param="path")
    named = file_names(card)
    size = sum(Path(path).stat().st_size for path in named)
    done = 0

    def copy(path: str, to: IO[bytes]) -> None:
        nonlocal done
        with Path(path).open("rb") as source:
            while piece := source.read(PIECE):
                to.write(piece)
                done += len(piece)
                progress(done / size if size else 1.0)

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if free < size + SPARE:
            raise StoreFailed(
                f"{card.id} needs {size:,} bytes and {target.parent} has {free:,} free; name another path"
            )
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as made:
            folder = Path(made) / name
            folder.mkdir()
            if packed:
                whole = Path(made) / "model.zip"
                with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                    archive.write(_write(card, folder, named), f"{name}/model.json")
                    for path, called in named.items():
                        with archive.open(f"{name}/{called}", "w", force_zip64=True) as to:
                            copy(path, to)
            else:
                whole = folder
                for path, called in named.items():
                    with (folder / called).open("xb") as to:
                        copy(path, to)
                _write(card, folder, named)
            if not packed and target.is_dir():
                target.rmdir()  # it is empty
            whole.replace(target)
    except OSError as error:
        raise StoreFailed(f"{card.id} was not exported to {target}: {error.strerror or error}") from None
    return target


def folder_name(card: ModelCard) -> str:
    """A name for the model's folder."""
    return re.sub(r"[^\w.-]+", "-", card.id).strip(".-") or "model"


def file_names(card: ModelCard) -> dict[str, str]:
    """How each file of the model that is here is called where it is exported to."""
    found: dict[str, str] = {}
    for file in card.files:
        if file.path is None or file.path in found:
            continue
        name = Path(file.path).name
        if not name.lower().endswith(".gguf"):  # a blob, called by its hash, or one of the old endings
            name = f"{folder_name(card)}.gguf" if file.role == "model" else f"{file.role}-{name[-12:]}.gguf"
        if name in found.values() and part_of(name) is None:
            name = f"{file.role}-{len(found)}-{name}"
        found[file.path] = name
    return found


def _write(card: ModelCard, folder: Path, named: dict[str, str]) -> Path:
    """The card as it is there; its files need not be there yet."""
    from modelhub.kernels.catalog.documents.writer import write_card

    def there(file: ModelFile) -> ModelFile:
        return replace(file, path=str(folder / named[file.path])) if file.path else file

    ident = clean(card.id.partition("@")[0])  # the place it was found at here means nothing there
    return write_card(replace(card, id=ident, files=tuple(map(there, card.files))), folder)
