"""`ChatRequest`: OpenAI's fields by name, their types and ranges, and one-line refusals."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.load_params import LOAD_NAMES
from modelhub.kernels.protocol.merging import normal
from modelhub.kernels.protocol.request import ChatRequest, Extension

# OpenAI's OpenAPI document 2.3.0 (2026-08-21), the request of POST /chat/completions, with a value for each field;
# the last is ours.
EVERY_FIELD: dict[str, Any] = {
    "model": "tiny-chat",
    "messages": [{"role": "user", "content": "hi"}],
    "temperature": 0.5,
    "top_p": 0.9,
    "max_completion_tokens": 5,
    "max_tokens": 5,
    "n": 2,
    "stop": ["a", "b"],
    "seed": 7,
    "frequency_penalty": -0.5,
    "presence_penalty": 0.5,
    "logit_bias": {50: -100.0},
    "logprobs": True,
    "top_logprobs": 3,
    "response_format": {"type": "json_object"},
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "functions": [{"name": "f"}],
    "function_call": "auto",
    "stream": True,
    "stream_options": {"include_usage": True},
    "store": False,
    "metadata": {"k": "v"},
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "auto"},
    "prompt_cache_retention": "24h",
    "service_tier": "default",
    "modalities": ["text"],
    "audio": {"voice": "alloy"},
    "prediction": {"type": "content", "content": "x"},
    "reasoning_effort": "low",
    "verbosity": "low",
    "web_search_options": {},
    "moderation": {"model": "m"},
    "x_modelhub": {"top_k": 5},
}
MESSAGES = EVERY_FIELD["messages"]


def make(**fields: Any) -> ChatRequest:
    return ChatRequest.make(**{"model": "m", "messages": MESSAGES, **fields})


def refusal(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        make(**fields)
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_fields_are_those_of_the_specification() -> None:
    """The request has every field of OpenAI's and `x_modelhub`, and no other."""
    assert list(ChatRequest.model_fields) == list(EVERY_FIELD)
    assert len(EVERY_FIELD) == 38


def test_every_field_is_kept_as_it_was_given() -> None:
    """A request with every field set gives every field back, through JSON too."""
    request = ChatRequest.make(**EVERY_FIELD)
    assert request.to_dict() == EVERY_FIELD
    assert ChatRequest.make(**json.loads(json.dumps(request.to_dict()))) == request


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("frequency_penalty", -2, 2),
        ("presence_penalty", -2, 2),
        ("min_p", 0, 1),
        ("typical_p", 0, 1),
        ("n", 1, 128),
        ("seed", -(2**63), 2**63 - 1),
        ("top_k", 0, 1_000_000),
    ],
)
def test_a_range_holds_its_ends_and_nothing_beyond(field: str, low: int, high: int) -> None:
    """Both ends are accepted; one beyond either is refused by a line with the field, the limit and what came."""
    for value in (low, high):
        sent = make(**{field: value}).to_dict()
        assert {**sent, **sent.get("x_modelhub", {})}[field] == value
    for value, limit in ((low - 1, low), (high + 1, high)):
        error = refusal(**{field: value})
        assert str(error).startswith(f"{field}: ") and str(error).endswith(f"; got {value}")
        assert str(limit) in str(error) or str(limit + 1) in str(error)
        assert error.param == field


def test_top_logprobs_go_to_20_and_need_logprobs() -> None:
    """top_logprobs is 0 to 20 and refused without logprobs."""
    for value in (0, 20):
        assert make(logprobs=True, top_logprobs=value).top_logprobs == value
    assert "20" in str(refusal(logprobs=True, top_logprobs=21))
    assert str(refusal(top_logprobs=3)) == "top_logprobs needs logprobs=True"
    assert "top_logprobs needs" in str(refusal(logprobs=False, top_logprobs=3))


@pytest.mark.parametrize("field", ["temperature", "top_p", "frequency_penalty", "presence_penalty", "min_p"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "0.5", [0.5]])
def test_a_number_is_finite_and_a_number(field: str, value: Any) -> None:
    """NaN, infinities, booleans and text are no numbers, and the refusal says what came."""
    error = refusal(**{field: value})
    assert error.param == field
    assert repr(value).strip("'") in str(error)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "n", "top_k", "seed"])
@pytest.mark.parametrize("value", [1.5, True, "3", math.nan])
def test_a_count_is_a_whole_number(field: str, value: Any) -> None:
    """Fractions, booleans and text are no counts."""
    assert refusal(**{field: value}).param == field


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "n"])
@pytest.mark.parametrize("value", [0, -5])
def test_nothing_and_less_is_refused(field: str, value: int) -> None:
    """Zero or fewer tokens or choices are not read as 'as many as fit'."""
    assert f"got {value}" in str(refusal(**{field: value}))


@pytest.mark.parametrize("value", ["", [""], ["a", ""], [1], 3])
def test_a_stop_string_is_text_and_not_empty(value: Any) -> None:
    """An empty stop string would end every answer at once, so it is refused."""
    assert str(refusal(stop=value).param).startswith("stop")


@pytest.mark.parametrize("value", [{"x": 1}, {-1: 1}, {"-1": 1}, {5: 101}, {5: -101}, {5: math.nan}, [5], {1.5: 1}])
def test_logit_bias_maps_token_ids_to_numbers(value: Any) -> None:
    """Ids are whole numbers from 0, biases -100 to 100."""
    assert str(refusal(logit_bias=value)).startswith("logit_bias")


def test_logit_bias_ids_come_as_text_in_json() -> None:
    """`{"50": -100}` and `{50: -100}` are the same."""
    assert make(logit_bias={"50": -100}) == make(logit_bias={50: -100})


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("temprature", "temperature"), ("Top_P", "top_p"), ("maxtokens", "max_tokens"), ("mirostatt", "mirostat")],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, right: str) -> None:
    """A misspelt field is named, with the field that was probably meant."""
    error = refusal(**{wrong: 1})
    assert f"{wrong!r}" in str(error) and f"Did you mean {right!r}" in str(error)
    assert error.param == wrong


def test_an_unknown_name_in_the_extension_is_found_too() -> None:
    """A misspelt name inside `x_modelhub` is answered the same way."""
    error = refusal(x_modelhub={"topk": 3})
    assert "'topk'" in str(error) and "'top_k'" in str(error)


@pytest.mark.parametrize("name", sorted(LOAD_NAMES))
def test_a_load_parameter_is_sent_where_it_belongs(name: str) -> None:
    """A load parameter in a request is refused with what to type instead, or as not there."""
    text = str(refusal(**{name: 1}))
    assert text.startswith(f"{name} is a load parameter")
    flag = LOAD_NAMES[name]
    assert (f"%models load MODEL --{flag.replace('_', '-')}" if flag else "not supported yet") in text


def test_extension_names_may_stand_flat_or_nested() -> None:
    """`top_k=5` and `x_modelhub={"top_k": 5}` are one request, and the flat one wins over the nested."""
    assert make(top_k=5) == make(x_modelhub={"top_k": 5}) == make(x_modelhub=Extension(top_k=5))
    both = make(top_k=5, x_modelhub={"top_k": 3, "min_p": 0.1})
    assert both.x_modelhub == Extension(top_k=5, min_p=0.1)
    assert str(refusal(x_modelhub="top_k=5")) == "x_modelhub must be a dict; got str"


def test_the_extension_s_other_name() -> None:
    """LocalAI's name for the extension is read as ours; both at once are refused."""
    assert make(**{"x-localai-extensions": {"top_k": 3}}) == make(x_modelhub={"top_k": 3})
    assert normal({"x-localai-extensions": {"top_k": 3}}) == {"x_modelhub": {"top_k": 3}}
    both = {"x_modelhub": {}, "x-localai-extensions": {}}
    assert str(refusal(**both)) == "x-localai-extensions is another name of x_modelhub; say one of them"


def test_unset_is_not_a_value() -> None:
    """What is unset is absent; zero, False and an empty list are kept; None unsets."""
    assert make().to_dict() == {"model": "m", "messages": MESSAGES}
    kept = {"temperature": 0, "top_p": 0, "seed": 0, "logprobs": False, "stop": [], "logit_bias": {}}
    assert {k: v for k, v in make(**kept).to_dict().items() if k in kept} == kept
    assert make(top_k=0).to_dict()["x_modelhub"] == {"top_k": 0}
    assert make(temperature=0).update(temperature=None) == make()


def test_update_changes_a_copy_and_checks_it() -> None:
    """`update` leaves the request as it was and refuses what `make` refuses."""
    request = make(temperature=0.5, top_k=3)
    changed = request.update(temperature=1, top_k=4)
    assert (request.temperature, changed.temperature) == (0.5, 1)
    assert changed.x_modelhub == Extension(top_k=4)
    with pytest.raises(BadRequest, match="temperature"):
        request.update(temperature=3)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        "hi",
        [{"role": "user", "content": 5}],
        [{"role": "robot", "content": "hi"}],
        [{"content": "hi"}],
        ["hi"],
        [{"role": "user", "content": "hi", "extra": 1}],
        [{"role": "user", "content": [{"type": "sound", "text": "x"}]}],
    ],
)
def test_messages_of_another_shape_are_refused(messages: Any) -> None:
    """No messages, other roles, other contents and other keys are refused in a line about messages."""
    assert str(refusal(messages=messages)).startswith("messages")


@pytest.mark.parametrize("bad", [object(), {1, 2}, b"x"])
@pytest.mark.parametrize("field", ["prediction", "stream_options", "prompt_cache_options"])
def test_a_free_form_field_is_json(field: str, bad: Any) -> None:
    """What could not be sent or written down as JSON is refused before anything is asked."""
    assert str(refusal(stream=True, **{field: {"a": [bad]}}).param).startswith(field)


@pytest.mark.parametrize("text", ["half \ud83d", "\udc00 other half"])
def test_half_a_character_is_refused_by_its_place(text: str) -> None:
    """A lone surrogate is refused with the message and the position it stands at; in a part as well."""
    at = next(i for i, c in enumerate(text) if 0xD800 <= ord(c) < 0xE000)
    parts = [{"type": "text", "text": text}]
    for content in (text, parts):
        error = refusal(messages=[*MESSAGES, {"role": "user", "content": content}])
        assert f"at position {at}" in str(error) and "message 1" in str(error)


@pytest.mark.parametrize("field", ["stream", "store", "logprobs", "debug", "user", "tool_choice", "stop"])
def test_the_refusal_names_the_field(field: str) -> None:
    """A value of the wrong type is answered with the field's own name in front, and what came behind."""
    error = refusal(**{field: 3})
    assert str(error).startswith(f"{field}: ") and str(error).endswith("; got 3")
    assert error.param == field


def test_the_refusal_says_where_in_a_list() -> None:
    """The fault inside a list is named by its place, not as 'no string'."""
    assert str(refusal(stop=["a", ""])) == "stop.1: string should have at least 1 character; got ''"
    wrong = [{"role": "user", "content": [{"type": "sound"}]}]
    assert str(refusal(messages=wrong)).startswith("messages.0.content.0.type: input should be 'text'")


def test_several_faults_are_one_line() -> None:
    """Two wrong fields are two short complaints in one line; long values are shortened."""
    error = refusal(temperature=3, top_p="x" * 500)
    assert "temperature: " in str(error) and "top_p: " in str(error)
    assert len(str(error)) < 300
