"""Reads replies of Anthropic's Messages API: events of a stream, or the whole message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modelhub.kernels.protocol.events import Called, Ended, Event, Kept, Warned
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects.halves import mended, sayable
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

# https://docs.anthropic.com/en/api/handling-stop-reasons
FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "max_tokens": "length",
    "model_context_window_exceeded": "length", "tool_use": "tool_calls", "refusal": "content_filter",
}  # fmt: skip


class AnthropicReader:
    """Reads one reply; see `Reader`."""

    def __init__(self, request: ChatRequest, target: Target, details: Mapping[str, Any]) -> None:
        """Nothing has come. details: what the request was given unasked, for `response.debug`."""
        self._provider = target.provider
        self._details: dict[str, Any] = dict(details)
        self._told = Told(request, target.provider)
        self._blocks: dict[int, dict[str, Any]] = {}  # those that are open, as far as they have come
        self._calls: dict[int, int] = {}  # the number of the call in each block
        self._arguments: set[int] = set()  # calls of which some came
        self._between: list[dict[str, Any]] = []  # text since the last block that was kept
        self._citations: list[dict[str, Any]] = []
        self._usage: dict[str, Any] = {}
        self._native: str | None = None
        self._done = False

    def event(self, event: ServerEvent) -> list[Event]:
        """See `Reader.event`."""
        body = object_in(event, self._provider)
        if body is None:
            return self._read("message_stop", {}) if event.data.strip() == DONE else []
        return [*self._told.first(), *self._read(body.get("type") or event.kind, body)]

    def whole(self, body: Any) -> list[Event]:
        """See `Reader.whole`."""
        failed(body, self._provider)
        if not isinstance(body, dict) or not isinstance(body.get("content"), list):
            raise strange("a reply that is no message of Anthropic's", self._provider, json.dumps(body))
        found = [*self._told.first(), *self._read("message_start", {"message": body})]
        for index, block in enumerate(rows_in(body["content"])):
            found += self._begin(index, block)
            found += self._close(index)
        return [*found, *self._read("message_delta", {"delta": body}), *self._read("message_stop", {})]

    def rest(self) -> list[Event]:
        """See `Reader.rest`."""
        return self._told.rest()

    def end(self) -> Ended:
        """See `Reader.end`."""
        if not self._done and self._native is None:
            raise broken_off(self._provider)
        usage = self._usage_so_far()
        details = {**self._details, **({"provider_usage": self._usage} if self._usage else {})}
        if self._citations:
            details["citations"] = self._citations
        return Ended((FINISHES.get(self._native or ""),), (0,), usage, details, (self._native,))

    def _read(self, kind: str, body: dict[str, Any]) -> list[Event]:
        index = counted(body.get("index")) or 0
        match kind:
            case "message_start":
                message = part_of(body, "message")
                self._count(message)
                said = self._told.first(id=message.get("id"), model=message.get("model"))
                return [*said, *self._told.counted(self._usage_so_far())]
            case "content_block_start":
                return self._begin(index, part_of(body, "content_block"))
            case "content_block_delta":
                return self._more(index, part_of(body, "delta"))
            case "content_block_stop":
                return self._close(index)
            case "message_delta":
                self._count(body)
                return [*self._told.counted(self._usage_so_far()), *self._stop(part_of(body, "delta"))]
            case "message_stop":
                self._done = True
                return self._told.rest()
        return []

    def _begin(self, index: int, block: dict[str, Any]) -> list[Event]:
        self._blocks[index] = block = dict(block)
        match block.get("type"):
            case "text":
                self._citations += rows_in(block.get("citations"))
                return self._told.text(0, block.get("text"))
            case "thinking":
                return self._told.thought(0, block.get("thinking"))
            case "tool_use":
                self._calls[index] = number = len(self._calls)
                return [Called(0, number, text_in(block.get("id")), text_in(block.get("name")))]
        return []

    def _more(self, index: int, delta: dict[str, Any]) -> list[Event]:
        block = self._blocks.setdefault(index, {"type": "text"})  # a gateway may leave the beginning out
        match delta.get("type"):
            case "text_delta":
                _append(block, "text", delta.get("text"))
                return self._told.text(0, delta.get("text"))
            case "thinking_delta":
                _append(block, "thinking", delta.get("thinking"))
                return self._told.thought(0, delta.get("thinking"))
            case "signature_delta":
                _append(block, "signature", delta.get("signature"))
            case "input_json_delta":
                if index not in self._calls:  # a tool of Anthropic's own: it goes back as one block
                    _append(block, "partial_json", delta.get("partial_json"))
                elif piece := text_in(delta.get("partial_json")):
                    self._arguments.add(index)
                    return [Called(0, self._calls[index], arguments=piece)]
            case "citations_delta":
                self._citations += [c] if (c := part_of(delta, "citation")) else []
        return []

    def _close(self, index: int) -> list[Event]:
        """A block is whole: what must go back is told, with the text that stood before it."""
        block = self._blocks.pop(index, {})
        kind = block.get("type")
        if kind == "tool_use":
            if index in self._arguments:
                return []
            return [Called(0, self._calls[index], arguments=json.dumps(block.get("input") or {}, ensure_ascii=False))]
        if kind == "text":
            if text := mended(text_in(block.get("text"))):
                self._between.append({"type": "text", "text": text})
            return []
        if not kind:
            return []
        for name in ("thinking", "signature"):
            if name in block:
                block[name] = mended(text_in(block[name]))
        piece = block.pop("partial_json", "")
        if piece:
            try:
                block["input"] = json.loads(piece)
            except ValueError:
                return []  # cut in the middle: it could not go back
        kept, self._between = (*self._between, sayable(block)), []
        return [Kept(0, kept)]

    def _stop(self, delta: dict[str, Any]) -> list[Event]:
        reason = delta.get("stop_reason")
        if not isinstance(reason, str) or not reason or self._native is not None:
            return []
        self._native = reason
        told = {n: delta[n] for n in ("stop_sequence", "stop_details", "container") if delta.get(n) is not None}
        self._details |= told
        if reason == "pause_turn":
            return [Warned("Claude paused a long turn: send the conversation again and it goes on")]
        why = part_of(delta, "stop_details").get("explanation")
        return [Warned(f"Claude refused: {why}")] if reason == "refusal" and isinstance(why, str) and why else []

    def _count(self, body: dict[str, Any]) -> None:
        """Counts are cumulative: a later one takes the place of an earlier one."""
        said = part_of(body, "usage")
        self._usage |= {name: value for name, value in said.items() if value is not None}

    def _usage_so_far(self) -> dict[str, Any]:
        said = self._usage
        read, written = counted(said.get("cache_read_input_tokens")), counted(said.get("cache_creation_input_tokens"))
        fresh = counted(said.get("input_tokens"))
        prompt = None if fresh is None else fresh + (read or 0) + (written or 0)
        thought = counted(part_of(said, "output_tokens_details").get("thinking_tokens"))
        return tally(prompt, counted(said.get("output_tokens")), None, read, written, thought)


def _append(block: dict[str, Any], name: str, value: Any) -> None:
    block[name] = text_in(block.get(name)) + text_in(value)
