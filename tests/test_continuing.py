"""Going on with an answer that broke off, was stopped or reached its limit: one answer again, local and remote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from modelhub.errors import BadRequest, StreamTruncated
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.providers.replay import Reply, Request, Server, serve
from tests.providers.talk import SSE, sse

STORY = {"temperature": 0, "model": "tiny-chat"}


def said(*texts: str, finish: str | None = None, **delta: Any) -> bytes:
    """A stream of OpenAI's with these texts; without a finish reason it ends too early."""
    chunks: list[dict[str, Any] | str] = [{"choices": [{"index": 0, "delta": {"content": t, **delta}}]} for t in texts]
    if finish is not None:
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, "[DONE]"]
    return sse(*chunks)  # type: ignore[arg-type]  # mappings and text


@pytest.fixture
def replies() -> list[bytes]:
    """What the provider answers, in turn."""
    return []


@pytest.fixture
def server(own_hub: Hub, replies: list[bytes]) -> Iterator[Server]:
    """The provider `corp`."""

    def answer(request: Request) -> Reply:
        return Reply(replies[min(request.number, len(replies) - 1)], headers=SSE)

    with serve(answer) as serving:
        own_hub.providers.add("corp", base_url=f"{serving.url}/v1", dialect="generic", settings={"tries": 1})
        yield serving


def sent(server: Server) -> list[dict[str, Any]]:
    """The messages of the last request."""
    return list(server.requests[-1].json()["messages"])


def test_a_local_answer_goes_on_as_if_it_had_not_ended(hub: Hub) -> None:
    """An answer cut at its limit and gone on with is, token for token, the one that a higher limit gives."""
    whole = hub.chat("Tell me a story.", max_tokens=40, logprobs=True, **STORY)
    begun = hub.chat("Tell me a story.", max_tokens=12, logprobs=True, conversation="a", **STORY)
    assert begun.text() and begun.finish_reason == "length"
    answer = hub.continue_answer(begun, max_tokens=28)
    assert answer.text() == whole.text() and answer.finish_reason == whole.finish_reason
    assert [e["token"] for e in answer.logprobs] == [e["token"] for e in whole.logprobs]
    assert "".join(answer) == answer.text() and answer.begun == len(begun.text())
    (turn,) = hub.conversations.get("a").turns  # type: ignore[union-attr]  # it is there
    assert turn.response is answer and [m.content for m in turn.messages()] == ["Tell me a story.", whole.text()]
    again = Response.from_dict(json.loads(json.dumps(answer.to_dict())))
    assert (again.begun, again.origin, again.text()) == (answer.begun, begun.request, answer.text())
    thrice = hub.continue_answer(again, max_tokens=5)
    assert thrice.text().startswith(whole.text()) and thrice.origin == begun.request


def test_a_broken_answer_goes_on(own_hub: Hub, server: Server, replies: list[bytes]) -> None:
    """A truncated answer is sent back with a request to go on; what comes is added to it, in the turn's place."""
    replies += [said("kelp ", "drifts"), said(" slowly", finish="length"), said("yes", finish="stop")]
    broken = own_hub.chat("hi", model="corp/m", conversation="c", system="Be brief.", temperature=0.5)
    with pytest.raises(StreamTruncated):
        broken.text()
    answer = own_hub.continue_answer()
    assert answer.text() == "kelp drifts slowly" and answer.error is None and answer.complete
    messages = sent(server)
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == "kelp drifts" and "cut off" in messages[3]["content"]
    assert server.requests[-1].json()["temperature"] == 0.5
    assert answer.notes == ["goes on after 11 characters"]
    own_hub.chat("really?", model="corp/m", conversation="c").text()
    assert [m["content"] for m in sent(server)] == ["Be brief.", "hi", "kelp drifts slowly", "really?"]
    conversation = own_hub.conversations.get("c")
    assert conversation is not None and len(conversation.turns) == 2
    assert conversation.turns[0].system == "Be brief."
    back = own_hub.continue_answer(conversation.turns[0].response)
    assert back.text() == "kelp drifts slowlyyes"
    assert "turn 2, built on it, is not sent any more" in back.notes[-1]


def test_it_can_break_off_again(own_hub: Hub, server: Server, replies: list[bytes]) -> None:
    """What came of a second try is kept with the first, and a third goes on from there, in what was asked first."""
    replies += [said("one "), said("two "), said("three", finish="stop")]
    broken = own_hub.chat("hi", model="corp/m", conversation="c")
    for _ in range(2):
        with pytest.raises(StreamTruncated):
            broken.text()
        broken = own_hub.continue_answer()
    assert broken.text() == "one two three"
    assert [m["role"] for m in sent(server)] == ["user", "assistant", "user"]
    assert sent(server)[1]["content"] == "one two "


@pytest.mark.parametrize(
    ("setting", "beside"), [(True, {}), ({"continue_final_message": True}, {"continue_final_message": True})]
)
def test_a_provider_that_takes_the_beginning(
    own_hub: Hub, server: Server, replies: list[bytes], setting: Any, beside: dict[str, Any]
) -> None:
    """Where the provider takes the beginning of its answer it gets that alone, without the blanks at its end."""
    own_hub.providers.edit("corp", settings={"tries": 1, "prefill": setting})
    replies += [said("kelp "), said(" drifts", finish="length")]
    own_hub.chat("hi", model="corp/m", conversation="c", top_p=0.5, max_completion_tokens=7).wait(30)
    answer = own_hub.continue_answer(max_tokens=9)
    assert answer.text() == "kelp drifts"
    body = server.requests[-1].json()
    assert [m["role"] for m in body["messages"]] == ["user", "assistant"]
    assert body["messages"][1]["content"] == "kelp"
    assert body["top_p"] == 0.5 and 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert {name: body[name] for name in beside} == beside and ("continue_final_message" in body) == bool(beside)


def test_thoughts_and_counts_of_both(own_hub: Hub, server: Server, replies: list[bytes]) -> None:
    """Thoughts of the first part stay; its shape is not asked of the rest; the usage sums count both requests."""
    replies += [said("[1,", reasoning_content="hm"), said(" 2]", finish="stop")]
    shape = {"type": "json_object"}
    own_hub.chat("hi", model="corp/m", conversation="c", response_format=shape).wait(30)
    answer = own_hub.continue_answer()
    assert answer.text() == "[1, 2]" and answer.reasoning == "hm"
    assert "response_format" not in server.requests[-1].json()
    assert any("response_format" in warning for warning in answer.warnings)
    assert own_hub.usage()["models"]["corp/m"]["requests"] == 2


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (said("kelp", finish="stop"), "the last answer is whole (it ended with 'stop')"),
        (said("", reasoning_content="hm"), "no text of the last answer came"),
        (said("kelp", tool_calls=[{"index": 0, "id": "c", "function": {"name": "tide"}}]), "the answer calls tide"),
    ],
)
def test_nothing_to_go_on_with(own_hub: Hub, server: Server, replies: list[bytes], reply: bytes, why: str) -> None:
    """What cannot be gone on with is one line that says why, and nothing is sent."""
    replies.append(reply)
    response = own_hub.chat("hi", model="corp/m")
    response.wait(30)
    with pytest.raises(BadRequest) as caught:
        own_hub.continue_answer(response)
    assert str(caught.value).startswith(f"there is nothing to go on with: {why}") and len(server.requests) == 1


def test_no_turn_to_go_on_with(own_hub: Hub) -> None:
    """In a conversation without turns it says to ask first."""
    with pytest.raises(BadRequest, match="the conversation has no turns"):
        own_hub.continue_answer()


def test_one_choice_alone_can_be_gone_on_with(hub: Hub) -> None:
    """Of several choices none is gone on with: which is the answer is not known."""
    response = hub.chat("Tell me a story.", n=2, max_tokens=3, **STORY)
    response.wait(60)
    with pytest.raises(BadRequest, match="2 choices"):
        hub.continue_answer(response)


def test_the_field_that_goes_on(hub: Hub) -> None:
    """`continue_final_message` lets a local model go on in the last message, which must be the assistant's."""
    story = [{"role": "user", "content": "Tell me a story."}, {"role": "assistant", "content": "Once upon"}]
    response = hub.chat(story, max_tokens=3, continue_final_message=True, **STORY)
    assert response.text() and response.debug["prompt"].endswith("Once upon")
    for wrong in (story[:1], [*story, story[0]], [story[0], {"role": "assistant", "content": ""}]):
        with pytest.raises(BadRequest, match="continue_final_message needs a last message of the assistant's"):
            hub.chat(wrong, continue_final_message=True, **STORY)
