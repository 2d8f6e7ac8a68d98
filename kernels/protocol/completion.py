"""The fold: OpenAI's completion object from what a stream of events brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Choice:
    """One answer as it stands: its text so far, the log probabilities of its tokens, why it ended."""

    text: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    finish: str | None = None


def completion(
    ident: str, created: int, model: str, choices: list[Choice], usage: dict[str, Any], logprobs: bool
) -> dict[str, Any]:
    """A `chat.completion` object: every key of OpenAI's shape with its type, nothing invented.

    A choice that the user stopped has `finish_reason` None, which OpenAI's enumeration does not name.
    """
    return {
        "id": ident,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": "".join(choice.text), "refusal": None},
                "logprobs": {"content": choice.logprobs, "refusal": None} if logprobs else None,
                "finish_reason": choice.finish,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": usage,
        "system_fingerprint": None,
    }
