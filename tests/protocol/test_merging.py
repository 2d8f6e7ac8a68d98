"""Defaults of a request: how layers meet, what unset, None and 0 mean, and what a default may be."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.merging import Layer, defaults, merge, over


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    return merge(Layer(str(number), defaults(layer)) for number, layer in enumerate(layers)).fields


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (({"temperature": 0.7}, {}), {"temperature": 0.7}),
        (({"temperature": 0.7}, {"temperature": 0}), {"temperature": 0}),
        (({"temperature": 0.7}, {"temperature": None}), {}),
        (({"temperature": None}, {"temperature": 0.5}), {"temperature": 0.5}),
        (({"top_k": 5}, {"min_p": 0.1}), {"x_modelhub": {"top_k": 5, "min_p": 0.1}}),
        (({"x_modelhub": {"top_k": 5, "min_p": 0.1}}, {"x_modelhub": {"top_k": 0}}),
         {"x_modelhub": {"top_k": 0, "min_p": 0.1}}),
        (({"top_k": 5, "min_p": 0.1}, {"x_modelhub": {"top_k": None}}), {"x_modelhub": {"min_p": 0.1}}),
        (({"top_k": 5, "temperature": 1}, {"x_modelhub": None}), {"temperature": 1}),
        (({"chat_template_kwargs": {"a": 1, "b": {"c": 2}}}, {"chat_template_kwargs": {"b": {"d": 3}}}),
         {"x_modelhub": {"chat_template_kwargs": {"a": 1, "b": {"c": 2, "d": 3}}}}),
        (({"chat_template_kwargs": {"a": 1, "b": 2}}, {"chat_template_kwargs": {"a": None, "z": None}}),
         {"x_modelhub": {"chat_template_kwargs": {"b": 2, "z": None}}}),
        (({"json_schema": {"a": 1}}, {"json_schema": {"b": 1}}), {"x_modelhub": {"json_schema": {"b": 1}}}),
        (({"logit_bias": {1: 5}}, {"logit_bias": {2: 5}}), {"logit_bias": {2: 5}}),
        (({"suppress": ["a"]}, {"suppress": ["b"]}), {"x_modelhub": {"suppress": ["b"]}}),
        (({"max_completion_tokens": 50}, {"max_tokens": 5}), {"max_tokens": 5}),
        (({"max_tokens": 5}, {"max_completion_tokens": 50}), {"max_completion_tokens": 50}),
        (({"n_probs": 50}, {"logprobs": True, "top_logprobs": 2}), {"logprobs": True, "top_logprobs": 2}),
    ],
)  # fmt: skip
def test_a_later_layer_wins(layers: tuple[dict[str, Any], ...], expected: dict[str, Any]) -> None:
    """What is not said stays, None sets back, 0 is a value; x_modelhub is merged deeply, all else is replaced."""
    assert merged(*layers) == expected


def test_who_said_it_is_known() -> None:
    """Every field comes with its value and its source, also one that was set back."""
    found = merge(
        [
            Layer("card", defaults({"temperature": 0.6, "top_k": 40})),
            Layer("call", defaults({"temperature": None}), True),
        ]
    )
    assert found.settings == {"temperature": [None, "call"], "top_k": [40, "card"]}
    assert found.fields == {"x_modelhub": {"top_k": 40}}


def test_a_default_that_needs_what_is_not_there_is_left_out() -> None:
    """A default of top_logprobs waits for a question with logprobs; a call's is kept, and so refused later."""
    found = merge([Layer("preset p", defaults({"top_logprobs": 3}))])
    assert found.fields == {}
    assert found.warnings == ("top_logprobs of preset p is left out: it needs logprobs",)
    both = merge([Layer("preset p", defaults({"top_logprobs": 3})), Layer("call", {"logprobs": True}, True)])
    assert (both.fields, both.warnings) == ({"top_logprobs": 3, "logprobs": True}, ())
    assert merge([Layer("call", {"top_logprobs": 3}, True)]).fields == {"top_logprobs": 3}
    off = merge([Layer("p", defaults({"logprobs": True, "top_logprobs": 3})), Layer("call", {"logprobs": False}, True)])
    assert off.fields == {"logprobs": False}


@pytest.mark.parametrize(
    ("given", "param", "part"),
    [
        ({"temprature": 1}, "temprature", "Did you mean 'temperature'"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"temperature": "warm"}, "temperature", "number"),
        ({"x_modelhub": {"top_k": -1}}, "top_k", "greater than or equal to 0"),
        ({"x_modelhub": 5}, "x_modelhub", "must be a dict"),
        ({"x_modelhub": {1: 2}}, "x_modelhub", "have names; got 1"),
        ({"n_ctx": 512}, "n_ctx", "load parameter"),
        ({"model": "x"}, "model", "not a default"),
        ({"messages": []}, "messages", "not a default"),
    ],
)
def test_a_default_is_checked_as_a_request_is(given: dict[str, Any], param: str, part: str) -> None:
    """A name that is unknown and a value that no request takes are refused, by the field's name."""
    with pytest.raises(BadRequest) as caught:
        defaults(given)
    assert part in str(caught.value)
    assert caught.value.param == param


def test_defaults_over_defaults_keep_what_sets_back() -> None:
    """A preset made of a preset still sets back what the one below set."""
    below = defaults({"temperature": 0.2, "top_k": 5, "max_tokens": 9})
    above = defaults({"temperature": None, "min_p": 0.1, "max_completion_tokens": 3})
    assert over(below, above) == {
        "temperature": None,
        "max_tokens": None,
        "max_completion_tokens": 3,
        "x_modelhub": {"top_k": 5, "min_p": 0.1},
    }
