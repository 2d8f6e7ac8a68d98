"""The shapes of OpenAI's chat API that come back: completion, chunk and error, as JSON Schema and what it cannot say.

Written from the field list of OpenAI's OpenAPI document 2.3.0. Strict about the keys it names: their presence, types
and ranges. Other keys may stand beside them.
"""

from __future__ import annotations

import math
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

LEAST = -9999.0  # what the API writes for a logarithm too small to say

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
ERROR_TYPES = (
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "server_error",
    "not_implemented_error",
)
ERROR_CODES = (
    "unsupported_parameter",
    "unsupported_value",
    "model_not_found",
    "context_length_exceeded",
    "invalid_api_key",
    "missing_api_key",
    "model_not_loaded",
    "engine_busy",
    "invalid_document",
    "download_failed",
    "conflict",
    "insufficient_memory",
    "cancelled",
    "content_filter",
    "rate_limit_exceeded",
    "insufficient_quota",
    "overloaded",
    "timeout",
    "connection_failed",
    "stream_truncated",
    "request_too_large",
)

Schema = dict[str, Any]


def _object(required: str, optional: Schema | None = None, **properties: Schema) -> Schema:
    """An object with the named properties; `required` lists, with blanks between, those that must be there."""
    return {"type": "object", "required": required.split(), "properties": {**properties, **(optional or {})}}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(of: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": of, **limits}


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NAME: Schema = {"type": "string", "minLength": 1}

LOGPROB: Schema = {"type": "number", "minimum": LEAST, "maximum": 0}
TOKEN = _object(
    "token logprob bytes",
    {"id": COUNT, "post_sampling_logprob": _or_null(LOGPROB)},  # of ours; null: the filters dropped it
    token=TEXT,
    logprob=LOGPROB,
    bytes=_or_null(_list({"type": "integer", "minimum": 0, "maximum": 255})),
)
ENTRY: Schema = {
    **TOKEN,
    "required": [*TOKEN["required"], "top_logprobs"],
    "properties": {**TOKEN["properties"], "top_logprobs": _list(TOKEN)},
}
LOGPROBS = _or_null(_object("content refusal", content=_or_null(_list(ENTRY)), refusal=_or_null(_list(ENTRY))))

FUNCTION = _object("name arguments", name=NAME, arguments=TEXT)
TOOL_CALL: Schema = {
    "oneOf": [
        _object("id type function", id=NAME, type={"const": "function"}, function=FUNCTION),
        _object(
            "id type custom", id=NAME, type={"const": "custom"}, custom=_object("name input", name=NAME, input=TEXT)
        ),
    ]
}
CITATION = _object("start_index end_index url title", start_index=COUNT, end_index=COUNT, url=TEXT, title=TEXT)
ANNOTATION = _object("type url_citation", type={"const": "url_citation"}, url_citation=CITATION)

MESSAGE = _object(
    "role content refusal",
    role={"const": "assistant"},
    content=_or_null(TEXT),
    refusal=_or_null(TEXT),
    tool_calls=_list(TOOL_CALL, minItems=1),
    annotations=_list(ANNOTATION),
    function_call=FUNCTION,
    audio=_or_null({"type": "object"}),
)
FINISH: Schema = {"enum": [*FINISH_REASONS, None]}  # None: the user stopped it, or it is not the choice's last chunk

USAGE = _object(
    "prompt_tokens completion_tokens total_tokens",
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
    prompt_tokens_details=_object(
        "", dict.fromkeys(("cached_tokens", "audio_tokens", "text_tokens", "image_tokens", "cache_write_tokens"), COUNT)
    ),
    completion_tokens_details=_object(
        "",
        dict.fromkeys(
            (
                "reasoning_tokens",
                "audio_tokens",
                "text_tokens",
                "accepted_prediction_tokens",
                "rejected_prediction_tokens",
            ),
            COUNT,
        ),
    ),
)
COMMON: Schema = {
    "id": {"type": "string", "pattern": "^chatcmpl-."},
    "created": {"type": "integer", "minimum": 1_500_000_000, "maximum": 99_999_999_999},  # seconds, not milliseconds
    "model": NAME,
    "service_tier": {"enum": [*TIERS, None]},
    "system_fingerprint": _or_null(NAME),
    "moderation": _or_null({"type": "object"}),
}
METADATA: Schema = {
    "type": "object",
    "maxProperties": 16,
    "propertyNames": {"maxLength": 64},
    "additionalProperties": {"type": "string", "maxLength": 512},
}

COMPLETION = _object(
    "id object created model choices usage system_fingerprint",
    COMMON,
    object={"const": "chat.completion"},
    choices=_list(
        _object(
            "index message logprobs finish_reason",
            index=COUNT,
            message=MESSAGE,
            logprobs=LOGPROBS,
            finish_reason=FINISH,
        ),
        minItems=1,
    ),
    usage=USAGE,
    metadata=METADATA,
)

CALL_DELTA = _object(
    "index",
    index=COUNT,
    id=NAME,
    type={"enum": ["function", "custom"]},
    function=_object("", name=NAME, arguments=TEXT),
    custom=_object("", name=NAME, input=TEXT),
)
DELTA = _object(
    "",
    role={"const": "assistant"},
    content=_or_null(TEXT),
    refusal=_or_null(TEXT),
    tool_calls=_list(CALL_DELTA, minItems=1),
    function_call=_object("", name=NAME, arguments=TEXT),
)
CHUNK = _object(
    "id object created model choices system_fingerprint",
    COMMON,
    object={"const": "chat.completion.chunk"},
    choices=_list(
        _object("index delta logprobs finish_reason", index=COUNT, delta=DELTA, logprobs=LOGPROBS, finish_reason=FINISH)
    ),
    usage=_or_null(USAGE),
    obfuscation=TEXT,
)

ERROR = _object(
    "error",
    error=_object(
        "message type param code",
        message=NAME,
        type={"enum": [*ERROR_TYPES]},
        param=_or_null(NAME),
        code={"enum": [*ERROR_CODES, None]},
    ),
)

# JSON Schema calls 1.0 an integer; a client written in a typed language does not.
_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _checker, value: type(value) is int),
)


def validate_completion(data: Any) -> None:
    """Raise AssertionError or jsonschema's ValidationError unless `data` is a `chat.completion`."""
    _Validator(COMPLETION).validate(_plain(data))
    assert [c["index"] for c in data["choices"]] == list(range(len(data["choices"]))), "choices are numbered in order"
    _sums_up(data["usage"])
    for choice in data["choices"]:
        _in_order(choice["logprobs"])


def validate_chunk(data: Any) -> None:
    """Raise AssertionError or jsonschema's ValidationError unless `data` is a `chat.completion.chunk`."""
    _Validator(CHUNK).validate(_plain(data))
    if data.get("usage") is not None:
        assert data["choices"] == [], "usage comes in a chunk of its own"
        _sums_up(data["usage"])
    else:
        assert data["choices"], "a chunk without usage has a choice"
    for choice in data["choices"]:
        _in_order(choice["logprobs"])


def validate_error(data: Any) -> None:
    """Raise AssertionError or jsonschema's ValidationError unless `data` is an error as OpenAI sends it."""
    _Validator(ERROR).validate(_plain(data))


def _plain(data: Any) -> Any:
    """`data`, unless it holds what JSON cannot: other types, subclasses of its own, NaN, infinity, half a character."""
    if isinstance(data, dict):
        assert type(data) is dict
        for key, value in data.items():
            assert type(key) is str, f"a key of type {type(key).__name__}"
            _plain(value)
    elif isinstance(data, list):
        assert type(data) is list
        for value in data:
            _plain(value)
    else:
        assert data is None or type(data) in (str, int, float, bool), f"a value of type {type(data).__name__}"
        assert type(data) is not float or math.isfinite(data), f"a value of {data}"
        assert type(data) is not str or data.encode("utf-8") is not None
    return data


def _sums_up(usage: dict[str, Any]) -> None:
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], usage
    assert usage.get("prompt_tokens_details", {}).get("cached_tokens", 0) <= usage["prompt_tokens"], usage
    assert usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0) <= usage["completion_tokens"], usage


def _in_order(logprobs: dict[str, Any] | None) -> None:
    """The alternatives of a token stand best first."""
    for entry in (logprobs or {}).get("content") or []:
        values = [t["logprob"] for t in entry["top_logprobs"]]
        assert values == sorted(values, reverse=True), values
