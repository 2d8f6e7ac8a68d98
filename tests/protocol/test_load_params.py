"""Load parameters: what is taken, what is refused, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.load_params import CACHE_TYPES, LOAD_NAMES, RULES, LoadParams, load_params, typed

RANGES = {name: rule.bounds for name, rule in RULES.items() if rule.bounds}


def refusal(**given: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        load_params(**given)
    assert "\n" not in str(caught.value)
    return caught.value


def test_every_load_parameter_has_a_rule() -> None:
    """Each field of LoadParams is checked, its default is accepted, and all of them are plain data."""
    assert sorted(RULES) == sorted(LoadParams().to_dict())
    assert load_params(**LoadParams().to_dict()) == load_params() == LoadParams()
    assert json.loads(json.dumps(load_params(tensor_split=(3, 1)).to_dict()))["tensor_split"] == [3.0, 1.0]


@pytest.mark.parametrize("name", sorted(RANGES))
def test_a_number_lies_in_its_range(name: str) -> None:
    """Both ends are accepted; one beyond, a boolean, text and None are refused in a line that says all."""
    low, high = RANGES[name]
    for value in (low, high):
        assert getattr(load_params(**{name: value}), name) == value
    for bad in (low - 1, high + 1, True, "4", None, float("nan")):
        error = refusal(**{name: bad})
        assert str(error) == f"{name} must be {RULES[name].expected}; got {bad!r}"
        assert error.param == name


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("context", [0, 8192, 131072], [1.5, "8k"]),
        ("kv_unified", [True, False, None], [0, "on"]),
        ("mmap", [True, False, None], [1, "off"]),
        ("mlock", [True, False], [None, "auto", 1]),
        ("flash_attn", ["auto", "on", "off"], [True, "ON", None]),
        ("cache_type_k", list(CACHE_TYPES), ["q6_K", 8, None]),
        ("cache_type_v", ["q8_0"], ["f17"]),
        ("split_mode", ["layer", "none", "row"], ["tensor", None]),
        ("tensor_split", [(), (3, 1), [0.5, 0.5]], [(0, 0), (-1, 2), ("a",), 5, (float("inf"),), (1,) * 17]),
        ("rope_scaling", [None, "none", "linear", "yarn"], ["longrope", 1]),
        ("rope_freq_base", [0, 10_000.0], [-1.0, "1e4"]),
    ],
)
def test_what_a_load_parameter_may_be(name: str, good: list[Any], bad: list[Any]) -> None:
    """Values of the right kind are taken as they are; others are refused by name, with what was expected."""
    for value in good:
        found = getattr(load_params(**{name: value}), name)
        assert list(found) == list(value) if name == "tensor_split" else found == value
    for value in bad:
        assert str(refusal(**{name: value})).startswith(f"{name} must be {RULES[name].expected}; got ")


def test_auto_may_be_said() -> None:
    """Where there is an automatic value, "auto" is a name for it; where there is none, it is refused."""
    names = [name for name, rule in RULES.items() if rule.auto is not ...]
    assert load_params(**dict.fromkeys(names, "auto")) == LoadParams()
    assert {"gpu_layers", "threads", "kv_unified", "mmap", "context", "ubatch", "cells"} == set(names)
    refusal(slots="auto")
    refusal(mlock="auto")


def test_quantised_values_need_flash_attention() -> None:
    """What llama.cpp would refuse without a reason is refused with one; keys may be quantised either way."""
    error = refusal(cache_type_v="q8_0", flash_attn="off")
    assert "cache_type_v='q8_0' needs flash attention" in str(error) and error.param == "cache_type_v"
    assert load_params(cache_type_v="q8_0").flash_attn == "auto"
    assert load_params(cache_type_v="bf16", cache_type_k="q8_0", flash_attn="off")


def test_an_unknown_load_parameter_is_answered_with_the_nearest() -> None:
    """A misspelt load parameter is refused, with what was probably meant; another program's name with ours."""
    assert "'contxt'" in str(refusal(contxt=4096)) and "Did you mean 'context'" in str(refusal(contxt=4096))
    assert str(refusal(n_ctx=4096)) == "the load parameter 'n_ctx' is called 'context' here"


def test_other_programs_names_lead_to_ours() -> None:
    """Every name that is translated leads to a parameter there is, and each has a flag to type."""
    assert {ours for ours in LOAD_NAMES.values() if ours} == set(RULES)
    assert typed("gpu_layers") == "--gpu-layers auto|N"
    assert typed("mlock") == "--mlock"
    assert typed("mmap") == "--mmap on|off|auto"
