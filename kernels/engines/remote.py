"""The remote engine: one model of a provider, over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence

from modelhub.errors import ProviderError
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.engines import renaming
from modelhub.kernels.engines.elsewhere import Elsewhere
from modelhub.kernels.engines.exchange import Exchange
from modelhub.kernels.engines.trying import Trying
from modelhub.kernels.protocol.events import Event, Started, Warned
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.providers import Providers
from modelhub.kernels.providers.rules import Target
from modelhub.kernels.secret import Secret


class RemoteEngine(Elsewhere):
    """Runs requests for one model of a provider. Nothing is loaded here."""

    kind = "http"

    def __init__(self, card: ModelCard, providers: Providers, key: Secret | None = None) -> None:
        """An engine for `card`. key: for this engine's requests alone, in place of the one that is kept."""
        super().__init__(card)
        self._providers = providers
        self._key = key

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Run one request; see `Engine.chat`. Raises ProviderError.

        It is sent again where it may be (`providers.retrying`), as long as nothing of an answer was told.
        """
        async with contextlib.aclosing(self.pieces(request)) as pieces:
            async for events in pieces:
                for event in events:
                    yield event

    def call(self, request: ChatRequest) -> Call:
        """What is sent for a request, without the key. Raises BadRequest for what its dialect cannot say."""
        target = self._providers.target(self.card.provider, self.card.id)
        return renaming.renamed(dialect(target.provider.dialect).build(request, target), target)

    async def pieces(self, request: ChatRequest) -> AsyncGenerator[Sequence[Event]]:
        """As `chat`, with what came together told together: with hundreds of answers at once that is cheaper."""
        target = self._providers.target(self.card.provider, self.card.id)
        call = self.call(request)
        renamed: Call | None = None
        trying = Trying(lambda: self._send(call, request, target), target.provider)
        try:
            async for progress in trying.opened():
                yield (progress,)
        except ProviderError as raised:
            renamed = renaming.learned(raised, call, target)
            if renamed is None:
                raise
        if renamed is not None:
            again = renamed
            trying = Trying(lambda: self._send(again, request, target), target.provider)
            async for progress in trying.opened():
                yield (progress,)
        exchange = trying.exchange
        try:
            facts = {
                "engine": self.kind,
                "provider": target.provider.name,
                "counts_tokens": False,
                "model": {"id": self.card.id, "provider": target.provider.name},
                **exchange.started(),
            }
            yield [*map(Warned, exchange.warnings), Started(facts)]
            async for events in exchange.events():
                yield events
        finally:
            await exchange.close()

    async def _send(self, call: Call, request: ChatRequest, target: Target) -> Exchange:
        """An exchange that has begun to answer. Raises ProviderError."""
        key = await self._providers.keys.aauth(target.provider, key=self._key)
        reader = dialect(target.provider.dialect).reader(request, target)
        exchange = Exchange(call, target, reader, key, known=lambda: self._listed(target.provider))
        try:
            await exchange.open()
        except BaseException:
            await exchange.close()
            raise
        return exchange

    def _listed(self, provider: Provider) -> list[str]:
        return [row.id for row in self._providers.lists.kept(provider).rows]

    def _where(self) -> str:
        return f"{self.card.name} is served by {self.card.provider}"
