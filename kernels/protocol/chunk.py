"""The stream as OpenAI sends it: `chat.completion.chunk` objects, cut from the choices of an answer as they grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelhub.kernels.protocol.choice import Choice, ToolCall, pictures
from modelhub.kernels.protocol.completion import Answer, content, ending
from modelhub.kernels.protocol.request import ChatRequest

KIND = "chat.completion.chunk"


@dataclass(slots=True)
class _Call:
    """How far one tool call has been read."""

    ident: bool = False
    name: bool = False
    pieces: int = 0
    extra: dict[str, Any] | None = None  # as it was read; a new one is another object


@dataclass(slots=True)
class _Place:
    """How far one choice has been read."""

    begun: bool = False
    text: bool = False  # whether a delta had text, if an empty one
    pieces: int = 0
    reasoning: int = 0
    refusal: int = 0
    blocks: int = 0
    images: int = 0
    calls: list[_Call] = field(default_factory=list)
    entries: int = 0
    text_bytes: int = 0  # bytes of the text read so far
    token_bytes: int = 0  # bytes of the tokens whose entries were read: where the next token begins


class ChunkReader:
    """One reading of an answer in chunks, from its beginning. Folded, they are its completion.

    The first delta of a choice has the role; its finish reason comes in a last chunk with an empty delta, and in none
    when the user stopped the answer. `logprobs` holds the tokens that begin in the text read so far: of the rest it is
    not known yet whether a stop string takes them away. `usage` is absent, unless `stream_options.include_usage`: then
    it is null, and stands in one more chunk at the end, which has no choices. Our `prompt_logprobs` come with the
    first chunk.

    Deltas have `content`, `refusal` and `tool_calls` as OpenAI's, `reasoning_content`, `reasoning_details` and `images`
    as other providers'; text and lists are added up, a tool call's `extra_content` is merged.
    """

    def __init__(self, request: ChatRequest) -> None:
        """Nothing of the answer to `request` has been read yet."""
        options = request.stream_options
        self._usage = bool(options and options.include_usage)
        self._places = [_Place() for _ in range(request.n or 1)]
        self._begun = self._ended = False

    def more(self, answer: Answer) -> list[dict[str, Any]]:
        """A chunk for each choice of which more has come than was read."""
        chunks = []
        for index, (place, choice) in enumerate(self._both(answer)):
            if delta := _new(place, choice):
                chunks.append(self._said(answer, index, delta, place.entries))
        return chunks

    def end(self, answer: Answer, usage: dict[str, Any]) -> list[dict[str, Any]]:
        """What is left of an answer that has ended; nothing when it was asked before."""
        if self._ended:
            return []
        self._ended = True
        chunks = []
        for index, (place, choice) in enumerate(self._both(answer)):
            delta = _new(place, choice)
            left = place.entries < len(choice.logprobs)
            if choice.content() is not None and (left or not place.text):  # the text is empty, or was read before
                delta.setdefault("content", "")
            if delta or left or not place.begun:
                chunks.append(self._said(answer, index, delta, len(choice.logprobs)))
            if choice.finish is not None or choice.native is not None:
                chunks.append(self._chunk(answer, index, {}, None, ending(choice)))
        if self._usage:
            chunks.append({**answer.head(KIND), "choices": [], "usage": usage or None})
        return chunks

    def _both(self, answer: Answer) -> list[tuple[_Place, Choice]]:
        """Each choice and its place; there may be more of them than were asked for."""
        while len(self._places) < len(answer.choices):
            self._places.append(_Place())
        return list(zip(self._places, answer.choices, strict=True))

    def _said(self, answer: Answer, index: int, delta: dict[str, Any], entries: int) -> dict[str, Any]:
        """A chunk with `delta`, and with at least the first `entries` of the choice's entries that were not read."""
        place, choice = self._places[index], answer.choices[index]
        if not place.begun:
            delta = {"role": "assistant", **delta}
            place.begun = True
        place.text_bytes += len((delta.get("content") or "").encode("utf-8", "surrogatepass"))
        first = place.entries
        while place.entries < len(choice.logprobs):
            if place.entries >= entries and place.token_bytes >= place.text_bytes:
                break
            place.token_bytes += _bytes(choice.logprobs[place.entries])
            place.entries += 1
        logprobs = content(choice.logprobs[first : place.entries], answer.logprobs)
        return self._chunk(answer, index, delta, logprobs, {"finish_reason": None})

    def _chunk(
        self,
        answer: Answer,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None,
        finish: dict[str, Any],
    ) -> dict[str, Any]:
        chunk = {
            **answer.head(KIND),
            "choices": [{"index": index, "delta": delta, "logprobs": logprobs, **finish}],
            **({"usage": None} if self._usage else {}),
            **({} if self._begun else answer.prompt_part()),
        }
        self._begun = True
        return chunk


def _new(place: _Place, choice: Choice) -> dict[str, Any]:
    """What has come of a choice since it was read: a delta without its role."""
    delta: dict[str, Any] = {}
    if place.reasoning < len(choice.reasoning):
        delta["reasoning_content"] = "".join(choice.reasoning[place.reasoning :])
        place.reasoning = len(choice.reasoning)
    if place.pieces < len(choice.pieces):
        delta["content"] = "".join(choice.pieces[place.pieces :])
        place.pieces, place.text = len(choice.pieces), True
    if place.refusal < len(choice.refusal):
        delta["refusal"] = "".join(choice.refusal[place.refusal :])
        place.refusal = len(choice.refusal)
    if calls := _new_calls(place, choice.calls):
        delta["tool_calls"] = calls
    if place.blocks < len(choice.blocks):
        delta["reasoning_details"] = choice.blocks[place.blocks :]
        place.blocks = len(choice.blocks)
    if place.images < len(choice.images):
        delta["images"] = pictures(choice.images[place.images :])
        place.images = len(choice.images)
    return delta


def _new_calls(place: _Place, calls: list[ToolCall]) -> list[dict[str, Any]]:
    """What has come of the tool calls since they were read, each by its `index`; the first piece has the type."""
    found: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        new = index >= len(place.calls)
        if new:
            place.calls.append(_Call())
        at = place.calls[index]
        piece: dict[str, Any] = {"type": "function"} if new else {}
        function: dict[str, Any] = {}
        if call.ident and not at.ident:
            piece["id"], at.ident = call.ident, True
        if call.name and not at.name:
            function["name"], at.name = call.name, True
        if at.pieces < len(call.pieces) or new:
            function["arguments"] = "".join(call.pieces[at.pieces :])
            at.pieces = len(call.pieces)
        if call.extra and call.extra is not at.extra:
            piece["extra_content"], at.extra = dict(call.extra), call.extra
        if function:
            piece["function"] = function
        if piece:
            found.append({"index": index, **piece})
    return found


def _bytes(entry: dict[str, Any]) -> int:
    """Bytes of a token; a provider may not say them."""
    said = entry.get("bytes")
    return len(entry["token"].encode("utf-8", "surrogatepass")) if said is None else len(said)
