"""What every engine can do: the shape that LocalEngine has and that the next engine must have."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.protocol.events import Event
from modelhub.kernels.protocol.load_params import LoadParams
from modelhub.kernels.protocol.request import ChatRequest


class Turn(Protocol):
    """The turn of one model to take memory, from its question until it has what it takes or has failed."""

    async def allowance(self, pid: int) -> int | None:
        """Bytes its worker, the process `pid`, may take more by the user's budget; None: as much as is free.

        Below 0 where the others hold more than the budget already.
        """

    async def make(self, needs: Mapping[str, Any]) -> bool:
        """Free something idle where that helps; whether something was, so that the worker must measure again.

        needs: what `worker.memory.needs` says, by `gpu`, `host` and `budget`.
        """

    async def holders(self) -> str:
        """Who holds memory and was not to be freed, behind a refusal; empty where nobody does."""


class Room(Protocol):
    """Makes room for models before they take their memory, one at a time."""

    def turn(self, engine: Any) -> AbstractAsyncContextManager[Turn]:
        """Wait until it is the turn of `engine`. No other model takes memory until the `async with` ends."""


class Engine(Protocol):
    """Runs requests for one model. All coroutines run on modelhub's background loop."""

    kind: str
    """Its column of the honesty table."""

    card: ModelCard

    @property
    def state(self) -> str:
        """`downloaded`, `loading`, `running`, `stopping` or `failed`."""

    async def load(self, params: LoadParams) -> AsyncGenerator[Event]:
        """Make the model ready, yielding Progress; at once when it is loaded so already. Raises HubError."""
        if False:
            yield

    async def unload(self, force: bool = False) -> bool:
        """Free the model's memory; whether it held any. Idempotent.

        Raises StateConflict while it answers, unless `force`: then its requests end with an error.
        """

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Run one request, loading the model first if need be. Closing the iterator cancels the request.

        Raises HubError; what was yielded before stands.
        """
        if False:
            yield

    async def score(self, text: str, window: int | None, stride: int | None, top: int) -> AsyncGenerator[Event]:
        """Read `text` as it stands, without a template, for the log probability of each of its tokens.

        Yields Started with `window`, `stride`, `windows`, `begins` and `prompt_tokens` among its details, then
        PromptLogprobs with `top` alternatives a token, in any order, then Ended. See `chat` for the rest and
        `Hub.perplexity` for the numbers.
        """
        if False:
            yield

    async def status(self) -> dict[str, Any]:
        """Facts about the running engine: pid, memory in bytes, requests running and waiting, context use."""
