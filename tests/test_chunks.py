"""The answer in OpenAI's chunks: live, for every choice, and folded the same as the completion."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ContextTooLong, EngineCrashed
from modelhub.kernels.hub import Hub
from modelhub.kernels.protocol.events import Delta, Ended, Started
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.response import Response
from tests.nbext.answers import entry
from tests.protocol.openai_schema import validate_chunk, validate_completion
from tests.worker.asking import ENDLESS

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def fold(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The completion that valid chunks add up to, without `metadata`, and without `usage` where they have none."""
    chunks = list(chunks)
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        validate_chunk(chunk)
        same = {k: v for k, v in chunk.items() if k not in {"choices", "usage", "object", "prompt_logprobs"}}
        assert {k: whole[k] for k in same} == same if whole else True, "all chunks name the same answer"
        assert "prompt_logprobs" not in chunk or chunk is chunks[0]
        whole.update({k: v for k, v in chunk.items() if k in {*same, "prompt_logprobs"}})
        assert "usage" not in whole, "nothing comes after the usage"
        if chunk.get("usage"):
            whole["usage"] = chunk["usage"]
        for part in chunk["choices"]:
            delta, index = part["delta"], part["index"]
            assert (index not in choices) == ("role" in delta), "the first delta of a choice has the role, no other"
            message = {"role": delta.get("role"), "content": "", "refusal": None}
            begun = {"index": index, "message": message, "logprobs": None, "finish_reason": None}
            choice = choices.setdefault(index, begun)
            assert choice["finish_reason"] is None, "nothing comes after the finish reason"
            choice["finish_reason"] = part["finish_reason"]
            choice["message"]["content"] += delta.get("content", "")
            if part["logprobs"] is not None:
                kept = choice["logprobs"]["content"] if choice["logprobs"] else []
                choice["logprobs"] = {"content": kept + part["logprobs"]["content"], "refusal": None}
    return {**whole, "object": "chat.completion", "choices": [choices[i] for i in sorted(choices)]}


def without(completion: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {k: v for k, v in completion.items() if k not in keys}


@pytest.fixture
def options(random_gguf: Path) -> dict[str, Any]:
    return {"model": str(random_gguf), "temperature": 0, "max_tokens": 12, "logit_bias": ENDLESS}


def test_chunks_fold_to_the_completion(hub: Hub, random_gguf: Path) -> None:
    """Whatever is asked, the chunks read while they come, and again afterwards, add up to exactly `json()`."""
    draw = random.Random(5)
    for seed in range(40):
        fields: dict[str, Any] = {
            "n": draw.choice([None, 1, 2, 4]),
            "max_tokens": draw.choice([1, 2, 30]),
            "temperature": draw.choice([0, 1.5]),
            "stop": draw.choice([None, "e", ["th", "a", "\ufffd"], draw.choice("nrstlo") + draw.choice("aeiou")]),
            "logprobs": draw.choice([None, True]),
            "service_tier": draw.choice([None, "auto", "default"]),
            "prompt_logprobs": draw.choice([None, None, 0, 2]),
            "metadata": draw.choice([None, {"run": str(seed)}]),
        }
        fields["top_logprobs"] = draw.choice([None, 3]) if fields["logprobs"] else None
        usage = draw.choice([None, False, True])
        if usage is not None:
            fields |= {"stream": True, "stream_options": {"include_usage": usage}}
        response = hub.chat(f"question {seed}", model=str(random_gguf), seed=seed, **fields)
        live = fold(response.chunks())
        whole = response.json()
        validate_completion(whole)
        assert whole.get("metadata") == fields["metadata"]
        assert live == without(whole, "metadata", *([] if usage else ["usage"])), fields
        assert fold(response.chunks()) == live == fold(Response.from_dict(response.to_dict()).chunks())


def test_awaited_chunks_are_the_same(hub: Hub, options: dict[str, Any]) -> None:
    """`async for` gives what `for` gives, live and afterwards, also several readers at once."""

    async def collect(response: Response) -> dict[str, Any]:
        return fold([chunk async for chunk in response.chunks()])

    async def main() -> None:
        response = hub.chat("hi", n=2, logprobs=True, **options)
        folds = await asyncio.gather(*[collect(response) for _ in range(3)])
        assert folds == [without((await response).json(), "usage")] * 3
        assert await collect(response) == fold(response.chunks()) == folds[0]

    asyncio.run(main())


def test_every_choice_streams(hub: Hub, long_gguf: Path) -> None:
    """Text of each choice comes before the answer has ended, told apart by its index."""
    response = hub.chat("hi", model=str(long_gguf), temperature=0, logit_bias=ENDLESS, n=3)
    seen: set[int] = set()
    for chunk in response.chunks():
        seen |= {c["index"] for c in chunk["choices"]}
        if len(seen) == 3:
            break
    assert not response.done
    response.stop()


def test_a_stopped_answer_has_no_finish_reason(hub: Hub, long_gguf: Path) -> None:
    """The chunks of an answer that the user stopped are what came, with the usage; none has a finish reason."""
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    response = hub.chat("hi", model=str(long_gguf), logit_bias=ENDLESS, n=2, logprobs=True, **usage)
    chunks = []
    for chunk in response.chunks():
        chunks.append(chunk)
        response.stop()
    assert response.interrupted and response.partial()
    choices = [c for chunk in chunks for c in chunk["choices"]]
    assert {c["finish_reason"] for c in choices} == {None} and all(c["delta"] for c in choices)
    assert fold(chunks) == response.json()


def test_errors_are_raised_after_what_came(hub: Hub, options: dict[str, Any], long_gguf: Path) -> None:
    """An error is raised by the chunks as it is by `text`; what came before it has been given, and no ending."""
    came: list[dict[str, Any]] = []
    with pytest.raises(ContextTooLong):
        came.extend(hub.chat("x" * 600, **options).chunks())
    assert came == []
    response = hub.chat("hi", model=str(long_gguf), temperature=0, logit_bias=ENDLESS)
    with pytest.raises(EngineCrashed):
        for chunk in response.chunks():
            if not came:
                os.kill(hub.engine(str(long_gguf)).pid or 0, signal.SIGKILL)
            came.append(chunk)
    assert fold(came)["choices"][0]["message"]["content"] == response.partial() != ""
    assert {c["finish_reason"] for chunk in came for c in chunk["choices"]} == {None}


def test_usage_comes_when_it_is_asked_for(hub: Hub, options: dict[str, Any]) -> None:
    """With include_usage a last chunk without choices has it and the others say null; else no chunk names it."""
    asked = list(hub.chat("hi", stream=True, stream_options={"include_usage": True}, **options).chunks())
    assert [c["usage"] for c in asked[:-1]] == [None] * (len(asked) - 1)
    assert asked[-1]["choices"] == [] and asked[-1]["usage"]["completion_tokens"] == 12
    for fields in ({}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": False}}):
        chunks = list(hub.chat("hi", **options, **fields).chunks())
        assert not [c for c in chunks if "usage" in c]
        assert chunks[-1]["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}]


def test_stream_options_are_checked(hub: Hub, options: dict[str, Any]) -> None:
    """A misspelt or mistyped stream option is refused by name; padding has no effect and says so."""
    for wrong in ({"include_usge": True}, {"include_usage": "yes"}):
        with pytest.raises(BadRequest) as caught:
            hub.chat("hi", stream=True, stream_options=wrong, **options)
        assert caught.value.param == f"stream_options.{next(iter(wrong))}"
    with pytest.raises(BadRequest, match="stream_options needs stream=True"):
        hub.chat("hi", stream_options={"include_usage": True}, **options)
    padded = hub.chat("hi", stream=True, stream_options={"include_obfuscation": True}, **options)
    assert [w.split(" has ")[0] for w in padded.warnings] == ["include_obfuscation"]
    assert not [c for c in padded.chunks() if "obfuscation" in c]
    assert hub.chat("hi", stream=True, stream_options={"include_obfuscation": False}, **options).warnings == []


@pytest.mark.parametrize(("kept", "text"), [(1, ""), (2, " EN"), (2, "")])
def test_tokens_that_may_be_taken_back_are_held(kept: int, text: str) -> None:
    """A token whose text is held back, or that has none, has no logprobs in a chunk before it is known to stay."""
    messages = [{"role": "user", "content": "q"}]
    response = Response(ChatRequest.make(model="m", messages=messages, logprobs=True))
    response.feed(Started())
    response.feed(Delta(0, "so", 1, (entry("so"),)))
    response.feed(Delta(0, "", 1, (entry(" EN"),)))
    chunks = response.chunks()
    live = iter(chunks)
    first = next(live)
    assert first["choices"][0]["logprobs"]["content"] == [entry("so")]
    response.feed(Delta(0, text, 0))
    response.feed(Ended(("stop",), (kept,), USAGE))
    response.end()
    assert fold([first, *live]) == fold(chunks) == without(response.json(), "usage")
    assert [e["token"] for e in response.logprobs] == ["so", " EN"][:kept]


def test_an_answer_of_nothing_has_a_role_and_an_end(hub: Hub, options: dict[str, Any]) -> None:
    """A choice without a single character still begins with its role and ends with its reason."""
    response = hub.chat("hi", **{**options, "logit_bias": {2: 100}, "logprobs": True})
    chunks = list(response.chunks())
    assert [c["choices"][0]["delta"] for c in chunks] == [{"role": "assistant", "content": ""}, {}]
    assert fold(chunks) == without(response.json(), "usage")
    assert response.json()["choices"][0]["logprobs"] == {"content": [], "refusal": None}
