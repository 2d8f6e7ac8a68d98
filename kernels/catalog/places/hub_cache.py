"""huggingface_hub's cache: `models--owner--repo/snapshots/REVISION/*.gguf`, links into the blobs beside them.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from modelhub.kernels.catalog import ids
from modelhub.kernels.catalog.places.index import Index
from modelhub.kernels.catalog.places.layouts import Found, models_of, read_weights
from modelhub.kernels.catalog.places.place import Place
from modelhub.kernels.catalog.places.walk import Seen, walk

PREFIX = "models--"


@dataclass(slots=True)
class HubCache(Place):
    """The cache: a model is `owner/repo:QUANT`, of an older revision `owner/repo:QUANT@REVISION`."""

    def wanted(self, name: str) -> bool:
        """GGUFs only: repositories hold much else."""
        return name.lower().endswith(".gguf")

    def look(self, index: Index) -> None:
        """Look into the snapshots, not at the blobs, of which there may be thousands."""
        self.files, self.problems = [], []
        try:
            names = sorted(entry.name for entry in os.scandir(self.folder) if entry.name.startswith(PREFIX))
        except FileNotFoundError:
            return
        except OSError as error:
            self.problems.append(f"cannot look into {str(self.folder)!r}: {error.strerror or error}")
            return
        for name in names:
            found = walk(self.folder / name / "snapshots", self.wanted)
            self.files += found.files
            self.problems += found.problems

    def models(self, index: Index) -> list[Found]:
        """The models of every snapshot, the newest first; a projector may lie in another folder of it."""
        snapshots: dict[tuple[str, str], list[Seen]] = defaultdict(list)
        for file in self.files:
            repository, _, revision, *_ = Path(file.path).relative_to(self.folder).parts
            snapshots[repository, revision].append(file)
        found: list[Found] = []
        newest: dict[str, str] = {}
        for repository, revision in sorted(snapshots, key=self._age):
            owner_repo = repository.removeprefix(PREFIX).replace("--", "/", 1)
            main = newest.setdefault(repository, revision)
            at = "" if revision == main else f"@{revision[:7]}"

            def ident(_file: Seen, stem: str, quant: str, base: str = owner_repo, at: str = at) -> str:
                return ids.clean(f"{base}:{ids.quantisation(stem) or quant or stem}") + at

            weights = read_weights(snapshots[repository, revision], index, self.problems)
            found += [
                one.with_origin(owner_repo)
                for one in models_of(weights, self.source, ident, self.problems, together=True)
            ]
        return found

    def _age(self, snapshot: tuple[str, str]) -> tuple[str, bool, float]:
        """Sorts by repository, the revision that `main` is first, then the newest."""
        repository, revision = snapshot
        folder = self.folder / repository
        try:
            main = (folder / "refs" / "main").read_text("utf-8").strip()
        except (OSError, ValueError):
            main = ""
        try:
            time = (folder / "snapshots" / revision).stat().st_mtime
        except OSError:
            time = 0.0
        return repository, revision != main, -time
