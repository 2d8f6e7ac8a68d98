"""What the scheduler keeps: a slot of the context's memory, a choice being generated, and the request it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelhub.kernels.worker.stream_text import StreamText


@dataclass(slots=True)
class Slot:
    """One sequence id of the context and the tokens its memory holds, position by position."""

    id: int
    tokens: list[int] = field(default_factory=list)
    choice: Choice | None = None
    used: int = 0  # the scheduler's step at which it was last used

    def shared(self, prompt: list[int]) -> int:
        """How many tokens at the beginning of `prompt` this slot holds already."""
        count = min(len(self.tokens), len(prompt))
        if self.tokens[:count] == prompt[:count]:  # the usual case, at C speed
            return count
        for at in range(count):
            if self.tokens[at] != prompt[at]:
                return at
        return count


@dataclass(slots=True)
class Request:
    """One chat request: its prompt, its limits, its choices and the times of its stages (seconds, monotonic)."""

    id: int
    prompt: list[int]
    plan: dict[str, Any]
    choices: list[Choice]
    received: float
    admitted: float = 0.0
    evaluated: float = 0.0  # when the prompt's last token had been evaluated
    cached: int = 0  # prompt tokens that were in memory already
    template_seconds: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether every choice has its finish reason."""
        return all(c.finish is not None for c in self.choices)


@dataclass(slots=True)
class Choice:
    """One answer being generated: a sequence in a slot."""

    request: Request
    index: int
    seed: int
    text: StreamText
    prompt: list[int]  # what is to be evaluated before the next draw: the request's, and more after a preemption
    chain: Any = None
    slot: Slot | None = None
    pending: int | None = None  # the token drawn last, not yet evaluated
    drawn: int = 0  # tokens drawn, the end token not counted
    starts: list[int] = field(default_factory=list)  # byte offset in the text at which each drawn token begins
    size: int = 0  # bytes of all drawn tokens
    finish: str | None = None

    @property
    def evaluating(self) -> bool:
        """Whether part of the prompt has still to be evaluated."""
        return self.finish is None and (self.slot is None or len(self.slot.tokens) < len(self.prompt))
