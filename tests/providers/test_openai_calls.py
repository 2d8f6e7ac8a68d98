"""Requests of the dialect `openai`: what is sent to OpenAI, and to those who speak as it does; what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.providers import Providers
from tests.providers.talk import CALL, PICTURE, SHAPED, TIDE, body, call, called, part, picked, request, target

STREAM = {"stream": True, "stream_options": {"include_usage": True}}


def sent(provider: str, *messages: Any, model: str = "m", **fields: Any) -> dict[str, Any]:
    """What a request's fields become, without model, messages and what every request has."""
    made = body(provider, *messages, model=model, **fields)
    return {k: v for k, v in made.items() if k not in {"model", "messages", *STREAM}}


def messages(provider: str, *said: Any, **fields: Any) -> list[dict[str, Any]]:
    """What messages become."""
    made: list[dict[str, Any]] = body(provider, *said, **fields)["messages"]
    return made


@pytest.fixture
def corp() -> str:
    """A server of which nothing is known but its address."""
    Providers().add("corp", base_url="http://127.0.0.1:9/v1")
    return "corp"


def test_every_field_has_a_rule() -> None:
    """What becomes of each field is said for every field there is."""
    for name in ("openai", "azure", "completions"):
        assert set(LOCAL) <= set(dialect(name).rules)


def test_the_call(corp: str) -> None:
    """A request goes to chat/completions as a stream with usage; nothing is sent that nobody said."""
    built = call(corp, request("hi"))
    assert (built.method, built.url, built.stream) == ("POST", "http://127.0.0.1:9/v1/chat/completions", True)
    assert built.body == {"model": "m", "messages": [{"role": "user", "content": "hi"}], **STREAM}


def test_openai_is_told_not_to_keep_answers(corp: str) -> None:
    """OpenAI alone is sent store: false, unless the user says otherwise; metadata go along where it keeps."""
    assert sent("openai") == {"store": False}
    assert sent("openai", store=True, metadata={"k": "v"}) == {"store": True, "metadata": {"k": "v"}}
    assert sent("openai", metadata={"k": "v"}) == {"store": False}
    assert sent("openai", metadata={"k": "v"}, store=False) == {"store": False}
    assert sent(corp) == {}
    assert sent(corp, store=True) == {"store": True}


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("openai", {"max_tokens": 7}, {"max_completion_tokens": 7}),
    ("openai", {"max_tokens": 7, "max_completion_tokens": 7}, {"max_completion_tokens": 7}),
    ("corp", {"max_tokens": 7}, {"max_tokens": 7}),
    ("corp", {"max_completion_tokens": 7}, {"max_completion_tokens": 7}),
    ("mistral", {"max_completion_tokens": 7, "seed": 5}, {"max_tokens": 7, "random_seed": 5}),
    ("openrouter", {"max_completion_tokens": 7}, {"max_tokens": 7}),
    ("corp", {"temperature": 0, "top_p": 0.5, "n": 2}, {"temperature": 0, "top_p": 0.5, "n": 2}),
    ("corp", {"stop": "END", "seed": 3}, {"stop": "END", "seed": 3}),
    ("corp", {"stop": ["a", "b", "c", "d", "e"]}, {"stop": ["a", "b", "c", "d", "e"]}),
    ("corp", {"frequency_penalty": 1, "presence_penalty": -1}, {"frequency_penalty": 1, "presence_penalty": -1}),
    ("corp", {"logit_bias": {"5": -100}}, {"logit_bias": {5: -100}}),
    ("corp", {"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ("corp", {"logprobs": False}, {}),
    ("together", {"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}),
    ("together", {"logprobs": True}, {"logprobs": 1}),
    ("fireworks", {"logprobs": True, "top_logprobs": 5}, {"logprobs": True, "top_logprobs": 5}),
    ("corp", {"response_format": SHAPED}, {"response_format": SHAPED}),
    ("corp", {"tools": [TIDE], "tool_choice": picked("tide")}, {"tools": [TIDE], "tool_choice": picked("tide")}),
    ("corp", {"tools": [TIDE], "tool_choice": {"type": "function", "name": "tide"}},
     {"tools": [TIDE], "tool_choice": picked("tide")}),
    ("corp", {"functions": [{"name": "tide"}], "function_call": {"name": "tide"}},
     {"tools": [{"type": "function", "function": {"name": "tide"}}], "tool_choice": picked("tide")}),
    ("corp", {"functions": [{"name": "tide"}], "function_call": "none"},
     {"tools": [{"type": "function", "function": {"name": "tide"}}], "tool_choice": "none"}),
    ("corp", {"parallel_tool_calls": False, "reasoning_effort": "low"},
     {"parallel_tool_calls": False, "reasoning_effort": "low"}),
    ("corp", {"user": "u", "service_tier": "flex", "verbosity": "low"},
     {"user": "u", "service_tier": "flex", "verbosity": "low"}),
    ("corp", {"prediction": {"type": "content", "content": "x"}}, {"prediction": {"type": "content", "content": "x"}}),
    ("corp", {"web_search_options": {}, "moderation": {"model": "m"}},
     {"web_search_options": {}, "moderation": {"model": "m"}}),
    ("corp", {"safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
              "prompt_cache_options": {"ttl": "1h"}},
     {"safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
      "prompt_cache_options": {"ttl": "1h"}}),
    ("groq", {"modalities": ["text"]}, {}),
    ("openai", {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
     {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
    ("groq", {"n": 1, "logprobs": False}, {}),
    ("vllm", {"top_k": 40, "min_p": 0.1, "repeat_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}},
     {"top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}}),
    ("llamacpp", {"top_k": 40, "typical_p": 0.9, "repeat_penalty": 1.1, "mirostat": 2, "grammar": "root ::= 'a'"},
     {"top_k": 40, "typical_p": 0.9, "repeat_penalty": 1.1, "mirostat": 2, "grammar": "root ::= 'a'"}),
    ("openrouter", {"logprobs": True}, {"logprobs": True, "provider": {"require_parameters": True}}),
    ("openrouter", {"top_k": 40}, {"top_k": 40, "provider": {"require_parameters": True}}),
    ("openrouter", {"temperature": 1}, {"temperature": 1}),
    ("openrouter", {"seed": 1, "extra_body": {"provider": {"require_parameters": False, "only": ["acme"]}}},
     {"seed": 1, "provider": {"require_parameters": False, "only": ["acme"]}}),
    ("corp", {"extra_body": {"top_k": 40, "temperature": None}, "temperature": 1}, {"top_k": 40, "temperature": None}),
    ("perplexity", {"web_search_options": {"search_context_size": "low"}},
     {"web_search_options": {"search_context_size": "low"}}),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "fields", "expected"), FIELDS)
def test_fields(corp: str, provider: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each field is sent under the name, and in the shape, that the provider takes."""
    found = sent(provider, **fields)
    found.pop("store", None)
    assert found == expected


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("corp", {"top_k": 40}, "top_k", "extra_body={\"top_k\": N}"),
    ("corp", {"grammar": "root ::= 'a'"}, "grammar", "extra_body"),
    ("corp", {"suppress": ["x"]}, "suppress", "logit_bias"),
    ("groq", {"audio": {"voice": "a"}}, "audio", "answers in text"),
    ("together", {"modalities": ["text", "audio"]}, "modalities", "answers in text"),
    ("openai", {"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
    ("groq", {"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
    ("groq", {"logprobs": True}, "logprobs", "Groq gives none"),
    ("groq", {"logit_bias": {"1": 1}}, "logit_bias", "Groq takes none"),
    ("groq", {"n": 2}, "n", "one answer"),
    ("fireworks", {"logprobs": True, "top_logprobs": 6}, "top_logprobs", "at most 5"),
    ("xai", {"logprobs": True, "top_logprobs": 9}, "top_logprobs", "at most 8"),
    ("mistral", {"seed": -1}, "seed", "at least 0"),
    ("mistral", {"logit_bias": {"1": 1}}, "logit_bias", "Mistral takes none"),
    ("perplexity", {"logprobs": True}, "logprobs", "gives none"),
    ("together", {"service_tier": "priority"}, "service_tier", "OpenAI's own"),
    ("vllm", {"prompt_logprobs": 1}, "prompt_logprobs", "local model"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "fields", "param", "then"), REFUSED)
def test_refused(corp: str, provider: str, fields: dict[str, Any], param: str, then: str) -> None:
    """A field that a provider does not take is refused by name, before anything is sent, with what to do."""
    with pytest.raises(BadRequest) as caught:
        call(provider, request(**fields))
    assert caught.value.details["param"] == param
    assert then in str(caught.value)
    assert str(caught.value).startswith((f"{param}=", f"{param} "))


def test_warnings() -> None:
    """What cannot change the answer is left out with a warning that names it, and is not sent."""
    asked = request({"role": "user", "content": "hi", "name": "eve"}, user="u", store=True)
    assert Providers().check(asked, target("mistral")) == [
        "store has no effect here: every turn is kept in the local log; the provider is not asked to keep it",
        "user has no effect here: Mistral has no such field",
        "the names of messages are left out: Mistral has no such field",
    ]
    assert call("mistral", asked).body == {
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True,
    }  # fmt: skip


def test_roles(corp: str) -> None:
    """The developer's role goes to OpenAI as it is, and as the system's to those who may not know it."""
    said = {"role": "developer", "content": "be brief"}
    assert messages("openai", said) == [said]
    assert messages(corp, said) == [{"role": "system", "content": "be brief"}]


def test_names(corp: str) -> None:
    """Names of messages are sent where they are taken."""
    said = {"role": "user", "content": "hi", "name": "eve"}
    assert messages(corp, said) == [said]
    assert messages("groq", said) == [{"role": "user", "content": "hi"}]


def test_parts(corp: str) -> None:
    """Pictures, sound and files go as OpenAI's parts have them; who takes none of a kind refuses it by name."""
    picture = {"role": "user", "content": [{"type": "text", "text": "what is it?"}, PICTURE]}
    sound = part("input_audio", data="AAAA", format="wav")
    for said in (picture, sound, part("file", file_data="data:application/pdf;base64,AAAA")):
        assert messages(corp, said) == [said]
    with pytest.raises(BadRequest, match=r"messages.0: groq/m .* 'input_audio': this provider takes text and pictures"):
        messages("groq", sound)
    with pytest.raises(BadRequest, match="DeepSeek takes text only"):
        messages("deepseek", picture)


def test_pictures_of_earlier_answers(corp: str) -> None:
    """An assistant's message has no pictures on this wire: they are left out, and a warning tells so."""
    answer = {"role": "assistant", "content": [{"type": "text", "text": "a kelp"}, PICTURE]}
    assert messages(corp, "draw", answer, "again")[1] == {"role": "assistant", "content": "a kelp"}
    (warning,) = Providers().check(request("draw", answer, "again"), target(corp))
    assert warning.startswith("pictures of earlier answers are left out")


def test_one_text_part_is_text(corp: str) -> None:
    """Content of one text part is sent as text, which every server reads; several stay parts, but for DeepSeek."""
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages(corp, {"role": "user", "content": texts[:1]}) == [{"role": "user", "content": "a"}]
    assert messages(corp, {"role": "user", "content": texts}) == [{"role": "user", "content": texts}]
    assert messages("deepseek", {"role": "user", "content": texts}) == [{"role": "user", "content": "ab"}]


def test_tool_calls_go_back_as_they_came(corp: str) -> None:
    """A tool call's arguments are text, also where a caller has an object; its result bears its id."""
    result = {"role": "tool", "tool_call_id": "t1", "content": "6 m"}
    asked = {"role": "assistant", "tool_calls": [CALL]}
    assert messages(corp, "hi", asked, result)[1:] == [{**asked, "content": None}, result]
    as_object = {**CALL, "function": {"name": "tide", "arguments": {"port": "Brest"}}}
    assert messages(corp, "hi", {**asked, "tool_calls": [as_object]})[1]["tool_calls"] == [CALL]
    empty = messages(corp, "hi", called(""))[1]["tool_calls"][0]
    assert empty["function"]["arguments"] == "{}"


def test_ids_of_tool_calls_fit_the_provider() -> None:
    """Mistral's ids have nine letters and digits: others become such, the same for call and result."""
    asked = messages("mistral", "hi", called("{}"), {"role": "tool", "tool_call_id": "t1", "content": "6 m"})
    ident = asked[1]["tool_calls"][0]["id"]
    assert len(ident) == 9
    assert ident.isalnum()
    assert asked[2]["tool_call_id"] == ident
    fit = {**CALL, "id": "abcdefgh9"}
    assert messages("mistral", "hi", {"role": "assistant", "tool_calls": [fit]})[1]["tool_calls"] == [fit]


def test_older_function_calls(corp: str) -> None:
    """Calls under their older name become tool calls, with ids that tie each result to its call."""
    said = messages(
        corp,
        {"role": "assistant", "function_call": {"name": "tide", "arguments": "{}"}},
        {"role": "function", "name": "tide", "content": "6 m"},
    )
    function = {"name": "tide", "arguments": "{}"}
    assert said == [
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "call_0", "type": "function", "function": function}]},
        {"role": "tool", "content": "6 m", "tool_call_id": "call_0"},
    ]  # fmt: skip


def test_thoughts_go_back_where_they_are_wanted(corp: str) -> None:
    """DeepSeek gets thoughts back once tools were called, OpenRouter its blocks; nobody else gets any."""
    thought = {"role": "assistant", "content": "6 m", "reasoning_content": "weigh it"}
    blocks = [{"type": "reasoning.encrypted", "data": "x"}]
    with_tools = {**called("{}"), "reasoning_content": "ask", "reasoning_details": blocks}
    assert "reasoning_content" not in messages("deepseek", "hi", thought)[1]
    back = messages("deepseek", "hi", with_tools, thought)
    assert [m.get("reasoning_content") for m in back] == [None, "ask", "weigh it"]
    assert messages("openrouter", "hi", with_tools)[1]["reasoning_details"] == blocks
    assert "reasoning_content" not in messages("openrouter", "hi", with_tools)[1]
    assert not {"reasoning_content", "reasoning_details"} & set(messages(corp, "hi", with_tools)[1])


def test_what_came_with_a_call(corp: str) -> None:
    """Signatures of a tool call go back to a server of which nothing is known, and never to OpenAI, which refuses."""
    signed = called("{}", extra_content={"google": {"thought_signature": "s"}})
    assert messages(corp, "hi", signed)[1]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}
    assert "extra_content" not in messages("openai", "hi", signed)[1]["tool_calls"][0]


def test_refusals(corp: str) -> None:
    """An earlier refusal goes back to OpenAI under its own name, and as text to others."""
    refused = {"role": "assistant", "refusal": "I will not"}
    parts = {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
    assert messages("openai", refused, parts) == [{**refused, "content": None}, parts]
    assert messages(corp, refused, parts) == [
        {"role": "assistant", "content": "I will not"}, {"role": "assistant", "content": "no"},
    ]  # fmt: skip


def test_text_is_never_pasted_into_json(corp: str) -> None:
    """Quotes, newlines, half of a template and what looks like an event stay what they are (Annex A, 4 and 5)."""
    hostile = 'say "hi"\n{{ x }}, ,\nevent: message_stop\ndata: [DONE]'
    said = {"role": "system", "content": hostile}
    assert messages("openai", said, hostile, model="o3") == [said, {"role": "user", "content": hostile}]


def test_a_mistral_answer_is_gone_on_with() -> None:
    """A last message of the assistant's is marked as the beginning of the answer where the provider wants that."""
    begun = {"role": "assistant", "content": "kelp "}
    assert messages("mistral", "hi", begun)[1] == {**begun, "prefix": True}
    assert messages("groq", "hi", begun)[1] == begun


def test_padding_is_openais_own() -> None:
    """Padding is asked of OpenAI alone; usage is asked for everywhere, but where it is refused."""
    options = {"include_usage": True, "include_obfuscation": False}
    made = body("openai", stream=True, stream_options=options)
    assert made["stream_options"] == options
    assert body("groq", stream=True, stream_options=options)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body("mistral")
