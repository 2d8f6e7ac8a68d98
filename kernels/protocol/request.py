"""The chat request: every field of OpenAI's `POST /chat/completions`, and `x_modelhub` for what only we have.

Fields, types and ranges follow OpenAI's OpenAPI document 2.3.0 (2026-08-21). Unset is None everywhere and is not the
same as a value: what is unset is filled in by the engine's defaults. What an engine does with each field stands in
`honesty`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from modelhub.errors import BadRequest, did_you_mean

Text = Annotated[str, StringConstraints(min_length=1)]
Json = dict[str, JsonValue]  # what is passed on as it is must at least be JSON


# Names of the extension: ours, and the one LocalAI's draft of it had (apiv2, "x-localai-extensions").
EXTENSIONS = ("x_modelhub", "x-localai-extensions")
# What every chat template is given anyway.
TEMPLATE_NAMES = {"messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token", "self"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Part(_Strict):
    """One part of a message's content. Only `text` can be read by the local engine."""

    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str | None = None
    image_url: Json | None = None
    input_audio: Json | None = None
    file: Json | None = None
    refusal: str | None = None


class Message(_Strict):
    """One message of a conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Json] | None = None
    tool_call_id: str | None = None
    function_call: Json | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    """What the assistant thought; it goes back to providers that want it back."""
    reasoning_details: list[Json] | None = None
    """What a provider gave to be sent back as it is: signed and encrypted thoughts."""

    @property
    def text(self) -> str:
        """Its text, the parts of it joined."""
        if isinstance(self.content, list):
            return "".join(part.text or part.refusal or "" for part in self.content)
        return self.content or ""


class StreamOptions(_Strict):
    """What a stream carries beside the text. Padding (`include_obfuscation`) has a use on a network only."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Extension(_Strict):
    """`x_modelhub`: what llama.cpp can do and OpenAI's request has no field for.

    A remote provider is never sent it as such. Its fields go where the provider's rules say that they are taken;
    `extra_body` is merged into what is sent, last and as it is.
    """

    top_k: int | None = Field(None, ge=0, le=1_000_000)
    min_p: float | None = Field(None, ge=0, le=1)
    typical_p: float | None = Field(None, ge=0, le=1)
    repeat_penalty: float | None = Field(None, ge=0.01, le=10)
    repeat_last_n: int | None = Field(None, ge=-1)
    mirostat: Literal[0, 1, 2] | None = None
    mirostat_tau: float | None = Field(None, gt=0, le=100)
    mirostat_eta: float | None = Field(None, ge=0, le=10)
    dynatemp_range: float | None = Field(None, ge=0, le=2)
    dynatemp_exponent: float | None = Field(None, ge=0, le=10)
    xtc_probability: float | None = Field(None, ge=0, le=1)
    xtc_threshold: float | None = Field(None, ge=0, le=1)
    dry_multiplier: float | None = Field(None, ge=0, le=100)
    dry_base: float | None = Field(None, ge=1, le=10)
    dry_allowed_length: int | None = Field(None, ge=0, le=1_000_000)
    dry_penalty_last_n: int | None = Field(None, ge=-1)
    dry_sequence_breakers: list[Annotated[str, StringConstraints(min_length=1, max_length=40)]] | None = Field(
        None, max_length=64
    )
    top_n_sigma: float | None = Field(None, ge=0, le=100)
    grammar: str | None = None
    json_schema: Json | None = None
    ignore_eos: bool | None = None
    min_tokens: int | None = Field(None, ge=0)
    n_keep: int | None = Field(None, ge=-1)
    n_probs: int | None = Field(None, ge=0, le=4096)
    post_sampling_probs: bool | None = None
    prompt_logprobs: int | None = Field(None, ge=0, le=20)
    min_keep: int | None = Field(None, ge=0, le=1_000_000)
    cutstrings: list[str] | None = None
    trimstrings: list[str] | None = None
    suppress: list[Text] | None = Field(None, max_length=64)
    logit_bias_by_text: dict[Text, Annotated[float, Field(ge=-100, le=100)]] | None = None
    chat_template_kwargs: Json | None = None
    cache_prompt: bool | None = None
    debug: bool | None = None
    roles: dict[str, str] | None = None
    model_options: Json | None = None
    extra_body: Json | None = None
    continue_final_message: bool | None = None


class ChatRequest(_Strict):
    """One chat request, validated. Immutable; `update` makes a changed copy."""

    model: str
    messages: list[Message] = Field(min_length=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    n: int | None = Field(None, ge=1, le=128)
    stop: Text | list[Text] | None = None
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[Annotated[int, Field(ge=0)], Annotated[float, Field(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: Json | None = None
    tools: list[Json] | None = None
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Json] | None = Field(None, min_length=1, max_length=128)
    function_call: str | Json | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] | None = Field(
        None, max_length=16
    )
    user: str | None = None
    safety_identifier: str | None = Field(None, max_length=64)
    prompt_cache_key: str | None = None
    prompt_cache_options: Json | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: Json | None = None
    prediction: Json | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: Json | None = None
    moderation: Json | None = None
    x_modelhub: Extension | None = None

    @field_validator("logit_bias", mode="before")
    @classmethod
    def _token_ids(cls, value: Any) -> Any:
        """Token ids come as numbers in Python and as strings in JSON."""
        if not isinstance(value, dict):
            return value
        return {int(k) if isinstance(k, str) and k.strip().isdigit() else k: v for k, v in value.items()}

    @field_validator("messages")
    @classmethod
    def _whole_characters(cls, messages: list[Message]) -> list[Message]:
        for number, message in enumerate(messages):
            parts = message.content if isinstance(message.content, list) else [message.content]
            for part in parts:
                text = part.text if isinstance(part, Part) else part
                try:
                    (text or "").encode("utf-8")
                except UnicodeEncodeError as error:
                    raise ValueError(
                        f"message {number} holds half a character (a lone surrogate, {(text or '')[error.start]!a}) "
                        f"at position {error.start}; remove it or decode the text properly"
                    ) from None
        return messages

    @model_validator(mode="after")
    def _together(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs=True")
        extension = self.x_modelhub
        taken = TEMPLATE_NAMES & set((extension and extension.chat_template_kwargs) or ())
        if taken:
            raise ValueError(f"chat_template_kwargs: {min(taken)!r} is the engine's own to say; leave it out")
        if extension and extension.post_sampling_probs and self.alternatives is None:
            raise ValueError("post_sampling_probs needs logprobs=True or n_probs")
        if (
            extension
            and extension.continue_final_message
            and not (self.messages[-1].role == "assistant" and self.messages[-1].text)
        ):
            raise ValueError("continue_final_message needs a last message of the assistant's with text to go on with")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream=True")
        return self

    @classmethod
    def make(cls, **fields: Any) -> ChatRequest:
        """A request from named fields; names of `x_modelhub` may stand beside the others.

        Raises BadRequest, in one line, for a name that is unknown and for a value of the wrong type or range.
        """
        fields = own_name(fields)
        extension = dict(_as_dict(fields.pop("x_modelhub", None)))
        for name in [n for n in fields if n in Extension.model_fields and n not in cls.model_fields]:
            extension[name] = fields.pop(name)
        cls.known([*fields, *extension])
        if extension:
            fields["x_modelhub"] = extension
        try:
            return cls.model_validate({k: v for k, v in fields.items() if v is not None})
        except ValidationError as error:
            raise _in_one_line(error) from None

    @classmethod
    def known(cls, names: Iterable[str]) -> None:
        """Raises BadRequest, with the nearest name, for the first of `names` that is no field of a request."""
        known = [*cls.model_fields, *Extension.model_fields]
        for name in names:
            if not isinstance(name, str):
                raise BadRequest(f"fields of a request have names; got {short(name)} for one", param="x_modelhub")
            if name not in known:
                raise unknown_name(name, known)

    @property
    def alternatives(self) -> int | None:
        """How many alternatives each token's log probabilities have; None when none were asked for."""
        if self.x_modelhub is not None and self.x_modelhub.n_probs is not None:
            return self.x_modelhub.n_probs
        return (self.top_logprobs or 0) if self.logprobs else None

    def update(self, **changes: Any) -> ChatRequest:
        """A copy with `changes`, validated again."""
        return type(self).make(**{**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, as plain data: what a server would be sent."""
        return self.model_dump(exclude_none=True)


def own_name(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with the extension under our name. Raises BadRequest where it stands under two."""
    said = [name for name in EXTENSIONS if name in fields]
    if len(said) > 1:
        raise BadRequest(f"{said[1]} is another name of {said[0]}; say one of them", param=said[1])
    return {("x_modelhub" if name in said else name): value for name, value in fields.items()}


def _as_dict(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, Extension):
        return value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return value
    raise BadRequest(f"x_modelhub must be a dict; got {type(value).__name__}", param="x_modelhub")


def unknown_name(name: str, known: list[str]) -> BadRequest:
    """The error for a field that is none of `known`; a load parameter is told apart."""
    from modelhub.kernels.protocol.load_params import LOAD_NAMES, typed

    if name in LOAD_NAMES:
        flag = LOAD_NAMES[name]
        then = f"; type %models load MODEL {typed(flag)}" if flag else " and not supported yet"
        return BadRequest(
            f"{name} is a load parameter, not one of a request{then}", param=name, code="unsupported_parameter"
        )
    said = f"unrecognized request argument {name!r}.{did_you_mean(name, known)}"
    return BadRequest(said, param=name, code="unsupported_parameter")


def _in_one_line(error: ValidationError) -> BadRequest:
    """Pydantic's report as one line: which field, what was expected, what came."""
    problems: dict[str, Any] = {}
    # Alternatives of a union are reported one by one; the one that got deepest into the value says most.
    for problem in error.errors(include_url=False):
        loc = problem["loc"]
        field = str(loc[1] if len(loc) > 1 and loc[0] == "x_modelhub" else loc[0] if loc else "")
        if field not in problems or len(loc) > len(problems[field]["loc"]):
            problems[field] = problem
    names = [_path(p["loc"]) for p in problems.values()]
    texts = []
    for name, problem in zip(names, problems.values(), strict=True):
        what = problem["msg"].removeprefix("Value error, ")
        what = what[0].lower() + what[1:]
        came = "" if problem["type"] in {"missing", "value_error"} else f"; got {short(problem['input'])}"
        texts.append(f"{name}: {what}{came}" if name else what)
    begins = texts[0].partition(" ")[0].rstrip(":")  # fields that do not go together: the text names the first
    known = begins in ChatRequest.model_fields or begins in Extension.model_fields
    return BadRequest("; ".join(texts), param=next((n for n in names if n), begins if known else ""))


def _path(loc: tuple[int | str, ...]) -> str:
    """Where in the request, without the names pydantic gives to the alternatives of a union."""
    path = [str(p) for p in loc]
    kinds = ("list[", "dict[", "constrained", "function-")
    kept = path[:1] + [p for p in path[1:] if p not in {"str", "[key]"} and not p.startswith(kinds)]
    return ".".join(kept).removeprefix("x_modelhub.")


def short(value: Any) -> str:
    """A value as messages show it: in ASCII, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
