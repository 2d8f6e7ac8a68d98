"""The honesty table: what each engine does with each request field.

Every field is exactly one of honoured, a no-op (it cannot change the answer; accepted, with a warning) or rejected by
name with what to do instead. Nothing is dropped in silence. The table is data: it validates requests here and is what
`%models show MODEL --params` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import ChatRequest, short

Status = Literal["honoured", "no-op", "rejected"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What an engine does with a field; `except_values` are the values for which a rejected field is a no-op."""

    status: Status
    note: str = ""
    except_values: tuple[Any, ...] = ()


H: Status = "honoured"
N: Status = "no-op"
X: Status = "rejected"
_LATER = "the local engine does not have it yet"

LOCAL: dict[str, Rule] = {
    "model": Rule(H),
    "messages": Rule(H, "text parts; developer is read as system"),
    "temperature": Rule(H, "0 to 2, default 1; 0 is greedy"),
    "top_p": Rule(H, "0 to 1, default 1"),
    "max_completion_tokens": Rule(H, "from 1; default: until the context is full"),
    "max_tokens": Rule(H, "the older name of max_completion_tokens, which wins"),
    "n": Rule(H, "1 to 128, default 1; the seed of choice i is seed + i"),
    "stop": Rule(H, "strings; the earliest in the text ends it"),
    "seed": Rule(H, "drawn and reported where none is given"),
    "frequency_penalty": Rule(H, "-2 to 2, default 0; over the last repeat_last_n tokens of the answer"),
    "presence_penalty": Rule(H, "-2 to 2, default 0; over the last repeat_last_n tokens of the answer"),
    "logit_bias": Rule(H, "token id to -100 .. 100; -100 bans; ids are this model's own"),
    "logprobs": Rule(H, "natural logarithms, before any sampling filter"),
    "top_logprobs": Rule(H, "0 to 20, needs logprobs"),
    "response_format": Rule(X, f"{_LATER}; ask for JSON in the prompt", ({"type": "text"},)),
    "tools": Rule(X, f"{_LATER}; describe the tools in a system message"),
    "tool_choice": Rule(X, _LATER, ("none", "auto")),
    "parallel_tool_calls": Rule(N, "there are no tools to call"),
    "functions": Rule(X, f"{_LATER}; describe the functions in a system message"),
    "function_call": Rule(X, _LATER, ("none", "auto")),
    "stream": Rule(H, "answers always stream; a completion is the stream folded"),
    "stream_options": Rule(H, "include_usage: response.chunks() ends with the usage; nothing is ever padded"),
    "store": Rule(N, "every turn is kept in the local log already"),
    "metadata": Rule(H, "repeated in response.json()"),
    "user": Rule(N, "kept in response.request"),
    "safety_identifier": Rule(N, "kept in response.request"),
    "prompt_cache_key": Rule(H, "what was read under a key is the last to be forgotten"),
    "prompt_cache_options": Rule(N, "prefixes are always kept"),
    "prompt_cache_retention": Rule(H, "24h keeps what was read under prompt_cache_key on disk; in_memory is usual"),
    "service_tier": Rule(X, "it has no meaning for a local engine, whose answers say default", ("auto", "default")),
    "modalities": Rule(X, "llama.cpp answers in text", (["text"],)),
    "audio": Rule(X, "llama.cpp answers in text"),
    "prediction": Rule(N, "a hint for speed only"),
    "reasoning_effort": Rule(X, _LATER),
    "verbosity": Rule(X, "say it in the prompt, as in 'answer briefly'"),
    "web_search_options": Rule(X, "a local model cannot search the web"),
    "moderation": Rule(X, "nothing is moderated locally"),
    "x_modelhub": Rule(H),
    "x_modelhub.top_k": Rule(H, "keeps the k most probable tokens; 0 is off, the default"),
    "x_modelhub.min_p": Rule(H, "0 to 1, default 0 (off); keeps tokens at least so probable, relative to the best"),
    "x_modelhub.typical_p": Rule(H, "0 to 1, default 1 (off); keeps the tokens nearest to the expected surprise"),
    "x_modelhub.top_n_sigma": Rule(H, "0 to 100, default 0 (off); keeps logits within n deviations of the best"),
    "x_modelhub.min_keep": Rule(H, "tokens that top_p, min_p, typical_p and xtc leave at least, default 1"),
    "x_modelhub.repeat_penalty": Rule(H, "0.01 to 10, default 1 (off)"),
    "x_modelhub.repeat_last_n": Rule(H, "tokens of the answer that penalties look back on; default -1, all of it"),
    "x_modelhub.dynatemp_range": Rule(H, "0 to 2, default 0 (off); temperature ± range by the entropy"),
    "x_modelhub.dynatemp_exponent": Rule(H, "0 to 10, default 1"),
    "x_modelhub.xtc_probability": Rule(H, "0 to 1, default 0 (off); how often the most probable tokens are dropped"),
    "x_modelhub.xtc_threshold": Rule(H, "0 to 1, default 0.1; dropped are all above it but the last; over 0.5 is off"),
    "x_modelhub.dry_multiplier": Rule(H, "0 to 100, default 0 (off); penalty of what would go on a repetition"),
    "x_modelhub.dry_base": Rule(H, "1 to 10, default 1.75; the penalty grows by it with each token repeated"),
    "x_modelhub.dry_allowed_length": Rule(H, "tokens that may be repeated freely, default 2"),
    "x_modelhub.dry_penalty_last_n": Rule(H, "tokens of the answer that DRY looks back on; default -1, all of it"),
    "x_modelhub.dry_sequence_breakers": Rule(H, "a repetition ends at these; default newline, colon, quote, star"),
    "x_modelhub.mirostat": Rule(H, "0 (off), 1 or 2; it takes the place of every filter but temperature"),
    "x_modelhub.mirostat_tau": Rule(H, "up to 100, default 5; the surprise aimed at, in bits"),
    "x_modelhub.mirostat_eta": Rule(H, "0 to 10, default 0.1; how fast it adapts"),
    "x_modelhub.logit_bias_by_text": Rule(H, "text to -100 .. 100, for every token the text is made of"),
    "x_modelhub.suppress": Rule(H, "texts that the answer never contains, however they are split into tokens"),
    "x_modelhub.ignore_eos": Rule(H, "the answer ends by its limit or a stop text only"),
    "x_modelhub.min_tokens": Rule(H, "tokens before the answer may end by itself, default 0"),
    "x_modelhub.n_probs": Rule(H, "0 to 4,096: logprobs with as many alternatives, also more than 20"),
    "x_modelhub.post_sampling_probs": Rule(H, "logprobs also as they are after the filters"),
    "x_modelhub.prompt_logprobs": Rule(H, "0 to 20: log probabilities of the prompt's tokens, with alternatives"),
    "x_modelhub.chat_template_kwargs": Rule(H, "passed to the chat template"),
    "x_modelhub.cache_prompt": Rule(H, "default true; false reads the whole prompt again"),
    "x_modelhub.continue_final_message": Rule(H, "the answer goes on in the last message, the assistant's"),
    "x_modelhub.debug": Rule(N, "response.debug is always there"),
    "x_modelhub.grammar": Rule(X, _LATER),
    "x_modelhub.json_schema": Rule(X, f"{_LATER}; ask for JSON in the prompt"),
    "x_modelhub.n_keep": Rule(X, "a context that is full ends the answer, nothing is shifted out of it"),
    "x_modelhub.cutstrings": Rule(X, "change response.text() with re.sub"),
    "x_modelhub.trimstrings": Rule(X, "change response.text() with str.strip"),
    "x_modelhub.roles": Rule(X, "the chat template names the roles"),
    "x_modelhub.model_options": Rule(X, "a model file has none of its own; name the field of the request itself"),
    "x_modelhub.extra_body": Rule(X, "nothing is sent; name the field of the request itself"),
}

ENGINES: dict[str, dict[str, Rule]] = {"local": LOCAL}

_TEXT_PARTS = {"text", "refusal"}


def check(request: ChatRequest, engine: str, table: Mapping[str, Rule] | None = None) -> list[str]:
    """The warnings of a request for `engine`. Raises BadRequest for the first field it rejects.

    table: what the engine does where that is the model's to say, as with a plugin's; default: the engine's own.
    """
    whose = f"the {engine} engine" if table is None else engine
    table = ENGINES[engine] if table is None else table
    warnings = []
    fields = request.to_dict()
    named = {k: v for k, v in fields.items() if k != "x_modelhub"}
    named |= {f"x_modelhub.{k}": v for k, v in fields.get("x_modelhub", {}).items()}
    for field, value in named.items():
        rule = table[field]
        if rule.status == X and value not in rule.except_values:
            shown = field.removeprefix("x_modelhub.")
            what = f"{shown}={short(value)}" if isinstance(value, str | int | float) else shown
            code = "unsupported_value" if rule.except_values else "unsupported_parameter"
            raise BadRequest(f"{what} is not supported by {whose}: {rule.note}", param=shown, code=code)
        if rule.status == N:
            warnings.append(f"{field.removeprefix('x_modelhub.')} has no effect here: {rule.note}")
    if request.max_tokens is not None and request.max_completion_tokens not in (None, request.max_tokens):
        warnings.append("max_tokens is ignored: max_completion_tokens is given too")
    if engine == "local" and request.prompt_cache_retention == "24h" and request.prompt_cache_key is None:
        raise BadRequest(
            "prompt_cache_retention='24h' needs a prompt_cache_key to find it by, as in prompt_cache_key='book'",
            param="prompt_cache_retention",
        )
    if engine == "local" and request.stream_options and request.stream_options.include_obfuscation:
        warnings.append("include_obfuscation has no effect here: there is no wire to hide the lengths of chunks on")
    _check_parts(request, whose, table)
    return warnings


def _check_parts(request: ChatRequest, whose: str, table: Mapping[str, Rule]) -> None:
    """What a table says of a part's type stands under `messages.TYPE`; of one it does not name, text alone is read."""
    for number, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for part in message.content:
                rule = table.get(f"messages.{part.type}", Rule(X))
                if part.type not in _TEXT_PARTS and rule.status == X:
                    then = f": {rule.note}" if rule.note else ""
                    raise BadRequest(
                        f"messages.{number}: {whose} reads text; got a part of type {part.type!r}{then}",
                        param="messages",
                    )
