"""The plan: what a worker is told."""

from __future__ import annotations

from typing import Any

from modelhub.kernels.protocol.plan import plan_of
from modelhub.kernels.protocol.request import ChatRequest


def plan(**fields: Any) -> dict[str, Any]:
    return plan_of(ChatRequest.make(model="m", messages=[{"role": "user", "content": "hi"}], **fields))


def test_what_is_unset_has_openais_defaults() -> None:
    """Temperature 1, top_p 1, one choice, nothing else on, a seed drawn each time."""
    bare = plan()
    assert bare.pop("seed") != plan()["seed"]
    off = {
        "top_k": 0, "min_p": 0, "typical_p": 1, "top_n_sigma": 0, "repeat_penalty": 1, "frequency_penalty": 0,
        "presence_penalty": 0, "dynatemp_range": 0, "xtc_probability": 0, "dry_multiplier": 0, "mirostat": 0,
        "logit_bias": {}, "logit_bias_by_text": {}, "suppress": [], "ignore_eos": False, "min_tokens": 0,
        "top_logprobs": None, "prompt_logprobs": None, "post_sampling_probs": False, "stop": [], "max_tokens": None,
        "prompt_cache_key": None, "keep_on_disk": False, "chat_template_kwargs": {},
    }  # fmt: skip
    assert off.items() <= bare.items()
    assert {k: v for k, v in bare.items() if k not in off} == {
        "n": 1, "temperature": 1.0, "top_p": 1.0, "min_keep": 1, "repeat_last_n": -1, "dynatemp_exponent": 1.0,
        "xtc_threshold": 0.1, "dry_base": 1.75, "dry_allowed_length": 2, "dry_penalty_last_n": -1,
        "dry_sequence_breakers": ["\n", ":", '"', "*"], "mirostat_tau": 5.0, "mirostat_eta": 0.1,
        "cache_prompt": True,
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
