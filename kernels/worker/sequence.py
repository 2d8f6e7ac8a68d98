"""What the scheduler keeps: a slot of the context's memory, a choice being generated, and the request it belongs to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from modelhub.kernels.worker.sampling import Chain
from modelhub.kernels.worker.stream_text import StreamText


@dataclass(slots=True)
class Slot:
    """One sequence id of the context and the tokens its memory holds, position by position."""

    id: int
    tokens: list[int] = field(default_factory=list)
    choice: Choice | None = None
    used: int = 0  # when it was last used, by the clock of `Slots`
    key: str | None = None  # the prompt_cache_key it was read under

    @property
    def worth(self) -> tuple[bool, bool, int]:
        """What is forgotten first is worth least: an empty slot, then the one used longest ago, pinned ones last."""
        return (bool(self.tokens), self.key is not None, self.used)

    def shared(self, prompt: list[int]) -> int:
        """How many tokens at the beginning of `prompt` this slot holds already."""
        return common(self.tokens, prompt)


def common(one: list[int], other: list[int]) -> int:
    """How many tokens two lists have in common at their beginnings."""
    count = min(len(one), len(other))
    if one[:count] == other[:count]:  # the usual case, at C speed
        return count
    low, high = 0, count  # the first `low` agree, the first `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


@dataclass(slots=True)
class Request:
    """One request: its prompt, its limits, its choices and the times of its stages (seconds, monotonic).

    A request that only scores a text draws nothing; its choices are windows of the text, as many as there
    are slots.
    """

    id: int
    prompt: list[int]
    plan: dict[str, Any]
    received: float
    template_seconds: float = 0.0
    choices: list[Choice] = field(default_factory=list)
    windows: deque[tuple[int, tuple[int, int, int]]] = field(default_factory=deque)  # of a scored text, still to come
    queued: float = 0.0  # when it came, or a scored text's next window: behind those who came meanwhile
    admitted: float = 0.0
    evaluated: float = 0.0  # when the prompt's last token had been evaluated
    cached: int = 0  # prompt tokens that were in memory already
    restored: int = 0  # those of them that came from disk

    def __post_init__(self) -> None:
        """A request queues from when it came."""
        self.queued = self.received

    @property
    def finished(self) -> bool:
        """Whether every choice has its finish reason."""
        return all(c.finish is not None for c in self.choices)

    @property
    def running(self) -> int:
        """How many choices have a slot."""
        return sum(c.slot is not None for c in self.choices)

    def status(self) -> dict[str, Any]:
        """Where it stands: `state` is waiting, reading or writing; tokens of the prompt read and drawn so far."""
        slots = [c.slot for c in self.choices if c.slot is not None]
        drawn = sum(c.drawn for c in self.choices)
        read = max((min(len(s.tokens), len(self.prompt)) for s in slots), default=0)
        return {
            "request": self.id,
            "state": "writing" if drawn else "reading" if slots else "waiting",
            "choices": len(self.choices),
            "prompt_tokens": len(self.prompt),
            "read": len(self.prompt) if drawn else read,
            "drawn": drawn,
        }


@dataclass(slots=True)
class Choice:
    """One answer being generated: a sequence in a slot."""

    request: Request
    index: int
    text: StreamText
    prompt: list[int]  # what is to be evaluated before the next draw: the request's, and more after a preemption
    chain: Chain | None = None  # None draws nothing
    scored: int | None = None  # prompt tokens up to this one need no log probabilities, those after it do; None: none
    begin: int = 0  # where in the request's prompt this one begins: windows of a scored text
    slot: Slot | None = None
    pending: int | None = None  # the token drawn last, not yet evaluated
    stepped: int = 0  # the step it was last evaluated in
    drawn: int = 0  # tokens drawn, the end token not counted
    starts: list[int] = field(default_factory=list)  # byte offset in the text at which each drawn token begins
    size: int = 0  # bytes of all drawn tokens
    finish: str | None = None

    @property
    def evaluating(self) -> bool:
        """Whether part of the prompt has still to be evaluated."""
        return self.finish is None and (self.slot is None or len(self.slot.tokens) < len(self.prompt))
