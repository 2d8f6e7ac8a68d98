"""Where an answer breaks off or fails, all of it that came is there: text, halves, thoughts, counts, the bytes."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

import pytest

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels.hub import Hub
from tests.providers import talk
from tests.providers.replay import Reply, serve
from tests.providers.streams import JSON, add, ask, chunk, completion, event, said

OFF = {"error": {"message": "tides are off", "code": 502}}
STREAMS = {
    "generic": said("ké𝄞 ", "dr漢ts"),
    "anthropic": talk.sse(
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 9}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "kelp 𝄞"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ),
    "gemini": talk.sse(
        {"candidates": [{"content": {"parts": [{"text": "kelp 𝄞"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "!"}]}, "finishReason": "STOP"}]},
    ).replace(b"\n", b"\r\n"),
    "cohere": talk.sse(
        {"type": "message-start", "id": "c"},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "kelp 𝄞"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
    ),
    "ollama": talk.ndjson(
        {"message": {"content": "kelp 𝄞"}, "done": False},
        {"message": {"content": "!"}, "done": True, "done_reason": "stop"},
    ),
}
TEXTS = re.compile(r'"(?:content|text)": "((?:[^"\\]|\\.)*)"')
ENDS = re.compile(r'"finish_?[rR]eason": "|"stop_reason": "|"done": true|"type": "message-end"|\[DONE\]')


def whole_lines(cut: bytes) -> str:
    """The lines of a stream that are whole: ended, or JSON as they stand."""
    lines = [line.removeprefix("data: ") for line in cut.decode().splitlines()]
    return "\n".join(line for line in lines if line == "[DONE]" or (line[:1] == "{" and _is_json(line)))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_cut_at_any_byte_loses_nothing(own_hub: Hub, dialect: str) -> None:
    """1, 15, 23: what came is told to the last event that is whole, and the error has every byte of it."""
    stream, cut = STREAMS[dialect], [0]
    with serve(lambda _: Reply(stream[: cut[0]], omit_last_chunk=True)) as server:
        add(own_hub, server.url, dialect)
        for cut[0] in range(0, len(stream), 3):
            came = whole_lines(stream[: cut[0]])
            response = own_hub.chat("hi", model="corp/m")
            response.wait_quietly(30)
            error: Any = response.error
            assert response.partial() == "".join(json.loads(f'"{t}"') for t in TEXTS.findall(came)), cut
            assert (error is None) == bool(ENDS.search(came)), (cut, error)
            if error is not None:
                assert error.kind == ("truncated" if cut[0] else "connection"), cut
                assert error.partial is response and error.raw == stream[: cut[0]].decode()


TAGGED = {"settings": {"think_tags": True}}
HELD: list[Any] = [
    pytest.param(event(chunk("<thin")), TAGGED, "<thin", "", id="half a tag"),
    pytest.param(event(chunk("<think>weigh it</thi")), TAGGED, "", "weigh it</thi", id="half of its end"),
    pytest.param(event(chunk("kelp \ud83d")), {}, "kelp \ufffd", "", id="half a character"),
    pytest.param(event(chunk(reasoning="weigh \ud83d")), {}, "", "weigh \ufffd", id="half a character of a thought"),
]


@pytest.mark.parametrize(("stream", "options", "text", "thought"), HELD)
@pytest.mark.parametrize("end", [b"", event(OFF)], ids=["cut", "error"])
def test_what_is_held_back_is_told_before_the_error(
    own_hub: Hub, stream: bytes, options: Any, text: str, thought: str, end: bytes
) -> None:
    """17, 34: half a character, and what might have become a tag, is in the partial answer."""
    response, error = ask(own_hub, stream + end, **options)
    assert error is not None and (response.partial(), response.thought) == (text, thought)


@pytest.mark.parametrize("dialect", [d for d in STREAMS if d != "generic"])
def test_half_a_character_is_told_in_every_dialect(own_hub: Hub, dialect: str) -> None:
    """17: the half that came of a surrogate pair stands for what was lost of it."""
    stream = STREAMS[dialect]
    cut = stream[: stream.index(b"\\ud834") + 6]
    cut += stream[len(cut) + 6 : stream.index(b"\n", len(cut)) + 1] + b"\r\n"
    with serve(Reply(cut)) as server:
        add(own_hub, server.url, dialect)
        response = own_hub.chat("hi", model="corp/m")
        response.wait_quietly(30)
    assert isinstance(response.error, StreamTruncated) and response.partial() == "kelp \ufffd"


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openrouter", {"choices": [{"message": {"content": "kelp "}, "finish_reason": "error", **OFF}]}),
        ("generic", {**completion("kelp "), **OFF}),
        ("gemini", {"candidates": [{"content": {"parts": [{"text": "kelp "}]}}], **OFF}),
        ("gemini", [{"candidates": [{"content": {"parts": [{"text": "kelp "}]}}]}, OFF]),
        ("ollama", {"message": {"content": "kelp "}, "done": False, **OFF}),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_text_beside_an_error_counts(own_hub: Hub, dialect: str, body: Any, stream: bool) -> None:
    """5: an error that stands beside text is raised when the text is told."""
    parts = body if isinstance(body, list) else [body]
    sent = talk.sse(*parts, named=False) if stream else json.dumps(body).encode()
    with serve(Reply(sent, headers={} if stream else JSON)) as server:
        add(own_hub, server.url, dialect)
        response = own_hub.chat("hi", model="corp/m")
        response.wait_quietly(30)
    error = response.error
    assert isinstance(error, ProviderError) and (error.kind, error.status) == ("server", 502)
    assert response.partial() == "kelp " and "tides are off" in str(error)


def test_a_list_that_is_cut_is_read_as_far_as_it_came(own_hub: Hub) -> None:
    """Gemini's stream as one list, where a gateway lost `alt=sse`, and then its end."""
    rows = [{"candidates": [{"content": {"parts": [{"text": t}]}}]} for t in ("kelp ", "drifts ", "slowly")]
    with serve(Reply(json.dumps(rows).encode()[:-9], headers=JSON)) as server:
        add(own_hub, server.url, "gemini")
        response = own_hub.chat("hi", model="corp/m")
        response.wait_quietly(30)
    assert isinstance(response.error, StreamTruncated) and response.partial() == "kelp drifts "


def test_a_whole_value_counts_though_the_connection_is_cut(own_hub: Hub) -> None:
    """27: one JSON value that is whole is an answer, whatever should have come behind it."""
    body = json.dumps(completion("kelp")).encode()
    for reply in (Reply(body, headers=JSON, omit_last_chunk=True), Reply(body, headers=JSON, content_length=999)):
        response, error = ask(own_hub, reply)
        assert (error, response.partial(), response.finish_reason) == (None, "kelp", "stop")


def test_text_before_broken_compression_counts(own_hub: Hub) -> None:
    """25: what could be unpacked of the read in which the compression breaks is told."""
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(event(chunk("kelp "))) + packer.flush(zlib.Z_SYNC_FLUSH) + b"\xff" * 9
    response, error = ask(own_hub, Reply(packed, headers={"content-encoding": "gzip"}))
    assert error is not None and (error.kind, response.partial()) == ("protocol", "kelp ")


def test_what_was_counted_before_a_cut_can_be_read(own_hub: Hub) -> None:
    """14, 35: usage and log probabilities that came are read as the thoughts are; of nothing, the error is raised."""
    entry = {"token": "kelp", "logprob": -0.1, "bytes": None, "top_logprobs": []}
    counts = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    sent = chunk("kelp")
    sent["choices"][0]["logprobs"] = {"content": [entry]}
    response, error = ask(own_hub, event({**sent, "usage": counts}), logprobs=True)
    assert isinstance(error, StreamTruncated) and response.usage() == counts
    assert [e["logprob"] for e in response.logprobs] == [-0.1]
    nothing, _ = ask(own_hub, Reply(b"", rst_after_bytes=0))
    with pytest.raises(ProviderError, match="closed"):
        nothing.usage()


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_huge_error_behind_text_stays_short(own_hub: Hub, dialect: str) -> None:
    """40: the message has at most 2,000 characters, with what it says of the partial answer; 64 KiB of bytes stay."""
    stream, off = STREAMS[dialect], {"type": "error", "error": {"message": "m" * 300_000, "code": 500}}
    end = talk.ndjson(off) if dialect == "ollama" else event(off)
    blank = stream.index(b"\n", stream.index(b'"text": "k' if b'"text": "k' in stream else b'"content": "k'))
    with serve(Reply(stream[: blank + 1] + b"\n" + end)) as server:
        add(own_hub, server.url, dialect)
        response = own_hub.chat("hi", model="corp/m")
        response.wait_quietly(30)
    error: Any = response.error
    assert error.kind == "server" and response.partial().startswith("k")
    assert len(str(error)) <= 2000 and "what came is kept" in str(error) and 0 < len(error.raw) <= 1 << 16


def test_the_status_in_an_event_of_hugging_face_counts(own_hub: Hub) -> None:
    """5: TGI says the status of an error in its stream as `http_status_code`."""
    off = {"error": {"message": "Input validation error", "http_status_code": 422}}
    _, error = ask(own_hub, event(chunk("kelp ")) + event(off))
    assert error is not None and (error.kind, error.status, error.retryable) == ("bad_request", 422, False)


def test_content_that_is_text_alone_is_text() -> None:
    """33: a gateway before Cohere may send the content as text instead of blocks."""
    body = {"finish_reason": "COMPLETE", "message": {"role": "assistant", "content": "kelp"}}
    assert talk.answered("cohere", json.dumps(body).encode(), JSON).text() == "kelp"
    piece = {"type": "content-delta", "delta": {"message": {"content": "kelp"}}}
    assert talk.answered("cohere", talk.sse(piece, {"type": "message-end"})).text() == "kelp"


@pytest.mark.parametrize("junk", [b"data: bye\n\n", b"[]\n\n", event(OFF)], ids=["words", "list", "error"])
def test_nothing_behind_the_end_undoes_the_answer(own_hub: Hub, junk: bytes) -> None:
    """3: what stands behind `[DONE]` makes no error of an answer that is whole, in whatever pieces it comes."""
    stream = said("kelp")
    for reply in (Reply(stream + junk), Reply(stream + junk, split_at=[len(stream)], delay_s=0.02)):
        response, error = ask(own_hub, reply)
        assert (error, response.partial(), response.finish_reason) == (None, "kelp", "stop")


@pytest.mark.parametrize("kind", [{}, [], None, 4])
def test_a_part_of_an_odd_type_with_text_is_text(kind: Any) -> None:
    """33: whatever its type says, a part that has text is text, and no type makes a TypeError."""
    stream = event(chunk(finish="stop", content=[{"type": kind, "text": "kelp"}]))
    assert talk.answered("openai", stream).text() == "kelp"


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("anthropic", {"content": [{"type": "server_tool_use", "input": {"x": float("nan"), "y": "\ud83d"}}]}),
        ("gemini", {"candidates": [{"content": {"parts": [{"thoughtSignature": "s", "x": float("inf")}]}}]}),
    ],
)
def test_what_goes_back_can_be_said_in_json(dialect: str, body: Any) -> None:
    """36: blocks that go back with the message hold nothing that JSON, or UTF-8, cannot say."""
    made = talk.answered(dialect, json.dumps(body).encode(), JSON).json()
    assert made["choices"][0]["message"]["reasoning_details"]
    json.dumps(made, allow_nan=False, ensure_ascii=False).encode()
