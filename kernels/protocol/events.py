"""What an engine yields while it answers. One stream of these is the truth; a completion is its fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LEAST = -9999.0  # what OpenAI's API writes for a logarithm that JSON cannot say, minus infinity; none is below it


@dataclass(frozen=True, slots=True)
class Progress:
    """Work before the answer: `stage` in words ("loading tiny-chat"), `part` done from 0 to 1, or None."""

    stage: str
    part: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The engine took the request. `details` are facts for `Response.debug`."""

    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of choice `index`, `tokens` tokens long; `logprobs` are entries of OpenAI's logprobs.content."""

    index: int
    text: str
    tokens: int = 1
    logprobs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class PromptLogprobs:
    """Entries as of logprobs.content for tokens of the prompt, the first of them being token `at` (from 0)."""

    at: int
    entries: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know and need not act on."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the answer.

    `finish` has one OpenAI finish reason a choice, None where it was stopped by the user; `kept` says how many
    entries of each choice's logprobs stand in its text; `usage` is OpenAI's usage object; `details` go to
    `Response.debug`.
    """

    finish: tuple[str | None, ...]
    kept: tuple[int, ...]
    usage: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)


Event = Progress | Started | Delta | PromptLogprobs | Warned | Ended
