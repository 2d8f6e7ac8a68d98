"""What a reply that is an error means: its kind, its words, what to type next; and that no reply breaks the reader."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelhub.errors import BadRequest, ContextTooLong, HubError, ProviderError, RequestRefused
from modelhub.kernels.providers.failures.failures import broken, failure, failure_in
from modelhub.kernels.providers.provider import Provider
from tests.protocol.openai_schema import validate_error
from tests.providers.cases import Case, cases
from tests.providers.failure_table import TABLE, Row, openai

CORP = Provider(name="corp", title="Corp", base_url="https://corp.example/v1", links={"keys": "https://corp.example/k"})


def said(body: Any, status: int = 400, **headers: str) -> ProviderError:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure(status, {k.replace("_", "-"): v for k, v in headers.items()}, sent, CORP)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_an_error_of_any_shape_is_of_its_kind(row: Row) -> None:
    """Kind, field, wait and whether to ask again follow from the body, whoever sent it; the words are kept."""
    error = failure(row.status, row.headers, row.sent, CORP)
    assert (error.kind, error.retryable, error.param, error.retry_after) == (
        row.kind, row.retryable, row.param, row.wait)  # fmt: skip
    assert row.says in str(error) and str(error).startswith(f"Corp answered {row.status}")
    assert (error.status, error.provider) == (row.status if row.status >= 300 else None, "corp")
    validate_error(error.to_dict())


@pytest.mark.parametrize("case", cases("error"), ids=lambda case: case.name)
def test_the_sample_errors_are_what_their_manifest_says(case: Case) -> None:
    """Every sample of an error is read as the manifest asks."""
    error, expected = failure(case.status, case.headers, case.body, CORP), case.expect["error"]
    assert (error.kind, error.retryable, error.status) == (
        expected["kind"], expected["retryable"], expected["status"])  # fmt: skip
    assert expected.get("message_contains", "") in str(error)
    if "param" in expected:
        assert error.param == expected["param"]
    assert error.retry_after == expected.get("retry_after_s")
    assert len(str(error)) <= case.expect.get("message_max_chars", 2000)


def test_the_message_says_what_to_type_next() -> None:
    """A line says who, the status, what was said, and the command or the field that mends it."""
    assert str(said(openai("Bad key.", None, "invalid_api_key"), 401)) == (
        "Corp answered 401: Bad key; type %models keys set corp to give it another key; keys are made at "
        "https://corp.example/k"
    )
    assert str(said(openai("'seed' is not supported"))) == (
        "Corp answered 400: 'seed' is not supported; leave seed out"
    )  # fmt: skip
    assert str(said(b"", 529, retry_after="7500")) == "Corp answered 529: nothing more was said; ask again in 2 h 5 min"
    unknown = failure(404, {}, b'{"error":"model not found"}', CORP, model="gpt-mni", known=["gpt-mini", "claude"])
    assert str(unknown) == ("Corp answered 404: model not found; %models refresh corp reads its list of models anew. "
                            "Did you mean 'gpt-mini'?")  # fmt: skip


def test_a_refused_request_is_a_bad_request() -> None:
    """What is caught as BadRequest and ContextTooLong from a model on this machine is so from a provider, too."""
    refused = said(openai("Invalid 'n'", None, None, "n"))
    assert isinstance(refused, BadRequest) and isinstance(refused, ProviderError) and refused.param == "n"
    assert isinstance(said(openai("'seed' is not supported")), RequestRefused)
    assert isinstance(said(openai("too long", None, "context_length_exceeded")), ContextTooLong)
    assert not isinstance(said(b"", 500), BadRequest)


def test_keys_and_private_names_are_not_shown() -> None:
    """No key, no tail of one, no id of a user or an organisation is in the message or in what is kept of the body."""
    secrets = (
        "wxyz", "sk-proj-9aZ3kQ7wLm2Xc8Vb1Nn4", "AIzaSyD-1234567890abcdefghijklmno", "org-AbC123dEf456",
        "user_2aBcDeFgHiJ", "tok3n-of-mine", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc1", "hunter2", "q1w2e3",
    )  # fmt: skip
    text = "Incorrect API key provided: sk-ab*******{}. Bearer {} was sent; key {} of {} ({}); token: {}; {} at "
    text = (text + "https://joe:{}@h.example/?key={}").format(*secrets)
    for body in (openai(text), text.encode(), {"detail": text}, {"error": {"metadata": {"raw": text}}}):
        error = said(body, 401)
        for secret in secrets:
            assert secret not in str(error) and secret not in error.raw, secret
        assert "Incorrect API key provided" in str(error)
    error = said({"error": {"message": "no"}, "user_id": "user_1"})
    assert "user_1" not in error.raw and '"no"' in error.raw


@pytest.mark.parametrize(
    "words",
    [
        "Missing bearer or basic authentication in header",
        "max_tokens: 4096 > 2048 tokens: shorten",
        "Invalid API key: please check",
        "a task-oriented sk-learn model, org-wide, user_location",
        "Unexpected token: }",
    ],
)
def test_plain_words_are_left_alone(words: str) -> None:
    """What only resembles a key or a name stays as it was said."""
    assert f"Corp answered 400: {words}" in str(said({"message": words}))


def test_hostile_words_are_only_words() -> None:
    """Escapes, marks of direction and controls are gone, markup is text, and the line is a line."""
    error = said(openai("a\x1b[31m red\x1b[0m \x1b]0;title\x07b\u202ec\x00\r\nd\ud800 <script>alert(1)</script>\x9b1m"))
    assert str(error) == "Corp answered 400: a red bc d <script>alert(1)</script>"


def test_a_body_of_any_length_makes_a_short_message() -> None:
    """The message has at most 2,000 characters and still says what to type next; of the body 64 KiB are kept."""
    error = said(openai("x" * 300_000, None, "invalid_api_key"), 401)
    assert len(str(error)) <= 2000 and "%models keys set corp" in str(error)
    assert len(error.raw.encode()) == 1 << 16
    assert len(said("é".encode() * 300_000).raw.encode()) <= 1 << 16


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"error":' * 50_000,
        b'{"error":' * 450 + b"1" + b"}" * 450,
        b"<html>" + b"<title" * 50_000,
        b"<html>" + b"<" * 300_000,
        b"<html>" + b"<script" * 40_000,
        b"key:" * 75_000,
        b"\x1b]" * 150_000,
        b"data: {\n" * 40_000,
        b'{"message":"' + b'\\"' * 150_000,
        b"model " * 50_000,
        b"'a" * 150_000,
        json.dumps({"error": {"message": "invalid " * 40_000}}).encode(),
        json.dumps({"error": {"code": 10**400, "retryDelay": "9" * 5000, "message": "x"}}).encode(),
        json.dumps({"detail": [{"loc": list(range(9000)), "msg": "m" * 9000}] * 900}).encode(),
        json.dumps({"error": {"details": [{"violations": [[]] * 9000, "retryDelay": {"seconds": {}}}] * 900}}).encode(),
    ],
    ids=range(16),
)
def test_a_body_made_to_be_slow_is_read(body: bytes) -> None:
    """Bodies of 300 KB that would make a careless reader count for ever are an error as any other."""
    assert len(str(said(body))) <= 2000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
    | st.sampled_from(["insufficient_quota", "Bearer x1y2z3", "<html>", '{"error": 1}', "'n' is not supported", "503"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["error", "errors", "message", "detail", "details", "code", "status", "type", "param", "raw",
                         "metadata", "loc", "msg", "retryDelay", "choices", "x_groq", "base_resp", "reasons",
                         "violations", "quotaId", "field", "estimated_time", "innererror", "request_id", "success",
                         "provider_name", "object", "status_code"]) | st.text(max_size=5), inner, max_size=6),
    max_leaves=25,
)  # fmt: skip
statuses = st.integers(0, 1000)
header_values = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry", "Content-Type", "date", "x-request-id",
                     "location", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens", "ratelimit"]),
    st.text(max_size=30) | st.sampled_from(["NaN", "-1", "1e999", "text/html; charset=rot13", "http://[", "0"]),
)  # fmt: skip


def is_sound(error: ProviderError) -> None:
    assert error.kind in ProviderError.KINDS and type(error.retryable) is bool
    assert 0 < len(str(error)) <= 2000
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in str(error))
    assert error.retry_after is None or 0 <= error.retry_after < 1e9
    assert error.status is None or error.status >= 400 or error.kind == "protocol"
    assert len(error.raw.encode()) <= 1 << 16
    again = HubError.from_record(json.loads(json.dumps(error.to_record())))
    assert (type(again), str(again), again.to_record()) == (type(error), str(error), error.to_record())
    validate_error(error.to_dict())


@settings(max_examples=400, deadline=None)
@given(statuses, header_values, json_values)
def test_any_json_is_an_error_of_some_kind(status: int, headers: dict[str, str], value: Any) -> None:
    """Whatever stands in a reply or an event, reading it gives a ProviderError or nothing; never anything else."""
    is_sound(failure(status, headers, json.dumps(value).encode(), CORP))
    for kind in ("message", "error"):
        error = failure_in(value, CORP, headers, kind)
        assert error is not None or kind == "message"
        if error is not None:
            is_sound(error)


@settings(max_examples=300, deadline=None)
@given(
    statuses, header_values, st.binary(max_size=300) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))
)
def test_any_bytes_are_an_error_of_some_kind(status: int, headers: dict[str, str], body: bytes) -> None:
    """The same of bytes that are no JSON."""
    is_sound(failure(status, headers, body, CORP))
    is_sound(broken(body.decode("utf-8", "replace"), CORP))
