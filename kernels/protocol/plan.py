"""What a worker is told: load parameters, and the plan by which it draws an answer. Plain data, no validation left."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from typing import Any

from modelhub.errors import BadRequest, did_you_mean
from modelhub.kernels.protocol.request import ChatRequest


@dataclass(frozen=True, slots=True)
class LoadParams:
    """How a GGUF is loaded. Changing one means loading it again.

    context: tokens a conversation may have; 0 is what the model was trained for.
    gpu_layers: layers to put on the GPU; -1 is as many as llama.cpp chooses.
    threads: for decoding; 0 is half of the cores this process may use, one for a very small model.
    batch: prompt tokens evaluated at once, 1 to 4096.
    slots: sequences held in memory at once, running or as prefixes, 1 to 64.
    """

    context: int = 0
    gpu_layers: int = -1
    threads: int = 0
    batch: int = 512
    slots: int = 16

    def to_dict(self) -> dict[str, int]:
        """The parameters as a plain dict."""
        return dataclasses.asdict(self)


# What llama.cpp ends the process over is refused here (measured: n_batch=-1 and n_threads=100000 abort).
RANGES = {
    "context": (0, 1 << 20),
    "gpu_layers": (-1, 10_000),
    "threads": (0, 256),
    "batch": (1, 4096),
    "slots": (1, 64),
}

# Names under which other programs know them; in a request they are answered with what to type instead.
LOAD_NAMES = {
    "n_ctx": "context",
    "n_gpu_layers": "gpu_layers",
    "n_threads": "threads",
    "n_batch": "batch",
    "f16": None,
    "flash_attn": None,
    "cache_type_k": None,
    "cache_type_v": None,
    "mmproj": None,
    "lora": None,
    "mlock": None,
} | {name: name for name in RANGES}


def load_params(**given: Any) -> LoadParams:
    """LoadParams from named values. Raises BadRequest for an unknown name or a value out of range."""
    for name, value in given.items():
        if name not in RANGES:
            raise BadRequest(
                f"there is no load parameter {name!r}; there are {', '.join(RANGES)}.{did_you_mean(name, RANGES)}",
                param=name,
            )
        low, high = RANGES[name]
        if type(value) is not int or not low <= value <= high:
            raise BadRequest(f"{name} must be a whole number from {low} to {high}; got {value!r}", param=name)
    return LoadParams(**given)


def plan_of(request: ChatRequest) -> dict[str, Any]:
    """The worker's plan for a validated request; a seed is drawn where none was given."""
    extension = request.x_modelhub
    stop = request.stop if request.stop is not None else []
    limit = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
    seed = request.seed if request.seed is not None else secrets.randbelow(1 << 31)
    return {
        "n": request.n if request.n is not None else 1,
        "max_tokens": limit,
        "stop": [stop] if isinstance(stop, str) else list(stop),
        "seed": seed & 0xFFFFFFFF,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "top_k": (extension.top_k if extension else None) or 0,
        "min_p": (extension.min_p if extension else None) or 0.0,
        "repeat_penalty": 1.0 if not extension or extension.repeat_penalty is None else extension.repeat_penalty,
        "frequency_penalty": request.frequency_penalty or 0.0,
        "presence_penalty": request.presence_penalty or 0.0,
        "logit_bias": request.logit_bias or {},
        "top_logprobs": (request.top_logprobs or 0) if request.logprobs else None,
    }
