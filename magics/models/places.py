"""`%models folder`, `delete` and `export`: where models lie, and what becomes of their files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelhub.errors import BadRequest
from modelhub.magics.models.presets import delete_preset
from modelhub.magics.models.progress import progress
from modelhub.magics.models.verb import Line, Verb, agreed, model_name
from modelhub.magics.options import Option, parse, parse_around
from modelhub.magics.table import Table, size_text

if TYPE_CHECKING:
    from modelhub.kernels.catalog.card import ModelCard
    from modelhub.kernels.catalog.places.deletion import Deletion

ACTIONS = ("list", "add", "remove")
DELETE = (
    Option(("-y", "--yes"), "do not ask"),
    Option(("--force",), "also while it answers or loads: it is stopped first"),
)


def folder(rest: str) -> Table:
    """Show the places models are looked for in; add a folder to them, or take it away."""
    from modelhub.kernels.catalog.places import places

    _values, text = parse(rest, (), "%models folder")
    action, _, named = text.partition(" ")
    named = named.strip()
    if (action or "list") not in ACTIONS:
        raise BadRequest(f"%models folder takes add PATH, remove PATH or list; got {action!r}")
    if action in {"add", "remove"}:
        if not named:
            raise BadRequest(f"%models folder {action} needs the path of a folder")
        (places.add_folder if action == "add" else places.remove_folder)(_path(named))
    elif named:
        raise BadRequest(f"%models folder list takes nothing more; got {named!r}")
    return _table()


def delete(rest: str) -> str:
    """Delete a model's files, after asking."""
    from modelhub.kernels import deleting
    from modelhub.kernels.hub import hub

    values, name = parse_around(rest, DELETE, "%models delete")
    the_hub = hub()
    if the_hub.catalog.names_preset(model_name(name, "delete")):
        return delete_preset(name, bool(values.get("yes")))
    card, what = deleting.plan(the_hub.catalog, name)
    asked = not values.get("yes")
    if asked and not _agreed(card, what, name):
        return Line("nothing was deleted")
    removed = deleting.carry_out(the_hub.residency, card, what, bool(values.get("force")))
    files = f"{len(removed)} file{'' if len(removed) == 1 else 's'} and folders" if len(removed) != 1 else "1 file"
    lines = [f"{card.id} was deleted: {files}, {size_text(what.size)}"]
    if not asked:  # else they were shown
        lines += [*map(str, removed), *what.kept]
    return Line("\n".join(lines))


def export(rest: str) -> str:
    """Copy a model with its card to a folder or a zip."""
    from modelhub.kernels.catalog.places.export import export as copy
    from modelhub.kernels.hub import hub

    _values, text = parse(rest, (), "%models export")
    name, path = _two(text)
    card = hub().catalog.find(model_name(name, "export"))
    if not path:
        raise BadRequest(f"%models export needs a path behind {name}: a folder, or a file that ends with .zip")
    with progress(f"exporting {card.id}") as show:
        written = copy(card, _path(path), show)
    how = "unzip it into a models home" if written.is_file() else f"type %models import {written}"
    return Line(f"{card.id} was written to {written}; {how} to have it elsewhere")


def _table() -> Table:
    from modelhub.kernels.hub import hub

    rows, shown = [], []
    for place, count in hub().catalog.places.counts():
        there = place.folder.is_dir()
        if place.foreign and not there:
            continue
        row = {"place": place.source.partition(" /")[0], "folder": str(place.folder), "models": count}
        rows.append(row)
        shown.append(
            {**{k: str(v) for k, v in row.items()}, "models": str(count) if there else "there is no such folder"}
        )
    return Table(rows, shown, "models are looked for here each time; nothing outside the models home is ever changed")


def _agreed(card: ModelCard, what: Deletion, typed: str) -> bool:
    """Show what would be deleted, and ask. Raises BadRequest where nobody can be asked."""
    for entry in what.entries:
        print(f"{entry.path}  {f'a link to {entry.link}, which stays' if entry.link else size_text(entry.size)}")
    for line in what.kept:
        print(line)
    return agreed(
        f"delete {card.id} ({size_text(what.size)})",
        f"deleting {card.id} frees {size_text(what.size)}, and this front end cannot be asked; "
        f"type %models delete {typed} --yes",
    )


def _two(text: str) -> tuple[str, str]:
    """A model's name, which may be quoted, and the path behind it."""
    if text[:1] in {"'", '"'}:
        name, _, path = text[1:].partition(text[0])
        return name, path.strip()
    name, _, path = text.partition(" ")
    return name, path.strip()


def _path(text: str) -> Path:
    text = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in {"'", '"'} else text
    path = Path(text)
    with suppress(RuntimeError):  # there is no such user, so it is no home of one
        path = path.expanduser()
    return path.absolute()


VERBS = (
    Verb("folder", folder, "[add|remove PATH]", "where models are looked for", words=lambda: list(ACTIONS)),
    Verb("delete", delete, "MODEL", "delete its files, those that are modelhub's own", DELETE),
    Verb("export", export, "MODEL PATH", "copy it with its card to a folder or a .zip"),
)
