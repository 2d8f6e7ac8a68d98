"""What a conversation sends back of an answer: thoughts to the model they came from, and no open tool calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, Request, Server, serve
from tests.providers.talk import SSE, sse

BLOCK = {"type": "reasoning.encrypted", "data": "abc", "index": 0}
TIDE = {"index": 0, "id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Brest"}'}}
WIND = {**TIDE, "index": 1, "id": "c2", "function": {"name": "wind", "arguments": "{}"}}


def reply(finish: str = "stop", **delta: Any) -> bytes:
    return sse({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, "[DONE]")


@pytest.fixture
def replies() -> list[bytes]:
    """What the provider answers, in turn."""
    return []


@pytest.fixture
def server(own_hub: Hub, replies: list[bytes]) -> Iterator[Server]:
    """The provider `corp`, which takes what it gave for thoughts back, as OpenRouter does."""

    def answer(request: Request) -> Reply:
        return Reply(replies[min(request.number, len(replies) - 1)], headers=SSE)

    with serve(answer) as serving:
        own_hub.providers.add("corp", base_url=f"{serving.url}/v1", dialect="openrouter", needs_key=False)
        yield serving


def sent(server: Server) -> list[dict[str, Any]]:
    return list(server.requests[-1].json()["messages"])


def test_blobs_go_back_to_the_model_they_came_from(own_hub: Hub, server: Server, replies: list[bytes]) -> None:
    """The next turn sends signed and encrypted thoughts back as they came; another model of the provider gets none."""
    replies += [reply(content="kelp", reasoning="hm", reasoning_details=[BLOCK])]
    for model in ("corp/a", "corp/a", "corp/b"):
        own_hub.chat("hi", model=model, conversation="c").text()
    requests = [r.json()["messages"] for r in server.requests]
    assert requests[1][1]["reasoning_details"] == [BLOCK]
    assert all("reasoning_details" not in m and "reasoning_content" not in m for m in requests[2])
    assert [m["content"] for m in requests[2]] == ["hi", "kelp", "hi", "kelp", "hi"]


def test_a_local_model_reads_on(own_hub: Hub, server: Server, replies: list[bytes]) -> None:
    """A conversation with thoughts in it goes on with a local model, which is sent the text alone."""
    replies += [reply(content="kelp", reasoning="hm", reasoning_details=[BLOCK])]
    own_hub.chat("hi", model="corp/a", conversation="c").text()
    local = own_hub.chat("and?", model="tiny-chat", conversation="c", temperature=0, max_tokens=2)
    assert local.text() and [m.content for m in local.request.messages] == ["hi", "kelp", "and?"]
    assert "hm" not in local.debug["prompt"]


def test_a_call_nobody_answered_is_not_sent_back(own_hub: Hub, server: Server, replies: list[bytes]) -> None:
    """Providers refuse tool calls without results: an open call is left out, and a note says so."""
    replies += [reply("tool_calls", content="wait", tool_calls=[TIDE]), reply(content="fine")]
    own_hub.chat("hi", model="corp/a", conversation="c").text()
    response = own_hub.chat("never mind", model="corp/a", conversation="c")
    assert response.text() == "fine"
    assert [(m["role"], m["content"]) for m in sent(server)] == [
        ("user", "hi"), ("assistant", "wait"), ("user", "never mind"),
    ]  # fmt: skip
    assert not any("tool_calls" in m for m in sent(server))
    assert response.notes == ["not answered, so not sent back: the call of tide"]


@pytest.mark.usefixtures("server")
def test_open_calls_of_one_tool_are_counted(own_hub: Hub, replies: list[bytes]) -> None:
    """Two open calls of one tool are said once, with their number."""
    replies += [reply("tool_calls", tool_calls=[TIDE, {**TIDE, "id": "c9"}]), reply(content="fine")]
    own_hub.chat("hi", model="corp/a", conversation="c").text()
    response = own_hub.chat("never mind", model="corp/a", conversation="c")
    assert response.text() == "fine" and response.notes == ["not answered, so not sent back: 2 calls of tide"]


def test_a_call_that_is_answered_goes_back(own_hub: Hub, server: Server, replies: list[bytes]) -> None:
    """A call with a result behind it is sent as it came; another one beside it that has none is not."""
    replies += [reply("tool_calls", tool_calls=[TIDE, WIND]), reply(content="6 m")]
    own_hub.chat("hi", model="corp/a", conversation="c").text()
    result = {"role": "tool", "tool_call_id": "c1", "content": "6"}
    response = own_hub.chat([result], model="corp/a", conversation="c")
    assert response.text() == "6 m" and response.notes == ["not answered, so not sent back: the call of wind"]
    (call,) = sent(server)[1]["tool_calls"]
    assert (call["id"], json.loads(call["function"]["arguments"])) == ("c1", {"port": "Brest"})
    assert sent(server)[2] == result
