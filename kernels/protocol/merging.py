"""Defaults of a request, and how they meet: unset is not null, and null is not 0.

What a model's card, the user's options, a preset and a call say are layers; a later one wins. A field that a layer does
not have stays as it was; one that is None there goes back to the engine's default. `x_modelhub` is merged field by
field, and objects in it key by key; every other value is replaced whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import ChatRequest, Extension, own_name

OWN = {  # what a request is made of, and no default can be
    "model": "a default cannot name the model",
    "messages": "defaults have no messages; a system message is said by `system`",
}
WHOLE = {"json_schema"}  # objects of x_modelhub that mean something only as a whole
SAME = (  # names of one thing: who says one of them unsays the others of the layers below
    ("max_tokens", "max_completion_tokens"),
    ("top_logprobs", "n_probs"),
)
NEEDS = {  # fields that are refused without another one
    "top_logprobs": ("logprobs",),
    "stream_options": ("stream",),
    "post_sampling_probs": ("logprobs", "n_probs"),
    "prompt_cache_retention": ("prompt_cache_key",),
}
_ASKED = {"model": "-", "messages": [{"role": "user", "content": "-"}]}


@dataclass(frozen=True, slots=True)
class Layer:
    """Fields of a request, as `normal` gives them, and who said them, as `preset creative`.

    explicit: said for this one request; what the engine cannot do is then an error, and not a default left out.
    """

    source: str
    fields: Mapping[str, Any]
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """What layers come to.

    fields: the request's fields; those that were set back are not among them. settings: `{field: [value, source]}`,
    names of x_modelhub beside the others, also those set back, whose value is None. warnings: defaults left out.
    """

    fields: dict[str, Any]
    settings: dict[str, list[Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def normal(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with every name of x_modelhub inside it, None kept. Raises BadRequest for a name that is unknown."""
    fields = own_name(given)
    if "x_modelhub" in fields and fields["x_modelhub"] is None:
        fields.pop("x_modelhub")
        extension: dict[str, Any] = dict.fromkeys(Extension.model_fields)
    else:
        extension = _plain(fields.pop("x_modelhub", {}))
    for name in [n for n in fields if n in Extension.model_fields and n not in ChatRequest.model_fields]:
        extension[name] = fields.pop(name)
    ChatRequest.known([*fields, *extension])
    return {**fields, **({"x_modelhub": extension} if extension else {})}


def defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults in their normal form, each checked as in a request.

    Raises BadRequest, whose `.param` is the field: unknown, of the wrong type or range, or a load parameter.
    """
    for name, why in OWN.items():
        if name in given:
            raise BadRequest(f"{name} is not a default: {why}", param=name)
    fields = normal(given)
    tried = _flat({k: v for k, v in fields.items() if v is not None})
    for name, needed in NEEDS.items():  # it may come with the question
        if tried.get(name) is not None and all(tried.get(n) is None for n in needed):
            tried[needed[0]] = "-" if needed[0] == "prompt_cache_key" else True
    ChatRequest.make(**_ASKED, **tried)
    return fields


def merge(layers: Iterable[Layer]) -> Merged:
    """What `layers`, the first of them the lowest, come to."""
    fields: dict[str, Any] = {}
    settings: dict[str, list[Any]] = {}
    explicit: set[str] = set()
    for layer in layers:
        said = _flat(layer.fields)
        for names in SAME:
            if any(said.get(n) is not None for n in names):
                for name in names:
                    if name not in said and name in fields:
                        del fields[name], settings[name]
        for name, value in said.items():
            fields[name] = _over(fields.get(name), value) if _is_deep(name) else value
            settings[name] = [fields[name], layer.source]
            explicit = explicit | {name} if layer.explicit else explicit - {name}
    warnings = []
    for name, needed in NEEDS.items():
        there = any(fields.get(n) is not None and fields[n] is not False for n in needed)
        if fields.get(name) is not None and name not in explicit and not there:
            warnings.append(f"{name} of {settings[name][1]} is left out: it needs {' or '.join(needed)}")
            del fields[name], settings[name]
    return Merged(_nested({k: v for k, v in fields.items() if v is not None}), settings, tuple(warnings))


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One set of defaults over another, both in their normal form, as one: what sets back still does so."""
    mine = _flat(above)
    for names in SAME:
        if any(mine.get(n) is not None for n in names):
            mine = dict.fromkeys((n for n in names if n not in mine and n in _flat(below)), None) | mine
    deep = {k: _over(v, mine[k]) for k, v in _flat(below).items() if k in mine and _is_deep(k)}
    return _nested({**_flat(below), **mine, **deep})


def without(merged: Merged, names: Sequence[str], why: Sequence[str]) -> Merged:
    """`merged` without some of its fields, and with a warning for each."""
    fields = {k: v for k, v in _flat(merged.fields).items() if k not in names}
    settings = {k: v for k, v in merged.settings.items() if k not in names}
    return Merged(_nested(fields), settings, (*merged.warnings, *why))


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, Extension):
        return value.model_dump(exclude_none=True)
    if isinstance(value, Mapping):
        return dict(value)
    raise BadRequest(f"x_modelhub must be a dict; got {type(value).__name__}", param="x_modelhub")


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Names of x_modelhub beside the others."""
    return {**{k: v for k, v in fields.items() if k != "x_modelhub"}, **(fields.get("x_modelhub") or {})}


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    own = {k: v for k, v in fields.items() if k in ChatRequest.model_fields}
    extension = {k: v for k, v in fields.items() if k not in ChatRequest.model_fields}
    return {**own, **({"x_modelhub": extension} if extension else {})}


def _is_deep(name: str) -> bool:
    """Whether objects there are merged key by key."""
    return name in Extension.model_fields and name not in ChatRequest.model_fields and name not in WHOLE


def _over(below: Any, above: Any) -> Any:
    """`above` over `below`: objects key by key; None takes away a key that is below, and stays where there is none."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    merged = dict(below)
    for key, value in above.items():
        if value is None and key in merged:
            del merged[key]
        else:
            merged[key] = _over(merged.get(key), value)
    return merged
