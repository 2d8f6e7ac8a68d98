"""The base class of models that plugins bring: what such a model says of itself, and how it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from modelhub.kernels.protocol import options as _options
from modelhub.kernels.protocol.honesty import H, N, Rule, X
from modelhub.kernels.protocol.options import check_options, option_rows, unknown_option
from modelhub.kernels.protocol.request import ChatRequest, Extension, own_name


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of prompt and answer, where the model knows them; modelhub never counts for it."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the answer ended, where it is not `stop`: `length`, or another of OpenAI's finish reasons."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Text the model thought and did not say; it is collected in `response.reasoning`."""

    text: str


Item = str | Usage | Finish | Reasoning


class Model:
    """A model in a plugin. Subclass it, set `id`, and yield text from `execute`.

    id: its name, as `parrot`; letters, digits and `. _ - : / @`, beginning with a letter or digit. Full name:
    `provider/id`.
    provider: who serves it; default: the name of the plugin. `local` is modelhub's own.
    description: one line for `%models show`.
    can_stream: whether `execute` yields the answer bit by bit.
    attachment_types: media types of attachments it takes; modelhub sends none yet, and refuses them by name.
    needs_key, key_env_var: the name of the key it needs, and the environment variable that may hold it, as "openai"
    and "OPENAI_API_KEY"; None: it needs none. They are shown; how it comes by the key is the model's own affair.
    """

    id: str = ""
    provider: str = ""
    description: str = ""
    can_stream: bool = True
    attachment_types: frozenset[str] | set[str] = frozenset()
    needs_key: str | None = None
    key_env_var: str | None = None
    context_length: int | None = None

    Options: ClassVar[type[_options.Options]] = _options.Options
    Usage = Usage
    Finish = Finish
    Reasoning = Reasoning

    def execute(self, request: ChatRequest, options: Any) -> Iterable[Item] | Iterator[Item] | AsyncIterator[Item]:
        """Answer: yield text as it comes, and where they are known `self.Usage`, `self.Finish`, `self.Reasoning`.

        request: the whole conversation, in `request.messages`. options: an instance of `Options`, checked.

        A generator, or an async generator. A plain one runs in a thread of its own and is closed between two items
        when the user stops the answer; an async one runs on a loop that all plugins share and must not block it.
        What it raises ends the answer with PluginFailed; what it yielded before is kept.
        """
        raise NotImplementedError(f"{type(self).__name__} has no execute(self, request, options)")

    def validate_options(self, given: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Any:
        """An instance of `Options` made of `given`. Raises BadRequest: which option, what was expected, what came."""
        return check_options(self.Options, given, self.id or type(self).__name__)

    def options(self, **given: Any) -> Any:
        """As `validate_options`, from named values."""
        return self.validate_options(given)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r}>"


_ALWAYS: dict[str, Rule] = {
    "model": Rule(H),
    "messages": Rule(H, "the model is given all of them, text parts only"),
    "n": Rule(X, "a plugin's model gives one answer; ask it again for another", (1,)),
    "response_format": Rule(X, "", ({"type": "text"},)),
    "tool_choice": Rule(X, "", ("none", "auto")),
    "logprobs": Rule(X, "plugins give no log probabilities", (False,)),
    "top_logprobs": Rule(X, "plugins give no log probabilities"),
    "parallel_tool_calls": Rule(N, "there are no tools to call"),
    "function_call": Rule(X, "", ("none", "auto")),
    "stream": Rule(H, "answers always stream; a completion is the stream folded"),
    "stream_options": Rule(H, "include_usage: response.chunks() ends with the usage, where the model tells it"),
    "store": Rule(N, "every turn is kept in the local log already"),
    "metadata": Rule(H, "repeated in response.json()"),
    "user": Rule(N, "kept in response.request"),
    "safety_identifier": Rule(N, "kept in response.request"),
    "service_tier": Rule(X, "", ("auto", "default")),
    "modalities": Rule(X, "it answers in text", (["text"],)),
    "prediction": Rule(N, "a hint for speed only"),
    "x_modelhub": Rule(H),
    "x_modelhub.model_options": Rule(H, "the model's own options"),
    "x_modelhub.debug": Rule(N, "response.debug is always there"),
}


RESERVED = frozenset({"messages", "metadata", "model", "n", "stream", "stream_options", "x_modelhub"}) | {
    "logprobs", "top_logprobs",
}  # fmt: skip
"""What means the same for every model, so that no option of one may have the name."""


def honesty_of(model: Model) -> dict[str, Rule]:
    """The honesty table of a model: a field that is one of its options is honoured, all others say what happens.

    Its options come first, also those that are no fields.
    """
    own = {row["option"]: row for row in option_rows(model.Options)}
    has = f"its options are {', '.join(own)}" if own else "it has no options"
    table = {}
    for name in [*ChatRequest.model_fields, *(f"x_modelhub.{name}" for name in Extension.model_fields)]:
        option, rule = own.pop(name.removeprefix("x_modelhub."), None), _ALWAYS.get(name)
        if option is not None:
            rule = Rule(H, option_text(option))
        elif rule is None or (rule.status == X and not rule.note):
            rule = Rule(X, has, rule.except_values if rule else ())
        table[name] = rule
    first = {name: rule for name, rule in table.items() if name not in _ALWAYS and rule.status == H}
    return {**{name: Rule(H, option_text(row)) for name, row in own.items()}, **first, **table}


def option_text(row: Mapping[str, Any]) -> str:
    """One option in a line: type, range, default, description."""
    default = (
        "must be given" if row["required"] else f"default {row['default']!r}" if row["default"] is not None else ""
    )
    return ", ".join(part for part in (row["type"], row["range"], default, row["description"]) if part)


def split_options(model: Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields for `ChatRequest.make` from fields and options that stand side by side.

    A name that OpenAI's request or `x_modelhub` has stays there where they can hold the value; the model's own go to
    `x_modelhub.model_options`. Raises BadRequest for a name that neither knows; values are checked by `options_in`.
    """
    fields = own_name(given)
    extension = dict(fields.pop("x_modelhub", None) or {})
    own = dict(extension.pop("model_options", None) or {})
    known = set(model.Options.model_fields)
    for name in [n for n in fields if n not in ChatRequest.model_fields and n not in Extension.model_fields]:
        own[name] = fields.pop(name)
    for place in (fields, extension):
        for name in [n for n in place if n in known and place[n] is not None and not _fits(n, place[n])]:
            own[name] = place.pop(name)
    for name in own:
        if name not in known:
            raise unknown_option(name, model.Options, model.id)
    if own:
        extension["model_options"] = own
    if extension:
        fields["x_modelhub"] = extension
    return fields


def options_in(model: Model, request: ChatRequest) -> Any:
    """The model's Options as the request sets them. Raises BadRequest."""
    extension = request.x_modelhub
    held = {**dict(request), **(dict(extension) if extension else {})}
    given = {n: held[n] for n in model.Options.model_fields if held.get(n) is not None}
    return model.validate_options({**given, **((extension and extension.model_options) or {})})


def _fits(name: str, value: Any) -> bool:
    """Whether OpenAI's field, or ours of that name, can hold the value."""
    from modelhub.errors import BadRequest

    try:
        ChatRequest.make(model="-", messages=[{"role": "user", "content": "-"}], **{name: value})
    except BadRequest:
        return False
    return True
