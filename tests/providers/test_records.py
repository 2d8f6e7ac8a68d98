"""The packaged records: every provider is there, and what its row says can be used."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.hub import Hub
from modelhub.kernels.providers import records
from modelhub.kernels.providers.addresses import is_loopback
from modelhub.kernels.providers.dialects import NAMES
from tests.providers.cases import body
from tests.providers.replay import Reply, Request, serve

ALL = {
    "openai", "azure", "anthropic", "gemini", "groq", "openrouter", "mistral", "cohere", "nvidia", "martian",
    "together", "deepseek", "fireworks", "xai", "perplexity", "hf", "ollama", "lmstudio", "llamacpp", "vllm", "sglang",
    "localai", "jan",
}  # fmt: skip
LOCAL = {"ollama", "lmstudio", "llamacpp", "vllm", "sglang", "localai", "jan"}
JSON = {"content-type": "application/json"}
# What each dialect's provider answers: to a chat as a stream, and to a list. `x` is the model.
STREAMS = {
    "openai": "openai_stream_basic.sse", "azure": "azure_stream.sse", "anthropic": "anthropic_stream_basic.sse",
    "gemini": "gemini_stream.sse", "cohere": "cohere_stream.sse", "ollama": "ollama_chat.ndjson",
}  # fmt: skip
LISTS: dict[str, Any] = {
    "openai": {"object": "list", "data": [{"id": "x", "object": "model"}]},
    "azure": {"data": [{"id": "x", "capabilities": {"chat_completion": True}}]},
    "anthropic": {"data": [{"type": "model", "id": "x"}], "has_more": False},
    "gemini": {"models": [{"name": "models/x", "supportedGenerationMethods": ["generateContent"]}]},
    "cohere": {"models": [{"name": "x", "endpoints": ["chat"]}]},
    "ollama": {"models": [{"name": "x", "model": "x"}]},
}


def test_all_are_there() -> None:
    """The packaged providers are those of the plan, and each speaks a dialect there is."""
    assert set(records.packaged()) == ALL
    assert {record.dialect for record in records.packaged().values()} <= set(NAMES)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_row_can_be_used(name: str) -> None:
    """Services are at https and want a key of a variable of their own; servers are on this machine and want none."""
    record = records.packaged()[name]
    assert record.title and record.key_env and all(link.startswith("https://") for link in record.links.values())
    if name in LOCAL:
        assert is_loopback(urlsplit(record.base_url).hostname or "")
        assert record.needs_key == (name == "jan")
    else:
        assert record.needs_key and "keys" in record.links
        assert record.base_url.startswith("https://") or (name == "azure" and record.url_env)
    assert not record.base_url.endswith("/") and record.key_env[0].split("_")[0] in name.upper().replace("LM", "LM_")


def test_no_variable_is_the_key_of_two() -> None:
    """A variable that holds a key belongs to one provider."""
    names = [variable for record in records.packaged().values() for variable in record.key_env]
    assert len(names) == len(set(names))


def replied(dialect: str) -> Any:
    """What a provider of this dialect answers: lists, streams, and an error for the model `wrong`."""

    def reply(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(json.dumps(LISTS[dialect]).encode(), headers=JSON)
        if b"wrong" in request.body or "wrong" in request.path:
            return Reply(b'{"error": {"message": "no such model", "code": 404}}', 404, JSON)
        kind = "application/x-ndjson" if dialect == "ollama" else "text/event-stream"
        return Reply(body(STREAMS[dialect]), headers={"content-type": kind})

    return reply


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_answers_a_chat_a_stream_a_list_and_an_error(name: str, hub: Hub) -> None:
    """An instance made after each record is asked, streams, lists its models and says what is wrong."""
    record = records.packaged()[name]
    with serve(replied(record.dialect)) as server:
        hub.providers.add(f"my-{name}", base_url=server.url, dialect=name, key="k3y-of-loopback", allow_http=True)
        whole = hub.chat("hi", model=f"my-{name}/x").text()
        assert whole and "".join(hub.chat("hi", model=f"my-{name}/x", stream=True)) == whole
        listed = [row.id for row in hub.providers.models(f"my-{name}", all=True)]
        assert listed == (["x"] if record.models.path else list(record.models.fixed))
        with pytest.raises(ProviderError) as wrong:
            hub.chat("hi", model=f"my-{name}/wrong").text()
        assert wrong.value.kind == "not_found" and wrong.value.provider == f"my-{name}"
        sent = {request.headers.get(record.key_header.lower()) for request in server.requests}
        assert sent == {f"{record.key_scheme} k3y-of-loopback".strip()}
