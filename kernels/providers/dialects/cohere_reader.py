"""Reads replies of Cohere's v2 chat: events of a stream, or the whole object."""

from __future__ import annotations

import json
from typing import Any

from modelhub.kernels.protocol.events import Called, Ended, Event, Kept, Warned
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects.halves import mended
from modelhub.kernels.providers.dialects.logprobs import entry, logarithm
from modelhub.kernels.providers.dialects.usage import counted
from modelhub.kernels.providers.dialects.wire_reply import (
    DONE,
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
from modelhub.kernels.providers.rules import Target
from modelhub.kernels.providers.stream.server_event import ServerEvent

# https://docs.cohere.com/reference/chat, finish_reason; ERROR_LIMIT and ERROR_TOXIC are of v1.
FINISHES = {
    "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls", "ERROR_TOXIC": "content_filter", "ERROR": "error", "TIMEOUT": "error",
}  # fmt: skip


class CohereReader:
    """Reads one reply; see `Reader`."""

    def __init__(self, request: ChatRequest, target: Target) -> None:
        """Nothing has come."""
        self._provider = target.provider
        self._told = Told(request, target.provider)
        self._calls: dict[int, int] = {}  # the number of the call at each index of the stream
        self._thought: dict[int, str] = {}  # of the blocks of content that are open, what it thinks in them
        self._plan = ""
        self._entries = 0
        self._citations: list[dict[str, Any]] = []
        self._usage: dict[str, Any] = {}
        self._native: str | None = None
        self._done = False

    def event(self, event: ServerEvent) -> list[Event]:
        """See `Reader.event`."""
        body = object_in(event, self._provider)
        if body is None:
            return self._end({}) if event.data.strip() == DONE and not self._done else []
        index = counted(body.get("index")) or 0
        message = part_of(part_of(body, "delta"), "message")
        found = self._told.first(id=body.get("id"))
        match body.get("type") or event.kind:
            case "message-start":
                found += self._planned(message.get("tool_plan"))
            case "content-start" | "content-delta":
                found += self._content(index, _block(message.get("content")), _entries(body.get("logprobs")))
            case "content-end":
                found += self._close(index)
            case "tool-plan-delta":
                found += self._planned(message.get("tool_plan"))
            case "tool-call-start" | "tool-call-delta":
                found += self._call(index, message.get("tool_calls"))
            case "citation-start":
                found += self._cited(message.get("citations"))
            case "message-end":
                found += self._end(part_of(body, "delta"))
        return found

    def whole(self, body: Any) -> list[Event]:
        """See `Reader.whole`."""
        failed(body, self._provider)
        if not isinstance(body, dict) or not isinstance(body.get("message"), dict):
            raise strange("a reply that is no answer of Cohere's", self._provider, json.dumps(body))
        message = body["message"]
        found = [*self._told.first(id=body.get("id")), *self._planned(message.get("tool_plan"))]
        entries = tuple(e for row in rows_in(body.get("logprobs")) for e in _entries(row))
        said = message.get("content")
        for index, block in enumerate(rows_in(said if isinstance(said, list) else [_block(said)])):
            text = block.get("type") == "text"
            found += self._content(index, block, entries if text else ())
            found += self._close(index)
            entries = () if text else entries
        if entries:
            found += self._content(0, {}, entries)
        for index, call in enumerate(rows_in(message.get("tool_calls"))):
            found += self._call(index, call)
        return [*found, *self._cited(message.get("citations")), *self._end(body)]

    def rest(self) -> list[Event]:
        """See `Reader.rest`."""
        return self._told.rest()

    def end(self) -> Ended:
        """See `Reader.end`."""
        if not self._done:
            raise broken_off(self._provider)
        tokens = part_of(self._usage, "tokens")
        usage = tally(
            counted(tokens.get("input_tokens")),
            counted(tokens.get("output_tokens")),
            cached=counted(self._usage.get("cached_tokens")),
        )
        details: dict[str, Any] = {"provider_usage": self._usage} if self._usage else {}
        if self._citations:
            details["citations"] = self._citations
        return Ended((FINISHES.get(self._native or ""),), (self._entries,), usage, details, (self._native,))

    def _content(self, index: int, block: dict[str, Any], entries: tuple[dict[str, Any], ...]) -> list[Event]:
        self._entries += len(entries)
        thought = text_in(block.get("thinking"))
        self._thought[index] = self._thought.get(index, "") + thought
        found = self._told.thought(0, thought)
        return [*found, *self._told.text(0, block.get("text"), entries)]

    def _close(self, index: int) -> list[Event]:
        thought = mended(self._thought.pop(index, ""))
        return [Kept(0, ({"type": "thinking", "thinking": thought},))] if thought else []

    def _planned(self, plan: Any) -> list[Event]:
        """What it plans to do with the tools: a thought, which goes back with the calls."""
        self._plan += text_in(plan)
        return self._told.thought(0, plan)

    def _call(self, index: int, said: Any) -> list[Event]:
        call = next(iter(rows_in(said)), {}) if isinstance(said, list) else said if isinstance(said, dict) else {}
        function = part_of(call, "function")
        first = index not in self._calls
        number = self._calls.setdefault(index, len(self._calls))
        ident, name, arguments = (text_in(v) for v in (call.get("id"), function.get("name"), function.get("arguments")))
        plan, self._plan = self._plan, ""
        found: list[Event] = [Kept(0, ({"type": "tool_plan", "tool_plan": mended(plan)},))] if plan else []
        if first or arguments:
            found.append(Called(0, number, ident if first else "", name if first else "", arguments))
        return found

    def _cited(self, said: Any) -> list[Event]:
        self._citations += rows_in(said) if isinstance(said, list) else rows_in([said])
        return []

    def _end(self, body: dict[str, Any]) -> list[Event]:
        self._done = True
        self._usage |= {name: value for name, value in part_of(body, "usage").items() if value is not None}
        reason = body.get("finish_reason")
        self._native = self._native or (reason if isinstance(reason, str) and reason else None)
        found = [event for index in list(self._thought) for event in self._close(index)]
        why = body.get("error")
        return [*found, *self._told.rest(), *([Warned(why)] if isinstance(why, str) and why else [])]


def _block(said: Any) -> dict[str, Any]:
    """A block of content; some gateways send its text alone."""
    return said if isinstance(said, dict) else {"type": "text", "text": said} if isinstance(said, str) else {}


def _entries(said: Any) -> tuple[dict[str, Any], ...]:
    """One entry for a span of text.

    The API says the text of a span and the logarithm of each of its tokens, not where one token ends: a span of more
    than one token has the logarithm of them all, their sum, with `ids` and `logprobs` of each.
    """
    if not isinstance(said, dict):
        return ()
    values = said.get("logprobs")
    values = values if isinstance(values, list) else []
    idents = said.get("token_ids")
    idents = idents if isinstance(idents, list) else []
    text = mended(text_in(said.get("text")))
    if not values and not text:
        return ()
    data = list(text.encode()) if text else None
    if len(values) < 2:
        only = idents[0] if len(idents) == 1 else None
        return (entry(text, values[0] if values else None, data, only, []),)
    each = [logarithm(value)[0] for value in values]
    known = [value for value in each if value is not None]
    total = sum(known) if len(known) == len(each) else None
    return ({**entry(text, total, data, None, []), "ids": list(idents), "logprobs": each},)
