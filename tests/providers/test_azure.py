"""Azure OpenAI: its addresses, its deployments, its chunks without choices and deltas."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.providers import Providers
from tests.providers.talk import answered, call, request, sse

HOST = "https://res.openai.azure.com"
NEW = f"{HOST}/openai/v1/chat/completions"
OLD = f"{HOST}/openai/deployments/my%2Fdep/chat/completions?api-version=2024-10-21"

ADDRESSES: list[tuple[str, dict[str, Any], str, str]] = [
    (HOST, {}, NEW, f"{HOST}/openai/v1/models"),
    (f"{HOST}/openai", {}, NEW, f"{HOST}/openai/v1/models"),
    (f"{HOST}/openai/v1", {}, NEW, f"{HOST}/openai/v1/models"),
    (f"{HOST}/openai/v1", {"api_version": "preview"}, f"{NEW}?api-version=preview",
     f"{HOST}/openai/v1/models?api-version=preview"),
    (HOST, {"api_version": "2024-10-21"}, OLD, f"{HOST}/openai/models?api-version=2024-10-21"),
    (f"{HOST}/openai/v1", {"api_version": "2024-10-21"}, OLD, f"{HOST}/openai/models?api-version=2024-10-21"),
    ("https://gateway.example/v1", {}, "https://gateway.example/v1/chat/completions", "https://gateway.example/v1/models"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "settings", "chat", "models"), ADDRESSES)
def test_addresses(base: str, settings: dict[str, Any], chat: str, models: str) -> None:
    """Both routes are found from whatever of the address is given; a deployment's name is quoted in it."""
    provider = Providers().add("work", base_url=base, dialect="azure", settings=settings)
    assert call("work", request("hi"), "my/dep").url == chat
    assert dialect("azure").list_call(provider, {}).url == models
    assert provider.key_header == "api-key"


def test_what_a_deployment_is() -> None:
    """The rules of a model hold for a deployment where the setting base_model says what it is."""
    many = Providers()
    many.add("work", base_url=HOST, dialect="azure")
    many.add("said", base_url=HOST, dialect="azure", settings={"base_model": {"dep": "gpt-5"}})
    many.add("named", base_url=HOST, dialect="azure", settings={"base_model": "o3-mini"})
    made = call("work", request(max_tokens=5, temperature=0.5), "dep").body
    assert made is not None
    assert (made["max_tokens"], made["temperature"], made["model"]) == (5, 0.5, "dep")
    for name in ("said", "named"):
        made = call(name, request(max_tokens=5), "dep").body
        assert made is not None
        assert made["max_completion_tokens"] == 5
        with pytest.raises(BadRequest, match="always reasons"):
            call(name, request(temperature=0.5), "dep")


def test_a_stream() -> None:
    """The first chunk has no id and no choice, a filter's chunk no delta; none of it is text, and nothing is lost."""
    results = {"hate": {"filtered": False, "severity": "safe"}}
    events: list[dict[str, Any]] = [
        {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"id": "c2", "model": "m", "choices": [{"index": 0, "delta": {"content": "kelp"}, "finish_reason": None}]},
        {"id": "c2", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"id": "", "choices": [{"index": 0, "finish_reason": None, "content_filter_results": results}]},
        {"id": "c2", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}},
    ]
    Providers().add("work", base_url=HOST, dialect="azure")
    response = answered("work", sse(*events, "[DONE]", named=False))
    assert (response.text(), response.finish_reason, response.usage()["total_tokens"]) == ("kelp", "stop", 13)
