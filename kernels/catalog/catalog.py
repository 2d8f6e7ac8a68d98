"""The models there are on this machine, and what a name means."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from modelhub.errors import ModelFileError, ModelNotFound, did_you_mean
from modelhub.kernels import settings
from modelhub.kernels.catalog.card import ModelCard, card_of_file
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.protocol.request import short

PACKAGED = Path(__file__).resolve().parent.parent / "models"


class Catalog:
    """Finds models: those packaged with modelhub, those in the models home, and any file by its path."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self._cards: dict[tuple[str, int, int], ModelCard] = {}
        self.problems: list[str] = []  # files in the models home that are no models, in one line each

    def cards(self) -> list[ModelCard]:
        """A card for every model that is packaged or lies in the models home, by name."""
        self.problems.clear()
        found: dict[str, ModelCard] = {}
        for folder, source in ((settings.models_home(), "models home"), (PACKAGED, "packaged")):
            for path in sorted(folder.glob("*.gguf")) if folder.is_dir() else []:
                try:
                    card = self._card(path, source)
                except ModelFileError as error:
                    self.problems.append(str(error))
                else:
                    found[card.id] = card  # the packaged one wins: its name is promised
        return sorted(found.values(), key=lambda c: c.name)

    def names(self) -> list[str]:
        """Every name a model can be asked for by, short names first."""
        cards = self.cards()
        return [c.id for c in cards] + [c.name for c in cards]

    def resolve(self, name: str) -> Named:
        """What `name` stands for: a model and the settings that go with it. Raises as `find` does."""
        return Named(name, self.find(name))

    def find(self, name: str) -> ModelCard:
        """The model called `name`: an id, a full name, or the path of a file.

        Raises ModelNotFound, which lists the nearest names, or ModelFileError for a path that is no model.
        """
        wanted = name.strip()
        for card in self.cards():
            if wanted in (card.id, card.name):
                return card
        if wanted.endswith(".gguf") or wanted.startswith((".", "~", "/")) or os.sep in wanted.removeprefix("local/"):
            path = Path(wanted)
            with contextlib.suppress(RuntimeError):  # there is no such user, so it is no home of one
                path = path.expanduser()
            if wanted.endswith(".gguf") or wanted.startswith((".", "~", "/")) or os.path.exists(path):  # noqa: PTH110 - Path.exists raises for long names
                return self._card(path, "file")
        known = [c.id for c in self.cards()]
        raise ModelNotFound(
            f"no model is named {short(name)}.{did_you_mean(wanted.removeprefix('local/'), known)} "
            f"There {'is' if len(known) == 1 else 'are'} {', '.join(known) or 'none'}; "
            "the path of a .gguf file works too. Type %models to see them.",
            name=name,
            param="model",
        )

    def _card(self, path: Path, source: str) -> ModelCard:
        try:
            status = path.stat()
            key = (str(path), status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):
            return card_of_file(path, source=source)  # which says what is wrong
        card = self._cards.get(key)
        if card is None:
            card = self._cards[key] = card_of_file(path, source=source)
        return card
