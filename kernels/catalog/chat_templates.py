"""Chat templates that documents name: a Jinja text, or a file of one beside the document."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.load_params import MAX_TEMPLATE
from modelhub.kernels.protocol.request import short

SUFFIXES = (".jinja", ".jinja2", ".j2")
# What only Go's text/template has (https://pkg.go.dev/text/template): fields with a dot, actions in {{ }}.
_GO = re.compile(r"\{\{-?\s*(?:\.|\$|(?:if|range|with|define|template|block|else|end)\b)")


def template_of(said: str, folder: Path | None) -> str | None:
    """The Jinja template that `said` is, or that the file it names in `folder` holds; None for one of Go's.

    Raises BadRequest for a file that cannot be read, is too large, or lies elsewhere.
    """
    if any(mark in said for mark in ("{%", "{{", "\n")):
        return None if _GO.search(said) else said
    if not said.lower().endswith(SUFFIXES):
        return None
    path = PurePosixPath(said.replace("\\", "/"))
    if folder is None or path.is_absolute() or ".." in path.parts or ":" in said or "\0" in said:
        raise BadRequest(f"a template is a Jinja text or a file beside the document, as chat.jinja; got {short(said)}")
    try:
        with (folder / path).open("rb") as file:
            held = file.read(MAX_TEMPLATE + 1)
        text = held.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8"
        raise BadRequest(f"the template {folder / path} cannot be read ({why})") from None
    if len(held) > MAX_TEMPLATE:
        raise BadRequest(f"the template {folder / path} is longer than {MAX_TEMPLATE // 1024} kB")
    return text
