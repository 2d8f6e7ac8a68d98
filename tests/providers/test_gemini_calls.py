"""Requests of the dialect `gemini`: what is sent, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.providers.dialects import dialect
from tests.providers.talk import PICTURE, PIXEL, SCHEMA, SHAPED, TIDE, body, call, called, part, picked, request, target

OLD, BUDGETED, NEWEST = "gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-pro"
HI = {"role": "user", "parts": [{"text": "hi"}]}


def test_every_field_has_a_rule() -> None:
    """What becomes of each field is said for every field there is."""
    assert set(LOCAL) <= set(dialect("gemini").rules)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-x", "models/gemini-x"),
        ("models/gemini-x", "models/gemini-x"),
        ("tunedModels/mine-1", "tunedModels/mine-1"),
        ("x?key=1#y", "models/x%3Fkey%3D1%23y"),
    ],
)
def test_the_call(model: str, path: str) -> None:
    """A request goes to the model's own address, asks for server-sent events, and has no key in it."""
    built = call("gemini", request("hi"), model)
    base = "https://generativelanguage.googleapis.com/v1beta"
    assert (built.method, built.url, built.stream) == ("POST", f"{base}/{path}:streamGenerateContent?alt=sse", True)
    assert built.body == {"contents": [HI]}
    assert target("gemini").provider.key_header == "x-goog-api-key"


@pytest.mark.parametrize("model", ["..", "models/../files", "a//b", "/a"])
def test_ids_that_are_paths(model: str) -> None:
    """A model's id cannot lead to another address."""
    with pytest.raises(BadRequest, match="no id of a model"):
        call("gemini", request(), model)


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (NEWEST, {"temperature": 2, "top_p": 0.5, "top_k": 40}, {"temperature": 2, "topP": 0.5, "topK": 40}),
    (NEWEST, {"max_tokens": 7}, {"maxOutputTokens": 7}),
    (NEWEST, {"max_tokens": 7, "max_completion_tokens": 8}, {"maxOutputTokens": 8}),
    (NEWEST, {"stop": "END"}, {"stopSequences": ["END"]}),
    (NEWEST, {"n": 2, "seed": 5}, {"candidateCount": 2, "seed": 5}),
    (NEWEST, {"frequency_penalty": 1, "presence_penalty": -1}, {"frequencyPenalty": 1, "presencePenalty": -1}),
    (NEWEST, {"logprobs": True}, {"responseLogprobs": True}),
    (NEWEST, {"logprobs": True, "top_logprobs": 20}, {"responseLogprobs": True, "logprobs": 20}),
    (NEWEST, {"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
    (
        NEWEST,
        {"response_format": SHAPED},
        {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
    ),
    (OLD, {"json_schema": SCHEMA}, {"responseMimeType": "application/json", "responseSchema": SCHEMA}),
    (NEWEST, {"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True}}),
    (NEWEST, {"reasoning_effort": "max"}, {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}}),
    (BUDGETED, {"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}),
    (BUDGETED, {"reasoning_effort": "medium"}, {"thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": True}}),
    (OLD, {"reasoning_effort": "none"}, {}),
    (NEWEST, {"user": "u1", "store": True, "parallel_tool_calls": True, "logit_bias": {}, "service_tier": "auto"}, {}),
]


@pytest.mark.parametrize(("model", "fields", "config"), FIELDS)
def test_fields(model: str, fields: dict[str, Any], config: dict[str, Any]) -> None:
    """Each field that is honoured is sent under the name and in the shape of the API, and nothing else."""
    found = body("gemini", model=model, **fields)
    assert found == {"contents": [HI], **({"generationConfig": config} if config else {})}


def test_extra_body_has_the_last_word() -> None:
    """What is given for the body is merged into it deeply, and takes the place of what stands there."""
    extra = {"generationConfig": {"topK": 1, "responseModalities": ["TEXT", "IMAGE"]}, "safetySettings": []}
    assert body("gemini", top_k=5, temperature=1, extra_body=extra) == {
        "contents": [HI],
        "generationConfig": {"topK": 1, "temperature": 1, "responseModalities": ["TEXT", "IMAGE"]},
        "safetySettings": [],
    }


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (picked("tide"), {"mode": "ANY", "allowedFunctionNames": ["tide"]}),
        (None, None),
    ],
)
def test_tools(choice: Any, config: Any) -> None:
    """Functions are declared, what is said of their use has the API's shape, Google's own tools go as they are."""
    found = body("gemini", tools=[TIDE, {"google_search": {}}], tool_choice=choice)
    schema = TIDE["function"]["parameters"]
    declared = {"name": "tide", "description": "height", "parametersJsonSchema": schema}
    assert found["tools"] == [{"functionDeclarations": [declared]}, {"google_search": {}}]
    assert found.get("toolConfig") == (config and {"functionCallingConfig": config})
    old = body("gemini", model=OLD, tools=[TIDE])["tools"][0]["functionDeclarations"]
    assert old == [{"name": "tide", "description": "height", "parameters": schema}]


RESULT = {"role": "tool", "tool_call_id": "t1", "content": "6 m"}
USED = {"functionCall": {"name": "tide", "args": {"port": "Brest"}}}
MESSAGES: list[tuple[list[Any], dict[str, Any]]] = [
    (
        [{"role": "system", "content": "be brief"}, "hi", {"role": "developer", "content": "and kind"}],
        {"systemInstruction": {"parts": [{"text": "be brief\n\nand kind"}]}, "contents": [HI]},
    ),
    (["hi", "you"], {"contents": [{"role": "user", "parts": [{"text": "hi"}, {"text": "you"}]}]}),
    (
        ["hi", {"role": "assistant", "content": "kelp dri"}],
        {"contents": [HI, {"role": "model", "parts": [{"text": "kelp dri"}]}]},
    ),
    (
        [{"role": "user", "content": [{"type": "text", "text": "what?"}, PICTURE]}],
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [{"text": "what?"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
                }
            ]
        },
    ),
    (
        [part("image_url", url="https://x.org/a.png?w=1")],
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "https://x.org/a.png?w=1"}}],
                }
            ]
        },
    ),
    (
        [part("input_audio", data="AAAA", format="wav"), part("file", file_id="gs://b/x")],
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
                        {"fileData": {"fileUri": "gs://b/x"}},
                    ],
                }
            ]
        },
    ),
    (
        ["hi", called('{"port": "Brest"}'), RESULT],
        {
            "contents": [
                HI,
                {"role": "model", "parts": [USED]},
                {"role": "user", "parts": [{"functionResponse": {"name": "tide", "response": {"result": "6 m"}}}]},
            ]
        },
    ),
    (
        ["hi", called('{"port": "Brest"}'), {**RESULT, "content": '{"m": 6}'}, "and now?"],
        {
            "contents": [
                HI,
                {"role": "model", "parts": [USED]},
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "tide", "response": {"m": 6}}},
                        {"text": "and now?"},
                    ],
                },
            ]
        },
    ),
    (
        [
            "hi",
            called("{}", extra_content={"google": {"id": "t1", "thought_signature": "c2ln"}}),
            {**RESULT, "content": "[1]"},
        ],
        {
            "contents": [
                HI,
                {
                    "role": "model",
                    "parts": [{"functionCall": {"id": "t1", "name": "tide", "args": {}}, "thoughtSignature": "c2ln"}],
                },
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"id": "t1", "name": "tide", "response": {"result": [1]}}}],
                },
            ]
        },
    ),
]


@pytest.mark.parametrize(("messages", "sent"), MESSAGES)
def test_messages(messages: list[Any], sent: dict[str, Any]) -> None:
    """Messages of every role and kind have the API's shape; results go back under their function's name."""
    assert body("gemini", *messages) == sent


SIGNED = {"text": "drifts ", "thoughtSignature": "c2ln"}
ALONE = {"text": "", "thoughtSignature": "YWxv"}


@pytest.mark.parametrize(
    ("kept", "content", "parts"),
    [
        ([SIGNED], "kelp drifts slowly", [{"text": "kelp "}, SIGNED, {"text": "slowly"}]),
        ([SIGNED], "another text", [{"text": "another text"}]),
        ([ALONE], "kelp", [{"text": "kelp"}, ALONE]),
        ([SIGNED, ALONE], "drifts ", [SIGNED, ALONE]),
        ([{"type": "thinking", "thinking": "x", "signature": "y"}], "kelp", [{"text": "kelp"}]),
    ],
)
def test_signatures_go_back_on_their_part(kept: list[Any], content: str, parts: list[Any]) -> None:
    """A thought's signature stands on the part of the text it came on."""
    said = {"role": "assistant", "content": content, "reasoning_details": kept}
    assert body("gemini", "hi", said, "and?")["contents"][1]["parts"] == parts


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (NEWEST, {"stop": list("abcdef")}, "stop", "takes at most 5"),
    (NEWEST, {"n": 9}, "n", "takes 1 to 8"),
    (NEWEST, {"seed": 1 << 40}, "seed", "takes -2.147"),
    (NEWEST, {"logit_bias": {5: 1}}, "logit_bias", "has none"),
    (NEWEST, {"parallel_tool_calls": False}, "parallel_tool_calls", "one call in the prompt"),
    (NEWEST, {"reasoning_effort": "none"}, "reasoning_effort", "always thinks"),
    (OLD, {"reasoning_effort": "low"}, "reasoning_effort", "does not think"),
    (NEWEST, {"min_p": 0.1}, "min_p", "nothing like it"),
    (NEWEST, {"verbosity": "low"}, "verbosity", "answer briefly"),
    (NEWEST, {"service_tier": "flex"}, "service_tier", "OpenAI's own"),
    (NEWEST, {"tool_choice": "required"}, "tool_choice", "needs functions"),
    (NEWEST, {"tool_choice": {"type": "allowed_tools"}}, "tool_choice", "'none', 'auto'"),
]


@pytest.mark.parametrize(("model", "fields", "param", "words"), REFUSED)
def test_what_is_refused(model: str, fields: dict[str, Any], param: str, words: str) -> None:
    """A field or a value that Gemini does not take is refused by name, with what to do instead."""
    with pytest.raises(BadRequest, match=words) as raised:
        body("gemini", model=model, **fields)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"role": "user", "content": ""}], "messages.0 is empty"),
        (["hi", RESULT], "no assistant's message before it"),
        ([{"role": "system", "content": [PICTURE]}, "hi"], "takes no pictures"),
    ],
)
def test_messages_that_cannot_be_said(messages: list[Any], words: str) -> None:
    """A message that the API cannot say is refused by its number."""
    with pytest.raises(BadRequest, match=words):
        body("gemini", *messages)
