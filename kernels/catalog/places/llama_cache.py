"""llama.cpp's own cache: one folder of `owner_repo_file.gguf`, and `manifest=owner=repo=tag.json` beside them.

Names: llama.cpp, common/arg.cpp and common/download.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass

from modelhub.kernels.catalog import ids
from modelhub.kernels.catalog.places.layouts import is_weights
from modelhub.kernels.catalog.places.place import Place
from modelhub.kernels.catalog.places.walk import Seen

PREFIX = "manifest="


@dataclass(slots=True)
class LlamaCache(Place):
    """The cache: a model is `owner/repo:QUANT` where a manifest says whose it is, else it is called as its file."""

    def wanted(self, name: str) -> bool:
        """GGUFs, and manifests for what their names say."""
        return is_weights(name) or name.startswith(PREFIX)

    def ident(self, file: Seen, stem: str, quant: str) -> str:
        """The id of a model; no manifest is opened for it."""
        for other in self.files:
            owner, _, rest = other.name.removeprefix(PREFIX).partition("=")
            repo = rest.rpartition("=")[0]
            if other.name.startswith(PREFIX) and repo and file.name.startswith(f"{owner}_{repo}_"):
                return ids.clean(f"{owner}/{repo}:{ids.quantisation(stem) or quant}")
        return Place.ident(self, file, stem, quant)
