"""The response: read at once or as it comes, waited for or awaited, interrupted, failed, as data."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modelhub.errors
from modelhub.errors import ContextTooLong, EngineCrashed, HubError, ProviderError, Stopped
from modelhub.kernels.hub import Hub
from modelhub.kernels.protocol.events import Called, Delta, Ended, Event, Kept, Pictured, Reasoned, Refused, Started
from modelhub.kernels.protocol.raw import Raw
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.response import Response
from tests.nbext.answers import entry, finished
from tests.protocol.openai_schema import LEAST, validate_completion

BANNED = {0: -100, 1: -100, 2: -100}
Ask = Callable[..., Response]


@pytest.fixture
def ask(hub: Hub, random_gguf: Path) -> Ask:
    def chat(prompt: str = "hi", **options: Any) -> Response:
        defaults = {"temperature": 0, "max_tokens": 20, "logit_bias": BANNED, "model": str(random_gguf)}
        return hub.chat(prompt, **{**defaults, **options})

    return chat


@pytest.fixture
def endless(hub: Hub, long_gguf: Path) -> Ask:
    def chat(prompt: str = "hi", **options: Any) -> Response:
        return hub.chat(prompt, model=str(long_gguf), temperature=0, logit_bias=BANNED, **options)

    return chat


def test_iterating_gives_the_text(ask: Ask) -> None:
    """The pieces put together are the text, in any way of reading, any number of times."""
    response = ask()
    pieces = list(response)
    assert "".join(pieces) == response.text() == "".join(response) == response.partial()
    assert pieces and all(pieces)

    async def read() -> str:
        again = ask()
        found = "".join([piece async for piece in again])
        assert found == (await again).text() == "".join([piece async for piece in again])
        return found

    assert asyncio.run(read()) == response.text()


def test_json_has_openais_keys(ask: Ask) -> None:
    """The completion has exactly the keys of OpenAI's chat.completion, with their types."""
    whole = ask(n=2, seed=1, logprobs=True, top_logprobs=2).json()
    validate_completion(whole)
    assert sorted(whole) == ["choices", "created", "id", "model", "object", "system_fingerprint", "usage"]
    assert whole["object"] == "chat.completion" and whole["id"].startswith("chatcmpl-")
    assert type(whole["created"]) is int
    assert [c["index"] for c in whole["choices"]] == [0, 1]
    for choice in whole["choices"]:
        assert sorted(choice) == ["finish_reason", "index", "logprobs", "message"]
        assert sorted(choice["message"]) == ["content", "refusal", "role"]
        assert sorted(choice["logprobs"]) == ["content", "refusal"]
        assert choice["finish_reason"] == "length"
        for one in choice["logprobs"]["content"]:
            assert sorted(one) == ["bytes", "id", "logprob", "token", "top_logprobs"]  # id is ours
            assert type(one["logprob"]) is float and len(one["top_logprobs"]) == 2
            assert all(type(b) is int for b in one["bytes"])
    usage = whole["usage"]
    assert sorted(usage) == ["completion_tokens", "prompt_tokens", "prompt_tokens_details", "total_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert ask().json()["choices"][0]["logprobs"] is None


def test_json_repeats_what_was_said_of_the_request(ask: Ask) -> None:
    """Metadata comes back as it was given; a tier is named, always default, when one was asked for."""
    for tier in ("auto", "default"):
        whole = ask(service_tier=tier, metadata={"run": "7"}).json()
        validate_completion(whole)
        assert (whole["service_tier"], whole["metadata"]) == ("default", {"run": "7"})
    assert ask(metadata={"run": "7"}).warnings == []


def test_a_probability_of_nothing_is_json() -> None:
    """Minus infinity, which JSON cannot say, is OpenAI's -9999.0 in `json()` and stays what it is in `logprobs`."""
    least = entry("a", -float("inf"), [("b", -0.1), ("c", -float("inf"))])
    response = finished("a", logprobs=True, entries=[{**least, "post_sampling_logprob": -float("inf")}])
    whole = response.json()
    validate_completion(whole)
    (said,) = whole["choices"][0]["logprobs"]["content"]
    assert (said["logprob"], said["post_sampling_logprob"]) == (LEAST, LEAST)
    assert [t["logprob"] for t in said["top_logprobs"]] == [-0.1, LEAST]
    assert response.logprobs[0]["logprob"] == -float("inf")
    json.dumps(whole, allow_nan=False)


@pytest.mark.parametrize(
    "read", [lambda r: r.text(), list, lambda r: list(r.chunks()), lambda r: r.json(), lambda r: r.usage()]
)
def test_an_interrupt_stops_the_answer(endless: Ask, read: Callable[[Response], Any]) -> None:
    """Ctrl-C while waiting stops the answer, keeps what came and raises Stopped, which is a KeyboardInterrupt."""
    response = endless()
    first = next(iter(response))
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(Stopped) as caught:
        read(response)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.response is response
    assert str(caught.value).startswith("the answer was stopped after ") and "\n" not in str(caught.value)
    assert response.done and response.interrupted and response.finish_reason is None
    assert response.partial().startswith(first) and response.text() == response.partial()
    assert response.json()["choices"][0]["finish_reason"] is None


def test_what_asyncio_cancels_is_cancelled(endless: Ask) -> None:
    """A timeout and a cancelled task stop the answer and are, to asyncio, what they always are."""

    async def main() -> None:
        for wait in (lambda r: r, _collect):
            response = endless()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_awaiting(wait(response)), 0.2)
            assert response.done and response.interrupted
            task = asyncio.create_task(_awaiting(wait(response := endless())))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert response.interrupted

    asyncio.run(main())


async def _awaiting(what: Any) -> Any:
    return await what


async def _collect(response: Response) -> str:
    return "".join([piece async for piece in response])


def test_eight_at_once(hub: Hub, random_gguf: Path, ask: Ask) -> None:
    """Eight questions gathered are eight answers, each to its own question."""

    async def main() -> list[Response]:
        return list(await asyncio.gather(*[
            hub.achat(f"question {i}", model=str(random_gguf), temperature=0, max_tokens=5 + i, logit_bias=BANNED)
            for i in range(8)
        ]))  # fmt: skip

    responses = asyncio.run(main())
    assert [r.usage()["completion_tokens"] for r in responses] == [5 + i for i in range(8)]
    assert [r.request.messages[0].content for r in responses] == [f"question {i}" for i in range(8)]
    assert all(r.done and r.text() for r in responses)


def test_achat_with_stream_returns_at_once(hub: Hub, long_gguf: Path) -> None:
    """With stream=True the response is there before its text."""

    async def main() -> None:
        response = await hub.achat("hi", model=str(long_gguf), stream=True, logit_bias=BANNED)
        assert not response.done
        async for piece in response:
            assert piece
            break
        response.stop()
        assert (await response).interrupted

    asyncio.run(main())


def test_an_error_is_raised_by_every_way_of_reading(ask: Ask) -> None:
    """What ended the answer is raised by text, iteration, json, usage and await; repr says it in short."""
    response = ask("x" * 600)
    for read in (response.text, lambda: list(response), response.json, response.usage, lambda: response.logprobs):
        with pytest.raises(ContextTooLong):
            read()
    with pytest.raises(ContextTooLong):
        asyncio.run(_awaiting(response))
    with pytest.raises(ContextTooLong):
        asyncio.run(_collect(response))
    assert repr(response).endswith("ContextTooLong>") and response.partial() == ""


def test_what_came_before_an_error_is_kept(hub: Hub, endless: Ask, long_gguf: Path) -> None:
    """Iteration gives what came and then raises; the partial text stays."""
    response = endless()
    pieces = iter(response)
    first = next(pieces)
    os.kill(hub.engine(str(long_gguf)).pid or 0, signal.SIGKILL)
    with pytest.raises(EngineCrashed):
        list(pieces)
    assert response.partial().startswith(first)


def test_a_response_is_data(ask: Ask) -> None:
    """`from_dict` of `to_dict` reads the same; an error comes back as its own kind."""
    for response in (ask(logprobs=True, n=2), ask("x" * 600)):
        assert response.wait(60)
        again = Response.from_dict(response.to_dict())
        assert again.to_dict()["choices"] == response.to_dict()["choices"]
        assert (again.done, again.id, again.warnings) == (True, response.id, response.warnings)
        assert type(again.error) is type(response.error) and str(again.error) == str(response.error)
        assert repr(again) == repr(response)
        again.stop()


def test_every_error_renders_as_one_line() -> None:
    """Each error of modelhub shows its name and its message on one line, whatever is in the message."""
    for name, kind in vars(modelhub.errors).items():
        if isinstance(kind, type) and issubclass(kind, modelhub.errors.HubError | Stopped):
            lines = kind("what\n was said")._render_traceback_()
            assert len(lines) == 1 and lines[0].startswith(f"{name}: what")
            assert "\n" not in lines[0] or kind is Stopped


def remote(*events: Event, error: HubError | None = None, **fields: Any) -> Response:
    """A finished response made of what a remote engine tells."""
    request = ChatRequest.make(model="corp/m", messages=[{"role": "user", "content": "q"}], **fields)
    response = Response(request)
    response.feed_all([Started({"engine": "http", "provider": "corp", "counts_tokens": False}), *events])
    response.settle(error)
    response.end()
    return response


USED = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
CALLED = (
    Called(0, 0, "c1", "tide", '{"port": ', {"google": {"thought_signature": "s"}}),
    Called(0, 0, arguments='"Brest"}'),
    Called(0, 1, "c2", "wind", '{"port": "Bre'),
)


def test_what_an_answer_has_beside_its_text() -> None:
    """Thoughts, tool calls, refusal, pictures and the provider's own finish reason are read as the text is."""
    response = remote(
        Reasoned(0, "weigh "), Reasoned(0, "it"), Refused(0, "no"), *CALLED, Pictured(0, "data:image/png;base64,AA=="),
        Ended(("length",), (0,), USED, natives=("MAX",)),
    )  # fmt: skip
    assert (response.reasoning, response.refusal) == ("weigh it", "no")
    assert response.images == ["data:image/png;base64,AA=="]
    assert (response.finish_reason, response.native_finish_reason, response.complete) == ("length", "MAX", True)
    first, second = response.tool_calls
    assert first == {
        "id": "c1",
        "type": "function",
        "function": {"name": "tide", "arguments": '{"port": "Brest"}'},
        "extra_content": {"google": {"thought_signature": "s"}},
    }
    assert second["incomplete"] is True and second["function"]["arguments"] == '{"port": "Bre'
    plain = remote(Delta(0, "hi"), Ended(("stop",), (0,), {}))
    assert (plain.reasoning, plain.refusal, plain.images, plain.tool_calls) == ("", None, [], [])
    assert plain.native_finish_reason is None
    refused = remote(Refused(0, "no"), Ended(("stop",), (0,), {})).json()["choices"][0]["message"]
    assert refused == {"role": "assistant", "content": None, "refusal": "no"}


def test_a_message_can_be_sent_back() -> None:
    """`message()` is taken by the next request as it is: blobs go back, pictures are parts, a cut call is left out."""
    response = remote(
        Delta(0, "hi"), Reasoned(0, "hm"), Kept(0, ({"type": "thinking", "signature": "s"},)), *CALLED,
        Pictured(0, "data:image/png;base64,AA=="), Ended(("tool_calls",), (0,), USED),
    )  # fmt: skip
    message = response.message()
    again = ChatRequest.make(model="corp/m", messages=[message, {"role": "tool", "tool_call_id": "c1", "content": "6"}])
    assert again.to_dict()["messages"][0] == message
    assert [call["id"] for call in message["tool_calls"]] == ["c1"]
    assert message["reasoning_details"] == [{"type": "thinking", "signature": "s"}]
    assert message["reasoning_content"] == "hm"
    assert [part["type"] for part in message["content"]] == ["text", "image_url"]
    assert remote(Delta(0, "hi"), Ended(("stop",), (0,), {})).message() == {"role": "assistant", "content": "hi"}


def test_what_came_of_a_broken_answer_can_be_read() -> None:
    """An answer that broke off gives what came, its last tool call marked; one of which nothing came raises."""
    lost = ProviderError("gone", kind="truncated", provider="corp")
    broken = remote(Reasoned(0, "hm"), Called(0, 0, "c1", "tide", "1"), error=lost)
    assert broken.reasoning == "hm" and not broken.complete
    assert broken.tool_calls[0]["incomplete"] is True, "1 is JSON, and may be the beginning of 12"
    with pytest.raises(ProviderError):
        broken.text()
    for read in (lambda r: r.tool_calls, lambda r: r.reasoning, lambda r: r.images, lambda r: r.message()):
        with pytest.raises(ProviderError):
            read(remote(error=lost))


def test_more_choices_than_were_asked_for() -> None:
    """A provider may send more choices than were asked for: all are there, in every form."""
    response = remote(Delta(0, "a"), Delta(2, "c"), Ended(("stop", None, "length"), (0, 0, 0), {}))
    assert response.count == 3 and [response.text(i) for i in range(3)] == ["a", "", "c"]
    assert [c["message"]["content"] for c in response.json()["choices"]] == ["a", "", "c"]
    assert Response.from_dict(response.to_dict()).text(2) == "c"


def test_a_remote_response_is_data() -> None:
    """All that a provider sent comes back from plain JSON, its error with kind and status; the exchange does not."""
    raw = Raw("POST", "https://x.example/v1", {}, {}, 200, {"Set-Cookie": "c", "X-Request-Id": "r1", "server": "s"})
    raw.add(b"data: one\n\n")
    lost = ProviderError("slow", kind="rate_limit", status=429, provider="corp", retry_after=3.0, retryable=True)
    response = remote(
        Started({"raw": raw, "request": {"url": "https://x.example/v1", "body": {"q": 1}}}),
        Started({"said": {"model": "m-2026", "id": "chatcmpl-1", "service_tier": "flex"}}), Delta(0, "hi"),
        Reasoned(0, "hm"), Refused(0, "no"), Kept(0, ({"a": 1},)), *CALLED, Pictured(0, "https://x.example/a.png"),
        Delta(1, "two"), Ended(("length", "stop"), (0, 0), USED, {"stop_sequence": "END"}, ("MAX", None)), error=lost,
    )  # fmt: skip
    data = response.to_dict()
    again = Response.from_dict(json.loads(json.dumps(data)))
    assert again.to_dict() == data
    assert (again.native_finish_reason, again.finish_reason, again.reasoning) == ("MAX", "length", "hm")
    assert again.tool_calls == response.tool_calls and again.message() == response.message()
    assert isinstance(again.error, ProviderError)
    assert (again.error.kind, again.error.status, again.error.retry_after) == ("rate_limit", 429, 3.0)
    assert response.raw is raw and again.raw is None
    assert response.debug["request"]["body"] and again.debug["request"] == {"url": "https://x.example/v1"}
    assert raw.reply_headers == {"x-request-id": "r1", "server": "s"} and raw.text == "data: one\n\n"
    assert "data: one" not in json.dumps(data)


def test_a_reply_is_kept_up_to_a_limit() -> None:
    """Of an endless reply the first 16 MiB are kept, and it says that there was more."""
    raw = Raw("POST", "https://x.example", {}, {}, 200, {})
    for _ in range(7):
        raw.add(b"x" * (3 << 20))
    assert len(raw.reply) == 16 << 20 and raw.cut and raw.size == 21 << 20


def test_logs_of_earlier_versions_load() -> None:
    """What modelhub 0.1 wrote, with thoughts of a plugin among its facts, is read as if it were written today."""
    data = remote(Delta(0, "hi"), Ended(("stop",), (0,), {})).to_dict()
    old = {name: value for name, value in data.items() if name != "complete"}
    old["choices"] = [{"text": "hi", "logprobs": [], "tokens": 0, "finish_reason": "stop"}]
    old["debug"] = {"engine": "plugin", "counts_tokens": False, "reasoning": "hm"}
    again = Response.from_dict(old)
    assert (again.text(), again.reasoning, again.debug["reasoning"], again.complete) == ("hi", "hm", "hm", True)
    failed = Response.from_dict({**old, "error": {"type": "EngineCrashed", "message": "gone"}})
    assert isinstance(failed.error, EngineCrashed) and not failed.complete


def test_json_says_what_the_provider_said() -> None:
    """The provider's id, model, fingerprint and tier stand in the completion; a tier nobody said is not made up."""
    said = {"id": "chatcmpl-9", "model": "m-2026", "system_fingerprint": "fp", "service_tier": "flex", "created": None}
    response = remote(Started({"said": said}), Delta(0, "hi"), Ended(("stop",), (0,), USED), service_tier="auto")
    whole = response.json()
    assert {k: whole[k] for k in said if said[k]} == {k: v for k, v in said.items() if v}
    assert whole["created"] == response.created and response.system_fingerprint == "fp"
    silent = remote(Delta(0, "hi"), Ended(("stop",), (0,), {}), service_tier="auto").json()
    assert (silent["model"], silent["system_fingerprint"]) == ("corp/m", None)
    assert "service_tier" not in silent and "usage" not in silent


def test_speed_is_not_made_up() -> None:
    """Tokens a second of a remote answer need the provider's count and a reply that came in pieces."""
    whole = remote(Delta(0, "a"), Delta(0, "b"), Ended(("stop",), (0,), USED))
    assert whole.timings()["tokens_per_s"] is None, "it came at once"
    for seconds, speed in ((0.01, None), (0.5, (6 - 1) / 0.5)):
        ended = Ended(("stop",), (0,), USED, {"timings": {"decode_s": seconds}})
        assert remote(Delta(0, "a"), ended).timings()["tokens_per_s"] == speed, "faster than 50 ms is at once"
    response = Response(ChatRequest.make(model="corp/m", messages=[{"role": "user", "content": "q"}]))
    response.feed(Started({"counts_tokens": False}))
    response.feed(Delta(0, "a", 0))
    assert not response.wait(0.06)
    response.feed(Delta(0, "b", 0))
    assert response.timings()["tokens_per_s"] is None, "nobody has counted yet"
    counted = {**USED, "completion_tokens_details": {"reasoning_tokens": 4}}
    response.feed(Ended(("stop",), (0,), counted))
    speed, seconds = response.timings()["tokens_per_s"], response.debug["timings"]["decode_s"]
    assert seconds >= 0.06 and speed == (6 - 4 - 1) / seconds, "thoughts that were not shown took no time of it"
