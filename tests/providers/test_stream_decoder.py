"""The decoder of streams: the same bytes are the same events, however they come."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from typing import Any

import httpx
import httpx_sse
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelhub.errors import ProviderError
from modelhub.kernels.providers.stream.decoder import body_decoder
from tests.providers.cases import Case, cases

Found = tuple[list[tuple[str, str, bool]], Any, bytes]


def decode(pieces: list[bytes], content_type: str = "text/event-stream", **more: Any) -> Found:
    """The events of a reply that comes in these pieces, its value, and what is no stream of it."""
    decoder = body_decoder({"content-type": content_type, **more.pop("headers", {})}, **more)
    events = [e for piece in pieces for e in decoder.feed(piece)] + decoder.end()
    return [(e.data, e.kind, e.whole) for e in events], decoder.whole, decoder.page


def data(body: bytes, content_type: str = "text/event-stream") -> list[str]:
    """The data of the events of a reply."""
    return [e[0] for e in decode([body], content_type)[0]]


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces, some of them empty."""
    marks = [0, *sorted(p % (len(body) + 1) for p in places), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(marks)]


LINES = st.sampled_from([
    b"data: a", b"data:b", b"data:  c", b"data", b"data:", b": comment", b":", b"event: x", b"event", b"id: 1",
    b"retry: 5", b"foo: bar", b"", b"", b"", b'data: {"a": "\xf0\x9f\x8c\x8a"}', b"data: \xff\xf0\x9f", b"\xef\xbb\xbf",
    b"data: [DONE]", b'{"a": 1}', b'error: {"code": 500}', b"[DONE]", b" data: x", b"{", b"[1]", b"<p>", b"\x00",
    "data: \u2028\x85".encode(),
])  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])
BODIES = st.lists(st.tuples(LINES, ENDS), max_size=20).map(lambda rows: b"".join(a + b for a, b in rows))
PLACES = st.lists(st.integers(0, 5000), max_size=12)
TYPES = st.sampled_from(
    ["text/event-stream", "application/json", "application/x-ndjson", "text/plain; charset=latin-1"]
)


@settings(max_examples=500, deadline=None)
@given(BODIES | st.binary(max_size=60), PLACES, TYPES, st.booleans(), st.integers(0, 3))
def test_any_split_gives_the_same_events(body: bytes, places: list[int], kind: str, bom: bool, short: int) -> None:
    """Where the network cuts a reply, between or inside characters and line ends, changes nothing of it."""
    body = (b"\xef\xbb\xbf" if bom else b"") + body
    body = body[: len(body) - short] if short else body
    at_once = decode([body], kind)
    assert decode(cut(body, places), kind) == at_once
    assert decode([bytes([b]) for b in body], kind) == at_once


@pytest.mark.parametrize("case", [c for c in cases() if len(c.body) < 5000], ids=lambda c: c.name)
def test_every_sample_reads_the_same_by_the_byte(case: Case) -> None:
    """The sample replies come out the same whole, by the byte, and packed."""
    kind = case.headers["content-type"]
    at_once = decode([case.body], kind)
    assert decode([bytes([b]) for b in case.body], kind) == at_once
    packed = gzip.compress(case.body)
    for pieces in ([packed], [bytes([b]) for b in packed]):
        assert decode(pieces, kind, headers={"content-encoding": "gzip"}) == at_once


PLAIN = st.sampled_from([
    b"data: a", b"data:b", b"data:  c", b": comment", b":", b"event: x", b"id: 1", b"retry: 5", b"foo: bar", b"foo",
    b"", b"", b"", 'data: {"a": "\U0001f30a"}'.encode(), b"data: [DONE]", "data: \u2028\x85\x0b".encode(),
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PLAIN, max_size=20), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_it_agrees_with_httpx_sse(lines: list[bytes], end: bytes) -> None:
    """On streams as the standard has them it reads what httpx-sse reads, but for blocks without data."""
    body = end.join([b"data: begin", b"", *lines, b"", b""])

    async def sent() -> None: ...

    reply = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    theirs = [(e.data, e.event) for e in httpx_sse.EventSource(reply).iter_sse() if e.data]
    assert [(d, k) for d, k, _whole in decode([body])[0]] == theirs


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data: a\ndata:\ndata: b\n\n", ["a\n\nb"]),
        (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
        (b"data\n\ndata:\n\nevent: x\n\nid: 1\n\ndata: a\n\n", ["a"]),
        (b"data: a", ["a"]),
        (b"data: a\n", ["a"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", ["a", "b", "c"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b": c\n\n:\n\nretry: 1\n\nfoo: bar\n\ndata: a\n\n", ["a"]),
        (b'{"a":1}\n{"b":2}\n[DONE]\n', ['{"a":1}', '{"b":2}', "[DONE]"]),
        (b'data: a\n\n{"b":2}\ndata: c\n\n', ["a", '{"b":2}', "c"]),
        (b'{"a":1}\nnonsense\n', ['{"a":1}', "nonsense"]),
        (b'{"a":1}{"b":2}', ['{"a":1}', '{"b":2}']),
        (b'{"a":1', ['{"a":1']),
        (b"", []),
        (b"\n\r\n ", []),
    ],
)
def test_what_is_an_event(body: bytes, expected: list[str]) -> None:
    """The events of a body, also of one that says it otherwise than the standard."""
    assert data(body) == expected


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\n\n\n{"a": 1}\n', {"a": 1}),
        (b'\xef\xbb\xbf{\n "a": 1\n}\n\n', {"a": 1}),
        (b'[{"a": 1}\r\n,\r\n{"b": 2}]', [{"a": 1}, {"b": 2}]),
        (b'{"a": NaN, "b": -Infinity, "a": 2}', {"a": 2, "b": float("-inf")}),
        (b'{"a": "\x0b\x1c"}', {"a": "\x0b\x1c"}),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", ""])
def test_one_value_is_the_whole_reply(body: bytes, value: Any, kind: str) -> None:
    """A reply of one JSON value is given as it is, on one line or many, whatever the content type says."""
    assert decode([body], kind)[:2] == ([], value)


def test_lines_that_are_said_to_be_lines_come_at_once() -> None:
    """An NDJSON line is an event when it has come, not when the next one has."""
    decoder = body_decoder({"content-type": "application/x-ndjson"})
    assert [e.data for e in decoder.feed(b'{"a":1}\n')] == ['{"a":1}']


def test_an_event_comes_when_its_blank_line_does() -> None:
    """Nothing is held back: the event is there with the last byte of its blank line, be it the CR of a CR LF."""
    for end in (b"\n\n", b"\r\r", b"\r\n\r"):
        decoder = body_decoder({})
        assert [e.data for e in decoder.feed(b"data: a" + end)] == ["a"]


@pytest.mark.parametrize("body", [b"<html><title>x</title>", b"\xef\xbb\xbf\n <!doctype html>", b"no tide\ntoday"])
def test_a_page_is_no_stream(body: bytes) -> None:
    """A page and plain words are given as what they are."""
    events, value, page = decode([body])
    assert (events, value) == ([], None) and page and page.strip() in body


def test_comments_are_no_beginning() -> None:
    """Comments and blank lines are not the beginning of an answer; the first piece of an event is."""
    decoder = body_decoder({})
    decoder.feed(b"\n\n: keep-alive\n\nid: 1\nretry: 1\n\n")
    assert not decoder.begun
    decoder.feed(b"data: a\n")
    assert decoder.begun


def test_time_is_linear_in_the_bytes() -> None:
    """A line of 1.3 MB by the byte, and a value of it: were each byte to copy what came, this would take minutes."""
    text = "x" * 1_300_000
    for body in (f"data: {text}\n\n".encode(), json.dumps({"a": text}).encode()):
        assert len(decode([bytes([b]) for b in body])[0]) == (body[:1] == b"d")
    blanks = b"\n" * 300_000 + b'{"a": 1}'
    assert decode([bytes([b]) for b in blanks])[1] == {"a": 1}


@pytest.mark.parametrize("body", [b"data: " + b"x" * 2000, b"data: x\n" * 400, b'{"a": "' + b"x" * 2000, b"[" * 2000])
def test_what_is_too_long_is_refused(body: bytes) -> None:
    """A line, an event and a value beyond the limit are an error that says how to raise it, in any pieces."""
    for pieces in ([body], [bytes([b]) for b in body]):
        with pytest.raises(ProviderError, match="line_mib") as refused:
            decode(pieces, longest=1500)
        assert refused.value.kind == "too_large"


def test_many_events_may_be_longer_than_one() -> None:
    """The limit is of one event: a stream may be as long as it will."""
    assert len(decode([b"data: xxxxxxxx\n\n"] * 1000, longest=100)[0]) == 1000


def test_a_bomb_is_refused() -> None:
    """What grows beyond all measure when it is unpacked is not unpacked to its end."""
    packed = gzip.compress(bytes(1 << 24))
    with pytest.raises(ProviderError) as refused:
        decode([packed], headers={"content-encoding": "gzip"}, longest=1 << 20)
    assert refused.value.kind == "too_large"


@pytest.mark.parametrize("packed", [zlib.compress(b"data: a\n\n"), zlib.compress(b"data: a\n\n", wbits=-15)])
def test_both_forms_of_deflate_are_read(packed: bytes) -> None:
    """deflate is zlib's form by the standard, and raw at some servers."""
    assert decode([packed], headers={"content-encoding": "deflate"})[0] == [("a", "message", True)]


@pytest.mark.parametrize(("encoding", "body"), [("br", b"x"), ("gzip", b"data: a\n\n"), ("zstd", b"")])
def test_a_compression_nobody_reads_is_told(encoding: str, body: bytes) -> None:
    """A compression that cannot be read, or is none, is an error of kind protocol."""
    with pytest.raises(ProviderError) as refused:
        decode([body], headers={"content-encoding": encoding})
    assert refused.value.kind == "protocol"
