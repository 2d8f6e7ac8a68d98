"""A place where models lie: a folder, what lies in it now, and which models that is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from modelhub.kernels.catalog import ids
from modelhub.kernels.catalog.places.index import Index
from modelhub.kernels.catalog.places.layouts import Found, is_weights, models_of, read_weights
from modelhub.kernels.catalog.places.walk import Seen, walk


@dataclass(slots=True)
class Place:
    """A folder that is looked at, in any layout: bare files, and `owner/repo` or deeper.

    source: as cards name it. folder: where it is, there or not. files: what it held when it was looked at.
    problems: what is wrong there, in one line each. foreign: another program's.
    """

    source: str
    folder: Path
    foreign: bool = False
    files: list[Seen] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def wanted(self, name: str) -> bool:
        """Whether a file of this name is looked at."""
        return is_weights(name)

    def look(self, index: Index) -> None:
        """See what lies there now; nothing is opened that has not changed."""
        found = walk(self.folder, self.wanted)
        self.files, self.problems = found.files, found.problems
        for folder in found.folders:
            if folder.lower().endswith(".gguf") and not any(f.path.startswith(folder + os.sep) for f in found.files):
                self.problems.append(f"cannot use {folder!r}: it is a folder, and no model lies in it")

    def models(self, index: Index) -> list[Found]:
        """The models there, as of the last look."""
        weights = read_weights((f for f in self.files if is_weights(f.name)), index, self.problems)
        return models_of(weights, self.source, self.ident, self.problems)

    def ident(self, file: Seen, stem: str, quant: str) -> str:
        """The id of a model by its file, the file's name without its ending, and its quantisation."""
        return ids.from_parts(self.folders_of(file), stem, quant)

    def folders_of(self, file: Seen) -> tuple[str, ...]:
        """The folders below this place in which the file lies."""
        return Path(file.path).relative_to(self.folder).parts[:-1]

    def short(self) -> str:
        """A name for it that fits into an id."""
        return ids.clean(self.folder.name if self.source.startswith("folder ") else self.source)
