"""The honesty table: what each engine does with each request field.

Every field is exactly one of honoured, a no-op (it cannot change the answer; accepted, with a warning) or rejected by
name with what to do instead. Nothing is dropped in silence. The table is data: it validates requests here and is what
`%models show MODEL --params` prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import ChatRequest, Extension

Status = Literal["honoured", "no-op", "rejected"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What an engine does with a field; `except_values` are the values for which a rejected field is a no-op."""

    status: Status
    note: str = ""
    except_values: tuple[Any, ...] = ()


H: Status = "honoured"
N: Status = "no-op"
X: Status = "rejected"
_LATER = "the local engine does not have it yet"

LOCAL: dict[str, Rule] = {
    "model": Rule(H),
    "messages": Rule(H, "text parts; developer is read as system"),
    "temperature": Rule(H, "0 to 2, default 1; 0 is greedy"),
    "top_p": Rule(H, "0 to 1, default 1"),
    "max_completion_tokens": Rule(H, "from 1; default: until the context is full"),
    "max_tokens": Rule(H, "the older name of max_completion_tokens, which wins"),
    "n": Rule(H, "1 to 128, default 1; the seed of choice i is seed + i"),
    "stop": Rule(H, "strings; the earliest in the text ends it"),
    "seed": Rule(H, "drawn and reported where none is given"),
    "frequency_penalty": Rule(H, "-2 to 2, default 0, over the whole answer"),
    "presence_penalty": Rule(H, "-2 to 2, default 0, over the whole answer"),
    "logit_bias": Rule(H, "token id to -100 .. 100; -100 bans; ids are this model's own"),
    "logprobs": Rule(H, "natural logarithms, before any sampling filter"),
    "top_logprobs": Rule(H, "0 to 20, needs logprobs"),
    "response_format": Rule(X, f"{_LATER}; ask for JSON in the prompt", ({"type": "text"},)),
    "tools": Rule(X, f"{_LATER}; describe the tools in a system message"),
    "tool_choice": Rule(X, _LATER, ("none", "auto")),
    "parallel_tool_calls": Rule(N, "there are no tools to call"),
    "functions": Rule(X, f"{_LATER}; describe the functions in a system message"),
    "function_call": Rule(X, _LATER, ("none", "auto")),
    "stream": Rule(H, "answers always stream; a completion is the stream folded"),
    "stream_options": Rule(N, "usage is always reported"),
    "store": Rule(N, "every turn is kept in the local log already"),
    "metadata": Rule(N, "kept in response.request"),
    "user": Rule(N, "kept in response.request"),
    "safety_identifier": Rule(N, "kept in response.request"),
    "prompt_cache_key": Rule(N, "prefixes are found by their content"),
    "prompt_cache_options": Rule(N, "prefixes are always kept"),
    "prompt_cache_retention": Rule(X, "prefixes live as long as the model is loaded", ("in_memory",)),
    "service_tier": Rule(X, "it has no meaning for a local engine", ("auto", "default")),
    "modalities": Rule(X, "llama.cpp answers in text", (["text"],)),
    "audio": Rule(X, "llama.cpp answers in text"),
    "prediction": Rule(N, "a hint for speed only"),
    "reasoning_effort": Rule(X, _LATER),
    "verbosity": Rule(X, "say it in the prompt, as in 'answer briefly'"),
    "web_search_options": Rule(X, "a local model cannot search the web"),
    "moderation": Rule(X, "nothing is moderated locally"),
    "x_modelhub": Rule(H),
    "x_modelhub.top_k": Rule(H, "0 is off, the default"),
    "x_modelhub.min_p": Rule(H, "0 to 1, default 0"),
    "x_modelhub.repeat_penalty": Rule(H, "above 0, default 1 (off), over the whole answer"),
    "x_modelhub.cache_prompt": Rule(N, "prefixes are always kept"),
    "x_modelhub.debug": Rule(N, "response.debug is always there"),
} | {
    f"x_modelhub.{name}": Rule(X, _LATER)
    for name in Extension.model_fields
    if name not in {"top_k", "min_p", "repeat_penalty", "cache_prompt", "debug"}
}

ENGINES: dict[str, dict[str, Rule]] = {"local": LOCAL}

_TEXT_PARTS = {"text", "refusal"}


def check(request: ChatRequest, engine: str) -> list[str]:
    """The warnings of a request for `engine`. Raises BadRequest for the first field it rejects."""
    table = ENGINES[engine]
    warnings = []
    fields = request.to_dict()
    named = {k: v for k, v in fields.items() if k != "x_modelhub"}
    named |= {f"x_modelhub.{k}": v for k, v in fields.get("x_modelhub", {}).items()}
    for field, value in named.items():
        rule = table[field]
        if rule.status == X and value not in rule.except_values:
            shown = field.removeprefix("x_modelhub.")
            what = f"{shown}={value!r}" if isinstance(value, str | int | float) else shown
            raise BadRequest(f"{what} is not supported by the {engine} engine: {rule.note}", param=shown)
        if rule.status == N:
            warnings.append(f"{field.removeprefix('x_modelhub.')} has no effect here: {rule.note}")
    if request.max_tokens is not None and request.max_completion_tokens not in (None, request.max_tokens):
        warnings.append("max_tokens is ignored: max_completion_tokens is given too")
    _check_parts(request, engine)
    return warnings


def _check_parts(request: ChatRequest, engine: str) -> None:
    for number, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for part in message.content:
                if part.type not in _TEXT_PARTS:
                    raise BadRequest(
                        f"messages.{number}: the {engine} engine reads text; got a part of type {part.type!r}",
                        param="messages",
                    )
