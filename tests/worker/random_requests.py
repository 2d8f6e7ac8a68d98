"""Random requests, made of what the request's models say a field may be and of what the honesty table says of it."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.protocol.request import ChatRequest, Extension

MOST_TOKENS = 8
VOCABULARY = 512
Values = st.SearchStrategy[Any]

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=3,
)


def limits(metadata: Any) -> dict[str, Any]:
    """The limits in a field's metadata: ge, gt, le, lt, min_length, max_length."""
    found: dict[str, Any] = {}
    for item in metadata:
        for part in getattr(item, "metadata", None) or [item]:
            for name in ("ge", "gt", "le", "lt", "min_length", "max_length"):
                if getattr(part, name, None) is not None:
                    found[name] = getattr(part, name)
    return found


def values(kind: Any, metadata: Any = ()) -> Values:
    """Values of an annotation within the limits of its metadata, as pydantic takes them in strict mode."""
    at, origin, args = limits(metadata), get_origin(kind), get_args(kind)
    sizes = {"min_size": at.get("min_length", 0), "max_size": min(at.get("max_length", 4), 4)}
    if origin is Annotated:
        return values(args[0], [*args[1:], *metadata])
    if origin in (Union, UnionType):
        return st.one_of(*(values(arg, metadata) for arg in args if arg is not NoneType))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is list:
        return st.lists(values(args[0]), **sizes)
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), **sizes)
    if kind is JsonValue:
        return JSON
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return st.fixed_dictionaries({}, optional={n: values_of(f) for n, f in kind.model_fields.items()})
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.text(
            st.characters(exclude_categories=["Cs"]), **{**sizes, "max_size": min(at.get("max_length", 12), 12)}
        )
    if kind is int:
        return st.integers(at.get("ge"), at["lt"] - 1 if "lt" in at else at.get("le"))
    assert kind is float, kind
    low, high = at.get("ge", at.get("gt")), at.get("le")
    return st.floats(low, high, exclude_min="gt" in at, allow_nan=False, allow_infinity=False)


def values_of(field: Any) -> Values:
    return values(field.annotation, field.metadata)


MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["developer", "system", "user", "assistant", "tool"])},
    optional={
        "content": WORDS | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": WORDS}), max_size=2),
        "name": WORDS,
        "tool_call_id": WORDS,
        "refusal": WORDS,
    },
)
LIMIT = st.integers(1, MOST_TOKENS)
# Where the models allow what would make an answer long or no test of anything.
INSTEAD: dict[str, Values] = {
    "max_tokens": LIMIT,
    "max_completion_tokens": LIMIT,
    "n": st.integers(1, 4),
    "n_probs": st.integers(0, 40),
    "min_tokens": st.integers(0, 2 * MOST_TOKENS),
    "stop": values(ChatRequest.model_fields["stop"].annotation) | st.sampled_from(["word", "w", "1", ["o", "9"]]),
    "logit_bias": st.dictionaries(st.integers(0, VOCABULARY - 1), st.floats(-100, 100), max_size=4),
    "suppress": st.lists(st.sampled_from(["word", "d1", "�", "q", "abc"]), max_size=3),
    "chat_template_kwargs": st.dictionaries(WORDS.map("x_{}".format), JSON, max_size=2),  # some names are taken
    "prompt_cache_key": st.sampled_from(["one", "two", "three", ""]),
}
FIELDS = {
    name: INSTEAD[name] if name in INSTEAD else values_of(field)
    for model in (ChatRequest, Extension)
    for name, field in model.model_fields.items()
    if name not in {"model", "messages", "x_modelhub"}
}
RULES = {name.removeprefix("x_modelhub."): rule for name, rule in LOCAL.items()}
TAKEN = [name for name in FIELDS if RULES[name].status != "rejected"]
REJECTED = [name for name in FIELDS if RULES[name].status == "rejected"]
NEEDS = {
    "top_logprobs": {"logprobs": True},
    "post_sampling_probs": {"logprobs": True},
    "stream_options": {"stream": True},
    "prompt_cache_retention": {"prompt_cache_key": "one"},
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, Any], set[str], str]:
    """A request's fields, the names of those the engine rejects, and when it is to be stopped."""
    names = draw(st.lists(st.sampled_from(TAKEN), min_size=1, max_size=10, unique=True))
    wrong = draw(st.integers(0, 15)) == 15
    if wrong:
        names.append(draw(st.sampled_from(REJECTED)))
    fields = {name: draw(FIELDS[name]) for name in names}
    for name in names:
        fields |= {other: fields.get(other) or value for other, value in NEEDS.get(name, {}).items()}
    if "max_tokens" not in fields and "max_completion_tokens" not in fields:
        fields["max_tokens"] = draw(LIMIT)
    fields["prompt"] = draw(st.lists(MESSAGE, min_size=1, max_size=3))
    if fields.get("continue_final_message"):
        fields["prompt"].append({"role": "assistant", "content": "word"})
    rejected = {name for name in fields if name in REJECTED and fields[name] not in RULES[name].except_values}
    return fields, rejected, draw(st.sampled_from(["never"] * 12 + ["at once", "soon"]))
