"""Servers that other people wrote answer through the openai dialect as the local engine does, token for token."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.hub import Hub
from tests.providers.peers.peer import CONTEXT, Peer

QUESTION = "What is the capital of France?"
GREEDY = {"temperature": 0, "max_tokens": 24}
END = 1  # llama.cpp's server counts the token that ends an answer, which is no part of its text


def tokens(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["token"] for entry in entries]


def test_the_answer_is_the_local_engines(asked: Hub, peer: Peer) -> None:
    """Text, finish reason and tokens of the prompt are those of the local engine."""
    for question in (QUESTION, "What is the opposite of hot?", "Write a poem."):
        ours = asked.chat(question, **GREEDY)
        theirs = asked.chat(question, model="peer/tiny-chat", **GREEDY)
        assert theirs.text() == ours.text()
        assert theirs.finish_reason == ours.finish_reason
        if theirs.usage():  # llama_cpp.server leaves it out of streams, and nothing stands in for it
            assert theirs.usage()["prompt_tokens"] == ours.usage()["prompt_tokens"]
            extra = END if peer.name == "xllamacpp" and ours.finish_reason == "stop" else 0
            assert theirs.usage()["completion_tokens"] == ours.usage()["completion_tokens"] + extra
        else:
            assert peer.name == "llama_cpp.server"


def test_the_probabilities_are_the_local_engines(asked: Hub, peer: Peer) -> None:
    """Every token has its probability and its alternatives, the same as the local engine's."""
    more = {**GREEDY, "logprobs": True, "top_logprobs": 3}
    ours = asked.chat(QUESTION, **more).logprobs
    theirs = asked.chat(QUESTION, model="peer/tiny-chat", **more).logprobs
    if peer.name == "xllamacpp" and len(theirs) == len(ours) + END:
        theirs = theirs[:-END]
    assert tokens(theirs) == tokens(ours)
    for their, our in zip(theirs, ours, strict=True):
        assert their["logprob"] == pytest.approx(our["logprob"], abs=0.01)
        assert their["top_logprobs"][0]["token"] == our["top_logprobs"][0]["token"]
        assert len(their["top_logprobs"]) == 3
        if peer.name == "xllamacpp":  # the other one gives neither ids nor bytes
            assert [their["id"], their["bytes"]] == [our["id"], our["bytes"]]


def test_what_is_asked_is_heard(asked: Hub, peer: Peer) -> None:
    """A limit, a stop string, a bias and a system message do what they do here."""
    for more in (
        {"max_tokens": 3},
        {"stop": ["Paris"]},
        {"logit_bias": {"341": -100}},
        {"system": "Answer in one word."},
    ):
        options: dict[str, Any] = {**GREEDY, **more}
        ours = asked.chat(QUESTION, **options)
        theirs = asked.chat(QUESTION, model="peer/tiny-chat", **options)
        assert theirs.text() == ours.text()
        assert theirs.finish_reason == ours.finish_reason


def test_llama_cpps_own_parameters_are_heard(asked: Hub) -> None:
    """What OpenAI's request has not is sent by the names of llama.cpp's servers: a penalty changes the text as here."""
    plain = {"temperature": 0, "max_tokens": 14}
    penalised = {**plain, "repeat_penalty": 1.1}
    ours = asked.chat("Tell me a story.", **penalised).text()
    assert ours != asked.chat("Tell me a story.", **plain).text()
    assert asked.chat("Tell me a story.", model="peer/tiny-chat", **penalised).text() == ours


@pytest.mark.parametrize("peer", ["xllamacpp"], indirect=True)  # llama_cpp.server answers once, whatever is asked
def test_several_answers(asked: Hub) -> None:
    """Where a server gives several answers at once they are told apart by their numbers."""
    response = asked.chat(QUESTION, model="peer/tiny-chat", n=2, **GREEDY)
    first = asked.chat(QUESTION, **GREEDY).text()
    assert [response.text(0), response.text(1)] == [first, first]
    assert [c["finish_reason"] for c in response.json()["choices"]] == ["stop", "stop"]


def test_a_conversation(asked: Hub) -> None:
    """Turns before the question go along, and the answer is the local engine's."""
    said = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "The capital of France is Paris."},
        {"role": "user", "content": "And of Japan?"},
    ]
    assert asked.chat(said, model="peer/tiny-chat", **GREEDY).text() == asked.chat(said, **GREEDY).text()


def test_one_after_another(asked: Hub) -> None:
    """A server that closes a connection it said to keep costs no answer."""
    first = asked.chat(QUESTION, **GREEDY).text()
    for _ in range(8):
        assert asked.chat(QUESTION, model="peer/tiny-chat", **GREEDY).text() == first


def test_the_list(asked: Hub) -> None:
    """Its list has the model it serves."""
    listed = asked.providers.models("peer", refresh=True)
    assert [row.id for row in listed] == ["tiny-chat"]


def test_a_prompt_that_is_too_long(asked: Hub, peer: Peer) -> None:
    """It is an error, never an empty answer, although llama_cpp.server then ends its stream without a word.

    llama.cpp's own server says what is wrong: that is of a kind of its own, and asking again is no use.
    """
    with pytest.raises(ProviderError) as raised:
        asked.chat("word " * 2000, model="peer/tiny-chat", **GREEDY).text()
    error = raised.value
    assert error.provider == "peer"
    if peer.name == "llama_cpp.server":
        assert error.kind == "truncated"
    else:
        assert (error.kind, error.status, error.retryable) == ("context_length", 400, False)
        assert str(CONTEXT) in str(error)


def test_a_server_that_is_gone(asked: Hub) -> None:
    """Nobody there is an error of a kind of its own that says where."""
    with Peer("xllamacpp") as gone:
        asked.providers.add("gone", base_url=f"{gone.url}/v1", dialect="llamacpp")
    try:
        with pytest.raises(ProviderError) as raised:
            asked.chat(QUESTION, model="gone/tiny-chat", **GREEDY).text()
    finally:
        asked.providers.remove("gone")
    assert raised.value.kind == "connection"
    assert gone.url.removeprefix("http://") in str(raised.value)
