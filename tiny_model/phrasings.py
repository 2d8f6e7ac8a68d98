"""How things are asked: the wordings that training uses, and others that only the exam uses.

`HELD_IN` and `HELD_OUT` map a family to its templates, which `str.format` fills. They are read from
`held_in.txt` and `held_out.txt` beside this file. The held-out ones never occur in training; a score on them
says how the model takes a wording that it has not seen.

The family `frame` is shared by all that ask for a thing with a name (`{np}`, a noun phrase such as "the
capital of Peru"); the noun phrases are in the families that end with `_np`.
"""

from __future__ import annotations

from pathlib import Path

Wordings = dict[str, list[str]]


def read(name: str) -> Wordings:
    """Return the templates in the file `name` beside this one, by family."""
    families: Wordings = {}
    templates: list[str] = []
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            templates = families.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            templates.append(line)
    return families


HELD_IN = read("held_in.txt")
HELD_OUT = read("held_out.txt")
