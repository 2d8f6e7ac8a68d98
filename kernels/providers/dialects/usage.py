"""What was counted: OpenAI's usage object from the ways in which it is said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from modelhub.kernels.providers.dialects.halves import sayable

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")


def counted(value: Any) -> int | None:
    """A count of tokens: also 5.0 and "5" are 5. None for what is no count."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int):
        return value if value >= 0 else None
    return round(value) if isinstance(value, float) and math.isfinite(value) and value >= 0 else None


def usage_of(said: Any) -> dict[str, Any]:
    """A usage object as a provider said it, with counts that are integers; {} where it is none.

    Nothing is added up or left out: names that OpenAI's has not, as `cost`, stay as they are. DeepSeek's count of
    cached tokens stands where OpenAI has it, too.
    """
    if not isinstance(said, Mapping):
        return {}
    found: dict[str, Any] = {}
    for name, value in said.items():
        if name in _COUNTS:
            if (count := counted(value)) is not None:
                found[name] = count
        elif name in _DETAILS:
            if isinstance(value, Mapping):
                known = {k: (v, counted(v)) for k, v in value.items() if v is not None}
                found[name] = {k: sayable(v) if count is None else count for k, (v, count) in known.items()}
        elif value is not None:
            found[name] = sayable(value)
    hit = counted(said.get("prompt_cache_hit_tokens"))
    if hit is not None:
        details = found.get("prompt_tokens_details", {})
        found["prompt_tokens_details"] = {"cached_tokens": hit, **details}
    return found


def usage_in(body: Mapping[str, Any]) -> dict[str, Any]:
    """The usage in a reply or a chunk, wherever it stands; {} where there is none."""
    found = usage_of(body.get("usage"))
    if not found and isinstance(groq := body.get("x_groq"), Mapping):
        found = usage_of(groq.get("usage"))
    if not found and isinstance(choices := body.get("choices"), list):
        for choice in choices:
            if isinstance(choice, Mapping) and choice.get("usage"):  # Moonshot says it there
                found = usage_of(choice["usage"])
    return found
