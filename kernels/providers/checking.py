"""Whether a provider takes a request: the honesty table of the model, and what no table can say."""

from __future__ import annotations

from modelhub.errors import BadRequest
from modelhub.kernels.protocol import honesty
from modelhub.kernels.protocol.request import ChatRequest, short
from modelhub.kernels.providers.dialects.wire_fields import asked, in_range, stops
from modelhub.kernels.providers.rules import Target

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
    stops(request, target)
    warnings += _messages(request, target)
    if request.stream_options and request.stream_options.include_obfuscation and target.provider.name != "openai":
        warnings.append("include_obfuscation has no effect here: it is OpenAI's own")
    _effort(request, target, whose)
    return warnings


def _messages(request: ChatRequest, target: Target) -> list[str]:
    """Warnings of what is left out of messages."""
    rule = target.rules.get("messages.name")
    if rule is None or rule.status == honesty.H or all(m.name is None or m.role == "tool" for m in request.messages):
        return []
    return [f"the names of messages are left out: {rule.note or 'the provider does not take them'}"]


def _effort(request: ChatRequest, target: Target, whose: str) -> None:
    """Raises BadRequest for sampling fields where the model reasons and could be told not to.

    The setting `default_effort` says what it does unasked: "none", or that it reasons.
    """
    default = target.settings.get("default_effort")
    if default is None or (request.reasoning_effort or default) == "none":
        return
    for name, silent in SAMPLING.items():
        value = getattr(request, name)
        if value is not None and value not in silent:
            raise BadRequest(
                f"{name}={short(value)} is not supported by {whose} while it reasons: say reasoning_effort='none' "
                f"(-o reasoning_effort=none), or leave {name} out",
                param=name,
                code="unsupported_value",
            )
