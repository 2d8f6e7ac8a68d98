"""What a client made of a reply, in one shape for modelhub and the SDKs, and what of it is not as it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelhub.kernels.response import Response

Json = dict[str, Any]
COUNTS = {
    "prompt": ("prompt_tokens",),
    "completion": ("completion_tokens",),
    "total": ("total_tokens",),
    "cached": ("prompt_tokens_details", "cached_tokens"),
    "reasoning": ("completion_tokens_details", "reasoning_tokens"),
    "cost": ("cost",),
}


@dataclass
class Outcome:
    """One reply, read.

    choices: text and finish reason of each. usage: OpenAI's object, {} where nobody counted. calls: id, name and
    arguments (parsed) of tool calls. logprobs: entries of OpenAI's logprobs.content, None where there were none.
    error: what the client raised.
    """

    choices: list[tuple[str, str | None]] = field(default_factory=lambda: [("", None)])
    usage: Json = field(default_factory=dict)
    reasoning: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    logprobs: list[Json] | None = None
    error: Exception | None = None

    def wrong(self, expect: Mapping[str, Any]) -> list[str]:
        """What is not as the manifest says, by its words; of an error only that there is one, with its status."""
        text, finish = self.choices[0]
        right = {
            "text": text,
            "text_raw": text,
            "finish": finish,
            "choices": [list(c) for c in self.choices],
            "reasoning": self.reasoning,
            "tool_calls": [list(c) for c in self.calls],
        }
        found = [name for name, value in right.items() if name in expect and expect[name] != value]
        if "usage" in expect and self._counted(expect["usage"]) != expect["usage"]:
            found.append("usage")
        if "logprobs" in expect and self._drawn() != expect["logprobs"]:
            found.append("logprobs")
        error = expect.get("error")
        if (error is not None) != (self.error is not None):
            found.append("error")
        elif error and "status" in error and getattr(self.error, "status_code", self._status()) != error["status"]:
            found.append("error.status")
        return found

    def _status(self) -> int | None:
        return getattr(self.error, "status", None)

    def _counted(self, names: Mapping[str, Any]) -> Json:
        counts: Json = {}
        for name in names:
            value: Any = self.usage
            for step in COUNTS[name]:
                value = value.get(step) if isinstance(value, dict) else None
            counts[name] = value
        return counts

    def _drawn(self) -> list[list[Any]] | None:
        if not self.logprobs:
            return None
        return [[e["token"], e["logprob"], len(e.get("top_logprobs") or [])] for e in self.logprobs]


def of_modelhub(response: Response) -> Outcome:
    """What modelhub made of a reply; waits for it."""
    response.wait_quietly()
    data = response.to_dict()
    first = data["choices"][0]
    calls = [(c["id"], c["function"]["name"], parsed(c["function"]["arguments"])) for c in first.get("tool_calls", [])]
    return Outcome(
        [(c["text"], c["finish_reason"]) for c in data["choices"]],
        data["usage"],
        first.get("reasoning", ""),
        calls,
        first["logprobs"] or None,
        response.error,
    )


def parsed(arguments: str) -> Any:
    """Arguments of a tool call; text where they are no JSON."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
