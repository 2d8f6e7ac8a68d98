"""Reads replies of OpenAI's chat completions, as everybody sends them: whole, or a chunk an event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.protocol.events import Ended, Event, Started, Warned
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects import wire_reply
from modelhub.kernels.providers.dialects.halves import sayable
from modelhub.kernels.providers.dialects.openai_choice import ChoiceReader
from modelhub.kernels.providers.dialects.usage import usage_in
from modelhub.kernels.providers.failures.failures import failure_in
from modelhub.kernels.providers.rules import Target
from modelhub.kernels.providers.stream.parsed import parsed
from modelhub.kernels.providers.stream.server_event import ServerEvent

MOST_CHOICES = 128  # as OpenAI's `n`
# What a reply says of itself: the first that is not empty counts, as Azure begins with empty ones.
SAID = ("id", "model", "created", "system_fingerprint", "service_tier")
_PLAIN = {*SAID, "object", "choices", "usage", "obfuscation", "type"}
_CITED = ("citations", "search_results")  # Perplexity's
_NOTHING: dict[str, Any] = {}


class OpenAIReader:
    """Reads one reply."""

    __slots__ = (
        "_asked", "_done", "_failed", "_more", "_n", "_named", "_provider", "_said", "_states", "_tags", "_usage",
        "_warned",
    )  # fmt: skip

    def __init__(self, request: ChatRequest, target: Target) -> None:
        """Nothing has come."""
        self._provider = target.provider
        self._n = request.n or 1
        self._asked = request.alternatives is not None
        tags = target.settings.get("think_tags")
        self._tags = "" if not tags else tags if isinstance(tags, str) else "split"
        self._states: dict[int, ChoiceReader] = {}
        self._done = False  # the end was seen, or the reply came whole
        self._failed: ProviderError | None = None  # to be raised when what came beside it is told
        self._named = False  # whether id and model are known
        self._said: dict[str, Any] = {}
        self._more: dict[str, Any] = {}  # what only some say: citations, timings, the host that served it
        self._usage: dict[str, Any] = {}
        self._warned = False

    def event(self, event: ServerEvent) -> list[Event]:
        """See `Reader.event`."""
        if self._failed is not None:
            raise self._failed
        try:
            body = parsed(event.data)
        except (ValueError, RecursionError):
            return self._no_json(event)
        if body.__class__ is not dict or "error" in body or "choices" not in body or event.kind == "error":
            self._check(body, event)
        return self._read(body)

    def whole(self, body: Any) -> list[Event]:
        """See `Reader.whole`."""
        self._failed = failure_in(body, self._provider)
        if self._failed is not None and not (isinstance(body, dict) and body.get("choices")):
            raise self._failed
        if not isinstance(body, dict) or "choices" not in body:
            raise wire_reply.strange("something that is no chat completion", self._provider, json.dumps(body)[:65536])
        self._done = True
        found = self._read(body)
        self._rest(found)
        return found

    def rest(self) -> list[Event]:
        """See `Reader.rest`."""
        found: list[Event] = [Started({"usage": self._usage})] if self._usage else []
        for state in self._states.values():
            state.rest(found)
        return found

    def end(self) -> Ended:
        """See `Reader.end`."""
        if self._failed is not None:
            raise self._failed
        states = self._states
        if not self._done and not (states and all(s.finished for s in states.values())):
            raise wire_reply.broken_off(self._provider)
        all_ = [states.get(i) for i in range(max(self._n, max(states, default=0) + 1))]
        details: dict[str, Any] = {}
        if self._said:
            details["said"] = self._said
        if self._more:
            details["extra"] = self._more  # "reply" is the exchange's own
            details |= {name: self._more.pop(name) for name in _CITED if name in self._more}
        if notes := [note for s in all_ if s is not None for note in s.annotations]:
            details["annotations"] = notes
        refused = [e for s in all_ if s is not None for e in s.refusal_entries]
        if refused:
            details["refusal_logprobs"] = refused
        if self._asked:
            details["logprobs_complete"] = self._covered() == "all"
        return Ended(
            tuple(None if s is None else s.finish for s in all_),
            tuple(0 if s is None else s.entries for s in all_),
            self._usage,
            details,
            tuple(None if s is None else s.native for s in all_),
        )

    def _read(self, body: dict[str, Any]) -> list[Event]:
        found: list[Event] = []
        if not self._named or not body.keys() <= _PLAIN:
            self._around(body, found)
        if body.get("usage") or "x_groq" in body:
            self._usage = usage_in(body) or self._usage
        choices = body.get("choices")
        if choices.__class__ is list:
            for position, choice in enumerate(choices):
                if choice.__class__ is dict:
                    self._choice(choice, position, body, found)
        if self._failed is not None and all(isinstance(told, Started) for told in found):
            raise self._failed  # else what stands beside it is told first
        return found

    def _choice(self, choice: dict[str, Any], position: int, body: dict[str, Any], found: list[Event]) -> None:
        index = choice.get("index")
        state = self._states.get(index) if index.__class__ is int else None
        if state is None:
            state = self._begun(index, position)
        delta = choice.get("delta")
        if delta:
            if delta.__class__ is dict:
                state.delta(choice, delta, found)
        elif isinstance(message := choice.get("message"), dict):
            state.message(choice, message, found)
            if body.get("object") == "chat.completion":
                self._done = True  # a whole reply, in an event of its own
        else:
            state.delta(choice, _NOTHING, found)
        if choice.get("usage"):
            self._usage = usage_in({"choices": [choice]}) or self._usage
        if choice.get("error"):  # OpenRouter: of the host that served it
            self._failed = failure_in({"error": choice["error"]}, self._provider)
        if choice.get("finish_reason"):
            state.ends(choice, found)
            self._around(body, found)
            reason = choice.get("stop_reason")  # vLLM: which stop text it was, or which token
            if reason is not None:
                self._more["stop_reason"] = sayable(reason)
            if len(self._states) >= self._n and all(s.finished for s in self._states.values()):
                self._warn(found)

    def _begun(self, index: Any, position: int) -> ChoiceReader:
        """The state of a choice; where its number is none, its place in the list counts."""
        number = index if index.__class__ is int and 0 <= index < MOST_CHOICES else min(position, MOST_CHOICES - 1)
        if number not in self._states:
            self._states[number] = ChoiceReader(number, self._tags, self._asked)
        return self._states[number]

    def _around(self, body: Mapping[str, Any], found: list[Event]) -> None:
        """Read what a chunk says of the reply. Of what comes more than once, the last counts."""
        new = {n: v for n in SAID if n not in self._said and isinstance(v := body.get(n), str | int | float) and v}
        if new:
            self._said |= sayable(new)
            self._named = "id" in self._said and "model" in self._said
            found.append(Started({"said": dict(self._said)}))
        groq = body.get("x_groq")
        if isinstance(groq, dict) and groq.get("error"):
            self._failed = failure_in({"error": groq["error"]}, self._provider)
        for name, value in body.items():
            if name not in _PLAIN and value not in (None, "", [], {}) and name != "error":
                self._more[name] = sayable(value)

    def _no_json(self, event: ServerEvent) -> list[Event]:
        """Read an event that is no JSON: the end, nothing, what the end of the stream cut, or no event of ours."""
        data = event.data.strip().removeprefix("\ufeff")
        found: list[Event] = []
        if data == "[DONE]":
            self._done = True
            self._rest(found)
        elif data and event.whole:
            error = failure_in({"error": data}, self._provider) if event.kind == "error" else None
            raise error or wire_reply.strange(f"an event that is no JSON: {data[:80]!a}", self._provider, data)
        return found

    def _check(self, body: Any, event: ServerEvent) -> None:
        """Raise the error in an event, or keep it to be raised when the text beside it is told."""
        error = failure_in(body, self._provider)
        if error is None and event.kind == "error":
            error = failure_in({"error": body}, self._provider)
            error = error or wire_reply.strange("an error without words", self._provider, event.data)
        if not isinstance(body, dict):
            raise error or wire_reply.strange(
                f"an event that is no object: {event.data[:80]!a}", self._provider, event.data
            )
        if error is not None and not body.get("choices"):
            raise error
        self._failed = error

    def _rest(self, found: list[Event]) -> None:
        for state in self._states.values():
            state.rest(found)
        self._warn(found)

    def _covered(self) -> str:
        """How much of the text log probabilities stand for: `all`, `some`, `none`."""
        states = [s for s in self._states.values() if s.covered is not None]
        if states and not any(s.entries for s in states):
            return "none"
        return "all" if all(s.covered for s in states) else "some"

    def _warn(self, found: list[Event]) -> None:
        """Tell, once, what was asked for and did not come."""
        if self._warned:
            return
        self._warned = True
        came = len(self._states)
        if 0 < came < self._n:
            found.append(Warned(f"{self._n} answers were asked for, and {self._provider.shown} sent {came}"))
        covered = self._covered() if self._asked else "all"
        if covered == "none":
            found.append(Warned(f"{self._provider.shown} sent no log probabilities, though they were asked for"))
        elif covered == "some":
            found.append(Warned(f"{self._provider.shown} sent log probabilities for a part of the answer only"))
