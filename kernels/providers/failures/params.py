"""Which field of the request an error is about, and whether the provider does not take that field at all."""

from __future__ import annotations

import re

from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.providers.failures.shapes import Said

# Fields by their names here and elsewhere: only these are recognised where they stand in a text without quotes.
_FIELDS = frozenset(name.removeprefix("x_modelhub.") for name in LOCAL) | {
    "thinking", "safety_settings", "response_logprobs", "max_output_tokens", "max_new_tokens", "system", "top_a",
    "stop_sequences", "response_schema", "response_mime_type", "reasoning", "repetition_penalty", "json_schema",
    "guided_json", "candidate_count", "num_ctx", "random_seed", "system_instruction", "think", "output_config",
}  # fmt: skip
_NAME = r"(?P<quote>[`'\"])?\b(?P<name>[A-Za-z_][\w.\[\]]{0,80}?)(?(quote)[`'\"]|(?![\w\[]))"
_NOT = (
    r"(?:is|are) (?:(?:currently |yet )?not |no longer |un)(?:yet )?(?:supported|allowed|enabled|available|permitted)"
)
_WHAT = r"(?:parameter|argument|value|field|name|key|property|request argument|keyword argument)s?"
_UNSUPPORTED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"un(?:supported|known|recogni[sz]ed|expected) {_WHAT}(?: supplied)?:? ?{_NAME}",
        rf"not allowed to (?:request|use|set) {_NAME}",
        rf"{_NAME}(?: parameter| argument| field)? (?:{_NOT}|is deprecated)",
        rf"{_NAME} does ?n[o']t support",
        rf"(?:does ?n[o']t|can ?not) support (?:the )?(?:{_WHAT})?:? ?\[?{_NAME}",
        rf"{_WHAT} (?:is |are )?not supported[^.:]{{0,60}}: ?{_NAME}",
        rf"{_NAME}: extra (?:inputs|fields) (?:are )?not permitted",
    )
)
_WRONG = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"invalid (?:{_WHAT}|type)?(?: for)?:? ?{_NAME}",
        rf"{_NAME}:? (?:must|should|can ?not|can only|may only|is required|has to|is out of|input should)",
    )
)
_HOLDERS = frozenset({None, "generation_config", "generationConfig"})  # Google's: the words say which field in it
_PLAINLY = re.compile(r"unsupported|not supported|extra (?:inputs|fields)|not permitted", re.IGNORECASE)


def unsupported(said: Said) -> str | None:
    """The field that the provider says it does not take, "" where it does not name it; None: it says no such thing."""
    words = _line(said)
    if found := _field(_UNSUPPORTED, words):
        return found if said.param in _HOLDERS else said.param
    if "support tool use" in words.lower():
        return "tools"
    if "requested parameters" in words.lower():  # OpenRouter, asked to go only to who takes them all
        return said.param or ""
    return said.param if said.param and _is_field(said.param) and _PLAINLY.search(words) else None


def param_of(said: Said) -> str | None:
    """The field that an error is about: as it is told, else as it stands in the words; None where neither names one."""
    return unsupported(said) or said.param or _field(_WRONG, _line(said))


def _field(patterns: tuple[re.Pattern[str], ...], words: str) -> str | None:
    for pattern in patterns:
        for found in pattern.finditer(words):
            name = found["name"]
            if _is_field(name):
                return name if found["quote"] or not name.istitle() else name.lower()
            before = words[max(0, found.start() - 24) : found.start()].lower()
            if found["quote"] and "model" not in before and "model" not in name.lower() and "." not in name:
                return name
    return None


def _is_field(name: str) -> bool:
    """Whether this is a field of a request in some spelling: `presencePenalty`, `generation_config.top_k`, `Logprobs`.

    `model` and `messages` are too common as words to be told apart from them.
    """
    last = re.split(r"[.\[]", name.rstrip("]"))[-1]
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", last).lower()
    return snake in _FIELDS and snake not in {"model", "messages", "stream", "user", "system", "store", "audio"}


def _line(said: Said) -> str:
    return " ".join(" ".join(said.hints)[:4000].split())
