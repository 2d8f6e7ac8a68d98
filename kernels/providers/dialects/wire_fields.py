"""From the fields of a request to those of a wire that is not OpenAI's: names, ranges, what is told of the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import LOCAL, H, N, X
from modelhub.kernels.protocol.request import ChatRequest, short
from modelhub.kernels.providers.rules import FieldRule, Target

OURS = {"model", "messages", "stream", "stream_options", "metadata", "x_modelhub", "x_modelhub.extra_body"}
# What never goes over a wire, whoever answers: what it asks for is done here.
HERE: dict[str, FieldRule] = {
    "model": FieldRule(H),
    "messages": FieldRule(H),
    "stream": FieldRule(H, "answers always stream; a completion is the stream folded"),
    "stream_options": FieldRule(H, "include_usage: response.chunks() ends with the usage"),
    "metadata": FieldRule(H, "repeated in response.json(); not sent"),
    "x_modelhub": FieldRule(H),
    "x_modelhub.extra_body": FieldRule(H, "merged into the request's body last, as it is"),
    "store": FieldRule(N, "every turn is kept in the local log; the provider is not asked to keep it"),
    "x_modelhub.debug": FieldRule(N, "response.debug is always there"),
    "functions": FieldRule(X, "it is OpenAI's older name; use tools"),
    "function_call": FieldRule(X, "it is OpenAI's older name; use tool_choice", ("none", "auto")),
    "x_modelhub.continue_final_message": FieldRule(X, "%chat --continue goes on with an answer"),
    "x_modelhub.cutstrings": FieldRule(X, "change response.text() with re.sub"),
    "x_modelhub.trimstrings": FieldRule(X, "change response.text() with str.strip"),
    "x_modelhub.n_probs": FieldRule(X, "use logprobs and top_logprobs"),
    "x_modelhub.post_sampling_probs": FieldRule(X, "use logprobs"),
    "x_modelhub.prompt_logprobs": FieldRule(X, "a provider gives none; ask a local model"),
    "moderation": FieldRule(X, "it is OpenAI's own"),
    "web_search_options": FieldRule(X, "it is OpenAI's own; a provider's own search is asked for by extra_body"),
    "audio": FieldRule(X, "only text is asked for", ()),
    "modalities": FieldRule(X, "only text is asked for; other outputs by extra_body", (["text"],)),
    "prediction": FieldRule(N, "a hint for speed that only OpenAI takes"),
    "prompt_cache_key": FieldRule(N, "a hint for speed that this provider does not take"),
    "prompt_cache_options": FieldRule(N, "a hint for speed that this provider does not take"),
    "prompt_cache_retention": FieldRule(N, "a hint for speed that this provider does not take"),
    "user": FieldRule(N, "not sent; a field rule of the provider with a wire name sends it"),
    "safety_identifier": FieldRule(N, "not sent; a field rule of the provider with a wire name sends it"),
    "service_tier": FieldRule(X, "it is OpenAI's own", ("auto", "default")),
}


PARTS = ("image_url", "input_audio", "file")  # besides text


def table(rest: str, parts: Mapping[str, str], **own: FieldRule) -> dict[str, FieldRule]:
    """An honesty table for every field, and for every type of a message's parts, as `messages.image_url`.

    rest: why fields without a rule are rejected; parts: what is read of those that are; own: rules by field,
    `x_modelhub.` left out.
    """
    named = {(name if name in LOCAL else f"x_modelhub.{name}"): rule for name, rule in own.items()}
    rules = {field: named.get(field) or HERE.get(field) or FieldRule(X, rest) for field in LOCAL}
    rules["messages.name"] = FieldRule(N, "this provider's messages have no names")
    return rules | {f"messages.{p}": FieldRule(H, parts[p]) if p in parts else FieldRule(X) for p in PARTS}


def asked(request: ChatRequest) -> dict[str, Any]:
    """The fields that are set, those of `x_modelhub` under their full names."""
    fields = request.to_dict()
    extension = fields.pop("x_modelhub", {})
    return fields | {f"x_modelhub.{name}": value for name, value in extension.items()}


def plain(request: ChatRequest, target: Target, spoken: Collection[str]) -> dict[str, Any]:
    """The body's fields that are sent as they are, under their wire names, each in its range.

    spoken: fields that the dialect says itself. What a rule rejects or calls a no-op is left out: `honesty.check` has
    told of it. Raises BadRequest for a value out of the provider's range.
    """
    body: dict[str, Any] = {}
    for name, value in asked(request).items():
        rule = target.rules.get(name)
        if name in spoken or rule is None or rule.status != H or (name in OURS and not rule.wire):
            continue
        put(body, rule.wire or name.removeprefix("x_modelhub."), in_range(name, value, target))
    return body


def in_range(name: str, value: Any, target: Target) -> Any:
    """The value of a field, where it is in the provider's range. Raises BadRequest."""
    rule = target.rules.get(name)
    if rule is None:
        return value
    shown, whose = name.removeprefix("x_modelhub."), target.provider.shown
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = rule.low, rule.high
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"{low:g} to {high:g}" if low is not None and high is not None else (
                f"at least {low:g}" if low is not None else f"at most {high:g}"
            )  # fmt: skip
            raise BadRequest(f"{shown}={short(value)}: {whose} takes {span}", param=shown, code="unsupported_value")
    if rule.most is not None and isinstance(value, list) and len(value) > rule.most:
        raise BadRequest(
            f"{shown} has {len(value)} items: {whose} takes at most {rule.most}", param=shown, code="unsupported_value"
        )
    return value


def stops(request: ChatRequest, target: Target) -> list[str]:
    """The stop texts, as a list; [] where there are none. Raises BadRequest for more than the provider takes."""
    stop = request.stop
    found: list[str] = in_range("stop", [stop] if isinstance(stop, str) else list(stop or ()), target)
    return found


def most_tokens(request: ChatRequest) -> int | None:
    """The most tokens asked for, under whichever name."""
    return request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a path with dots, as `generationConfig.topK`."""
    *way, last = path.split(".")
    for step in way:
        body = body.setdefault(step, {})
    body[last] = value


def with_extra(body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
    """The body with `x_modelhub.extra_body` merged into it: objects deeply, all else replaced."""
    extra = request.x_modelhub.extra_body if request.x_modelhub else None
    return _merged(body, extra) if extra else body


def _merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(body)
    for name, value in extra.items():
        there = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(there, Mapping)
        merged[name] = _merged(there, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged
