"""The fold: OpenAI's completion object from what a stream of events brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelhub.kernels.protocol.choice import Choice
from modelhub.kernels.protocol.events import LEAST
from modelhub.kernels.protocol.request import ChatRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """What a completion and its chunks are made of.

    fingerprint: the worker's, or None where no worker has taken the request. Equal seeds give equal answers only under
        equal fingerprints.
    prompt: entries as of logprobs.content for the prompt's tokens.
    said: what a provider said of its answer: `id`, `model`, `created`, `system_fingerprint`, `service_tier`; each
        stands in place of ours.
    local: whether modelhub's own engine answers.
    """

    ident: str
    created: int
    request: ChatRequest
    choices: Sequence[Choice]
    fingerprint: str | None
    prompt: Sequence[dict[str, Any]]
    said: Mapping[str, Any] = field(default_factory=dict)
    local: bool = True

    @property
    def logprobs(self) -> bool:
        """Whether each choice has logprobs, if empty ones: those of modelhub's own engine that were asked for."""
        return self.local and self.request.alternatives is not None

    def head(self, kind: str) -> dict[str, Any]:
        """The keys that a completion and each of its chunks have alike; `kind` is what they call `object`.

        `service_tier` is there where a provider said one. The local engine has one, "default", and says it when it was
        asked for.
        """
        keys = {
            "id": self.ident,
            "object": kind,
            "created": self.created,
            "model": self.request.model,
            "system_fingerprint": self.fingerprint,
        }
        if self.local and self.request.service_tier is not None:
            keys["service_tier"] = "default"
        return {**keys, **self.said}

    def prompt_part(self) -> dict[str, Any]:
        """Our `prompt_logprobs`, where they were asked for: for the completion and for the first of its chunks."""
        extension = self.request.x_modelhub
        if extension is None or extension.prompt_logprobs is None:
            return {}
        return {"prompt_logprobs": [_sayable(e) for e in self.prompt]}


def completion(answer: Answer, usage: dict[str, Any]) -> dict[str, Any]:
    """A `chat.completion` object: every key of OpenAI's shape with its type, nothing invented.

    A choice that the user stopped has `finish_reason` None, which OpenAI's enumeration does not name.
    """
    metadata = answer.request.metadata
    return {
        **answer.head("chat.completion"),
        "choices": [
            {
                "index": index,
                "message": choice.message(),
                "logprobs": content(choice.logprobs, answer.logprobs),
                **ending(choice),
            }
            for index, choice in enumerate(answer.choices)
        ],
        **({"usage": usage} if usage else {}),
        **answer.prompt_part(),
        **({} if metadata is None else {"metadata": dict(metadata)}),
    }


def ending(choice: Choice) -> dict[str, Any]:
    """Why a choice ended: `finish_reason`, and a provider's own where it gave one."""
    finish: dict[str, Any] = {"finish_reason": choice.finish}
    return finish if choice.native is None else {**finish, "native_finish_reason": choice.native}


def content(entries: list[dict[str, Any]], empty: bool = False) -> dict[str, Any] | None:
    """The `logprobs` of a choice or a chunk, with numbers that JSON can say; None for none, unless `empty`."""
    return {"content": [_sayable(e) for e in entries], "refusal": None} if entries or empty else None


def _sayable(entry: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {k: LEAST if isinstance(v, float) and v < LEAST else v for k, v in entry.items()}
    if "top_logprobs" in said:
        said["top_logprobs"] = [_sayable(t) for t in said["top_logprobs"]]
    return said
