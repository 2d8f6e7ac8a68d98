"""Requests of the dialect `anthropic`: what is sent, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import target_of
from tests.providers.talk import (
    CALL,
    PICTURE,
    PIXEL,
    SCHEMA,
    SHAPED,
    TIDE,
    body,
    call,
    called,
    part,
    picked,
    request,
    target,
)

OLD, BUDGETED, ADAPTIVE, NEWEST = "claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5"


def test_every_field_has_a_rule() -> None:
    """What becomes of each field is said for every field there is."""
    assert set(LOCAL) <= set(dialect("anthropic").rules)


def test_the_call() -> None:
    """A request goes to the Messages API with its version, as a stream, and with the max_tokens that it demands."""
    built = call("anthropic", request("hi"), ADAPTIVE)
    assert (built.method, built.url, built.stream) == ("POST", "https://api.anthropic.com/v1/messages", True)
    assert built.headers == {"anthropic-version": "2023-06-01"}
    assert built.body == {
        "model": ADAPTIVE, "max_tokens": 4096, "stream": True, "messages": [{"role": "user", "content": "hi"}],
    }  # fmt: skip


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (OLD, {"temperature": 1, "top_p": 0.5, "top_k": 40}, {"temperature": 1, "top_p": 0.5, "top_k": 40}),
    (OLD, {"stop": "END"}, {"stop_sequences": ["END"]}),
    (OLD, {"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    (OLD, {"max_tokens": 7}, {"max_tokens": 7}),
    (OLD, {"max_tokens": 7, "max_completion_tokens": 8}, {"max_tokens": 8}),
    (OLD, {"n": 1, "frequency_penalty": 0, "logprobs": False, "user": "u1", "store": True, "seed": None}, {}),
    (OLD, {"stream": True, "stream_options": {"include_usage": True}, "metadata": {"a": "b"}}, {}),
    (OLD, {"service_tier": "auto"}, {"service_tier": "auto"}),
    (OLD, {"service_tier": "default"}, {"service_tier": "standard_only"}),
    (OLD, {"reasoning_effort": "none"}, {}),
    (NEWEST, {"temperature": 1}, {}),
    (BUDGETED, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
    (
        BUDGETED,
        {"reasoning_effort": "medium"},
        {"max_tokens": 4096 + 8192, "thinking": {"type": "enabled", "budget_tokens": 8192}},
    ),
    (
        BUDGETED,
        {"reasoning_effort": "high", "max_tokens": 5000},
        {"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 4999}},
    ),
    (
        ADAPTIVE,
        {"reasoning_effort": "minimal", "temperature": 1},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    ),
    (
        NEWEST,
        {"reasoning_effort": "max"},
        {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}},
    ),
    (ADAPTIVE, {"response_format": SHAPED}, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    (ADAPTIVE, {"json_schema": SCHEMA}, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    (ADAPTIVE, {"response_format": {"type": "text"}}, {}),
    (
        ADAPTIVE,
        {"reasoning_effort": "low", "response_format": SHAPED},
        {
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        },
    ),
    (
        ADAPTIVE,
        {"extra_body": {"metadata": {"user_id": "u"}, "max_tokens": 9, "output_config": {"x": 1}}},
        {"metadata": {"user_id": "u"}, "max_tokens": 9, "output_config": {"x": 1}},
    ),
]


@pytest.mark.parametrize(("model", "fields", "sent"), FIELDS)
def test_fields(model: str, fields: dict[str, Any], sent: dict[str, Any]) -> None:
    """Each field that is honoured is sent under the name and in the shape of the API, and nothing else."""
    found = body("anthropic", model=model, **fields)
    assert found == {
        "model": model, "stream": True, "max_tokens": 4096, "messages": [{"role": "user", "content": "hi"}], **sent,
    }  # fmt: skip


TOOLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
    ({"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
    ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
    (
        {"tool_choice": picked("tide")},
        {"tool_choice": {"type": "tool", "name": "tide"}},
    ),
    ({"parallel_tool_calls": True}, {}),
    ({"parallel_tool_calls": False}, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    (
        {"parallel_tool_calls": False, "tool_choice": "required"},
        {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    ),
]


@pytest.mark.parametrize(("fields", "sent"), TOOLS)
def test_tools(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    """Tools, and what is said of their use, have the shape of the API."""
    found = body("anthropic", tools=[TIDE], **fields)
    schema = TIDE["function"]["parameters"]
    assert found["tools"] == [{"name": "tide", "description": "height", "input_schema": schema}]
    assert {k: v for k, v in found.items() if k == "tool_choice"} == sent


def test_tools_of_its_own_go_as_they_are() -> None:
    """A tool that the provider itself runs is sent as it was given."""
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    bare = {"type": "function", "function": {"name": "now", "strict": True}}
    assert body("anthropic", tools=[search, bare])["tools"] == [
        {"name": "now", "input_schema": {"type": "object", "properties": {}}, "strict": True},
        search,
    ]


MESSAGES: list[tuple[list[Any], dict[str, Any]]] = [
    (
        [{"role": "system", "content": "be brief"}, "hi", {"role": "developer", "content": "and kind"}],
        {"system": "be brief\n\nand kind", "messages": [{"role": "user", "content": "hi"}]},
    ),
    (
        ["one", "two"],
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}]},
    ),
    (
        [{"role": "user", "content": [{"type": "text", "text": "what?"}, PICTURE]}],
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what?"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    ],
                }
            ]
        },
    ),
    (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}]}],
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image", "source": {"type": "url", "url": "https://x.org/a.png"}}],
                }
            ]
        },
    ),
    (
        [
            {
                "role": "user",
                "content": [
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                    },
                    {"type": "file", "file": {"file_data": "data:text/plain,kelp%20drifts"}},
                ],
            }
        ],
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                            "title": "a.pdf",
                        },
                        {
                            "type": "document",
                            "source": {"type": "text", "media_type": "text/plain", "data": "kelp drifts"},
                        },
                    ],
                }
            ]
        },
    ),
    (
        ["hi", {"role": "assistant", "content": "kelp dri"}],
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "kelp dri"}]},
    ),
    (
        [
            "hi",
            {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "t2"}]},
            {"role": "tool", "tool_call_id": "t1", "content": "6 m"},
            {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": ""}]},
            "and now?",
        ],
        {
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "tool_use", "id": "t1", "name": "tide", "input": {"port": "Brest"}},
                        {"type": "tool_use", "id": "t2", "name": "tide", "input": {"port": "Brest"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": "6 m"},
                        {"type": "tool_result", "tool_use_id": "t2"},
                        {"type": "text", "text": "and now?"},
                    ],
                },
            ]
        },
    ),
    (
        ["hi", {"role": "assistant", "content": ""}, "still there?"],
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "still there?"}]}
            ]
        },
    ),
]


@pytest.mark.parametrize(("messages", "sent"), MESSAGES)
def test_messages(messages: list[Any], sent: dict[str, Any]) -> None:
    """Messages of every role and kind have the API's shape: system in front, neighbours merged, results the user's."""
    found = body("anthropic", *messages)
    assert {k: v for k, v in found.items() if k in {"system", "messages"}} == sent


THOUGHT = {"type": "thinking", "thinking": "weigh it", "signature": "c2ln"}
SEALED = {"type": "redacted_thinking", "data": "x"}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "kelp"}}
BEFORE = {"type": "text", "text": "Let me look. "}


@pytest.mark.parametrize(
    ("kept", "content", "blocks"),
    [
        ([THOUGHT, SEALED], "kelp", [THOUGHT, SEALED, {"type": "text", "text": "kelp"}]),
        ([THOUGHT], None, [THOUGHT]),
        (
            [{"type": "of_tomorrow", "x": 1}],
            "kelp",
            [{"type": "of_tomorrow", "x": 1}, {"type": "text", "text": "kelp"}],
        ),
        ([BEFORE, SEARCH], "Let me look. It drifts.", [BEFORE, SEARCH, {"type": "text", "text": "It drifts."}]),
        ([BEFORE, SEARCH], "Let me look. ", [BEFORE, SEARCH]),
        ([BEFORE, SEARCH], "I changed it.", [SEARCH, {"type": "text", "text": "I changed it."}]),
        ([{"type": "reasoning.text", "text": "another wire's"}, {"thoughtSignature": "x"}], "kelp", "kelp"),
        ([{"type": "thinking", "thinking": "unsigned"}], "kelp", "kelp"),
    ],
)
def test_what_was_kept_goes_back(kept: list[Any], content: str | None, blocks: Any) -> None:
    """Signed thoughts and blocks of the provider's own tools go back as they came and where they stood."""
    calls = {"tool_calls": [CALL]} if content is None else {}
    said = {"role": "assistant", "content": content, "reasoning_details": kept, **calls}
    found = body("anthropic", "hi", said, {"role": "tool", "tool_call_id": "t1", "content": "x"} if calls else "go on")
    used = [{"type": "tool_use", "id": "t1", "name": "tide", "input": {"port": "Brest"}}] if calls else []
    assert found["messages"][1]["content"] == (blocks if isinstance(blocks, str) else [*blocks, *used])


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (OLD, {"temperature": 1.5}, "temperature", "Anthropic takes 0 to 1"),
    (OLD, {"n": 2}, "n", "one answer a request"),
    (OLD, {"seed": 1}, "seed", "takes no seed"),
    (OLD, {"frequency_penalty": 0.5}, "frequency_penalty", "no penalties"),
    (OLD, {"logit_bias": {5: 1}}, "logit_bias", "not public"),
    (OLD, {"logprobs": True}, "logprobs", "ask a local model"),
    (OLD, {"min_p": 0.1}, "min_p", "nothing like it"),
    (OLD, {"grammar": "root ::= x"}, "grammar", "nothing like it"),
    (OLD, {"functions": [{"name": "f"}]}, "functions", "use tools"),
    (OLD, {"service_tier": "priority"}, "service_tier", "takes 'auto' and 'default'"),
    (OLD, {"reasoning_effort": "low"}, "reasoning_effort", "does not think"),
    (OLD, {"response_format": SHAPED}, "response_format", "no structured outputs"),
    (OLD, {"modalities": ["text", "audio"]}, "modalities", "only text"),
    (NEWEST, {"temperature": 0.5}, "temperature", "samples by itself"),
    (NEWEST, {"top_k": 5}, "top_k", "samples by itself"),
    (ADAPTIVE, {"response_format": {"type": "json_object"}}, "response_format", "by a schema"),
    (ADAPTIVE, {"response_format": {"type": "json_schema"}}, "response_format", "'json_schema': {'name'"),
    (ADAPTIVE, {"reasoning_effort": "low", "temperature": 0.5}, "temperature", "leave one out"),
    (ADAPTIVE, {"reasoning_effort": "low", "top_k": 5}, "top_k", "leave one out"),
    (ADAPTIVE, {"reasoning_effort": "low", "top_p": 0.9}, "top_p", "leave it out"),
    (ADAPTIVE, {"reasoning_effort": "low", "tools": [TIDE], "tool_choice": "required"}, "tool_choice", "'auto' or"),
    (BUDGETED, {"reasoning_effort": "low", "max_tokens": 1000}, "max_tokens", "no room to think"),
    (ADAPTIVE, {"tool_choice": "required"}, "tool_choice", "needs tools"),
    (ADAPTIVE, {"tools": [TIDE], "tool_choice": picked("tyde")}, "tool_choice", "no tool 'tyde'"),
    (ADAPTIVE, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools", "use a function"),
    (ADAPTIVE, {"tools": [{"type": "function", "function": {}}]}, "tools", "needs a name"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "fields", "param", "words"), REFUSED)
def test_what_is_refused(model: str, fields: dict[str, Any], param: str, words: str) -> None:
    """A field or a value that Claude does not take is refused by name, with what to do instead."""
    with pytest.raises(BadRequest, match=words) as raised:
        body("anthropic", model=model, **fields)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "user", "content": ""}, "messages.0 is empty"),
        (part("input_audio", data="AA==", format="wav"), "input_audio"),
        (part("image_url", url="/home/x.png"), "begins with https"),
        (part("image_url", url="gs://b/x.png"), "takes no pictures"),
        (part("image_url", url="data:image/png;base64,é"), "no base64"),
        (part("image_url", url="data:image/png;base64,AAA"), "no base64"),
        (part("file", file_id="file-1"), "needs file_data"),
        (part("file", file_data="data:application/zip;base64,UEs="), "PDF"),
        ({"role": "assistant", "content": [PICTURE]}, "an answer of Anthropic takes no pictures"),
        ({"role": "tool", "content": "6 m"}, "needs tool_call_id"),
        ({"role": "function", "name": "f", "content": "6 m"}, "use 'tool'"),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}, "use tool_calls"),
        (called("{"), "no JSON"),
        (called('{"x": NaN}'), "no JSON"),
        (called("[1]"), "JSON object"),
        ({"role": "assistant", "tool_calls": [{"id": "t"}]}, "function with a name"),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_said(message: dict[str, Any], words: str) -> None:
    """A message that the API cannot say is refused by its number, and nothing of it is dropped."""
    with pytest.raises(BadRequest, match=words) as raised:
        body("anthropic", message)
    assert raised.value.param == "messages"
    assert "messages.0" in str(raised.value)


def test_a_value_out_of_range_is_unsupported() -> None:
    """Programs can tell a value that is refused from a field that is."""
    with pytest.raises(BadRequest) as raised:
        body("anthropic", temperature=1.5)
    assert raised.value.code == "unsupported_value"


def test_the_most_of_the_model_is_asked_for() -> None:
    """Where the card says how much a model answers, that much may come."""
    aim = target("anthropic", ADAPTIVE)
    known = target_of(aim.provider, ADAPTIVE, dialect("anthropic").rules, (), most_output=64000)
    built = dialect("anthropic").build(request(), known).body
    assert built is not None
    assert built["max_tokens"] == 64000


def test_the_user_is_sent_where_the_provider_says_so() -> None:
    """`user` stays here unless the provider's own field rule names where it goes."""
    provider = Provider(
        name="mine", base_url="https://gate.example/v1", dialect="anthropic", headers={"Anthropic-Version": "2024"},
        fields={"user": {"status": "honoured", "wire": "metadata.user_id"}},
    )  # fmt: skip
    aim = target_of(provider, "claude-x", dialect("anthropic").rules, ())
    built = dialect("anthropic").build(request(user="u1"), aim)
    assert built.body is not None
    assert built.body["metadata"] == {"user_id": "u1"}
    assert (built.url, dict(built.headers)) == ("https://gate.example/v1/messages", {})


def test_going_on_with_its_own_words() -> None:
    """A model is given the beginning of its answer where that works: not while it thinks, nor with newer ones."""
    begun = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "kelp"}]
    with pytest.raises(BadRequest, match="reasoning_effort='none'"):
        body("anthropic", *begun, model=BUDGETED, reasoning_effort="low")
    able = [bool(target("anthropic", model).settings.get("prefill")) for model in (OLD, BUDGETED, ADAPTIVE, NEWEST)]
    assert able == [True, True, False, False]
