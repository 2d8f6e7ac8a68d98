"""Reads replies of Ollama's /api/chat: one JSON object a line, or one for all."""

from __future__ import annotations

import json
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.protocol.events import Called, Ended, Event, Pictured
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects.logprobs import entries_of
from modelhub.kernels.providers.dialects.usage import counted
from modelhub.kernels.providers.dialects.wire_reply import (
    Told,
    broken_off,
    failed,
    object_in,
    part_of,
    rows_in,
    strange,
    tally,
    text_in,
)
from modelhub.kernels.providers.failures.failures import failure_in
from modelhub.kernels.providers.rules import Target
from modelhub.kernels.providers.stream.server_event import ServerEvent

# `load` and `unload` answer a request without messages: the model was loaded, or its memory freed.
FINISHES = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}
TIMES = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")  # nanoseconds


class OllamaReader:
    """Reads one reply; see `Reader`. A call without an id gets one that no call before it in the request has."""

    def __init__(self, request: ChatRequest, target: Target, warnings: tuple[str, ...] = ()) -> None:
        """Nothing has come."""
        self._provider = target.provider
        self._told = Told(request, target.provider, warnings)
        self._before = sum(len(m.tool_calls or ()) for m in request.messages)
        self._calls = 0
        self._entries = 0
        self._last: dict[str, Any] = {}
        self._native: str | None = None
        self._done = False
        self._failed: ProviderError | None = None  # to be raised when what came beside it is told

    def event(self, event: ServerEvent) -> list[Event]:
        """See `Reader.event`."""
        if self._failed is not None:
            raise self._failed
        body = object_in(event, self._provider, beside="message")
        return [] if body is None else self._read(body)

    def whole(self, body: Any) -> list[Event]:
        """See `Reader.whole`."""
        if not isinstance(body, dict) or not isinstance(body.get("message"), dict):
            failed(body, self._provider)
        if not isinstance(body, dict) or not body.keys() & {"message", "done"}:
            raise strange("a reply that is no answer of Ollama's", self._provider, json.dumps(body))
        return self._read(body)

    def rest(self) -> list[Event]:
        """See `Reader.rest`."""
        return self._told.rest()

    def end(self) -> Ended:
        """See `Reader.end`."""
        if self._failed is not None:
            raise self._failed
        if not self._done:
            raise broken_off(self._provider)
        usage = tally(counted(self._last.get("prompt_eval_count")), counted(self._last.get("eval_count")))
        times = {name: self._last[name] for name in TIMES if counted(self._last.get(name)) is not None}
        finish = FINISHES.get(self._native or "")
        if finish == "stop" and self._calls:
            finish = "tool_calls"
        native = None if self._native == finish else self._native
        return Ended((finish,), (self._entries,), usage, {"ollama": times} if times else {}, (native,))

    def _read(self, body: dict[str, Any]) -> list[Event]:
        self._failed = failure_in(body, self._provider) if "error" in body else None
        found = self._told.first(model=body.get("model"))
        message = part_of(body, "message")
        found += self._told.thought(0, message.get("thinking"))
        entries = entries_of(body.get("logprobs"), text_in(message.get("content")))
        self._entries += len(entries)
        found += self._told.text(0, message.get("content"), entries)
        images = message.get("images")
        for data in images if isinstance(images, list) else ():
            found += [Pictured(0, _picture(data))] if text_in(data) else []
        for call in rows_in(message.get("tool_calls")):
            found.append(self._call(call))
        if body.get("done") is True:
            self._done = True
            self._last = body
            reason = body.get("done_reason")
            self._native = reason if isinstance(reason, str) and reason else None
            found += self._told.rest()
        return found

    def _call(self, call: dict[str, Any]) -> Event:
        function = part_of(call, "function")
        number, self._calls = self._calls, self._calls + 1
        said = function.get("arguments")
        arguments = said if isinstance(said, str) else json.dumps(said if said is not None else {}, ensure_ascii=False)
        ident = text_in(call.get("id")) or f"call_{self._before + number}"
        return Called(0, number, ident, text_in(function.get("name")), arguments)


def _picture(data: str) -> str:
    """A data: URL of a picture that is sent without its type: the first bytes of base64 tell it."""
    kinds = {"iVBOR": "png", "/9j/": "jpeg", "R0lGOD": "gif", "UklGR": "webp"}
    kind = next((name for begin, name in kinds.items() if data.startswith(begin)), "png")
    return data if data.startswith("data:") else f"data:image/{kind};base64,{data}"
