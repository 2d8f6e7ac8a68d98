"""Finished responses made of the events an engine would send, and a reader of the HTML they become."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

from modelhub.kernels.protocol.events import Delta, Ended, Started
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.response import Response


def entry(token: str, logprob: float = -0.5, top: Sequence[tuple[str, float]] = ()) -> dict[str, Any]:
    """An entry of OpenAI's logprobs.content."""
    raw = list(token.encode("utf-8", "replace"))
    tops = [{"token": t, "logprob": p, "bytes": list(t.encode("utf-8", "replace"))} for t, p in top]
    return {"token": token, "logprob": logprob, "bytes": raw, "top_logprobs": tops}


def finished(
    *texts: str,
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    entries: Sequence[dict[str, Any]] = (),
    finish: str | None = "stop",
    temperature: float = 1.0,
    tokens: int = 3,
    interrupted: bool = False,
    **fields: Any,
) -> Response:
    """A response whose choices have these texts."""
    messages = [{"role": "user", "content": "q"}]
    response = Response(ChatRequest.make(model="tiny-chat", messages=messages, n=len(texts), **fields), [*warnings])
    response.notes.extend(notes)
    drawn = {"temperature": temperature}
    response.feed(Started({"prompt_tokens": 4, "seed": 77, "request_parameters": drawn, "load_parameters": {}}))
    for index, text in enumerate(texts):
        response.feed(Delta(index, text, tokens, tuple(entries)))
    usage = {"prompt_tokens": 4, "completion_tokens": tokens, "total_tokens": 4 + tokens}
    kept = tuple(len(entries) for _ in texts)
    response.feed(Ended(tuple(finish for _ in texts), kept, usage, {"timings": {"decode_s": 0.5}}))
    response.settle(interrupted=interrupted)
    response.end()
    return response


class Page(HTMLParser):
    """What a browser would find in HTML: tags, attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.other: list[str] = []  # comments, declarations, processing instructions
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_decl(self, decl: str) -> None:
        self.other.append(decl)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)

    def values(self, name: str) -> set[str]:
        """The values of one attribute."""
        return {value for _, attribute, value in self.attributes if attribute == name}
