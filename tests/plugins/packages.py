"""Plugins as packages: a module and the metadata pip would have written, in a folder that is on the path."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent


def install(
    folder: Path, name: str, code: str, entries: dict[str, str] | None = None, magics: dict[str, str] | None = None
) -> Path:
    """Put a package into `folder`; its module is `plug_NAME`, which is its entry point unless `entries` says others."""
    module = f"plug_{name.replace('-', '_')}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(dedent(code))
    metadata = folder / f"modelhub_{name.replace('-', '_')}-1.2.3.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: modelhub-{name}\nVersion: 1.2.3\n")
    groups = {"modelhub": {name: module} if entries is None else entries, "modelhub.magics": magics or {}}
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in found.items()) for group, found in groups.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return folder


SAYER = """
    import modelhub

    class Sayer(modelhub.Model):
        def __init__(self, id, text="hello there"):
            self.id, self.said = id, text

        def execute(self, request, options):
            yield from self.said.split(" ")

    @modelhub.hookimpl
    def register_models(register):
        {body}
"""


def sayer(body: str) -> str:
    """A plugin with a class `Sayer(id, text)`, whose hook does `body`."""
    return SAYER.format(body="\n        ".join(body.splitlines()))


def on_path(folder: Path) -> str:
    """PYTHONPATH with `folder` in front."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
