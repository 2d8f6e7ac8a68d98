"""`%models import`: models that are here already, and documents that describe models."""

from __future__ import annotations

import os
from pathlib import Path

from modelhub.errors import BadRequest
from modelhub.magics.models.progress import progress
from modelhub.magics.models.verb import Verb
from modelhub.magics.options import Option, parse_around
from modelhub.magics.table import Table, size_text

IMPORT = (
    Option(("--as",), "the name it gets, default: what the document or the file says", "NAME"),
    Option(("--copy",), "copy the files into the models home"),
    Option(("--link",), "link to the files where they are; the default"),
    Option(("--format",), "the importer, default: what the document says or looks like", "FORMAT"),
)


def import_(rest: str) -> Table:
    """Take in a model's file, a document, or a folder of them."""
    from modelhub.kernels.hub import hub

    values, path = parse_around(rest, IMPORT, "%models import")
    if not path:
        raise BadRequest(
            "%models import needs the path of a .gguf file, of a document (.json, .yaml, .toml) or of a folder of them"
        )
    if values.get("copy") and values.get("link"):
        raise BadRequest("--copy and --link exclude each other; say one of them")
    with progress(f"copying {path}") as show:
        taken = hub().import_models(
            path,
            as_=values.get("as"),
            copy=bool(values.get("copy")),
            import_format=values.get("format"),
            progress=show,
        )
    shown = [
        {**{k: "" if v is None else str(v) for k, v in r.items()}, "size": size_text(r["size"])} for r in taken.rows
    ]
    folder = str(Path(path).expanduser()) + os.sep  # said by the user, so not by each of many notes
    return Table(taken.rows, shown, "\n".join(note.removeprefix(folder) for note in taken.notes))


VERBS = (Verb("import", import_, "PATH", "take in a .gguf, or a document that describes models", IMPORT, words=""),)
