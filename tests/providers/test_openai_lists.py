"""Lists of models of OpenAI-like servers: every shape, and what is not to be trusted in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.providers import records
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.dialects.dialect import Listed
from tests.providers.cases import cases


def rows(body: Any, provider: str = "openai") -> tuple[Listed, ...]:
    """The rows of a list."""
    record = records.packaged()[provider]
    return dialect(record.dialect).list_page(body, record).rows


def ids(body: Any) -> list[str]:
    """Their ids."""
    return [row.id for row in rows(body)]


SHAPES: dict[str, tuple[Any, list[str]]] = {
    "OpenAI": ({"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b"}]}, ["a", "b"]),
    "bare": ([{"id": "a"}], ["a"]),
    "models": ({"models": [{"name": "a"}, {"key": "b"}]}, ["a", "b"]),
    "names": (["a", "b"], ["a", "b"]),
    "names under data": ({"data": ["a"]}, ["a"]),
    "llama.cpp: both": ({"models": [{"name": "a.gguf", "model": "a.gguf"}], "data": [{"id": "a.gguf", "meta": None}]},
                        ["a.gguf"]),
    "null": ({"data": None}, []),
    "empty": ({"object": "list", "data": []}, []),
    "data null, models there": ({"data": None, "models": [{"id": "a"}]}, ["a"]),
    "one id twice": ({"data": [{"id": "a"}, {"id": "a"}, {"id": "b"}]}, ["a", "b"]),
    "bad rows": ({"data": [None, 5, [], {}, {"id": None}, {"id": ""}, {"id": " "}, {"id": 7}, {"id": "a"}]}, ["a"]),
    "hostile ids": ([{"id": i} for i in ("a\nb", "\x1b[31m", "x" * 600, "a\u202eb", "../a")], ["../a"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    """A list in any shape is read; a bad row is left out and the rest stands."""
    body, expected = SHAPES[name]
    assert ids(body) == expected


@pytest.mark.parametrize("body", [{}, {"detail": []}, "x", 5, None])
def test_no_list(body: Any) -> None:
    """What is no list is not read as an empty one."""
    with pytest.raises(ValueError, match="list"):
        rows(body)


def test_an_error_is_no_list() -> None:
    """A bad key is an error, and no empty list (Annex A, 7)."""
    with pytest.raises(ProviderError):
        rows({"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}})


def test_odd_values_are_not_there() -> None:
    """Values of another type than they should have do not count, and do no harm."""
    odd: Any = [5, "x", None, [1], {"a": 1}, True, 1e400]
    for value in odd:
        names = ("created", "context_length", "pricing", "capabilities", "supported_parameters", "architecture",
                 "providers", "top_provider", "description", "owned_by", "type", "display_name", "status")  # fmt: skip
        for provider in ("openrouter", "together", "hf"):
            (row,) = rows([{"id": "a", **dict.fromkeys(names, value)}], provider)
            assert row.id == "a"


def test_openrouter() -> None:
    """OpenRouter's rows: length, prices in dollars for a million tokens, parameters, what it reads."""
    (row, auto) = rows({"data": [
        {"id": "acme/x", "name": "Acme: X", "created": 1790000000, "context_length": 131072, "description": "good",
         "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
         "pricing": {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003", "image": "0"},
         "top_provider": {"context_length": 100000, "max_completion_tokens": 8192},
         "supported_parameters": ["tools", "logprobs", "structured_outputs", "top_k"]},
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
    ]}, "openrouter")  # fmt: skip
    assert (row.title, row.kind, row.created, row.description) == ("Acme: X", "chat", 1790000000, "good")
    assert (row.context_length, row.most_output) == (131072, 8192)
    assert row.prices == {"prompt": 3.0, "completion": 15.0, "cached": 0.3}
    assert row.capabilities == ("json_schema", "logprobs", "tools", "vision")
    assert row.parameters == ("tools", "logprobs", "structured_outputs", "top_k")
    assert auto.prices == {}


def test_prices_are_read_where_their_unit_is_known() -> None:
    """A price in a unit that no record says is none."""
    pricing = {"input": 0.88, "output": 0.9}
    assert rows([{"id": "a", "pricing": pricing}], "together")[0].prices == {"prompt": 0.88, "completion": 0.9}
    assert rows([{"id": "a", "pricing": pricing}])[0].prices == {}


def test_mistral() -> None:
    """Mistral's rows: what a model can, and that aliases are rows of their own."""
    can = {"completion_chat": True, "function_calling": True, "vision": False}
    chat, embed = rows({"data": [
        {"id": "mistral-large", "capabilities": can, "aliases": ["mistral-large-latest"], "max_context_length": 32768},
        {"id": "mistral-embed", "capabilities": {"completion_chat": False}},
    ]}, "mistral")  # fmt: skip
    assert (chat.kind, chat.context_length, chat.capabilities) == ("chat", 32768, ("tools",))
    assert embed.kind == "other"


KINDS = [
    ({"type": "chat"}, "chat"),
    ({"type": "language"}, "completion"),
    ({"type": "embedding"}, "embedding"),
    ({"type": "image"}, "other"),
    ({"type": "llm"}, "chat"),
    ({"type": "vlm"}, "chat"),
    ({"type": "embeddings"}, "embedding"),
    ({"capabilities": {"chat_completion": True, "inference": True}}, "chat"),
    ({"capabilities": {"chat_completion": False, "embeddings": True}}, "embedding"),
    ({"architecture": {"output_modalities": ["image"]}}, "other"),
    ({"object": "model"}, None),
]


@pytest.mark.parametrize(("row", "kind"), KINDS)
def test_kinds(row: dict[str, Any], kind: str | None) -> None:
    """What a model is for is said where the list says it, and else unknown."""
    assert rows([{"id": "a", **row}])[0].kind == kind


def test_lengths_and_hosts() -> None:
    """The length of the context under the names that servers have for it; the most that a host offers."""
    for name in ("context_length", "max_context_length", "context_window", "max_model_len"):
        assert rows([{"id": "a", name: 4096}])[0].context_length == 4096
    hosts = [
        {"provider": "x", "context_length": 8192, "supports_tools": True},
        {"provider": "y", "context_length": 4096},
    ]
    (row,) = rows({"data": [{"id": "a", "providers": hosts}]}, "hf")
    assert (row.context_length, row.capabilities) == (8192, ("tools",))
    assert rows([{"id": "a", "active": False}], "groq")[0].retired


@pytest.mark.parametrize("case", [c for c in cases("models") if c.dialect in records.packaged()], ids=lambda c: c.name)
def test_samples(case: Any) -> None:
    """The sample lists come out as the manifest says."""
    record = records.packaged()[case.dialect]
    found = [row.id for row in dialect(record.dialect).list_page(json.loads(case.body), record).rows]
    assert found == case.expect.get("ids", found)
    assert len(found) == case.expect.get("count", len(found))


def test_the_call() -> None:
    """The list is asked for behind the base URL."""
    record = records.packaged()["openai"]
    built = dialect("openai").list_call(record, {})
    assert (built.method, built.url, built.body) == ("GET", "https://api.openai.com/v1/models", None)
