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
from modelhub.kernels.protocol.events import (
    Called,
    Delta,
    Ended,
    Event,
    Kept,
    Pictured,
    Reasoned,
    Refused,
    Started,
)
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
            message = {"role": delta.get("role"), "content": None, "refusal": None}
            begun = {"index": index, "message": message, "logprobs": None, "finish_reason": None}
            choice = choices.setdefault(index, begun)
            assert choice["finish_reason"] is None, "nothing comes after the finish reason"
            choice["finish_reason"] = part["finish_reason"]
            if "native_finish_reason" in part:
                choice["native_finish_reason"] = part["native_finish_reason"]
            add(choice["message"], delta)
            if part["logprobs"] is not None:
                kept = choice["logprobs"]["content"] if choice["logprobs"] else []
                choice["logprobs"] = {"content": kept + part["logprobs"]["content"], "refusal": None}
    return {**whole, "object": "chat.completion", "choices": [choices[i] for i in sorted(choices)]}


def add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to a message: text and lists grow, a tool call is found by its index."""
    assert delta or message["role"], "a delta is empty at the end alone"
    for name, new in delta.items():
        if name == "tool_calls":
            calls = message.setdefault(name, [])
            for piece in new:
                if piece["index"] == len(calls):
                    calls.append({"id": "", "type": piece["type"], "function": {"name": "", "arguments": ""}})
                call = calls[piece["index"]]
                call["id"] += piece.get("id", "")
                for part, text in piece.get("function", {}).items():
                    call["function"][part] += text
                if "extra_content" in piece:
                    call["extra_content"] = call.get("extra_content", {}) | piece["extra_content"]
        elif name != "role" and new is not None:
            message[name] = new if message.get(name) is None else message[name] + new


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


def of_a_provider(draw: random.Random) -> list[Event]:
    """Events as a reader of a provider's replies may tell them, of up to three choices that nobody asked for."""
    events: list[Event] = [Started({"counts_tokens": False, "said": {"model": "m-2026", "id": "chatcmpl-7"}})]
    calls: dict[int, int] = {}
    for step in range(draw.randrange(40)):
        index = draw.randrange(3)
        token = {**entry(draw.choice("aé")), "bytes": None} if step % 2 else entry("b")
        if draw.random() < 0.1:
            calls[index] = calls.get(index, 0) + 1
            number = calls[index] - 1
            events.append(Called(index, number, draw.choice(["", f"c{step}"]), f"tool{number}"))
        events.append(
            draw.choice([
                Delta(index, draw.choice(["", "a", "b é"]), 0, (token,) if draw.random() < 0.5 else ()),
                Reasoned(index, "hm "),
                Refused(index, "no. "),
                Kept(index, ({"type": "thinking", "signature": f"s{step}"},)),
                Pictured(index, "https://example.org/a.png"),
                Called(index, max(0, calls.get(index, 1) - 1), "", "tool0", '{"a": 1', {"sign": str(step)}),
            ])
        )  # fmt: skip
        if isinstance(events[-1], Called):
            calls.setdefault(index, 1)
    usage = draw.choice([{}, {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5}])
    finish = draw.choice([("tool_calls", None, "length"), ("error", "stop", None)])
    return [*events, Ended(finish, (99, 99, 99), usage, natives=("MALFORMED", None, "STOP"))]


def test_what_providers_send_folds_to_the_completion() -> None:
    """Thoughts, tool calls, refusals, pictures and blobs stream as deltas; read at any time they add up to `json()`.

    So do choices nobody asked for, tokens whose bytes a provider does not say, and its own finish reasons.
    """
    for seed in range(300):
        draw = random.Random(seed)
        response = Response(
            ChatRequest.make(model="corp/m", messages=[{"role": "user", "content": "q"}], logprobs=True)
        )
        chunks = asyncio.run(_read_while_it_comes(response, of_a_provider(draw), draw))
        whole = response.json()
        assert (whole["model"], whole["id"]) == ("m-2026", "chatcmpl-7")
        assert merged(chunks) == merged(list(response.chunks())) == without(whole, "usage"), seed
        assert [c.get("native_finish_reason") for c in whole["choices"]] == ["MALFORMED", None, "STOP"]
        assert all(c["logprobs"] is None or c["logprobs"]["content"] for c in whole["choices"])


async def _read_while_it_comes(
    response: Response, events: Iterable[Event], draw: random.Random
) -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        return [chunk async for chunk in response.chunks()]

    reading = asyncio.create_task(read())
    for event in events:
        response.feed(event)
        for _ in range(draw.choice([0, 0, 3])):
            await asyncio.sleep(0)
    response.settle()
    response.end()
    return await reading


def merged(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """As `fold`, of chunks with what OpenAI's schema does not name."""
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for part in chunk["choices"]:
            begun = {"index": part["index"], "message": {"role": "assistant", "content": None, "refusal": None}}
            choice = choices.setdefault(part["index"], {**begun, "logprobs": None})
            choice["finish_reason"] = part["finish_reason"]
            if "native_finish_reason" in part:
                choice["native_finish_reason"] = part["native_finish_reason"]
            add(choice["message"], part["delta"])
            if part["logprobs"] is not None:
                kept = choice["logprobs"]["content"] if choice["logprobs"] else []
                choice["logprobs"] = {"content": kept + part["logprobs"]["content"], "refusal": None}
    head = without(chunks[0], "choices")
    return {**head, "object": "chat.completion", "choices": [choices[i] for i in sorted(choices)]}
