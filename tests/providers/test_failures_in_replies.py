"""Errors that stand in replies which HTTP calls a success: found where they are, and only there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.kernels.providers.failures.failures import broken, failure_in
from modelhub.kernels.providers.provider import Provider

CORP = Provider(name="corp", title="Corp", base_url="https://corp.example/v1")

ERRORS: dict[str, tuple[Any, str, int | None, bool, str]] = {
    "openai": ({"error": {"message": "Server had an error", "type": "server_error"}}, "server", None, True, "had an"),
    "anthropic": ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
                  "overloaded", None, True, "Corp sent an error: Overloaded; ask again later"),
    "anthropic rate": ({"type": "error", "error": {"type": "rate_limit_error", "message": "slower"}},
                       "rate_limit", None, True, "slower"),
    "llama.cpp": ({"error": {"code": 500, "message": "old llama.cpp style", "type": "server_error"}},
                  "server", 500, True, "Corp sent an error (500): old llama.cpp style"),
    "vllm old": ({"object": "error", "message": "boom", "type": "InternalServerError", "code": 500},
                 "server", 500, True, "boom"),
    "vllm old, no code": ({"object": "error", "message": "boom", "type": "InternalServerError"},
                          "server", None, True, "boom"),
    "vllm old, bad": ({"object": "error", "message": "boom", "type": "BadRequestError", "code": 400},
                      "bad_request", 400, False, "boom"),
    "bad, without a status": ({"error": {"message": "odd", "type": "invalid_request_error"}},
                              "bad_request", None, False, "Corp sent an error: odd"),
    "flat": ({"error": "llama runner process has terminated"}, "server", None, True, "runner process"),
    "openrouter beside choices": ({"id": "x", "choices": [{"index": 0, "delta": {"content": ""},
                                   "finish_reason": "error"}], "error": {"code": 502, "message": "Provider gone"}},
                                  "server", 502, True, "Provider gone"),
    "openrouter in a choice": ({"choices": [{"index": 0, "error": {"code": 429, "message": "slow"}}]},
                               "rate_limit", 429, True, "slow"),
    "groq tool": ({"error": {"message": "Failed to call a function.", "code": "tool_use_failed", "status_code": 400,
                             "failed_generation": "x"}}, "bad_request", 400, False, "Failed to call"),
    "groq x_groq": ({"choices": [], "x_groq": {"id": "r", "error": "over_capacity"}}, "overloaded", None, True, "over"),
    "gemini array": ([{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}],
                     "overloaded", 503, True, "busy"),
    "gateway": ({"statusCode": 401, "message": "no"}, "auth", 401, False, "%models keys set corp"),
    "detail": ({"detail": "Not authenticated"}, "auth", None, False, "Not authenticated"),
    "problem": ({"type": "about:blank", "status": 429, "title": "Too Many Requests"}, "rate_limit", 429, True, "Too"),
    "no success": ({"success": False, "errors": [{"message": "broken"}]}, "server", None, True, "broken"),
    "minimax": ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}, "choices": None},
                "server", None, True, "login fail"),
    "quota": ({"error": {"message": "used up", "code": "insufficient_quota"}}, "quota", None, False, "used up"),
    "true": ({"error": True, "message": "it broke"}, "server", None, True, "it broke"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_in_a_success_is_found(name: str) -> None:
    """The kind follows from the error's own type and status, not from the 200 around it."""
    value, kind, status, retryable, says = ERRORS[name]
    error = failure_in(value, CORP)
    assert error is not None
    assert (error.kind, error.status, error.retryable, error.provider) == (kind, status, retryable, "corp")
    assert says in str(error)


ANSWERS: dict[str, Any] = {
    "chunk": {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "error"}}]},
    "error null": {"choices": [], "error": None, "usage": {"total_tokens": 500}},
    "error empty": {"choices": [{"error": None, "message": {"content": "a"}}], "error": ""},
    "message": {"type": "message", "id": "m", "content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"},
    "ping": {"type": "ping"},
    "message_start": {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 429}}},
    "gemini": {"candidates": [{"content": {"parts": [{"text": "a"}]}}], "responseId": "r"},
    "gemini usage": {"usageMetadata": {"totalTokenCount": 400}, "modelVersion": "x"},
    "gemini list": [{"candidates": []}, {"usageMetadata": {}}],
    "cohere": {"id": "c", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": []}},
    "cohere event": {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}}}},
    "ollama": {"model": "m", "message": {"role": "assistant", "content": "a"}, "done": False},
    "ollama pull": {"status": "success"},
    "models": {"object": "list", "data": [{"id": "error", "status": 500}]},
    "xgroq": {"choices": [], "x_groq": {"id": "r", "usage": {}}},
    "number": 500,
    "text": "error",
    "null": None,
    "empty": {},
    "none": [],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_no_error(name: str) -> None:
    """No answer, no part of one and no list of models is taken for an error."""
    assert failure_in(ANSWERS[name], CORP) is None


def test_an_event_called_error_is_one() -> None:
    """What an `event: error` carries is an error, whatever it is."""
    for data, says in (({"message": "gone"}, "gone"), ("upstream gone", "upstream gone"), (None, "nothing more")):
        error = failure_in(data, CORP, event_kind="error")
        assert error is not None and error.kind == "server" and says in str(error)


def test_headers_of_the_reply_count_for_errors_in_it() -> None:
    """Name of the request and wait are those of the reply's headers."""
    error = failure_in({"error": {"type": "overloaded_error"}}, CORP, {"Request-Id": "r1", "retry-after": "3"})
    assert error is not None and (error.request_id, error.retry_after) == ("r1", 3)


def test_what_is_no_json_is_shown_short() -> None:
    """An event that should be JSON and is not: of kind `protocol`, with its words; an error where it says one."""
    error = broken('{"choices":[{"delta":{"content":"half ', CORP)
    assert error.kind == "protocol" and 'Corp sent something that is no JSON: {"choices"' in str(error)
    assert broken("Internal Server Error: rate limit exceeded", CORP).kind == "rate_limit"
    assert json.loads(json.dumps(broken("\x00" * 70_000, CORP).to_record()))["kind"] == "protocol"
