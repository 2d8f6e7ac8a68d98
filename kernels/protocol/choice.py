"""One answer as it grows: text, thoughts, tool calls, pictures, and why it ended."""

from __future__ import annotations

import json
from typing import Any

from modelhub.kernels.protocol.events import Called, Pictured, Reasoned, Refused


class ToolCall:
    """A call of a tool, as far as its pieces have come."""

    __slots__ = ("extra", "ident", "name", "pieces")

    def __init__(
        self, ident: str = "", name: str = "", arguments: str = "", extra: dict[str, Any] | None = None
    ) -> None:
        """A call of which this has come; `arguments` are JSON text."""
        self.ident = ident
        self.name = name
        self.pieces: list[str] = [arguments] if arguments else []  # of the arguments; only ever appended to
        self.extra: dict[str, Any] = extra or {}

    def add(self, piece: Called) -> None:
        """Take a piece; name and id are said once."""
        self.ident = self.ident or piece.ident
        self.name = self.name or piece.name
        if piece.arguments:
            self.pieces.append(piece.arguments)
        if piece.extra:
            self.extra = {**self.extra, **piece.extra}

    @property
    def whole(self) -> bool:
        """Whether its arguments are JSON: those of a call that was cut off are not."""
        if not self.pieces:
            return True  # a function without parameters
        try:
            json.loads("".join(self.pieces))
        except (ValueError, RecursionError):
            return False
        return True

    def to_dict(self) -> dict[str, Any]:
        """As OpenAI's message has it; `extra_content` is what must go back with it, as a thought signature."""
        function = {"name": self.name, "arguments": "".join(self.pieces)}
        call: dict[str, Any] = {"id": self.ident, "type": "function", "function": function}
        return {**call, "extra_content": dict(self.extra)} if self.extra else call


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
        self.reasoning: list[str] = []  # text, as `pieces`
        self.refusal: list[str] = []  # text, as `pieces`
        self.calls: list[ToolCall] = []
        self.blocks: list[dict[str, Any]] = []  # the message's reasoning_details
        self.images: list[str] = []  # data: URLs or addresses
        self._text, self._joined = "", 0

    def add(self, text: str) -> None:
        """Append text."""
        if text:
            self.pieces.append(text)
            self.length += len(text)

    def take(self, event: Reasoned | Refused | Called | Pictured) -> None:
        """Take what comes beside the text."""
        match event:
            case Reasoned():
                self.reasoning.append(event.text)
            case Refused():
                self.refusal.append(event.text)
            case Pictured():
                self.images.append(event.url)
            case Called():
                while event.number >= len(self.calls):
                    self.calls.append(ToolCall())
                self.calls[event.number].add(event)

    @property
    def empty(self) -> bool:
        """Whether nothing has come of it."""
        return not (self.pieces or self.reasoning or self.refusal or self.calls or self.images)

    def text(self) -> str:
        """The whole text so far. Each piece is joined once."""
        if self._joined < len(self.pieces):
            self._text += "".join(self.pieces[self._joined :])
            self._joined = len(self.pieces)
        return self._text

    def content(self) -> str | None:
        """The message's content: None where there is something else in its place."""
        return self.text() or (None if self.calls or self.refusal else "")

    def message(self) -> dict[str, Any]:
        """The assistant message it makes; keys that OpenAI's message has not are there only where they hold something.

        `reasoning_content` is the thinking, `reasoning_details` what goes back to the provider with the message,
        `images` a list of `image_url` parts.
        """
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.content(),
            "refusal": "".join(self.refusal) or None,
        }
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.blocks:
            message["reasoning_details"] = list(self.blocks)
        if self.calls:
            message["tool_calls"] = [call.to_dict() for call in self.calls]
        if self.images:
            message["images"] = pictures(self.images)
        return message

    def to_send(self) -> dict[str, Any]:
        """The message as a request takes it: pictures are parts of its content, a call that was cut off is left out."""
        message = self.message()
        for name in [n for n, value in message.items() if value is None and n != "content"]:
            del message[name]
        if images := message.pop("images", None):
            text = [{"type": "text", "text": message["content"]}] if message["content"] else []
            message["content"] = [*text, *images]
        if self.calls:
            message["tool_calls"] = [call.to_dict() for call in self.calls if call.whole]
            if not message["tool_calls"]:
                del message["tool_calls"]
                message["content"] = message["content"] or ""
        return message

    def to_dict(self) -> dict[str, Any]:
        """As plain data: what every answer has, and what only some have where there is some."""
        some = {
            "reasoning": "".join(self.reasoning),
            "refusal": "".join(self.refusal),
            "tool_calls": [call.to_dict() for call in self.calls],
            "reasoning_details": list(self.blocks),
            "images": list(self.images),
            "native_finish_reason": self.native,
        }
        return {
            "text": self.text(),
            "logprobs": self.logprobs,
            "tokens": self.tokens,
            "finish_reason": self.finish,
            **{name: value for name, value in some.items() if value},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Choice:
        """What `to_dict` gave, also in logs of modelhub 0.1, which knew text alone."""
        choice = cls(data["text"], data["logprobs"], data["tokens"], data["finish_reason"])
        choice.reasoning = [data["reasoning"]] if data.get("reasoning") else []
        choice.refusal = [data["refusal"]] if data.get("refusal") else []
        for call in data.get("tool_calls", []):
            function = call["function"]
            made = ToolCall(call["id"], function["name"], function["arguments"], call.get("extra_content"))
            choice.calls.append(made)
        choice.blocks = list(data.get("reasoning_details", []))
        choice.images = list(data.get("images", []))
        choice.native = data.get("native_finish_reason")
        return choice


def pictures(urls: list[str]) -> list[dict[str, Any]]:
    """Pictures as parts of a message."""
    return [{"type": "image_url", "image_url": {"url": url}} for url in urls]
