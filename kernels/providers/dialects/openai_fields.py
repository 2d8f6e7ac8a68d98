"""What OpenAI's wire does with each field of a request, and the body that says them.

The table is OpenAI's own and that of servers nothing else is known of. What others take stands in dated_rules.toml.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from modelhub.kernels.protocol.honesty import H, N, X
from modelhub.kernels.protocol.request import ChatRequest, Extension
from modelhub.kernels.providers.dialects.wire_fields import asked, in_range, put
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import FieldRule, Target

# A value to show for each field that only some servers take, where it is no number.
_SHOWN = {
    "grammar": '"root ::= ..."', "json_schema": "{...}", "chat_template_kwargs": "{...}", "ignore_eos": "true",
    "dry_sequence_breakers": "[...]", "cache_prompt": "false", "post_sampling_probs": "true",
}  # fmt: skip
_DONE_HERE = {
    "cutstrings": "change response.text() with re.sub",
    "trimstrings": "change response.text() with str.strip",
    "suppress": "give token ids of the model in logit_bias, at -100",
    "logit_bias_by_text": "give token ids of the model in logit_bias",
    "roles": "the server's chat template names the roles",
    "model_options": "name the field of the request itself, or say it in extra_body",
    "n_probs": "use top_logprobs",
    "post_sampling_probs": "use logprobs",
    "json_schema": "use response_format",
    "continue_final_message": "%chat --continue goes on with an answer",
}


def _extension(name: str) -> FieldRule:
    if name in _DONE_HERE:
        return FieldRule(X, _DONE_HERE[name])
    value = _SHOWN.get(name, "N")
    then = f"-o 'extra_body={{\"{name}\": {value}}}'"
    return FieldRule(X, f"OpenAI's wire has no such field; where this server does, {then}")


RULES: dict[str, FieldRule] = {
    "model": FieldRule(H),
    "messages": FieldRule(H, "tool calls, and thoughts where the provider wants them back, are sent as they were"),
    "messages.name": FieldRule(H),
    "messages.image_url": FieldRule(H, "an address, which the provider fetches, or a data: URL"),
    "messages.input_audio": FieldRule(H),
    "messages.file": FieldRule(H),
    "temperature": FieldRule(H, "0 to 2"),
    "top_p": FieldRule(H, "0 to 1"),
    "max_completion_tokens": FieldRule(H, "from 1; thoughts count, too"),
    "max_tokens": FieldRule(H, "the older name of max_completion_tokens, which wins"),
    "n": FieldRule(H, "1 to 128"),
    "stop": FieldRule(H, "texts; OpenAI takes up to 4"),
    "seed": FieldRule(H, "as far as the provider keeps its promise"),
    "frequency_penalty": FieldRule(H, "-2 to 2"),
    "presence_penalty": FieldRule(H, "-2 to 2"),
    "logit_bias": FieldRule(H, "token id to -100 .. 100; ids are the provider's model's own"),
    "logprobs": FieldRule(H, "natural logarithms, where the model gives them"),
    "top_logprobs": FieldRule(H, "0 to 20, needs logprobs"),
    "response_format": FieldRule(H),
    "tools": FieldRule(H),
    "tool_choice": FieldRule(H),
    "parallel_tool_calls": FieldRule(H),
    "functions": FieldRule(H, "sent as tools, its newer name"),
    "function_call": FieldRule(H, "sent as tool_choice, its newer name"),
    "stream": FieldRule(H, "answers always stream; a completion is the stream folded"),
    "stream_options": FieldRule(H, "usage is always asked for"),
    "store": FieldRule(H, "OpenAI is told not to, unless you say so; every turn is kept in the local log"),
    "metadata": FieldRule(H, "repeated in response.json(); sent with store=True only"),
    "user": FieldRule(H),
    "safety_identifier": FieldRule(H),
    "prompt_cache_key": FieldRule(H),
    "prompt_cache_options": FieldRule(H),
    "prompt_cache_retention": FieldRule(H),
    "service_tier": FieldRule(H),
    "modalities": FieldRule(H, "sound of an answer is in response.raw alone"),
    "audio": FieldRule(H, "sound of an answer is in response.raw alone"),
    "prediction": FieldRule(H),
    "reasoning_effort": FieldRule(H),
    "verbosity": FieldRule(H),
    "web_search_options": FieldRule(H),
    "moderation": FieldRule(H),
    "x_modelhub": FieldRule(H, "never sent as such"),
    **{f"x_modelhub.{name}": _extension(name) for name in Extension.model_fields},
    "x_modelhub.debug": FieldRule(N, "response.debug is always there"),
    "x_modelhub.extra_body": FieldRule(H, "merged into what is sent, last and as it is"),
}

# What the body says in a way of its own.
_SPOKEN = {
    "model", "messages", "stream", "stream_options", "store", "metadata", "tools", "tool_choice", "functions",
    "function_call", "logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "x_modelhub.extra_body",
}  # fmt: skip


def official(provider: Provider) -> bool:
    """Whether it is OpenAI itself that answers, and not one of all those who speak as it does."""
    host = provider.origin.partition("://")[2].rpartition(":")[0]
    return provider.name == "openai" or host.endswith(".openai.com")


def fields_of(request: ChatRequest, target: Target, spoken: Collection[str] = ()) -> dict[str, Any]:
    """The body's fields but for model and messages. spoken: further fields that the caller says.

    What a rule rejects or calls a no-op is left out: `checking.check` has told of it. Raises BadRequest for a value out
    of the provider's range.
    """
    fields, rules = asked(request), target.rules

    def sent(name: str) -> bool:
        return fields.get(name) is not None and rules[name].status == H

    body: dict[str, Any] = {}

    def say(name: str, value: Any) -> None:
        put(body, rules[name].wire or name.removeprefix("x_modelhub."), in_range(name, value, target))

    for name, value in fields.items():
        if name not in _SPOKEN and name not in spoken and sent(name):
            say(name, value)
    most = "max_completion_tokens" if request.max_completion_tokens is not None else "max_tokens"
    if sent(most):
        own = most == "max_tokens" and not rules[most].wire and official(target.provider)
        say("max_completion_tokens" if own and rules["max_completion_tokens"].status == H else most, fields[most])
    if sent("logprobs") and fields["logprobs"]:
        top = in_range("top_logprobs", fields.get("top_logprobs"), target)
        if target.settings.get("logprobs") == "number":  # Together: how many, instead of whether
            say("logprobs", top or 1)
        else:
            say("logprobs", True)
            if top is not None and sent("top_logprobs"):
                say("top_logprobs", top)
    _tools(request, sent, say)
    if sent("store"):
        say("store", request.store)
        if request.store and sent("metadata"):
            say("metadata", fields["metadata"])
    elif official(target.provider) and rules["store"].status == H:
        say("store", False)
    return body


def stream_options(request: ChatRequest, target: Target) -> dict[str, Any]:
    """What the body says of the stream: usage is always asked for, where the provider knows the field."""
    rule = target.rules["stream_options"]
    if rule.status != H:
        return {}
    said = request.stream_options
    options: dict[str, Any] = {"include_usage": True}
    if official(target.provider) and said is not None and said.include_obfuscation is not None:
        options["include_obfuscation"] = said.include_obfuscation
    return {rule.wire or "stream_options": options}


def _tools(request: ChatRequest, sent: Any, say: Any) -> None:
    """Tools under their newer names; `{"type": "function", "name": ...}` of a tool choice has its name inside."""
    tools = list(request.tools or ()) if sent("tools") else []
    if sent("functions"):
        tools += [{"type": "function", "function": function} for function in request.functions or ()]
    if tools:
        say("tools", tools)
    choice: Any = request.tool_choice if sent("tool_choice") else None
    if choice is None and sent("function_call"):
        choice = request.function_call
        if isinstance(choice, dict):
            choice = {"type": "function", "function": {"name": choice.get("name")}}
    if isinstance(choice, dict) and choice.get("type") == "function" and "function" not in choice:
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    if choice is not None:
        say("tool_choice", choice)
