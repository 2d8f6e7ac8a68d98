"""The stream as OpenAI sends it: `chat.completion.chunk` objects, cut from the choices of an answer as they grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelhub.kernels.protocol.completion import Answer, content
from modelhub.kernels.protocol.request import ChatRequest

KIND = "chat.completion.chunk"


@dataclass(slots=True)
class _Place:
    """How far one choice has been read."""

    begun: bool = False
    pieces: int = 0
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
    """

    def __init__(self, request: ChatRequest) -> None:
        """Nothing of the answer to `request` has been read yet."""
        options = request.stream_options
        self._usage = bool(options and options.include_usage)
        self._places = [_Place() for _ in range(request.n or 1)]
        self._begun = self._ended = False

    def more(self, answer: Answer) -> list[dict[str, Any]]:
        """A chunk for each choice that has more text than was read."""
        chunks = []
        for index, (place, choice) in enumerate(zip(self._places, answer.choices, strict=True)):
            if place.pieces < len(choice.pieces):
                chunks.append(self._text(answer, index, place.entries))
        return chunks

    def end(self, answer: Answer, usage: dict[str, Any]) -> list[dict[str, Any]]:
        """What is left of an answer that has ended; nothing when it was asked before."""
        if self._ended:
            return []
        self._ended = True
        chunks = []
        for index, (place, choice) in enumerate(zip(self._places, answer.choices, strict=True)):
            left = answer.logprobs and place.entries < len(choice.logprobs)
            if not place.begun or left or place.pieces < len(choice.pieces):
                chunks.append(self._text(answer, index, len(choice.logprobs)))
            if choice.finish is not None:
                chunks.append(self._chunk(answer, index, {}, None, choice.finish))
        if self._usage:
            chunks.append({**answer.head(KIND), "choices": [], "usage": usage or None})
        return chunks

    def _text(self, answer: Answer, index: int, entries: int) -> dict[str, Any]:
        """A chunk of a choice's text that was not read, with at least the first `entries` of its entries."""
        place, choice = self._places[index], answer.choices[index]
        delta: dict[str, Any] = {} if place.begun else {"role": "assistant"}
        place.begun = True
        delta["content"] = "".join(choice.pieces[place.pieces :])
        place.pieces = len(choice.pieces)
        logprobs = None
        if answer.logprobs:
            place.text_bytes += len(delta["content"].encode("utf-8", "surrogatepass"))
            first = place.entries
            while place.entries < len(choice.logprobs):
                if place.entries >= entries and place.token_bytes >= place.text_bytes:
                    break
                place.token_bytes += len(choice.logprobs[place.entries]["bytes"])
                place.entries += 1
            logprobs = content(choice.logprobs[first : place.entries])
        return self._chunk(answer, index, delta, logprobs, None)

    def _chunk(
        self, answer: Answer, index: int, delta: dict[str, Any], logprobs: dict[str, Any] | None, finish: str | None
    ) -> dict[str, Any]:
        chunk = {
            **answer.head(KIND),
            "choices": [{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}],
            **({"usage": None} if self._usage else {}),
            **({} if self._begun else answer.prompt_part()),
        }
        self._begun = True
        return chunk
