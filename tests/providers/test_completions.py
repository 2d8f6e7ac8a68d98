"""Servers that complete texts only: the messages as one text, the reply as an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.providers.providers import Providers
from tests.providers.talk import JSON, PICTURE, TIDE, answered, body, call, request, sse

TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": [{"type": "text", "text": "and"}, {"type": "text", "text": " now?"}]},
]


@pytest.fixture
def old() -> str:
    """A server of that kind."""
    Providers().add("old", base_url="http://127.0.0.1:9/v1", dialect="completions")
    return "old"


def test_the_call(old: str) -> None:
    """A request goes to completions with a prompt, under the field names of that route."""
    built = call(old, request("Once upon", max_completion_tokens=5, logprobs=True, top_logprobs=2, stop="."))
    assert built.url == "http://127.0.0.1:9/v1/completions"
    assert built.body == {
        "model": "m", "prompt": "Once upon", "max_tokens": 5, "logprobs": 2, "stop": ".", "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert body(old, "x", logprobs=True)["logprobs"] == 1


FORMS = {
    "plain": "System: be brief\n\nUser: hi\n\nAssistant: hello\n\nUser: and now?\n\nAssistant:",
    "raw": "be briefhihelloand now?",
    "chatml": (
        "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\nhello<|im_end|>\n<|im_start|>user\nand now?<|im_end|>\n<|im_start|>assistant\n"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_prompts(form: str) -> None:
    """A conversation is written out in the form that the setting prompt_format names."""
    Providers().add("old", base_url="http://127.0.0.1:9", dialect="completions", settings={"prompt_format": form})
    assert body("old", *TALK)["prompt"] == FORMS[form]


def test_an_unknown_form() -> None:
    """A form that there is not is named, with those that there are."""
    Providers().add("old", base_url="http://127.0.0.1:9", dialect="completions", settings={"prompt_format": "poem"})
    with pytest.raises(BadRequest, match="plain, raw or chatml; got 'poem'"):
        body("old", "hi")


REFUSED: list[dict[str, Any]] = [
    {"tools": [TIDE]}, {"response_format": {"type": "json_object"}}, {"reasoning_effort": "low"},
    {"logprobs": True, "top_logprobs": 6},
]  # fmt: skip


@pytest.mark.parametrize("fields", REFUSED)
def test_refused(old: str, fields: dict[str, Any]) -> None:
    """What only chats have is refused by name."""
    with pytest.raises(BadRequest):
        call(old, request(**fields))


def test_pictures_are_refused(old: str) -> None:
    """A picture cannot be said in a text."""
    with pytest.raises(BadRequest, match="completes texts"):
        call(old, request({"role": "user", "content": [PICTURE]}))


def test_a_stream(old: str) -> None:
    """Text and log probabilities in the older shape."""
    said = {"tokens": [" a"], "token_logprobs": [-0.5], "top_logprobs": [{" a": -0.5, " b": -1.5}], "text_offset": [0]}
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "text": " a", "logprobs": said, "finish_reason": None}]},
        {"choices": [{"index": 0, "text": " kelp", "logprobs": None, "finish_reason": None}]},
        {"choices": [{"index": 0, "text": "", "finish_reason": "length"}], "usage": {"prompt_tokens": 2}},
    ]
    response = answered(old, sse(*events, "[DONE]", named=False), asked=request(logprobs=True))
    assert (response.text(), response.finish_reason, response.usage()) == (" a kelp", "length", {"prompt_tokens": 2})
    (entry,) = response.logprobs
    assert [t["token"] for t in entry["top_logprobs"]] == [" a", " b"]


def test_a_whole_reply(old: str) -> None:
    """Several choices, each with its text."""
    rows = [{"index": i, "text": t, "finish_reason": "stop"} for i, t in enumerate(("one", "two"))]
    made = answered(old, json.dumps({"choices": rows}).encode(), JSON, request(n=2)).json()
    assert [c["message"]["content"] for c in made["choices"]] == ["one", "two"]
