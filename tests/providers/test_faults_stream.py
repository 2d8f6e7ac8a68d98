"""What goes wrong in streams, by the rows of the fault catalogue: no byte of an answer is lost or invented."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, serve
from tests.providers.streams import DONE, JSON, ask, chunk, completion, event, said, start, text_of

WHOLE = said("kelp ", "drifts ", "slowly")
TEXT = "kelp drifts slowly"
HALF = event(chunk("kelp ")) + event(chunk("drifts "))
OVERLOADED = {"error": {"message": "Overloaded, come again", "type": "overloaded_error"}}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(HALF, omit_last_chunk=True), id="1 no last chunk"),
        pytest.param(Reply(HALF, content_length=len(HALF) + 50), id="1 content-length too long"),
        pytest.param(Reply(HALF, rst_after_bytes=len(HALF)), id="1 reset"),
        pytest.param(Reply(HALF), id="2 a clean end without a finish"),
        pytest.param(Reply(HALF, until_close=True), id="2 the connection's end"),
        pytest.param(Reply(HALF + b'data: {"choices":[{"delta":{"con'), id="23 the end inside an event"),
        pytest.param(Reply(b"\n\n" + json.dumps(completion("kelp drifts "))[:-9].encode()), id="26 half a JSON"),
    ],
)
def test_a_stream_that_breaks_off_is_told(own_hub: Hub, reply: Reply) -> None:
    """Without its end an answer is StreamTruncated, with what came; finish and usage are not made up."""
    response, error = ask(own_hub, reply)
    assert isinstance(error, StreamTruncated) and error.kind == "truncated" and error.partial is response
    assert not response.complete and response.finish_reason is None
    assert response.partial() in {"kelp drifts ", ""} and (b"kelp" not in reply.body[:9] or response.partial())


def test_a_broken_off_stream_is_not_asked_for_again(own_hub: Hub) -> None:
    """1: text that was shown is not sent for twice."""
    with serve(Reply(HALF, omit_last_chunk=True)) as server:
        response = start(own_hub, server, settings={"tries": 3})
        response.wait_quietly(30)
        assert len(server.requests) == 1 and isinstance(response.error, StreamTruncated)


@pytest.mark.parametrize(
    ("body", "finish"),
    [
        (said("kelp ", "drifts ", "slowly", done=False), "stop"),
        (said("kelp ", "drifts ", "slowly", finish=None), None),
        (said("kelp ", "drifts ", "slowly", finish="tide_turned"), None),
    ],
    ids=["3 no [DONE]", "3 no finish", "3 a finish nobody knows"],
)
def test_either_end_is_an_end(own_hub: Hub, body: bytes, finish: str | None) -> None:
    """A finish or [DONE] ends an answer; a finish that is missing or unknown is None, not `stop`."""
    response, error = ask(own_hub, body)
    assert (error, response.partial(), response.finish_reason, response.complete) == (None, TEXT, finish, True)


def test_a_whole_reply_may_say_no_finish(own_hub: Hub) -> None:
    """4: a reply that came whole is complete, also where its finish is null."""
    response, error = ask(own_hub, Reply(json.dumps(completion(TEXT, None)).encode(), headers=JSON, chunked=False))
    assert (error, response.partial(), response.finish_reason, response.complete) == (None, TEXT, None, True)


@pytest.mark.parametrize(
    ("last", "kind", "says"),
    [
        (event(OVERLOADED), "overloaded", "come again"),
        (event(OVERLOADED, "error"), "overloaded", "come again"),
        (event({"message": "tides are off", "type": "server_error"}, "error"), "server", "tides are off"),
        (event({"object": "error", "message": "cuda fell over", "code": 500}), "server", "cuda fell over"),
        (event({"error": "text alone"}), "server", "text alone"),
        (b'error: {"code":500,"message":"old style","type":"server_error"}\n\n', "server", "old style"),
        (event({**chunk(finish="error"), "error": {"code": 502, "message": "beside"}}), "server", "beside"),
        (b"event: error\ndata: upstream is gone\n\n", "server", "upstream is gone"),
        (b"data: Internal Server Error\n\n", "server", "Internal Server Error"),
    ],
    ids=["data", "event: error", "flat", "vllm", "string", "error line", "beside choices", "text", "text in data"],
)
def test_an_error_behind_text_is_raised_with_the_text(own_hub: Hub, last: bytes, kind: str, says: str) -> None:
    """5, 7: an error in a 200 stream is of its own kind, has the partial answer, and nothing is sent again."""
    with serve(Reply(event(chunk("kelp ")) + last)) as server:
        response = start(own_hub, server, settings={"tries": 3})
        response.wait_quietly(30)
        assert len(server.requests) == 1
    error = response.error
    assert isinstance(error, ProviderError) and says in str(error) and response.partial() == "kelp "
    assert error.kind in {kind, "protocol"} and (error.kind == kind or says == "Internal Server Error")
    assert error.partial is response


def test_an_error_as_the_first_event_is_tried_again(own_hub: Hub) -> None:
    """6: nothing was told, so the request is sent again and nobody sees it."""
    with serve([Reply(event(OVERLOADED)), Reply(WHOLE)]) as server:
        response = start(own_hub, server, settings={"tries": 3})
        assert response.text() == TEXT and len(server.requests) == 2


@pytest.mark.parametrize(
    "extra",
    [
        {"choices": []},
        {"choices": None},
        {"id": "c1"},
        {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
        {"choices": [{"index": 0, "finish_reason": None}]},
        {"choices": [{"delta": {}}]},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "id": "", "model": ""},
        {},
    ],
    ids=json.dumps,
)
def test_empty_choices_are_no_fault(own_hub: Hub, extra: Any) -> None:
    """13: a chunk with nothing in it is passed over, wherever it stands."""
    part = event(extra)
    body = part + event(chunk("kelp ")) + part + event(chunk("drifts slowly", "stop")) + part + DONE
    assert text_of(own_hub, body) == TEXT


@pytest.mark.parametrize(
    "body",
    [
        said(TEXT, end={"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}}),
        said(TEXT, end={"choices": [], "usage": {"prompt_tokens": 9.0, "completion_tokens": "4", "total_tokens": 13}}),
        event({**chunk(TEXT), "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}})
        + event({**chunk(finish="stop"), "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}})
        + event({"choices": [], "usage": None}),
        said(TEXT, done=False)
        + event({"choices": [], "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}}}),
        said(TEXT) + event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}}),
    ],
    ids=["last", "odd types", "in every chunk", "x_groq", "after [DONE]"],
)
def test_usage_is_taken_wherever_it_stands(own_hub: Hub, body: bytes) -> None:
    """14: the last usage counts, is not added up, and has whole numbers."""
    response, error = ask(own_hub, body)
    assert error is None and response.partial() == TEXT
    counts = {k: response.usage()[k] for k in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert counts == {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def test_characters_may_be_cut_anywhere(own_hub: Hub) -> None:
    """15: a read may end inside a character, a line end, a field name."""
    body = event(chunk("Wellen 🌊 größer")).replace(b"\\u", b"\\u") + said("日本語", finish="stop")
    raw = "".join(json.loads(f'"{t}"') for t in ("Wellen 🌊 größer", "日本語"))
    plain = json.dumps(chunk("Wellen 🌊 größer"), ensure_ascii=False).encode()
    assert text_of(own_hub, Reply(b"data: " + plain + b"\n\n" + said("日本語"), bytes_per_write=1)) == raw
    assert text_of(own_hub, Reply(body, split_at=range(1, 400, 3))) == raw


def test_a_charset_is_not_believed(own_hub: Hub) -> None:
    """16: an event stream is UTF-8, also where the header says latin-1; a BOM is passed over."""
    body = b"\xef\xbb\xbf" + b"data: " + json.dumps(chunk("größer"), ensure_ascii=False).encode() + b"\n\n" + DONE
    for reply in (Reply(body), Reply(body, split_at=[1, 2, 3])):
        reply = Reply(
            reply.body, split_at=reply.split_at, headers={"content-type": "text/event-stream; charset=latin-1"}
        )
        assert text_of(own_hub, reply) == "größer"
    assert text_of(own_hub, b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n' + DONE) == "a\ufffdb"


def test_halves_of_a_character_come_together(own_hub: Hub) -> None:
    """17: a surrogate pair split over two chunks is one character, and a lone half leaves text that can be encoded."""
    first, second = (b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % t for t in (rb"a\ud83c", rb"\udf0ab"))
    halves = first + second
    assert text_of(own_hub, halves + DONE) == "a🌊b"
    lone = text_of(own_hub, b'data: {"choices":[{"delta":{"content":"a\\ud83c"}}]}\n\n' + said("b"))
    assert lone.encode("utf-8").decode().replace("\ufffd", "") == "ab"


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"], ids=["CRLF", "CR", "LF"])
def test_every_line_end_is_one(own_hub: Hub, end: bytes) -> None:
    """18: CRLF, CR and LF end lines, alone and mixed, and a CR LF that two reads share is one line end."""
    body = WHOLE.replace(b"\n", end)
    assert text_of(own_hub, Reply(body, bytes_per_write=1)) == TEXT
    assert text_of(own_hub, HALF + event(chunk("slowly", "stop")).replace(b"\n", end) + DONE) == TEXT


def test_other_separators_are_text(own_hub: Hub) -> None:
    """19: only LF and CR end a line; U+2028, U+2029, NEL, VT and FS are text."""
    text = "a\u2028b\u2029c\x85d\x0be\x1cf"
    body = b"data: " + json.dumps(chunk(text), ensure_ascii=False).replace("\\u000b", "\x0b").encode()
    raw = body.replace(b"\\u001c", b"\x1c").replace(b"\\u0085", "\x85".encode())
    assert text_of(own_hub, raw + b"\n\n" + DONE) == text


def test_comments_and_other_fields_are_no_events(own_hub: Hub) -> None:
    """20: comments, `retry:`, unknown fields and blocks with an id alone are passed over."""
    odd = b": OPENROUTER PROCESSING\n\n: keep-alive\n:\n\nretry: 3000\n\nid: 7\n\nfoo: bar\nfoo\n\nevent: ping\n\n"
    body = odd + HALF + odd + b"id: 8\n" + event(chunk("slowly", "stop")) + odd + DONE
    assert text_of(own_hub, body) == TEXT


def test_blanks_behind_the_colon_are_no_matter(own_hub: Hub) -> None:
    """21: `data:` with no blank, with two, with nothing; `[DONE]` with blanks around it."""
    tight = event(chunk("kelp ")).replace(b"data: ", b"data:")
    wide = event(chunk("drifts ")).replace(b"data: ", b"data:  ")
    body = tight + b"data:\n\ndata\n\n" + wide + event(chunk("slowly")) + b"data:  [DONE]  \n\n"
    assert text_of(own_hub, body) == TEXT


def test_data_on_many_lines_is_one_event(own_hub: Hub) -> None:
    """22: lines of data in one block are joined with line ends."""
    lines = json.dumps(chunk(TEXT, "stop"), indent=1).splitlines()
    assert text_of(own_hub, "".join(f"data: {line}\n" for line in lines).encode() + b"\n") == TEXT


@pytest.mark.parametrize("missing", [1, 2], ids=["a line end", "two"])
def test_the_last_event_needs_no_end(own_hub: Hub, missing: int) -> None:
    """23: what stands at the end without its blank line, or its line end, is taken where it is whole."""
    assert text_of(own_hub, (HALF + event(chunk("slowly", "stop")))[:-missing]) == TEXT
    assert text_of(own_hub, (HALF + event(chunk("slowly")) + DONE)[:-missing]) == TEXT


def test_a_line_of_megabytes_is_a_line(own_hub: Hub) -> None:
    """24: a line of 1.3 MB is read, in small pieces, too; one beyond the limit is an error that says what to do."""
    text = "kelp " * 260_000
    assert text_of(own_hub, Reply(said(text), bytes_per_write=1000)) == text
    _response, error = ask(own_hub, said(text), settings={"line_mib": 1})
    assert error is not None and error.kind == "too_large" and "line_mib" in str(error)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_a_compressed_stream_is_read_as_it_comes(own_hub: Hub, encoding: str) -> None:
    """25: identity is asked for; what comes compressed all the same is read, and shown before its end."""
    if encoding == "gzip":
        packed = gzip.compress(WHOLE)
    else:
        deflate = zlib.compressobj(wbits=15 if encoding == "deflate" else -15)
        packed = deflate.compress(WHOLE) + deflate.flush()
    headers = {"content-encoding": encoding.split()[-1]}
    with serve(Reply(packed, headers=headers, bytes_per_write=5)) as server:
        assert start(own_hub, server).text() == TEXT
        assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (Reply(b"<html><head><title>Sign in</title></head><body>x</body></html>"), "protocol", "Sign in"),
        (
            Reply(b"\n\n<!doctype html><title>Sign &amp; in</title>", headers={"content-type": "text/plain"}),
            "protocol",
            "Sign",
        ),
        (Reply(b"<html><title>502 Bad Gateway</title>", 502), "server", "Bad Gateway"),
        (Reply(b"<html><title>413 Request Entity Too Large</title>", 413), "too_large", "Too Large"),
        (Reply(b"", 503), "overloaded", "503"),
        (Reply(b"no tide today", headers={"content-type": "text/plain"}), "protocol", "no tide today"),
        (Reply(b'{"error": {"mess', 500, headers=JSON), "server", "500"),
        (Reply(b""), "truncated", ""),
    ],
    ids=["page", "page as text", "502", "413", "empty 503", "text", "half JSON", "empty"],
)
def test_what_is_no_stream_is_an_error(own_hub: Hub, reply: Reply, kind: str, says: str) -> None:
    """26: pages, words and nothing at all are errors that say what came; markup is not shown."""
    response, error = ask(own_hub, reply)
    assert error is not None and says in str(error) and "<" not in str(error)
    assert error.kind in ({kind, "server"} if kind == "overloaded" else {kind}) and response.partial() == ""


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", ""])
def test_a_stream_was_asked_and_json_came(own_hub: Hub, kind: str) -> None:
    """27: a whole reply where a stream was asked for is the answer; an error in it is that error."""
    for indent in (None, 2):
        body = b"\n\n" + json.dumps(completion(TEXT), indent=indent).encode() + b"\n"
        assert text_of(own_hub, Reply(body, headers={"content-type": kind})) == TEXT
    response, error = ask(own_hub, Reply(json.dumps(OVERLOADED).encode(), headers={"content-type": kind}))
    assert error is not None and error.kind == "overloaded" and response.partial() == ""
    lines = b"".join(json.dumps(c).encode() + b"\n" for c in (chunk("kelp "), chunk("drifts slowly", "stop")))
    assert text_of(own_hub, Reply(lines, headers={"content-type": kind})) == TEXT


def test_broken_json_in_the_middle_is_told(own_hub: Hub) -> None:
    """38: an event that is no JSON is an error with what came before, and its line is kept."""
    response, error = ask(own_hub, HALF + b'data: {"choices":[{"delta":{"cont\n\n' + said("slowly"))
    assert error is not None and error.kind == "protocol" and response.partial() == "kelp drifts "
    assert '{"choices":[{"delta":{"cont' in error.raw
