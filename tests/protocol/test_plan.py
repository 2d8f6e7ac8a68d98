"""Load parameters and the plan: what a worker is told."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.plan import RANGES, LoadParams, load_params, plan_of
from modelhub.kernels.protocol.request import ChatRequest


def plan(**fields: Any) -> dict[str, Any]:
    return plan_of(ChatRequest.make(model="m", messages=[{"role": "user", "content": "hi"}], **fields))


def test_every_load_parameter_has_a_range() -> None:
    """Each field of LoadParams is checked, and its default lies in its range."""
    assert sorted(RANGES) == sorted(LoadParams().to_dict())
    assert load_params(**LoadParams().to_dict()) == LoadParams()


@pytest.mark.parametrize("name", sorted(RANGES))
def test_a_load_parameter_is_a_whole_number_in_its_range(name: str) -> None:
    """Both ends are accepted; one beyond, a fraction, a boolean and text are refused in a line that says all."""
    low, high = RANGES[name]
    for value in (low, high):
        assert getattr(load_params(**{name: value}), name) == value
    for bad in (low - 1, high + 1, 1.5, True, "4", None):
        with pytest.raises(BadRequest) as caught:
            load_params(**{name: bad})
        assert str(caught.value) == f"{name} must be a whole number from {low} to {high}; got {bad!r}"
        assert caught.value.param == name


def test_an_unknown_load_parameter_is_answered_with_the_nearest() -> None:
    """A misspelt load parameter is refused, with what was probably meant."""
    with pytest.raises(BadRequest, match=r"'contxt'.*Did you mean 'context'"):
        load_params(contxt=4096)


def test_what_is_unset_has_openais_defaults() -> None:
    """Temperature 1, top_p 1, one choice, nothing else on, a seed drawn each time."""
    bare = plan()
    assert bare.pop("seed") != plan()["seed"]
    assert bare == {
        "n": 1, "max_tokens": None, "stop": [], "temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0,
        "repeat_penalty": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "logit_bias": {},
        "top_logprobs": None,
    }  # fmt: skip


def test_zero_is_kept_as_zero() -> None:
    """A value of 0 is not read as unset."""
    zeros = plan(temperature=0, top_p=0, seed=0)
    assert (zeros["temperature"], zeros["top_p"], zeros["seed"]) == (0, 0, 0)
    assert plan(logprobs=True)["top_logprobs"] == 0
    assert plan(logprobs=False)["top_logprobs"] is None


def test_a_seed_becomes_32_bits() -> None:
    """Negative and long seeds are folded, and the same seed always gives the same."""
    for seed in (-1, 2**32 - 1, 2**63 - 1, -(2**63), 5):
        assert 0 <= plan(seed=seed)["seed"] < 2**32
        assert plan(seed=seed) == plan(seed=seed)


def test_one_stop_string_is_a_list_of_one() -> None:
    """`stop="x"` and `stop=["x"]` are the same plan, and max_completion_tokens wins over max_tokens."""
    assert plan(stop="x", seed=1) == plan(stop=["x"], seed=1)
    assert plan(max_tokens=5, max_completion_tokens=3)["max_tokens"] == 3
    assert plan(max_tokens=5)["max_tokens"] == 5
