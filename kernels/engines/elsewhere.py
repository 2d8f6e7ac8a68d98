"""What engines have alike whose models run elsewhere: nothing is loaded here, and no memory is held."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.protocol.events import Event, Progress
from modelhub.kernels.protocol.load_params import LoadParams


class Elsewhere:
    """The half of an engine that minds memory, for a model that takes none."""

    state = "remote"
    pid = None
    part = 1.0

    def __init__(self, card: ModelCard) -> None:
        """For the model of `card`."""
        self.card = card
        self.params = LoadParams()

    @property
    def loaded(self) -> dict[str, Any]:
        """Nothing: it is not loaded here."""
        return {}

    @property
    def log(self) -> list[str]:
        """Nothing: it has no worker."""
        return []

    async def load(self, params: LoadParams | None = None, reload: bool = False) -> AsyncGenerator[Event]:
        """Do nothing. Raises BadRequest for load parameters, which it has none of."""
        if params is not None and params != self.params:
            raise BadRequest(f"{self._where()}: there is nothing to load, so leave the load parameters out")
        if False:
            yield Progress("")

    async def unload(self, force: bool = False) -> bool:
        """Do nothing: modelhub holds no memory for it."""
        return False

    async def score(self, text: str, window: int | None, stride: int | None, top: int) -> AsyncGenerator[Event]:
        """Raise BadRequest: nobody elsewhere reads a text for its log probabilities."""
        raise BadRequest(
            f"{self._where()}, which gives no log probabilities of a text; ask a local model: %models lists them",
            param="model",
        )
        yield Progress("")

    async def status(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def _where(self) -> str:
        """Where the model runs, as the beginning of a sentence."""
        raise NotImplementedError
