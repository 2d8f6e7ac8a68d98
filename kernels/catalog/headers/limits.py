"""Numbers that no model has, and over which llama.cpp ends the process, hangs or computes nonsense.

Measured with llama-cpp-python 0.3.36. Numbers that are merely wrong are left to llama.cpp, which refuses them with a
reason; so are those that a later version may allow.
"""

from __future__ import annotations

import math
from typing import Any

MOST_BLOCKS = 4096  # llama.cpp has room for 512 (llama-model.h, LLAMA_MAX_LAYERS)
MOST_TOKENS = (1 << 31) - 1  # of context: positions are 32-bit numbers

# Numbers behind `{architecture}.`: what is not finite here, or below `least`, becomes logits that are not numbers.
_LEAST = {
    "attention.layer_norm_rms_epsilon": 0.0,
    "attention.layer_norm_epsilon": 0.0,
    "rope.freq_base": 0.0,
    "rope.scaling.factor": -math.inf,
    "rope.scaling.attn_factor": -math.inf,
}


def impossible(metadata: dict[str, Any]) -> str | None:
    """What in a header's metadata no model can have, in words with its value; None when nothing is wrong."""
    name = f"{metadata.get('general.architecture')}."
    own = {key.removeprefix(name): value for key, value in metadata.items() if key.startswith(name)}
    for key, most in (("block_count", MOST_BLOCKS), ("context_length", MOST_TOKENS)):
        value = own.get(key)
        if type(value) is int and not 1 <= value <= most:
            return f"{name}{key} is {value:,}; it must be from 1 to {most:,}"
    for key, least in _LEAST.items():
        value = own.get(key)
        if isinstance(value, float) and not (math.isfinite(value) and value >= least):
            return f"{name}{key} is {value}; it must be a number{' of at least 0' if least == 0 else ''}"
    experts, used = own.get("expert_count", 0), own.get("expert_used_count", 0)
    if type(experts) is int and type(used) is int and not min(experts, 1) <= used <= experts:
        return f"{name}expert_used_count is {used:,} of {experts:,} experts"
    return None
