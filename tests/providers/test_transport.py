"""How requests go out: connections, redirects, and a key that is seen nowhere."""

from __future__ import annotations

import gc
import json
import logging
import math
import socket
import threading
import traceback
from collections.abc import Iterator

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, Request, serve
from tests.providers.streams import JSON, KEY, add, ask, chunk, event, said, start, text_of

ANSWER = Reply(said("kelp"))


def test_a_request_says_who_asks_and_what_for(own_hub: Hub) -> None:
    """The key goes in its header, a stream is asked for uncompressed, and modelhub says its own name."""
    with serve(ANSWER) as server:
        assert start(own_hub, server).text() == "kelp"
        (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("modelhub/")
    assert request.headers["content-type"] == "application/json" and request.json()["stream"] is True


def test_a_connection_is_used_again(own_hub: Hub) -> None:
    """HTTP/1.1 keep-alive: one question after the other goes over one connection."""
    with serve(ANSWER) as server:
        add(own_hub, f"{server.url}/v1")
        for _ in range(4):
            assert own_hub.chat("hi", model="corp/m").text() == "kelp"
        assert server.connections == 1


def test_a_stop_closes_the_connection(own_hub: Hub) -> None:
    """Who stops an answer hangs up: the server sees it and need not go on."""
    with serve(Reply(event(chunk("kelp ")), then_hang_s=math.inf)) as server:
        response = start(own_hub, server)
        response.wait_for_more(0)
        response.stop()
        server.wait_closed(1)
        response.wait_quietly(30)
        assert response.interrupted and response.partial() == "kelp " and response.error is None


def test_a_stop_before_the_answer_closes_it_too(own_hub: Hub) -> None:
    """The same while the head of the reply is still waited for."""
    with serve(Reply(head_gate=threading.Event())) as server:
        response = start(own_hub, server)
        server.wait_requests(1)
        response.stop()
        server.wait_closed(1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused(own_hub: Hub, status: int) -> None:
    """28: nothing is sent to where a reply points: neither the key nor the question."""
    with serve(ANSWER) as other, serve(Reply(b"", status, {"location": f"{other.url}/v1/x"})) as server:
        response = start(own_hub, server)
        response.wait_quietly(30)
        assert isinstance(response.error, ProviderError) and response.error.kind == "protocol"
        assert str(other.port) in str(response.error) and not other.requests and other.connections == 0


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_on_the_same_server_is_followed_once(own_hub: Hub, status: int) -> None:
    """28: as a path that moved; in a circle it is refused."""

    def reply(request: Request) -> Reply:
        return ANSWER if request.path == "/v2/chat" else Reply(b"", status, {"location": "/v2/chat"})

    with serve(reply) as server:
        assert start(own_hub, server).text() == "kelp"
        assert [r.headers["authorization"] for r in server.requests] == [f"Bearer {KEY}"] * 2
    with serve(Reply(b"", status, {"location": "/v1/chat/completions"})) as server:
        response = start(own_hub, server)
        response.wait_quietly(30)
        assert isinstance(response.error, ProviderError) and response.error.kind == "protocol"
        assert len(server.requests) == 2


FAILURES = {
    "refused": Reply(b'{"error": {"message": "wrong key"}}', 401, JSON),
    "reset": Reply(rst_after_bytes=0),
    "cut": Reply(event(chunk("kelp ")), omit_last_chunk=True),
    "no HTTP": Reply(b"", 200, {"content-length": "x"}),
    "redirect": Reply(b"", 302, {"location": "http://elsewhere.example/"}),
    "timeout": Reply(head_gate=threading.Event()),
}


@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES)
def test_the_key_is_in_no_error(own_hub: Hub, reply: Reply) -> None:
    """Not in its words, its traceback with all locals, its causes, nor in what it refers to."""
    response, error = ask(own_hub, reply, first=0.5)
    assert error is not None
    for raised in _chain(error):
        told = traceback.TracebackException.from_exception(raised, capture_locals=True)
        assert KEY not in "".join(told.format()) + repr(raised) + repr(vars(raised))
        assert "httpx" not in type(raised).__module__ and "httpcore" not in type(raised).__module__
    assert KEY not in json.dumps(response.to_dict(), default=repr) + repr(response.debug)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_the_key_is_in_no_log(own_hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """Everything at DEBUG: neither the library nor modelhub writes it, nor says anything of the request."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, name)
    assert text_of(own_hub, ANSWER) == "kelp"
    assert KEY not in caplog.text and not [r for r in caplog.records if r.name.startswith("http")]


def test_a_users_own_requests_are_still_logged(own_hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """What is kept quiet is modelhub's; the library's log of others' requests is theirs."""
    import httpx

    assert text_of(own_hub, ANSWER) == "kelp"
    caplog.set_level(logging.INFO, "httpx")
    with serve(ANSWER) as server, httpx.Client(trust_env=False) as client:
        client.get(server.url)
    assert "HTTP Request" in caplog.text


def test_a_header_that_http_cannot_carry_is_not_quoted(own_hub: Hub) -> None:
    """The library's words for it quote the value, and that may be a key."""
    with serve(ANSWER) as server:
        with pytest.raises(Exception) as raised:
            add(own_hub, f"{server.url}/v1", key=f"{KEY}\nx: y")
            own_hub.chat("hi", model="corp/m").text()
        assert KEY not in str(raised.value) and not server.requests


@pytest.mark.parametrize(
    ("wrong", "right"), [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")]
)
def test_a_field_by_its_other_name_is_learned(own_hub: Hub, wrong: str, right: str) -> None:
    """A refusal that names the sibling is mended once, remembered for the model, and never goes round in a circle."""
    words = f"Unsupported parameter: '{wrong}' is not supported with this model. Use '{right}' instead."
    refusal = json.dumps({"error": {"message": words, "param": wrong, "code": "unsupported_parameter"}}).encode()

    def reply(request: Request) -> Reply:
        return Reply(refusal, 400, JSON) if wrong in request.json() else ANSWER

    with serve(reply) as server:
        add(own_hub, f"{server.url}/v1")
        assert own_hub.chat("hi", model="corp/m", **{wrong: 5}).text() == "kelp"
        assert own_hub.chat("hi", model="corp/m", **{wrong: 5}).text() == "kelp"
        assert [sorted({wrong, right} & set(r.json())) for r in server.requests] == [[wrong], [right], [right]]
    with serve(Reply(refusal, 400, JSON)) as server:
        add(own_hub, f"{server.url}/v1")
        response = own_hub.chat("hi", model="corp/other", **{wrong: 5})
        response.wait_quietly(30)
        assert isinstance(response.error, ProviderError) and len(server.requests) <= 2


def test_what_went_over_the_wire_can_be_seen(own_hub: Hub) -> None:
    """`debug` has the request as it was sent without the key, the reply's headers, and how long its first byte took."""
    headers = {"x-request-id": "req_1", "x-ratelimit-remaining-requests": "7", "set-cookie": "a=b"}
    with serve(Reply(said("kelp"), headers=headers)) as server:
        response = start(own_hub, server, temperature=0.5)
        response.text()
        assert response.debug["request"]["body"] == server.requests[0].json()
    assert response.debug["request"]["url"] == f"{server.url}/v1/chat/completions"
    told = response.debug["reply"]
    assert told["status"] == 200 and told["first_byte_s"] > 0
    assert told["headers"]["x-request-id"] == "req_1" and told["headers"]["x-ratelimit-remaining-requests"] == "7"
    assert "set-cookie" not in told["headers"] and KEY not in json.dumps(response.to_dict(), default=str)
    assert response.raw is not None and response.raw.reply == said("kelp")


def test_many_streams_come_at_once(own_hub: Hub) -> None:
    """256 answers at the same time: each has begun before any may end, and none loses a letter."""
    gate = threading.Event()
    texts = [f"{n} " for n in range(50)]
    body = said(*texts)
    half = body.index(b"data: ", len(body) // 2)
    with serve(Reply(body, gates={half: gate})) as server:
        add(own_hub, f"{server.url}/v1")
        responses = [own_hub.chat("hi", model="corp/m") for _ in range(256)]
        for response in responses:
            while response.size == 0 and not response.done:
                response.wait_for_more(0)
        assert not any(response.done for response in responses)
        gate.set()
        assert {response.text() for response in responses} == {"".join(texts)}


def test_chunks_are_put_together_without_loss(own_hub: Hub) -> None:
    """Whatever the sizes of chunks and of reads, the body is the same; nonsense in them is an error."""
    body = said(*(f"{n} " for n in range(200)))
    for size in (1, 7, 333, 100_000):
        assert text_of(own_hub, Reply(body, bytes_per_write=size)) == "".join(f"{n} " for n in range(200))
    for wrong in (b"zz\r\nabc\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n"):
        with _plain(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + wrong) as url:
            add(own_hub, url)
            response = own_hub.chat("hi", model="corp/m")
            response.wait_quietly(30)
            assert isinstance(response.error, ProviderError) and response.partial() == ""


class _plain:
    """A server that says these bytes to whoever connects."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self._reply)

    def __exit__(self, *_raised: object) -> None:
        self._thread.join(30)
        self._socket.close()


def test_interim_replies_are_passed_over(own_hub: Hub) -> None:
    """A 1xx head before the real one is no reply."""
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(said("kelp")), said("kelp"))
    head = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    with _plain(head + body) as url:
        add(own_hub, url)
        assert own_hub.chat("hi", model="corp/m").text() == "kelp"


def test_nothing_of_an_answer_is_left_behind(own_hub: Hub) -> None:
    """When answers have ended, however they ended, no stream counts as open: later ones are read at once."""
    from modelhub.kernels.transport import coalescing

    for reply in (ANSWER, *FAILURES.values()):
        ask(own_hub, reply, first=0.3)
    with serve(Reply(event(chunk("kelp ")), then_hang_s=math.inf)) as server:
        response = start(own_hub, server)
        response.wait_for_more(0)
        response.stop()
        response.wait_quietly(30)
    gc.collect()
    assert coalescing.pause() == 0.0 and coalescing._open == 0


ECHOES = {
    "another host": Reply(b"", 302, {"location": f"http://{KEY}.example/"}),
    "an encoding": Reply(b"x", 200, {"content-encoding": KEY}),
    "a type": Reply(KEY.encode(), 200, {"content-type": KEY}),
}


@pytest.mark.parametrize("reply", ECHOES.values(), ids=ECHOES)
def test_a_reply_that_repeats_the_key_tells_nobody(own_hub: Hub, reply: Reply) -> None:
    """Errors of the way bear the provider's name, and the key of no header that they quote."""
    response, error = ask(own_hub, reply)
    assert error is not None and error.kind == "protocol" and error.provider == "corp"
    assert KEY not in repr(error) + error.raw + repr(error.to_record())
    assert KEY not in json.dumps(response.to_dict(), default=repr) + repr(response.debug)


def test_an_answer_beyond_all_measure_names_its_provider(own_hub: Hub) -> None:
    """An error of the decoder's says who sent it."""
    _, error = ask(own_hub, said("a" * (2 << 20)), settings={"line_mib": 1})
    assert error is not None and (error.kind, error.provider) == ("too_large", "corp")
