"""What has come of an answer: the fold of an engine's events, whatever engine it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from modelhub.kernels.protocol.choice import Choice
from modelhub.kernels.protocol.events import (
    Called,
    Delta,
    Ended,
    Event,
    Kept,
    Pictured,
    Progress,
    PromptLogprobs,
    Reasoned,
    Refused,
    Started,
    Warned,
)
from modelhub.kernels.protocol.raw import Raw

SHORTEST = 0.05  # seconds; of a remote answer that came faster no speed is told: it came at once


class Gathered:
    """One answer as far as it came. Not safe from several threads: its owner locks.

    choices: as many as were asked for, or more where a provider sent more. debug: facts of the engine. said: what a
    provider said of its answer before the first text of it. complete: whether the engine said that it is whole.
    """

    __slots__ = (
        "before", "choices", "complete", "debug", "first", "grown", "last", "progress", "prompt_logprobs", "raw",
        "said", "started", "told", "warnings",
    )  # fmt: skip

    def __init__(self, choices: int = 1, warnings: Sequence[str] = ()) -> None:
        """Nothing has come of so many choices."""
        self.choices = [Choice() for _ in range(choices)]
        self.before = 0  # entries of the first choice's logprobs that came of an earlier request
        self.prompt_logprobs: list[dict[str, Any]] = []
        self.warnings: list[str] = list(warnings)
        self.progress: Progress | None = None
        self.raw: Raw | None = None
        self.debug: dict[str, Any] = {}
        self.said: dict[str, Any] = {}
        self.told: dict[str, Any] | None = None  # the usage, as the engine told it
        self.complete = False
        self.started = time.monotonic()
        self.first: float | None = None  # when the answer began: with text, a thought, a call
        self.grown = self.last = self.started

    def take(self, events: Sequence[Event]) -> None:
        """Take what the engine yielded."""
        now = time.monotonic()
        for event in events:
            if type(event) is Delta:  # nearly all are, and there may be thousands a second
                choice = self._choice(event.index)
                if event.text:
                    choice.pieces.append(event.text)
                    choice.length += len(event.text)
                if event.logprobs:
                    choice.logprobs.extend(event.logprobs)
                choice.tokens += event.tokens
                self._grew(now)
            else:
                self._take(event, now)
        self.last = now

    def go_on(self, earlier: Gathered, text: str) -> None:
        """Begin with the first choice of an answer that is gone on with; of its text, `text`."""
        begun = earlier.choices[0].to_dict()
        left_out = ("tool_calls", "native_finish_reason")
        data = {k: v for k, v in begun.items() if k not in left_out}
        choice = Choice.from_dict({**data, "text": text, "tokens": 0, "finish_reason": None})
        choice.logprobs = list(choice.logprobs)
        self.choices[0], self.before = choice, len(choice.logprobs)

    @property
    def counts_tokens(self) -> bool:
        """Whether a Delta says how many tokens it has: those of modelhub's own engine do."""
        return bool(self.debug.get("counts_tokens", True))

    def usage(self) -> dict[str, Any]:
        """OpenAI's usage object, as far as it is known; {} where nobody counts."""
        if self.told is not None:
            return self.told
        if not self.counts_tokens:
            return {}
        prompt = self.debug.get("prompt_tokens", 0)
        drawn = self.drawn()
        return {"prompt_tokens": prompt, "completion_tokens": drawn, "total_tokens": prompt + drawn}

    def drawn(self) -> int:
        """Tokens that were drawn while it could be seen; 0 where nobody counted."""
        if self.counts_tokens:
            return sum(c.tokens for c in self.choices)
        usage = self.usage()
        tokens, details = usage.get("completion_tokens"), usage.get("completion_tokens_details")
        hidden = details.get("reasoning_tokens") if isinstance(details, dict) else None
        if not isinstance(tokens, int):
            return 0
        if not isinstance(hidden, int) or any(c.reasoning for c in self.choices):
            return tokens
        return tokens - hidden  # thoughts that are not shown were drawn before the first piece

    def timings(self) -> dict[str, float | None]:
        """See `Response.timings`."""
        tokens = self.drawn()
        decoding = self.debug.get("timings", {}).get("decode_s")
        if decoding is None:
            decoding = self.grown - self.first if self.first is not None else 0.0
        measured = decoding > (0 if self.counts_tokens else SHORTEST)
        return {
            "first_token_s": None if self.first is None else self.first - self.started,
            "total_s": self.last - self.started,
            "tokens_per_s": (tokens - 1) / decoding if tokens > 1 and measured else None,
        }

    def facts(self) -> dict[str, Any]:
        """See `Response.debug`."""
        reasoning = "".join(self.choices[0].reasoning)
        return {
            **self.debug,
            **({"said": dict(self.said)} if self.said else {}),
            **({"reasoning": reasoning} if reasoning else {}),
            "usage": self.usage(),
            "timings": {**self.debug.get("timings", {}), **self.timings()},
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain data, but for `raw`, which is not to be written down."""
        facts = self.facts()
        facts.pop("reasoning", None)  # which stands in the choice
        if isinstance(sent := facts.get("request"), dict):  # its body says what the request of ours says
            facts["request"] = {name: value for name, value in sent.items() if name != "body"}
        return {
            "choices": [choice.to_dict() for choice in self.choices],
            "prompt_logprobs": self.prompt_logprobs,
            "usage": self.usage(),
            "debug": facts,
            "warnings": list(self.warnings),
            "complete": self.complete,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Gathered:
        """What `to_dict` gave, also in logs of modelhub 0.1."""
        came = cls(0, data["warnings"])
        came.choices = [Choice.from_dict(choice) for choice in data["choices"]]
        came.prompt_logprobs = data.get("prompt_logprobs", [])
        came.told = data["usage"]
        came.complete = data.get("complete", data.get("error") is None and not data.get("interrupted"))
        came.debug = dict(data["debug"])
        came.said = came.debug.pop("said", {})
        if reasoning := came.debug.pop("reasoning", ""):  # of a plugin, in logs of modelhub 0.1
            came.choices[0].reasoning = [reasoning]
        timings = came.debug.get("timings", {})
        total, first = timings.get("total_s"), timings.get("first_token_s")
        came.grown = came.last = came.started + (total or 0.0)
        came.first = None if first is None else came.started + first
        return came

    def _take(self, event: Event, now: float) -> None:
        match event:
            case Reasoned() | Called() | Refused() | Pictured():
                self._choice(event.index).take(event)
                self._grew(now)
            case Kept():
                self._choice(event.index).blocks.extend(event.blocks)
            case PromptLogprobs():
                self.prompt_logprobs[event.at :] = event.entries
            case Progress():
                self.progress = event
            case Started():
                self.progress = None
                self._know(event.details)
            case Warned():
                self.warnings.append(event.text)
            case Ended():
                self._end(event)

    def _grew(self, now: float) -> None:
        self.grown = now
        if self.first is None:
            self.first = now

    def _end(self, event: Ended) -> None:
        for index, (finish, kept) in enumerate(zip(event.finish, event.kept, strict=True)):
            self._choice(index).finish = finish
            del self._choice(index).logprobs[kept + (self.before if index == 0 else 0) :]
        for index, native in enumerate(event.natives):
            self._choice(index).native = native
        self.complete = True
        self.told = event.usage
        self._know(event.details)
        if not self.counts_tokens and self.first is not None:
            self.debug.setdefault("timings", {}).setdefault("decode_s", self.grown - self.first)

    def _know(self, details: Mapping[str, Any]) -> None:
        """Keep facts of the engine, each where it belongs."""
        facts = dict(details)
        self.raw = facts.pop("raw", self.raw)
        self.told = facts.pop("usage", self.told)
        said = facts.pop("said", None) or {}
        if self.first is None:  # what is said later could not stand in the chunks that are out already
            self.said = {**{k: v for k, v in said.items() if v not in (None, "")}, **self.said}
        self.debug.update(facts)

    def _choice(self, index: int) -> Choice:
        while index >= len(self.choices):
            self.choices.append(Choice())
        return self.choices[index]
