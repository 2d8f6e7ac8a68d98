"""The plan by which a worker draws an answer. Plain data, no validation left."""

from __future__ import annotations

import secrets
from typing import Any

from modelhub.kernels.protocol.request import ChatRequest

# What is drawn by where a request does not say: OpenAI's defaults where it has the field, elsewhere off; the
# parameters of a sampler that is off have the values llama.cpp's own programs use.
DEFAULTS: dict[str, Any] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "top_k": 0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "top_n_sigma": 0.0,
    "min_keep": 1,
    "repeat_penalty": 1.0,
    "repeat_last_n": -1,
    "dynatemp_range": 0.0,
    "dynatemp_exponent": 1.0,
    "xtc_probability": 0.0,
    "xtc_threshold": 0.1,
    "dry_multiplier": 0.0,
    "dry_base": 1.75,
    "dry_allowed_length": 2,
    "dry_penalty_last_n": -1,
    "dry_sequence_breakers": ["\n", ":", '"', "*"],
    "mirostat": 0,
    "mirostat_tau": 5.0,
    "mirostat_eta": 0.1,
    "logit_bias": {},
    "logit_bias_by_text": {},
    "suppress": [],
    "ignore_eos": False,
    "min_tokens": 0,
    "post_sampling_probs": False,
    "prompt_logprobs": None,
    "cache_prompt": True,
    "chat_template_kwargs": {},
}


def plan_of(request: ChatRequest) -> dict[str, Any]:
    """The worker's plan for a validated request; a seed is drawn where none was given."""
    extension = request.x_modelhub
    given = {**dict(request), **(dict(extension) if extension else {})}
    stop = request.stop if request.stop is not None else []
    limit = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
    seed = request.seed if request.seed is not None else secrets.randbelow(1 << 31)
    return {
        "n": request.n if request.n is not None else 1,
        "max_tokens": limit,
        "stop": [stop] if isinstance(stop, str) else list(stop),
        "seed": seed & 0xFFFFFFFF,
        "top_logprobs": request.alternatives,
        "prompt_cache_key": request.prompt_cache_key,
        "keep_on_disk": request.prompt_cache_retention == "24h",
        **{name: value if (value := given.get(name)) is not None else default for name, default in DEFAULTS.items()},
    }


def scoring_plan(top: int) -> dict[str, Any]:
    """The plan of a text that is only scored, with `top` alternatives a token: nothing is drawn, nothing reused."""
    return {
        **DEFAULTS,
        "n": 1,
        "max_tokens": None,
        "stop": [],
        "seed": 0,
        "top_logprobs": None,
        "prompt_cache_key": None,
        "keep_on_disk": False,
        "prompt_logprobs": top,
        "cache_prompt": False,
    }
