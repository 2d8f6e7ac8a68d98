"""Ids of models as providers list them: which of them can be shown, typed and kept."""

from __future__ import annotations

import re

LONGEST = 256  # characters
_SHAPE = re.compile(r"[A-Za-z0-9@~/_][\w./:@+~=,#%()*-]*", re.ASCII)


def trouble(ident: object) -> str:
    """What is wrong with an id, in a few words; "" where nothing is.

    An id is sent as it was listed or not at all: one that was cleaned would be another model's.
    """
    if not isinstance(ident, str) or not ident:
        return "no text"
    if len(ident) > LONGEST:
        return f"more than {LONGEST} characters"
    if ".." in re.split(r"[/\\]", ident):
        return "leads out of a folder"
    if not _SHAPE.fullmatch(ident):
        return "characters that no id has"
    return ""
