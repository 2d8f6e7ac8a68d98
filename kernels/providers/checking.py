"""Whether a provider takes a request: the honesty table of the model, and what no table can say."""

from __future__ import annotations

from modelhub.errors import BadRequest
from modelhub.kernels.protocol import honesty
from modelhub.kernels.protocol.request import ChatRequest, short
from modelhub.kernels.providers.dialects.openai_fields import official
from modelhub.kernels.providers.dialects.openai_messages import SAID
from modelhub.kernels.providers.dialects.wire_fields import asked, in_range, stops
from modelhub.kernels.providers.rules import Target

MOST_STOPS = 4  # https://platform.openai.com/docs/api-reference/chat/create; others take more
# What a model that reasons does not take, and the values that say nothing.
SAMPLING = {
    "temperature": (1,), "top_p": (1,), "frequency_penalty": (0,), "presence_penalty": (0,), "logit_bias": (),
    "logprobs": (False,),
}  # fmt: skip


def check(request: ChatRequest, target: Target) -> list[str]:
    """The warnings of a request. Raises BadRequest for a field or a value the provider does not take."""
    whose = f"{target.provider.name}/{target.model}"
    warnings = honesty.check(request, whose, target.rules)
    for name, value in asked(request).items():
        if target.rules[name].status == honesty.H:
            in_range(name, value, target)
    if len(stops(request, target)) > MOST_STOPS and official(target.provider):
        raise BadRequest(f"stop has {len(request.stop or '')} items: OpenAI takes at most {MOST_STOPS}", param="stop")
    warnings += _messages(request, target)
    if request.stream_options and request.stream_options.include_obfuscation and target.provider.name != "openai":
        warnings.append("include_obfuscation has no effect here: it is OpenAI's own")
    return warnings + _effort(request, target, whose)


def _messages(request: ChatRequest, target: Target) -> list[str]:
    """Warnings of what is left out of messages."""
    warnings = []
    rule = target.rules.get("messages.name")
    if rule is not None and rule.status != honesty.H and any(m.name and m.role != "tool" for m in request.messages):
        warnings.append(f"the names of messages are left out: {rule.note or 'the provider does not take them'}")
    earlier = [m.content for m in request.messages if m.role == "assistant" and isinstance(m.content, list)]
    if target.provider.dialect in {"openai", "azure"} and any(p.type not in SAID for c in earlier for p in c):
        warnings.append("pictures of earlier answers are left out: this wire takes them from the user only")
    return warnings


def _effort(request: ChatRequest, target: Target, whose: str) -> list[str]:
    """Warnings of sampling fields that a model which reasons ignores. Raises BadRequest for those it refuses.

    The setting `default_effort` says what it does unasked: "none", or that it reasons; `effort_ignores` which fields it
    takes then and does nothing with; `effort_off` how it is told not to reason, where that is no reasoning_effort.
    """
    settings = target.settings
    default, off = settings.get("default_effort"), settings.get("effort_off")
    own = (request.x_modelhub and request.x_modelhub.extra_body) or {}
    told = "none" if own.get("thinking") == {"type": "disabled"} else request.reasoning_effort
    if default is None or (told or default) == "none":
        return []
    warnings = []
    for name, silent in SAMPLING.items():
        value = getattr(request, name)
        if value is None or value in silent:
            continue
        if name in settings.get("effort_ignores", ()):
            warnings.append(f"{name} has no effect while {whose} reasons; {off} makes it answer at once")
        elif not settings.get("effort_ignores"):
            raise BadRequest(
                f"{name}={short(value)} is not supported by {whose} while it reasons: say reasoning_effort='none' "
                f"(-o reasoning_effort=none), or leave {name} out",
                param=name,
                code="unsupported_value",
            )
    return warnings
