"""Streams as OpenAI's servers send them, made of parts, and a hub that asks for them."""

from __future__ import annotations

import json
from typing import Any

from modelhub.errors import HubError, ProviderError
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.providers.replay import Replies, Reply, Server, serve

KEY = "sk-case-0123456789abcdef"
DONE = b"data: [DONE]\n\n"
JSON = {"content-type": "application/json"}


def event(value: Any, kind: str = "") -> bytes:
    """One event of this JSON value."""
    head = f"event: {kind}\n" if kind else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chat.completion.chunk; `more` are fields of its delta."""
    delta = {**({} if text is None else {"content": text}), **more}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def said(*texts: str, finish: str | None = "stop", done: bool = True, end: Any = None) -> bytes:
    """A whole stream of these texts. end: a chunk before the `[DONE]`."""
    parts = [event(chunk("", role="assistant")), *(event(chunk(text)) for text in texts)]
    if finish is not None:
        parts.append(event(chunk(finish=finish)))
    if end is not None:
        parts.append(event(end))
    return b"".join(parts) + (DONE if done else b"")


def completion(text: str, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    """A chat.completion; `more` are fields of its message."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **more}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def add(hub: Hub, url: str, dialect: str = "generic", **more: Any) -> None:
    """Add the provider `corp`; a failure is told at once, unless `settings` say otherwise."""
    settings = {"tries": 1, "loading_s": 0, **more.pop("settings", {})}
    hub.providers.add("corp", base_url=url, dialect=dialect, settings=settings, **{"key": KEY, **more})


def start(hub: Hub, server: Server, **options: Any) -> Response:
    """Ask the provider `corp` at a server: the response, still growing."""
    of_provider = {k: options.pop(k) for k in ("settings", "first", "idle", "connect") if k in options}
    add(hub, f"{server.url}/v1", **of_provider)
    return hub.chat("hi", model="corp/m", **options)


def ask(hub: Hub, replies: Replies | bytes, **options: Any) -> tuple[Response, ProviderError | None]:
    """The response to these replies at its end, and what it raised."""
    with serve(Reply(replies) if isinstance(replies, bytes) else replies) as server:
        response = start(hub, server, **options)
        response.wait_quietly(30)
    error: HubError | None = response.error
    assert error is None or isinstance(error, ProviderError), error
    return response, error


def text_of(hub: Hub, replies: Replies | bytes, **options: Any) -> str:
    """The text of a reply that is to be whole."""
    response, error = ask(hub, replies, **options)
    assert error is None, error
    assert response.complete
    return response.partial()
