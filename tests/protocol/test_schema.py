"""The validators of OpenAI's shapes: what they accept, and that each thing they promise to refuse is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import ValidationError

from tests.protocol.openai_schema import validate_chunk, validate_completion, validate_error

TOKEN: dict[str, Any] = {"token": "a", "logprob": -0.5, "bytes": [97]}
ENTRY = {**TOKEN, "top_logprobs": [TOKEN, {"token": "<|end|>", "logprob": -9999.0, "bytes": None}]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_750_000_000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "a", "refusal": None},
            "logprobs": {"content": [ENTRY], "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
    "system_fingerprint": "fp_0123456789",
}
CHUNK: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_750_000_000,
    "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant"}, "logprobs": None, "finish_reason": None}],
    "system_fingerprint": None,
}
ERROR: dict[str, Any] = {
    "error": {"message": "no", "type": "invalid_request_error", "param": "n", "code": "unsupported_value"}
}
Path = tuple[str | int, ...]
TOKENS: Path = ("choices", 0, "logprobs", "content", 0)
REFUSED: list[tuple[Callable[[Any], None], dict[str, Any], Path, Any]] = [
    (validate_completion, COMPLETION, ("id",), None),
    (validate_completion, COMPLETION, ("object",), "chat.completion.chunk"),
    (validate_completion, COMPLETION, ("created",), 1_750_000_000.0),
    (validate_completion, COMPLETION, ("created",), 1_750_000_000_000),
    (validate_completion, COMPLETION, ("choices",), []),
    (validate_completion, COMPLETION, ("choices", 0, "index"), 1),
    (validate_completion, COMPLETION, ("choices", 0, "finish_reason"), "cancelled"),
    (validate_completion, COMPLETION, ("choices", 0, "message", "role"), "user"),
    (validate_completion, COMPLETION, ("choices", 0, "message", "content"), ["a"]),
    (validate_completion, COMPLETION, ("choices", 0, "message", "content"), "\ud800"),
    (validate_completion, COMPLETION, ("choices", 0, "message", "tool_calls"), [{"id": "1", "type": "function"}]),
    (validate_completion, COMPLETION, (*TOKENS, "logprob"), 0.1),
    (validate_completion, COMPLETION, (*TOKENS, "logprob"), float("nan")),
    (validate_completion, COMPLETION, (*TOKENS, "logprob"), float("-inf")),
    (validate_completion, COMPLETION, (*TOKENS, "post_sampling_logprob"), 0.5),
    (validate_completion, COMPLETION, (*TOKENS, "bytes"), [256]),
    (validate_completion, COMPLETION, (*TOKENS, "bytes"), (97,)),
    (validate_completion, COMPLETION, (*TOKENS, "top_logprobs", 0, "logprob"), -10000.0),
    (validate_completion, COMPLETION, (*TOKENS, "top_logprobs"), [TOKEN, {**TOKEN, "logprob": 0.0}]),
    (validate_completion, COMPLETION, ("usage", "total_tokens"), 5),
    (validate_completion, COMPLETION, ("usage", "prompt_tokens_details", "cached_tokens"), 4),
    (validate_completion, COMPLETION, ("usage", "completion_tokens"), True),
    (validate_completion, COMPLETION, ("service_tier",), "gold"),
    (validate_completion, COMPLETION, ("metadata",), {"a": 1}),
    (validate_chunk, CHUNK, ("object",), "chat.completion"),
    (validate_chunk, CHUNK, ("choices",), []),
    (validate_chunk, CHUNK, ("usage",), USAGE),
    (validate_chunk, CHUNK, ("choices", 0, "delta", "content"), 1),
    (validate_chunk, CHUNK, ("choices", 0, "delta", "tool_calls"), [{"id": "1"}]),
    (validate_error, ERROR, ("error", "type"), "oops"),
    (validate_error, ERROR, ("error", "code"), "oops"),
    (validate_error, ERROR, ("error", "message"), ""),
]  # fmt: skip
MISSING: list[tuple[Callable[[Any], None], dict[str, Any], Path]] = [
    *((validate_completion, COMPLETION, (key,)) for key in COMPLETION),
    *((validate_completion, COMPLETION, ("choices", 0, key)) for key in COMPLETION["choices"][0]),
    *((validate_completion, COMPLETION, ("choices", 0, "message", key)) for key in ("role", "content", "refusal")),
    *((validate_completion, COMPLETION, ("choices", 0, "logprobs", key)) for key in ("content", "refusal")),
    *((validate_completion, COMPLETION, (*TOKENS, key)) for key in ENTRY),
    *((validate_completion, COMPLETION, ("usage", key)) for key in list(USAGE)[:3]),
    *((validate_chunk, CHUNK, (key,)) for key in CHUNK),
    *((validate_chunk, CHUNK, ("choices", 0, key)) for key in CHUNK["choices"][0]),
    *((validate_error, ERROR, ("error", key)) for key in ERROR["error"]),
]


def test_the_samples_are_valid() -> None:
    """A completion, a chunk, a last chunk with usage and an error are accepted, with keys of ours beside theirs."""
    validate_completion(COMPLETION)
    validate_completion({**COMPLETION, "service_tier": "default", "metadata": {"a": "b"}, "prompt_logprobs": [None]})
    entry = {**ENTRY, "id": 5, "post_sampling_logprob": -0.1}
    choice = {**COMPLETION["choices"][0], "logprobs": {"content": [entry], "refusal": None}, "finish_reason": None}
    validate_completion({**COMPLETION, "choices": [{**choice, "prompt_logprobs": []}]})
    validate_chunk(CHUNK)
    validate_chunk({**CHUNK, "usage": None})
    validate_chunk({**CHUNK, "choices": [], "usage": USAGE})
    validate_error(ERROR)
    validate_error({"error": {"message": "no", "type": "server_error", "param": None, "code": None}})


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0].__name__}-{'.'.join(map(str, case[2]))}")
def test_a_wrong_value_is_refused(case: tuple[Callable[[Any], None], dict[str, Any], Path, Any]) -> None:
    """One wrong value anywhere in a valid sample is found."""
    validate, sample, path, value = case
    wrong = copy.deepcopy(sample)
    _inside(wrong, path)[path[-1]] = value
    with pytest.raises((ValidationError, AssertionError, UnicodeEncodeError)):
        validate(wrong)


@pytest.mark.parametrize("case", MISSING, ids=lambda case: f"{case[0].__name__}-{'.'.join(map(str, case[2]))}")
def test_a_missing_key_is_refused(case: tuple[Callable[[Any], None], dict[str, Any], Path]) -> None:
    """Every key that must be there is missed."""
    validate, sample, path = case
    wrong = copy.deepcopy(sample)
    del _inside(wrong, path)[path[-1]]
    with pytest.raises((ValidationError, AssertionError)):
        validate(wrong)


def _inside(data: Any, path: Path) -> Any:
    for step in path[:-1]:
        data = data[step]
    return data
