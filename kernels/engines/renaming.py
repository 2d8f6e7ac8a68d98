"""Fields that providers call by two names: which of them a model takes is learned from its first refusal."""

from __future__ import annotations

import re
from dataclasses import replace

from modelhub.errors import ProviderError
from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.rules import Target

SIBLINGS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}

_learned: dict[tuple[str, str], str] = {}  # by address and model: the name that is not taken


def renamed(call: Call, target: Target) -> Call:
    """The call with the names its model is known to take."""
    wrong = _learned.get((target.provider.base_url, target.model))
    return call if wrong is None else _swapped(call, wrong)


def learned(error: ProviderError, call: Call, target: Target) -> Call | None:
    """The call to send instead, where the error says that a field is to be called otherwise; None where it does not."""
    wrong = error.param or ""
    if error.kind != "unsupported_param" or wrong not in SIBLINGS or wrong not in (call.body or {}):
        return None
    if not re.search(rf"\b{SIBLINGS[wrong]}\b", f"{error.raw} {error}"):
        return None
    _learned[target.provider.base_url, target.model] = wrong
    return _swapped(call, wrong)


def _swapped(call: Call, wrong: str) -> Call:
    if call.body is None or wrong not in call.body:
        return call
    return replace(call, body={SIBLINGS.get(name, name) if name == wrong else name: v for name, v in call.body.items()})
