"""The fold: OpenAI's completion object from what a stream of events brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelhub.kernels.protocol.events import LEAST, Called
from modelhub.kernels.protocol.request import ChatRequest


class Choice:
    """One answer as it stands: its text so far, the log probabilities of its tokens, why it ended."""

    __slots__ = (
        "_joined", "_text", "blocks", "calls", "finish", "images", "length", "logprobs", "native", "pieces",
        "reasoning", "refusal", "tokens",
    )  # fmt: skip

    def __init__(
        self,
        text: str = "",
        logprobs: list[dict[str, Any]] | None = None,
        tokens: int = 0,
        finish: str | None = None,
    ) -> None:
        """An answer of which `text` has come, with entries of OpenAI's logprobs.content; `tokens` were drawn."""
        self.pieces: list[str] = [text] if text else []
        """The text as it came, none of them empty; only ever appended to, so a reader may keep its place by number."""
        self.length = len(text)
        self.logprobs = [] if logprobs is None else logprobs
        self.tokens = tokens
        self.finish = finish
        self.native: str | None = None  # the provider's own finish reason
        self.reasoning: list[str] = []  # text, only ever appended to
        self.refusal: list[str] = []
        self.calls: list[dict[str, Any]] = []  # tool calls as OpenAI's message has them; arguments grow
        self.blocks: list[dict[str, Any]] = []  # the message's reasoning_details
        self.images: list[str] = []  # data: URLs or addresses
        self._text, self._joined = "", 0

    def add(self, text: str) -> None:
        """Append text."""
        if text:
            self.pieces.append(text)
            self.length += len(text)

    def call(self, event: Called) -> None:
        """Take a piece of a tool call."""
        while event.number >= len(self.calls):
            self.calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call = self.calls[event.number]
        call["id"] = call["id"] or event.ident
        call["function"]["name"] = call["function"]["name"] or event.name
        call["function"]["arguments"] += event.arguments
        if event.extra:
            call["extra_content"] = {**call.get("extra_content", {}), **event.extra}

    def message(self) -> dict[str, Any]:
        """The assistant message it makes; keys that OpenAI's message has not are there only where they hold something.

        `reasoning_content` is the thinking, `reasoning_details` what goes back to the provider with the message,
        `images` a list of `image_url` parts.
        """
        text, refusal = self.text(), "".join(self.refusal)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not self.calls else None,
            "refusal": refusal or None,
        }
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.blocks:
            message["reasoning_details"] = list(self.blocks)
        if self.calls:
            message["tool_calls"] = [{**call, "function": dict(call["function"])} for call in self.calls]
        if self.images:
            message["images"] = [{"type": "image_url", "image_url": {"url": url}} for url in self.images]
        return message

    def text(self) -> str:
        """The whole text so far. Each piece is joined once."""
        if self._joined < len(self.pieces):
            self._text += "".join(self.pieces[self._joined :])
            self._joined = len(self.pieces)
        return self._text


@dataclass(frozen=True, slots=True)
class Answer:
    """What a completion and its chunks are made of.

    fingerprint: the worker's, or None where no worker has taken the request. Equal seeds give equal answers only under
        equal fingerprints.
    prompt: entries as of logprobs.content for the prompt's tokens.
    """

    ident: str
    created: int
    request: ChatRequest
    choices: Sequence[Choice]
    fingerprint: str | None
    prompt: Sequence[dict[str, Any]]

    @property
    def logprobs(self) -> bool:
        """Whether the log probabilities of its tokens were asked for."""
        return self.request.alternatives is not None

    def head(self, kind: str) -> dict[str, Any]:
        """The keys that a completion and each of its chunks have alike; `kind` is what they call `object`.

        `service_tier` is there only when it was asked for: the local engine has one, "default".
        """
        keys = {
            "id": self.ident,
            "object": kind,
            "created": self.created,
            "model": self.request.model,
            "system_fingerprint": self.fingerprint,
        }
        return keys if self.request.service_tier is None else {**keys, "service_tier": "default"}

    def prompt_part(self) -> dict[str, Any]:
        """Our `prompt_logprobs`, where they were asked for: for the completion and for the first of its chunks."""
        extension = self.request.x_modelhub
        if extension is None or extension.prompt_logprobs is None:
            return {}
        return {"prompt_logprobs": [_sayable(e) for e in self.prompt]}


def completion(answer: Answer, usage: dict[str, Any]) -> dict[str, Any]:
    """A `chat.completion` object: every key of OpenAI's shape with its type, nothing invented.

    A choice that the user stopped has `finish_reason` None, which OpenAI's enumeration does not name.
    """
    metadata = answer.request.metadata
    return {
        **answer.head("chat.completion"),
        "choices": [
            {
                "index": index,
                "message": choice.message(),
                "logprobs": content(choice.logprobs) if answer.logprobs else None,
                "finish_reason": choice.finish,
                **({} if choice.native is None else {"native_finish_reason": choice.native}),
            }
            for index, choice in enumerate(answer.choices)
        ],
        **({"usage": usage} if usage else {}),
        **answer.prompt_part(),
        **({} if metadata is None else {"metadata": dict(metadata)}),
    }


def content(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The `logprobs` of a choice or a chunk, with numbers that JSON can say."""
    return {"content": [_sayable(e) for e in entries], "refusal": None}


def _sayable(entry: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {k: LEAST if isinstance(v, float) and v < LEAST else v for k, v in entry.items()}
    if "top_logprobs" in said:
        said["top_logprobs"] = [_sayable(t) for t in said["top_logprobs"]]
    return said
