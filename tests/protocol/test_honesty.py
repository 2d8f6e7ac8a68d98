"""The honesty table: every field has one rule, and the rule is what happens."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol import honesty
from modelhub.kernels.protocol.plan import plan_of
from modelhub.kernels.protocol.request import ChatRequest, Extension

FIELDS = [*ChatRequest.model_fields, *(f"x_modelhub.{name}" for name in Extension.model_fields)]
SAMPLES: dict[str, Any] = {
    "response_format": {"type": "json_object"},
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "required",
    "parallel_tool_calls": True,
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
    "stream_options": {"include_usage": True},
    "store": True,
    "metadata": {"k": "v"},
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"ttl": "1h"},
    "prompt_cache_retention": "24h",
    "service_tier": "priority",
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy"},
    "prediction": {"type": "content", "content": "x"},
    "reasoning_effort": "low",
    "verbosity": "low",
    "web_search_options": {},
    "moderation": {"model": "m"},
    "x_modelhub.mirostat": 1,
    "x_modelhub.dry_sequence_breakers": ["x"],
    "x_modelhub.grammar": "root ::= 'a'",
    "x_modelhub.json_schema": {"type": "object"},
    "x_modelhub.ignore_eos": True,
    "x_modelhub.cutstrings": ["x"],
    "x_modelhub.trimstrings": ["x"],
    "x_modelhub.suppress": ["x"],
    "x_modelhub.logit_bias_by_text": {"x": 1.0},
    "x_modelhub.chat_template_kwargs": {"x": 1},
    "x_modelhub.cache_prompt": True,
    "x_modelhub.debug": True,
    "x_modelhub.roles": {"user": "x"},
    "x_modelhub.model_options": {"keywords": ["x"]},
    "x_modelhub.extra_body": {"x": 1},
}


def sample(field: str) -> Any:
    name = field.removeprefix("x_modelhub.")
    integers = {
        "repeat_last_n",
        "dry_allowed_length",
        "dry_penalty_last_n",
        "min_tokens",
        "n_keep",
        "n_probs",
        "min_keep",
    }
    return SAMPLES.get(field, 1 if name in integers else 0.5)


def request_with(field: str) -> ChatRequest:
    name, value = field.removeprefix("x_modelhub."), sample(field)
    extra = {"stream": True} if name == "stream_options" else {}
    return ChatRequest.make(model="m", messages=[{"role": "user", "content": "hi"}], **{name: value}, **extra)


def of_status(status: str) -> list[str]:
    return [field for field, rule in honesty.LOCAL.items() if rule.status == status]


def test_every_field_has_exactly_one_rule() -> None:
    """The table names every field of the request and of `x_modelhub`, and nothing else."""
    assert sorted(honesty.LOCAL) == sorted(FIELDS)
    assert {rule.status for rule in honesty.LOCAL.values()} == {"honoured", "no-op", "rejected"}
    assert honesty.ENGINES["local"] is honesty.LOCAL


def test_what_is_not_honoured_says_why() -> None:
    """Every no-op and every rejection has a reason to show."""
    assert [f for f, rule in honesty.LOCAL.items() if rule.status != "honoured" and not rule.note] == []


@pytest.mark.parametrize("field", of_status("rejected"))
def test_a_rejected_field_is_refused_by_name(field: str) -> None:
    """A field the engine cannot honour is an error that names it and says why."""
    with pytest.raises(BadRequest) as caught:
        honesty.check(request_with(field), "local")
    name = field.removeprefix("x_modelhub.")
    assert caught.value.param == name
    assert str(caught.value).startswith(name)
    assert honesty.LOCAL[field].note in str(caught.value)


@pytest.mark.parametrize("field", of_status("no-op"))
def test_a_no_op_warns_by_name(field: str) -> None:
    """A field that cannot change the answer is accepted with one warning that names it."""
    name = field.removeprefix("x_modelhub.")
    (warning,) = honesty.check(request_with(field), "local")
    assert warning.startswith(f"{name} has no effect here: ")


def test_values_that_ask_for_nothing_are_accepted() -> None:
    """A rejected field passes with the value that means what happens anyway."""
    allowed = [(f, value) for f, rule in honesty.LOCAL.items() for value in rule.except_values]
    assert ("modalities", ["text"]) in allowed
    for field, value in allowed:
        request = ChatRequest.make(model="m", messages=[{"role": "user", "content": "hi"}], **{field: value})
        assert honesty.check(request, "local") == []


def test_honoured_fields_say_nothing() -> None:
    """A request of honoured fields only has no warnings."""
    request = ChatRequest.make(
        model="m", messages=[{"role": "user", "content": "hi"}], temperature=0.3, top_p=0.5, max_tokens=3, n=2,
        stop="x", seed=1, logprobs=True, top_logprobs=2, logit_bias={1: 2}, top_k=3, min_p=0.1, stream=True,
    )  # fmt: skip
    assert honesty.check(request, "local") == []


def test_two_limits_that_differ_warn() -> None:
    """max_completion_tokens wins over a different max_tokens, and says so."""
    messages = [{"role": "user", "content": "hi"}]
    differ = ChatRequest.make(model="m", messages=messages, max_tokens=3, max_completion_tokens=4)
    agree = ChatRequest.make(model="m", messages=messages, max_tokens=4, max_completion_tokens=4)
    assert [w.split(":")[0] for w in honesty.check(differ, "local")] == ["max_tokens is ignored"]
    assert honesty.check(agree, "local") == []


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_a_part_that_cannot_be_read_is_refused(kind: str) -> None:
    """An image, a sound or a file in a message is an error, never rendered as text."""
    content = [{"type": "text", "text": "see"}, {"type": kind, kind: {"url": "x"}}]
    request = ChatRequest.make(model="m", messages=[{"role": "user", "content": content}])
    with pytest.raises(BadRequest, match=f"part of type '{kind}'"):
        honesty.check(request, "local")


def test_honoured_is_what_reaches_the_worker() -> None:
    """A field changes what the worker is told exactly if the table says that it is honoured."""
    given = {
        "temperature": 0.3, "top_p": 0.5, "max_completion_tokens": 3, "max_tokens": 3, "n": 2, "stop": "x", "seed": 9,
        "frequency_penalty": 0.5, "presence_penalty": 0.5, "logit_bias": {1: 2}, "logprobs": True, "top_logprobs": 2,
        "top_k": 3, "min_p": 0.1, "repeat_penalty": 1.1, "cache_prompt": False, "dry_base": 2.0,
        "post_sampling_probs": True, "prompt_cache_retention": "24h", "prompt_logprobs": 2, "min_keep": 2,
    }  # fmt: skip
    # continue_final_message is told by the messages: see tests/test_continuing.py.
    elsewhere = {"model", "messages", "stream", "stream_options", "metadata", "x_modelhub", "continue_final_message"}
    messages = [{"role": "user", "content": "hi"}]
    for field, rule in honesty.LOCAL.items():
        name = field.removeprefix("x_modelhub.")
        if name in elsewhere:
            continue
        bare = {"seed": 1, "logprobs": True if name in {"top_logprobs", "post_sampling_probs"} else None}
        value = given[name] if name in given else sample(field)
        more = {name: value, **({"stream": True} if name == "stream_options" else {})}
        without = plan_of(ChatRequest.make(model="m", messages=messages, **bare))
        told = plan_of(ChatRequest.make(model="m", messages=messages, **{**bare, **more}))
        assert (told != without) == (rule.status == "honoured"), field
