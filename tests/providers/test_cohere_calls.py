"""Requests of the dialect `cohere`: what is sent, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.providers.dialects import dialect
from tests.providers.talk import PICTURE, SCHEMA, SHAPED, TIDE, body, call, called, part, picked, request

PLAIN, THINKING = "command-a-03-2025", "command-a-reasoning-08-2025"
HI = {"role": "user", "content": "hi"}


def test_every_field_has_a_rule() -> None:
    """What becomes of each field is said for every field there is."""
    assert set(LOCAL) <= set(dialect("cohere").rules)


def test_the_call() -> None:
    """A request goes to the second version of chat, as a stream."""
    built = call("cohere", request("hi"), PLAIN)
    assert (built.method, built.url, built.stream) == ("POST", "https://api.cohere.com/v2/chat", True)
    assert built.body == {"model": PLAIN, "stream": True, "messages": [HI]}


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (PLAIN, {"temperature": 1, "top_p": 0.5, "top_k": 40}, {"temperature": 1, "p": 0.5, "k": 40}),
    (PLAIN, {"top_p": 1}, {"p": 0.99}),
    (PLAIN, {"max_tokens": 7, "max_completion_tokens": 8}, {"max_tokens": 8}),
    (PLAIN, {"stop": "END", "seed": 5}, {"stop_sequences": ["END"], "seed": 5}),
    (PLAIN, {"frequency_penalty": 1, "presence_penalty": 0.5}, {"frequency_penalty": 1, "presence_penalty": 0.5}),
    (PLAIN, {"logprobs": True, "top_logprobs": 0}, {"logprobs": True}),
    (PLAIN, {"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
    (PLAIN, {"response_format": SHAPED}, {"response_format": {"type": "json_object", "json_schema": SCHEMA}}),
    (PLAIN, {"json_schema": SCHEMA}, {"response_format": {"type": "json_object", "json_schema": SCHEMA}}),
    (PLAIN, {"reasoning_effort": "none", "n": 1, "user": "u", "store": False}, {}),
    (THINKING, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
    (THINKING, {"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "token_budget": 2048}}),
    (THINKING, {"reasoning_effort": "max"}, {"thinking": {"type": "enabled"}}),
    (
        PLAIN,
        {"extra_body": {"documents": ["d"], "citation_options": {"mode": "FAST"}}},
        {"documents": ["d"], "citation_options": {"mode": "FAST"}},
    ),
]


@pytest.mark.parametrize(("model", "fields", "sent"), FIELDS)
def test_fields(model: str, fields: dict[str, Any], sent: dict[str, Any]) -> None:
    """Each field that is honoured is sent under the name and in the shape of the API, and nothing else."""
    assert body("cohere", model=model, **fields) == {"model": model, "stream": True, "messages": [HI], **sent}


@pytest.mark.parametrize(("choice", "sent"), [(None, None), ("auto", None), ("none", "NONE"), ("required", "REQUIRED")])
def test_tools(choice: str | None, sent: str | None) -> None:
    """Tools, and what is said of their use, have the API's shape."""
    found = body("cohere", tools=[TIDE], tool_choice=choice)
    assert found["tools"] == [TIDE]
    assert found.get("tool_choice") == sent
    assert "strict_tools" not in found
    strict = {"type": "function", "function": {"name": "now", "strict": True}}
    found = body("cohere", tools=[strict])
    assert found["strict_tools"] is True
    assert found["tools"][0]["function"] == {"name": "now", "parameters": {"type": "object", "properties": {}}}


USED = {"id": "t1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Brest"}'}}
RESULT = {"role": "tool", "tool_call_id": "t1", "content": "6 m"}
THOUGHT = {"type": "thinking", "thinking": "weigh it"}
PLAN = {"type": "tool_plan", "tool_plan": "I will look."}
MESSAGES: list[tuple[list[Any], list[dict[str, Any]]]] = [
    (
        # the whole history goes, each message under its own role: the templates of Jan lost all but the last
        [
            {"role": "system", "content": "be brief"},
            "one",
            {"role": "assistant", "content": "two"},
            "three",
            {"role": "developer", "content": "and kind"},
        ],
        [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
            {"role": "system", "content": "and kind"},
        ],
    ),
    (
        [{"role": "user", "content": [{"type": "text", "text": "what?"}, PICTURE]}],
        [{"role": "user", "content": [{"type": "text", "text": "what?"}, PICTURE]}],
    ),
    (
        [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        [{"role": "user", "content": "ab"}],
    ),
    (
        ["hi", called('{"port": "Brest"}'), RESULT],
        [HI, {"role": "assistant", "tool_calls": [USED]}, RESULT],
    ),
    (
        ["hi", {**called('{"port": "Brest"}'), "reasoning_details": [THOUGHT, PLAN]}, RESULT],
        [
            HI,
            {"role": "assistant", "content": [THOUGHT], "tool_calls": [USED], "tool_plan": "I will look."},
            RESULT,
        ],
    ),
    (
        ["hi", {"role": "assistant", "content": "kelp", "reasoning_details": [{**THOUGHT, "signature": "x"}]}],
        [HI, {"role": "assistant", "content": "kelp"}],
    ),
]


@pytest.mark.parametrize(("messages", "sent"), MESSAGES)
def test_messages(messages: list[Any], sent: list[dict[str, Any]]) -> None:
    """Messages of every role and kind have the API's shape; thoughts and the plan go back with the calls."""
    assert body("cohere", *messages)["messages"] == sent


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (PLAIN, {"temperature": 1.5}, "temperature", "takes 0 to 1"),
    (PLAIN, {"top_p": 0}, "top_p", "takes 0.01 to 1"),
    (PLAIN, {"top_k": 501}, "top_k", "takes 0 to 500"),
    (PLAIN, {"frequency_penalty": -1}, "frequency_penalty", "takes 0 to 1"),
    (PLAIN, {"seed": -1}, "seed", "at least 0"),
    (PLAIN, {"stop": list("abcdef")}, "stop", "at most 5"),
    (PLAIN, {"logprobs": True, "top_logprobs": 2}, "top_logprobs", "no alternatives"),
    (PLAIN, {"n": 2}, "n", "one answer"),
    (PLAIN, {"reasoning_effort": "low"}, "reasoning_effort", "command-a-reasoning"),
    (PLAIN, {"tools": [TIDE], "tool_choice": picked("tide")}, "tool_choice", "give that tool alone"),
    (PLAIN, {"tools": [TIDE], "response_format": SHAPED}, "response_format", "leave one out"),
    (PLAIN, {"tools": [{"type": "web_search"}]}, "tools", "takes functions"),
    (PLAIN, {"logit_bias": {1: 2}}, "logit_bias", "none"),
]


@pytest.mark.parametrize(("model", "fields", "param", "words"), REFUSED)
def test_what_is_refused(model: str, fields: dict[str, Any], param: str, words: str) -> None:
    """A field or a value that Cohere does not take is refused by name, with what to do instead."""
    with pytest.raises(BadRequest, match=words) as raised:
        body("cohere", model=model, **fields)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "user", "content": ""}, "messages.0 is empty"),
        (part("file", file_data="data:application/pdf;base64,AAAA"), "reads text"),
        (part("image_url", url="gs://b/a.png"), "takes no pictures at an address"),
        ({"role": "tool", "tool_call_id": "t", "content": [PICTURE]}, "takes no pictures"),
    ],
)
def test_messages_that_cannot_be_said(message: dict[str, Any], words: str) -> None:
    """A message that the API cannot say is refused by its number."""
    with pytest.raises(BadRequest, match=words):
        body("cohere", message)
