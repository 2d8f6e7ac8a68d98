"""Chunks of OpenAI-like streams, for tests."""

from __future__ import annotations

from typing import Any

DONE = "[DONE]"
ENDS = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def chunk(delta: Any = None, finish: Any = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """A chunk with one choice. more: of the chunk."""
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


def text(said: str, **more: Any) -> dict[str, Any]:
    """A chunk with text."""
    return chunk({"content": said}, **more)
