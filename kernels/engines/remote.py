"""The remote engine: one model of a provider, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels import transport
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.protocol.events import Event, Progress, Started
from modelhub.kernels.protocol.load_params import LoadParams
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.failures import failure
from modelhub.kernels.providers.providers import Providers
from modelhub.kernels.providers.stream.decoder import Decoder


class RemoteEngine:
    """Runs requests for one model of a provider. Nothing is loaded here."""

    kind = "http"
    state = "remote"
    pid = None
    part = 1.0

    def __init__(self, card: ModelCard, providers: Providers) -> None:
        """An engine for `card`."""
        self.card = card
        self.params = LoadParams()
        self._providers = providers

    @property
    def loaded(self) -> dict[str, Any]:
        """Nothing: it is loaded elsewhere."""
        return {}

    @property
    def log(self) -> list[str]:
        """Nothing: it has no worker."""
        return []

    async def load(self, params: LoadParams | None = None, reload: bool = False) -> AsyncGenerator[Event]:
        """Do nothing. Raises BadRequest for load parameters, which it has none of."""
        if params is not None and params != self.params:
            raise BadRequest(f"{self.card.name} is served by {self.card.provider}: there is nothing to load, so leave "
                             "the load parameters out")  # fmt: skip
        if False:
            yield Progress("")

    async def unload(self, force: bool = False) -> bool:
        """Do nothing: modelhub holds no memory for it."""
        return False

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Run one request; see `Engine.chat`. Raises ProviderError."""
        target = self._providers.target(self.card.provider, self.card.id)
        provider = target.provider
        talk = dialect(provider.dialect)
        call = talk.build(request, target)
        key = self._providers.keys.find(provider)
        headers = {**provider.headers, **call.headers}
        if key is not None:
            headers[provider.key_header] = f"{provider.key_scheme} {key.reveal()}".strip()
        reader, decoder = talk.reader(request, target), Decoder()
        client = transport.async_client()
        async with client.stream(call.method, call.url, json=call.body, headers=headers) as reply:
            if reply.status_code != 200:
                raise failure(reply.status_code, dict(reply.headers), await reply.aread(), provider)
            yield Started({"engine": self.kind, "provider": provider.name, "counts_tokens": False})
            async for data in reply.aiter_raw():
                for event in decoder.feed(data):
                    for told in reader.event(event):
                        yield told
        yield reader.end()

    async def score(self, text: str, window: int | None, stride: int | None, top: int) -> AsyncGenerator[Event]:
        """Raise BadRequest: no provider reads a text for its log probabilities."""
        raise BadRequest(f"{self.card.name} is served by {self.card.provider}, which gives no log probabilities of a "
                         "text; ask a local model: %models lists them", param="model")  # fmt: skip
        yield Progress("")

    async def status(self) -> dict[str, Any]:
        """Nothing."""
        return {}
