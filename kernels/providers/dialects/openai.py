"""OpenAI's `POST /chat/completions`, and what everybody else made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels.protocol.events import Delta, Ended, Event
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects.dialect import Call, Listed, Page, Reader
from modelhub.kernels.providers.failures import failure_in
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import FieldRule, Target
from modelhub.kernels.providers.stream.server_event import ServerEvent


class OpenAI:
    """The dialect."""

    name = "openai"
    rules: Mapping[str, FieldRule] = {field: FieldRule("honoured") for field in LOCAL}

    def build(self, request: ChatRequest, target: Target) -> Call:
        """See `Dialect.build`."""
        fields = request.to_dict()
        fields.pop("x_modelhub", None)
        body = {**fields, "model": target.model, "stream": True, "stream_options": {"include_usage": True}}
        return Call("POST", f"{target.provider.base_url}/chat/completions", body, stream=True)

    def reader(self, request: ChatRequest, target: Target) -> Reader:
        """See `Dialect.reader`."""
        return OpenAIReader(target)

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """See `Dialect.list_call`."""
        return Call("GET", f"{provider.base_url}{provider.models.path}")

    def list_page(self, body: Any, provider: Provider) -> Page:
        """See `Dialect.list_page`."""
        return Page(tuple(Listed(id=row["id"], raw=row) for row in body["data"]))


class OpenAIReader:
    """Reads one reply."""

    def __init__(self, target: Target) -> None:
        """Nothing has come."""
        self._target = target
        self._finish: str | None = None
        self._done = False
        self._usage: dict[str, Any] = {}

    def event(self, event: ServerEvent) -> list[Event]:
        """See `Reader.event`."""
        if event.data.strip() == "[DONE]":
            self._done = True
            return []
        return self._read(json.loads(event.data), "delta")

    def whole(self, body: Any) -> list[Event]:
        """See `Reader.whole`."""
        self._done = True
        return self._read(body, "message")

    def end(self) -> Ended:
        """See `Reader.end`."""
        if not self._done and self._finish is None:
            raise StreamTruncated("the answer broke off", provider=self._target.provider.name)
        return Ended((self._finish,), (0,), self._usage)

    def _read(self, body: Any, part: str) -> list[Event]:
        error: ProviderError | None = failure_in(body, self._target.provider)
        if error is not None:
            raise error
        found: list[Event] = []
        self._usage = body.get("usage") or self._usage
        for choice in body.get("choices") or []:
            text = (choice.get(part) or {}).get("content")
            if text:
                found.append(Delta(choice.get("index", 0), text, tokens=0))
            self._finish = self._finish or choice.get("finish_reason")
        return found


DIALECT = OpenAI()
