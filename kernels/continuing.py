"""Going on with an answer that broke off, was stopped or reached its limit: what the model is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.providers.providers import Providers
from modelhub.kernels.response import Response

# For models that cannot be given the beginning of their own answer.
INSTRUCTION = (
    "Your last message was cut off before its end. Go on from exactly where it stops, with the character that comes "
    "next, a space where one is due. Repeat nothing of it, and say nothing about having been cut off."
)
# What would shape the rest as if it were a whole answer.
OF_WHOLE_ANSWERS = ("response_format", "grammar", "json_schema", "prompt_logprobs")


LIMITS = {"max_tokens", "max_completion_tokens"}  # two names of one thing


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a request that goes on is made of. text: the answer so far, as the model is sent it.

    fields: of the request, with those of the call. warnings: what of the first request does not hold for the rest.
    """

    text: str
    messages: list[dict[str, Any]]
    fields: dict[str, Any]
    warnings: tuple[str, ...]


def check(response: Response) -> None:
    """Raises BadRequest for an answer that there is nothing to go on with."""
    nothing = "there is nothing to go on with: "
    if not response.done:
        raise BadRequest(f"{nothing}the answer is still coming; response.stop() stops it")
    if response.count > 1:
        raise BadRequest(f"{nothing}the answer has {response.count} choices, and one alone can be gone on with")
    if called := response.calls():
        names = ", ".join(str(call["function"]["name"]) for call in called)
        raise BadRequest(f"{nothing}the answer calls {names}; run the cell again to ask anew")
    ended = response.finish_reason
    if response.complete and ended not in {"length", "error"}:
        raise BadRequest(f"{nothing}the last answer is whole" + (f" (it ended with {ended!r})" if ended else ""))
    if not response.partial().strip():
        raise BadRequest(f"{nothing}no text of the last answer came; run the cell again to ask anew")


def continuation(
    response: Response, named: Named, providers: Providers, options: Mapping[str, Any] | None = None
) -> Continuation:
    """What `named` is to be sent to go on with `response`, with `options` over the fields it had. Raises BadRequest."""
    check(response)
    first = response.origin
    same = named.asked == first.model
    fields, warnings = _fields(first.to_dict()) if same else ({}, [])
    if LIMITS & set(options or {}):
        fields = {name: value for name, value in fields.items() if name not in LIMITS}
    fields |= options or {}
    messages = [m.model_dump(exclude_none=True) for m in first.messages]
    text, prefill = response.partial(), _prefill(named, providers)
    if prefill is None:
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": INSTRUCTION}]
    else:
        if named.card.engine == "http":
            text = text.rstrip()  # providers refuse a beginning that ends in blanks; the model writes them again
        messages.append({"role": "assistant", "content": text})
        extension = dict(fields.get("x_modelhub") or {})
        if "extra_body" in prefill:
            extension["extra_body"] = {**(extension.get("extra_body") or {}), **prefill["extra_body"]}
        else:
            extension.update(prefill)
        if extension:
            fields["x_modelhub"] = extension
    return Continuation(text, messages, fields, tuple(warnings))


def _fields(request: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields that hold for the rest of an answer, and warnings for those that were said and do not."""
    fields = {k: v for k, v in request.items() if k not in {"model", "messages"}}
    extension = fields["x_modelhub"] = dict(fields.get("x_modelhub") or {})
    warnings = []
    for name in OF_WHOLE_ANSWERS:
        place = extension if name in extension else fields
        if place.pop(name, None) is not None:
            warnings.append(f"{name} has no effect on the rest of an answer that was begun with it")
    if not extension:
        del fields["x_modelhub"]
    return fields, warnings


def _prefill(named: Named, providers: Providers) -> dict[str, Any] | None:
    """How this model is given the beginning of its own answer: names of `x_modelhub`; None where it cannot be.

    A provider's setting `prefill` says true where a last message of the assistant's is enough, or names what the body
    must have beside it.
    """
    if named.card.engine == "llamacpp":
        return {"continue_final_message": True}
    if named.card.engine != "http":
        return None
    found = providers.target(named.card.provider, named.card.id).settings.get("prefill")
    if isinstance(found, dict):
        return {"extra_body": found}
    return {} if found else None
