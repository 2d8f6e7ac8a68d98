"""From what was said to one request: the settings of the name that was asked, and above them those of the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelhub.errors import BadRequest, EngineMissing, StateConflict
from modelhub.kernels.catalog import plugin_models
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.fetching.fetched import wanted_of
from modelhub.kernels.catalog.model_options import fields_for
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.catalog.states import State
from modelhub.kernels.protocol import honesty
from modelhub.kernels.protocol.merging import NEEDS, Layer, Merged, merge, without
from modelhub.kernels.protocol.request import ChatRequest, Message, short
from modelhub.kernels.providers.keys.key_auth import usable
from modelhub.kernels.providers.providers import Providers
from modelhub.kernels.secret import Secret

CALL = "call"
Prompt = str | Sequence[Message | dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asking:
    """A request and how it came about. settings: `{field: [value, who said it]}`, for `response.debug`."""

    request: ChatRequest
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]


def request_for(
    named: Named, messages: Sequence[Mapping[str, Any]], given: Mapping[str, Any], providers: Providers
) -> Asking:
    """The request that asks `named`, under the name it was asked by.

    given: the fields of this one call; None sets a field back to the engine's default. What the engine does not
    support is an error where the call says it, and left out with a warning where a default does.

    Raises BadRequest.
    """
    merged = merge([*named.layers, Layer(CALL, fields_for(named.card, given), explicit=True)])
    rules, whose = _rules(named.card, providers)
    merged = _supported(merged, rules, whose)
    request = ChatRequest.make(model=named.asked, messages=list(messages), **merged.fields)
    match named.card.engine:
        case "plugin":
            found = plugin_models.check(named.card, request)
        case "http":
            providers.keys.check_texts(messages, named.card.name)
            found = providers.check(request, providers.target(named.card.provider, named.card.id))
        case _:
            found = honesty.check(request, "local")
    return Asking(request, merged.settings, (*named.warnings, *merged.warnings, *found))


def check_here(card: ModelCard) -> None:
    """Raises StateConflict for a model that is not on this machine yet, EngineMissing for one nothing here can ask."""
    if card.engine == "llamacpp" and card.path is None:
        whence = card.id if wanted_of(card) else card.origin or card.id  # `Catalog.address` knows what the name needs
        then = "wait for it, or see %models" if card.state == State.DOWNLOADING else f"type %models pull {whence}"
        raise StateConflict(f"{card.id} is {card.state}, and its file is not here: {then}", state=card.state)
    if card.engine not in {"llamacpp", "plugin", "http"}:
        raise EngineMissing(f"{card.name} needs the engine {card.engine!r}, which modelhub does not have")


def one_key(key: str | Secret | None, card: ModelCard) -> Secret | None:
    """The key that was given to one call. Raises BadRequest for what can be none, and for a model that needs none."""
    if key is None:
        return None
    if card.engine != "http":
        raise BadRequest(f"{card.name} is asked without a key: leave key= out", param="key")
    return Secret(usable(key.reveal() if isinstance(key, Secret) else key))


def wrong_fields(named: Named, given: Mapping[str, Any], providers: Providers) -> list[BadRequest]:
    """What is wrong with `given` for this model: an error for each field, or one for what does not go together."""
    own: set[str] = set()
    if named.card.engine == "plugin":
        own = {row["option"] for row in plugin_models.option_rows(named.card)}
    options = {name: value for name, value in given.items() if name in own}  # which are checked together
    parts = [
        {**{n: given[n] for n in (*options, *NEEDS.get(name, ())) if n in given}, name: value}
        for name, value in given.items()
    ]
    found: dict[str, BadRequest] = {}
    for part in [*parts, given]:
        if part is given and found:
            break  # what does not go together is of use once each is right
        try:
            request_for(named, [{"role": "user", "content": "-"}], part, providers)
        except BadRequest as error:
            found.setdefault(str(error), error)
    return list(found.values())


def messages_of(prompt: Prompt) -> tuple[Message, ...]:
    """The messages of a prompt. Raises BadRequest for an empty one."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise BadRequest("the prompt is empty: write a question", param="messages")
        return tuple(ChatRequest.make(model="-", messages=[{"role": "user", "content": prompt}]).messages)
    if not isinstance(prompt, Sequence):
        raise BadRequest(f"prompt must be text or a list of messages; got {type(prompt).__name__}", param="messages")
    plain = [m.model_dump(exclude_none=True) if isinstance(m, Message) else m for m in prompt]
    return tuple(ChatRequest.make(model="-", messages=plain).messages)


def system_for(named: Named, said: str | None, messages: Sequence[Message]) -> str | None:
    """The system message: what was said, also where it is empty; else the name's, where the messages have none."""
    if said is not None:
        return said
    return None if any(m.role in {"system", "developer"} for m in messages) else named.system


def rules_of(card: ModelCard, providers: Providers) -> Mapping[str, honesty.Rule]:
    """What becomes of each field of a request to this model: the honesty table."""
    return _rules(card, providers)[0]


def _rules(card: ModelCard, providers: Providers) -> tuple[Mapping[str, honesty.Rule], str]:
    """What becomes of each field, and how messages call who does it."""
    match card.engine:
        case "plugin":
            return plugin_models.rules(card), card.id
        case "http":
            return providers.target(card.provider, card.id).rules, card.name
        case _:
            return honesty.LOCAL, "the local engine"


def _supported(merged: Merged, rules: Mapping[str, honesty.Rule], whose: str) -> Merged:
    """Without the defaults that the engine does not support."""
    left, why = [], []
    for name, (value, source) in merged.settings.items():
        rule = rules[name if name in ChatRequest.model_fields else f"x_modelhub.{name}"]
        if source != CALL and value is not None and rule.status == honesty.X and value not in rule.except_values:
            left.append(name)
            shown = f"{name}={short(value)}" if isinstance(value, str | int | float) else name
            why.append(f"{shown} of {source} is left out: {whose} does not support it: {rule.note}")
    return without(merged, left, why) if left else merged
