"""The errors as OpenAI's API would send them."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

import modelhub.errors as errors
from modelhub.errors import BadRequest, HubError, PromptTooLong, ProviderError, RequestRefused, StreamTruncated
from modelhub.kernels.hub import Hub
from tests.protocol.openai_schema import validate_error

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, HubError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_openais_shape(kind: type[HubError]) -> None:
    """Each of our errors is a valid error object with its message; details that OpenAI does not know stay out."""
    said = kind("no\nmore", param="n", path="/tmp/x").to_dict()
    validate_error(said)
    assert (said["error"]["message"], said["error"]["param"]) == ("no more", "n")
    assert kind("no", param="").to_dict()["error"]["param"] is None


def refused(hub: Hub, model: Path | str, prompt: str = "hi", **options: Any) -> tuple[str, str | None, str | None]:
    with pytest.raises(HubError) as caught:
        hub.chat(prompt, model=str(model), **options).text()
    said = caught.value.to_dict()
    validate_error(said)
    return said["error"]["type"], said["error"]["param"], said["error"]["code"]


def test_what_is_wrong_is_said_in_openais_words(hub: Hub, random_gguf: Path, tmp_path: Path) -> None:
    """Type, field and code of what goes wrong most are those that clients of OpenAI's API look for."""
    wrong = "invalid_request_error"
    assert refused(hub, random_gguf, temperature=3) == (wrong, "temperature", None)
    assert refused(hub, random_gguf, temprature=1) == (wrong, "temprature", "unsupported_parameter")
    assert refused(hub, random_gguf, audio={"voice": "a"}) == (wrong, "audio", "unsupported_parameter")
    assert refused(hub, random_gguf, service_tier="flex") == (wrong, "service_tier", "unsupported_value")
    assert refused(hub, random_gguf, "x" * 600) == (wrong, "messages", "context_length_exceeded")
    assert refused(hub, "nobody") == ("not_found_error", "model", "model_not_found")
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(8))
    assert refused(hub, bad) == ("server_error", None, "model_not_loaded")


def test_a_message_is_a_line_that_a_terminal_only_shows() -> None:
    """Controls, marks of direction and half characters in a name are written out; what they are is kept in view."""
    said = str(HubError("no \x1b[31mred\u202e\x07\ud800 naïve 👩‍💻"))
    assert said == r"no \x1b[31mred\u202e\x07\ud800 naïve 👩‍💻"


@pytest.mark.parametrize(
    ("kind", "openais"),
    [
        ("auth", ("authentication_error", "invalid_api_key")),
        ("permission", ("permission_error", None)),
        ("not_found", ("not_found_error", "model_not_found")),
        ("bad_request", ("invalid_request_error", None)),
        ("unsupported_param", ("invalid_request_error", "unsupported_parameter")),
        ("context_length", ("invalid_request_error", "context_length_exceeded")),
        ("content_filter", ("invalid_request_error", "content_filter")),
        ("rate_limit", ("rate_limit_error", "rate_limit_exceeded")),
        ("quota", ("rate_limit_error", "insufficient_quota")),
        ("overloaded", ("server_error", "overloaded")),
        ("server", ("server_error", None)),
        ("timeout", ("server_error", "timeout")),
        ("connection", ("server_error", "connection_failed")),
        ("truncated", ("server_error", "stream_truncated")),
        ("protocol", ("server_error", None)),
        ("too_large", ("invalid_request_error", "request_too_large")),
    ],
)
def test_a_providers_error_is_said_in_openais_words(kind: str, openais: tuple[str, str | None]) -> None:
    """Type and code follow from the kind, whatever code the provider has for it; every kind has its words."""
    said = ProviderError("no", kind=kind, code="E4711", param="n").to_dict()
    validate_error(said)
    assert (said["error"]["type"], said["error"]["code"], said["error"]["param"]) == (*openais, "n")
    assert set(errors.BY_KIND) == set(ProviderError.KINDS)


FULL = {"kind": "rate_limit", "provider": "corp", "status": 429, "retry_after": 2.5, "retryable": True, "param": "n",
        "code": "slow", "raw": "{}", "request_id": "r"}  # fmt: skip


@pytest.mark.parametrize("kind", [ProviderError, StreamTruncated, RequestRefused, PromptTooLong])
def test_an_errors_facts_survive_record_copy_and_pickle(kind: type[ProviderError]) -> None:
    """Class, message and every fact are there again; the response, which is no data, is not."""
    error = kind("no", **FULL)
    error.partial = object()
    made = (HubError.from_record(error.to_record()), copy.copy(error), pickle.loads(pickle.dumps(error)))
    for again in made:
        assert isinstance(again, ProviderError) and type(again) is kind and str(again) == "no"
        assert {fact: getattr(again, fact) for fact in FULL} == FULL and again.partial is None


def test_a_record_of_another_version_is_still_an_error() -> None:
    """An unknown class is a HubError, an unknown kind `server`, unknown facts are left out, missing ones unset."""
    strange = HubError.from_record({"type": "Strange", "message": "no", "more": 1})
    assert type(strange) is HubError and strange.details == {}
    assert type(HubError.from_record({"type": "did_you_mean"})) is HubError
    error = HubError.from_record({"type": "ProviderError", "message": "no", "kind": "odd"})
    assert isinstance(error, ProviderError) and (error.kind, error.status) == ("server", None)
    assert type(HubError.from_record({"type": "Strange", "message": "no", "kind": "quota"})) is ProviderError
    assert str(HubError.from_record(BadRequest("no", param="n").to_record())) == "no"
