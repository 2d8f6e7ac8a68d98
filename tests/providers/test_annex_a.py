"""What went wrong in the templates that translated requests and replies before: each is a promise here.

The defects are those of Jan's and cortex's records of providers, whose templates were text pasted into JSON.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import BadRequest, HubError
from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, serve
from tests.providers.talk import JSON, NDJSON, SSE, answered, body, ndjson, request, sse

TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": 'one "quoted"\nline'},
    {"role": "assistant", "content": "two \\ back"},
    {"role": "user", "content": "three"},
]
KEY = "sk-annex-0123456789abcdef"
HOSTILE = [
    '"}],"x":[{"', "event: error\ndata: {}", "message_stop", "data: [DONE]\r\n\r\n", "{{ key }}{% for %}",
    "\u2028\x1c", ".",
]  # fmt: skip
START = {"type": "message_start", "message": {"usage": {"input_tokens": 3}}}


def claude(*events: dict[str, Any], reason: str | None = "end_turn") -> bytes:
    """A stream of Anthropic's."""
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}}
    return sse(START, *events, end, {"type": "message_stop"})


def piece(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    """A delta of a block."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def test_cohere_gets_the_whole_history() -> None:
    """Every turn reaches Cohere, under the names that its API knows, whatever stands in the text."""
    assert body("cohere", *TALK)["messages"] == TALK


def test_cohere_answers_have_nothing_made_up(own_hub: Hub) -> None:
    """No fingerprint is stamped on an answer, its time is a number, its finish reason OpenAI's, its model as asked."""
    end = {"type": "message-end", "delta": {"finish_reason": "MAX_TOKENS"}}
    with serve(
        Reply(sse({"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}}, end), headers=SSE)
    ) as at:
        own_hub.providers.add("corp", base_url=at.url, dialect="cohere", key=KEY)
        made = own_hub.chat("hi", model="corp/m").json()
    assert made["choices"][0]["finish_reason"] == "length"
    assert not made.get("system_fingerprint")
    assert isinstance(made["created"], int)
    assert made["model"] == "corp/m"
    assert "usage" not in made


def test_anthropic_requests_have_only_what_the_api_knows() -> None:
    """`stop` is renamed, a limit is there, system messages go in front wherever they stand, no field is passed on."""
    found = body("anthropic", *TALK[1:], TALK[0], stop="END", user="u", store=True, top_k=3)
    assert found.keys() == {"model", "max_tokens", "stream", "system", "messages", "stop_sequences", "top_k"}
    assert found["system"] == "be brief"
    assert found["messages"] == TALK[1:]


@pytest.mark.parametrize("field", [{"n": 2}, {"logprobs": True}, {"seed": 1}, {"logit_bias": {1: 1}}])
def test_what_anthropic_does_not_know_is_not_passed_on(field: dict[str, Any]) -> None:
    """A field that the API rejects is refused here, by its name."""
    with pytest.raises(BadRequest, match=next(iter(field))):
        body("anthropic", **field)


def test_empty_content_is_not_filled_in() -> None:
    """Nothing is put into an empty message; who sends one is told."""
    with pytest.raises(BadRequest, match=r"messages\.0 is empty"):
        body("anthropic", {"role": "user", "content": ""})


def test_anthropic_answers_have_choices() -> None:
    """A message that comes whole is OpenAI's shape all the same."""
    said = {"content": [{"type": "text", "text": "kelp"}], "stop_reason": "max_tokens", "usage": {"output_tokens": 2}}
    (choice,) = answered("anthropic", json.dumps(said).encode(), JSON).json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("kelp", "length")


def test_only_the_end_ends_an_answer() -> None:
    """The end of a block is none of the message; thoughts and calls between are told; the usage is kept."""
    events = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        piece("text_delta", text="a"),
        {"type": "content_block_stop", "index": 0},
        piece("thinking_delta", 1, thinking="hm"),
        {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        piece("input_json_delta", 2, partial_json="{}"),
        {"type": "content_block_stop", "index": 2},
        piece("text_delta", 3, text="b"),
    ]
    response = answered("anthropic", claude(*events, reason="tool_use"))
    chunks = [choice["finish_reason"] for chunk in response.chunks() for choice in chunk["choices"]]
    assert [reason for reason in chunks if reason] == ["tool_calls"]
    assert (response.text(), response.reasoning, len(response.tool_calls)) == ("ab", "hm", 1)
    assert response.usage()["total_tokens"] == 5


@pytest.mark.parametrize("text", HOSTILE)
def test_text_cannot_be_read_as_anything_else(text: str) -> None:
    """What stands in a text, asked or answered, is that text: no part of the JSON, of the stream or of a template."""
    message = {"role": "user", "content": text}
    for name in ("anthropic", "gemini", "cohere", "ollama", "openai"):
        assert json.dumps(text) in json.dumps(body(name, message))
    assert answered("anthropic", claude(piece("text_delta", text=text))).text() == text
    part = {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]}
    assert answered("gemini", sse(part)).text() == text
    cohere = {"type": "content-delta", "delta": {"message": {"content": {"text": text}}}}
    end = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}
    assert answered("cohere", sse(cohere, end)).text() == text
    assert answered("ollama", ndjson({"message": {"content": text}, "done": True}), NDJSON).text() == text


@pytest.mark.parametrize("name", ["anthropic", "gemini", "cohere", "ollama"])
def test_a_list_that_is_an_error_is_no_empty_list(own_hub: Hub, name: str) -> None:
    """A wrong key does not look like a provider without models."""
    with serve(Reply(b'{"error": {"message": "invalid x-api-key"}}', 401, JSON)) as at:
        own_hub.providers.add("corp", base_url=at.url, dialect=name, key=KEY)
        with pytest.raises(HubError, match="invalid x-api-key"):
            own_hub.providers.models("corp", refresh=True)


def test_requests_are_never_sent_untranslated() -> None:
    """Where a request cannot be said in the provider's words, nothing is sent instead of it."""
    asked = request(
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]}
    )
    for name in ("anthropic", "cohere", "ollama"):
        with pytest.raises(BadRequest, match="input_audio"):
            body(name, *[m.model_dump(exclude_none=True) for m in asked.messages])
