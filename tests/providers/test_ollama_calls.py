"""Requests of the dialect `ollama`: what is sent, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.providers.dialects import dialect
from tests.providers.talk import PICTURE, PIXEL, SCHEMA, SHAPED, TIDE, body, call, called, part, picked, request

HI = {"role": "user", "content": "hi"}


def test_every_field_has_a_rule() -> None:
    """What becomes of each field is said for every field there is."""
    assert set(LOCAL) <= set(dialect("ollama").rules)


def test_the_call() -> None:
    """A request goes to Ollama's own chat, as a stream."""
    built = call("ollama", request("hi"), "lm:1b")
    assert (built.method, built.url, built.stream) == ("POST", "http://localhost:11434/api/chat", True)
    assert built.body == {"model": "lm:1b", "stream": True, "messages": [HI]}


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("m", {"temperature": 1.5, "top_p": 0.5, "seed": -1}, {"options": {"temperature": 1.5, "top_p": 0.5, "seed": -1}}),
    (
        "m",
        {"max_tokens": 7, "max_completion_tokens": 8, "stop": "END"},
        {"options": {"num_predict": 8, "stop": ["END"]}},
    ),
    (
        "m",
        {"frequency_penalty": 1, "presence_penalty": -1, "top_k": 5, "min_p": 0.1, "typical_p": 0.9},
        {"options": {"frequency_penalty": 1, "presence_penalty": -1, "top_k": 5, "min_p": 0.1, "typical_p": 0.9}},
    ),
    (
        "m",
        {"repeat_penalty": 1.1, "repeat_last_n": -1, "n_keep": 4},
        {"options": {"repeat_penalty": 1.1, "repeat_last_n": -1, "num_keep": 4}},
    ),
    (
        "m",
        {"mirostat": 2, "mirostat_tau": 5, "mirostat_eta": 0.1},
        {"options": {"mirostat": 2, "mirostat_tau": 5, "mirostat_eta": 0.1}},
    ),
    ("m", {"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ("m", {"response_format": {"type": "json_object"}}, {"format": "json"}),
    ("m", {"response_format": SHAPED}, {"format": SCHEMA}),
    ("m", {"json_schema": SCHEMA}, {"format": SCHEMA}),
    ("m", {"reasoning_effort": "none"}, {"think": False}),
    ("m", {"reasoning_effort": "high"}, {"think": True}),
    ("gpt-oss:20b", {"reasoning_effort": "max"}, {"think": "high"}),
    ("gpt-oss:20b", {"reasoning_effort": "minimal"}, {"think": "low"}),
    ("gpt-oss:20b", {"reasoning_effort": "medium"}, {"think": "medium"}),
    ("m", {"n": 1, "user": "u", "tool_choice": "auto", "parallel_tool_calls": True}, {}),
    (
        "m",
        {"top_k": 5, "extra_body": {"keep_alive": "10m", "options": {"num_ctx": 8192}}},
        {"keep_alive": "10m", "options": {"top_k": 5, "num_ctx": 8192}},
    ),
]


@pytest.mark.parametrize(("model", "fields", "sent"), FIELDS)
def test_fields(model: str, fields: dict[str, Any], sent: dict[str, Any]) -> None:
    """Each field that is honoured is sent under the name and in the shape of the API, and nothing else."""
    assert body("ollama", model=model, **fields) == {"model": model, "stream": True, "messages": [HI], **sent}


def test_tools() -> None:
    """Tools are sent; where none shall be called, none are."""
    assert body("ollama", tools=[TIDE])["tools"] == [TIDE]
    assert "tools" not in body("ollama", tools=[TIDE], tool_choice="none")
    bare = body("ollama", tools=[{"type": "function", "function": {"name": "now"}}])["tools"][0]["function"]
    assert bare == {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}


MESSAGES: list[tuple[list[Any], list[dict[str, Any]]]] = [
    (
        [{"role": "developer", "content": "be brief"}, "hi", {"role": "assistant", "content": "kelp dri"}],
        [{"role": "system", "content": "be brief"}, HI, {"role": "assistant", "content": "kelp dri"}],
    ),
    (
        [{"role": "user", "content": [{"type": "text", "text": "what?"}, PICTURE, PICTURE]}],
        [{"role": "user", "content": "what?", "images": [PIXEL, PIXEL]}],
    ),
    (
        [
            "hi",
            {**called('{"port": "Brest"}'), "reasoning_content": "weigh it"},
            {"role": "tool", "tool_call_id": "t1", "content": "6 m"},
        ],
        [
            HI,
            {
                "role": "assistant",
                "content": "",
                "thinking": "weigh it",
                "tool_calls": [{"id": "t1", "function": {"name": "tide", "arguments": {"port": "Brest"}}}],
            },
            {"role": "tool", "content": "6 m", "tool_name": "tide", "tool_call_id": "t1"},
        ],
    ),
    (
        ["hi", {"role": "assistant", "content": "kelp", "reasoning_content": "weigh it"}],
        [HI, {"role": "assistant", "content": "kelp"}],
    ),
]


@pytest.mark.parametrize(("messages", "sent"), MESSAGES)
def test_messages(messages: list[Any], sent: list[dict[str, Any]]) -> None:
    """Messages of every role and kind have the API's shape; arguments are an object, a result has its tool's name."""
    assert body("ollama", *messages)["messages"] == sent


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"n": 2}, "n", "one answer"),
    ({"logit_bias": {1: 2}}, "logit_bias", "has none"),
    ({"tools": [TIDE], "tool_choice": "required"}, "tool_choice", "leaves it to the model"),
    ({"tools": [TIDE], "tool_choice": picked("tide")}, "tool_choice", "leaves it to the model"),
    ({"parallel_tool_calls": False}, "parallel_tool_calls", "one call in the prompt"),
    ({"tools": [{"type": "web_search"}]}, "tools", "takes functions"),
    ({"n_probs": 50}, "n_probs", "at most 20"),
    ({"xtc_probability": 0.5}, "xtc_probability", "no such option"),
    ({"chat_template_kwargs": {"x": 1}}, "chat_template_kwargs", "rendered by the server"),
]


@pytest.mark.parametrize(("fields", "param", "words"), REFUSED)
def test_what_is_refused(fields: dict[str, Any], param: str, words: str) -> None:
    """A field or a value that Ollama does not take is refused by name, with what to do instead."""
    with pytest.raises(BadRequest, match=words) as raised:
        body("ollama", **fields)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            part("image_url", url="https://x.org/a.png"),
            "takes no pictures at an address here; give a picture as a data",
        ),
        (part("file", file_data="data:application/pdf;base64,AAAA"), "reads text"),
    ],
)
def test_messages_that_cannot_be_said(message: dict[str, Any], words: str) -> None:
    """A message that the API cannot say is refused by its number, and no address is ever fetched."""
    with pytest.raises(BadRequest, match=words):
        body("ollama", message)
