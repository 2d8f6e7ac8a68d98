"""What a provider asks to wait, when a request is sent again, and how long an answer is waited for."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.providers.replay import Reply, Request, serve
from tests.providers.streams import JSON, ask, chunk, event, said, start

BUSY = json.dumps({"error": {"message": "slow down", "type": "rate_limit_error"}}).encode()
QUOTA = json.dumps({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}).encode()
LOADING = json.dumps({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}).encode()
ANSWER = Reply(said("kelp"))
TRIES = {"tries": 3}


def busy(status: int = 429, body: bytes = BUSY, **headers: str) -> Reply:
    """A refusal; `headers` with _ for -."""
    return Reply(body, status, {**JSON, **{k.replace("_", "-"): v for k, v in headers.items()}}, chunked=False)


def stages(response: Response) -> list[str]:
    """What the response says it waits for, as it changes, up to its end."""
    seen: list[str] = []
    shown = None
    while not response.done:
        response.wait_for_more(response.size, shown)
        shown = response.progress
        if shown is not None:
            seen.append(shown.stage)
    return seen


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "7200"}, 7200),
        ({}, None),
    ],
    ids=str,
)
def test_the_wait_is_what_was_asked(own_hub: Hub, headers: dict[str, str], wait: float | None) -> None:
    """8: seconds, milliseconds and dates are read; what is past, negative or none at all is left out."""
    _response, error = ask(own_hub, busy(**headers))
    assert error is not None and (error.kind, error.retryable, error.retry_after) == ("rate_limit", True, wait)


def test_a_date_is_seconds_from_now(own_hub: Hub) -> None:
    """8: a Retry-After that is a date counts from the present."""
    _response, error = ask(own_hub, busy(retry_after="{{HTTP_DATE_NOW_PLUS_30}}"))
    assert error is not None and error.retry_after is not None and 20 < error.retry_after <= 31


def test_it_is_sent_again_no_sooner_than_asked(own_hub: Hub) -> None:
    """8: the wait is a lower bound, and the user sees it count down with the number of the try."""
    with serve([busy(retry_after="1"), ANSWER]) as server:
        response = start(own_hub, server, settings=TRIES)
        seen = stages(response)
        assert response.text() == "kelp" and len(server.requests) == 2
    assert (
        "corp is busy (429): again in 2 s, try 2 of 3" in seen or "corp is busy (429): again in 1 s, try 2 of 3" in seen
    )
    assert (response.timings()["total_s"] or 0) >= 1


@pytest.mark.parametrize("reply", [busy(retry_after="7200"), busy(retry_after="61")], ids=["hours", "over a minute"])
def test_a_wait_beyond_a_minute_is_told_at_once(own_hub: Hub, reply: Reply) -> None:
    """8: nobody is kept waiting for hours without a word."""
    with serve(reply) as server:
        response = start(own_hub, server, settings=TRIES)
        response.wait_quietly(30)
        assert len(server.requests) == 1
    error = response.error
    assert isinstance(error, ProviderError) and error.retry_after == float(reply.headers["retry-after"])


def test_a_quota_that_is_used_up_is_told_at_once(own_hub: Hub) -> None:
    """9: a 429 that no wait mends is not sent again."""
    with serve(busy(body=QUOTA)) as server:
        response = start(own_hub, server, settings=TRIES)
        response.wait_quietly(30)
        assert len(server.requests) == 1
    assert isinstance(response.error, ProviderError) and response.error.kind == "quota"


def test_a_quota_that_is_a_limit_is_waited_for(own_hub: Hub) -> None:
    """10: words about a quota that mean too many requests at once are a limit that passes."""
    body = json.dumps(
        {"status": 429, "error": "INSUFFICIENT QUOTA", "message": "too many concurrent requests"}
    ).encode()
    with serve([busy(body=body), ANSWER]) as server:
        assert start(own_hub, server, settings=TRIES).text() == "kelp"


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 524, 529])
def test_failures_that_pass_are_sent_again(own_hub: Hub, status: int) -> None:
    """11: a server that is off for a moment is asked again, and nobody notices."""
    with serve([busy(status, b""), ANSWER]) as server:
        response = start(own_hub, server, settings=TRIES)
        assert response.text() == "kelp" and len(server.requests) == 2
        assert server.requests[0].body == server.requests[1].body


def test_it_is_sent_three_times_at_most(own_hub: Hub) -> None:
    """11: then the provider's own words are raised."""
    with serve(busy(503, b'{"error":"the tide is out"}')) as server:
        response = start(own_hub, server, settings=TRIES)
        response.wait_quietly(30)
        assert len(server.requests) == 3
    assert isinstance(response.error, ProviderError) and "the tide is out" in str(response.error)


@pytest.mark.parametrize(("status", "said_", "count"), [(500, "false", 1), (429, "false", 1), (500, "true", 3)])
def test_what_the_provider_says_of_trying_is_obeyed(own_hub: Hub, status: int, said_: str, count: int) -> None:
    """11: `x-should-retry: false` is an end, whatever the status says."""
    with serve(busy(status, x_should_retry=said_)) as server:
        response = start(own_hub, server, settings=TRIES)
        response.wait_quietly(30)
        assert len(server.requests) == count


def test_a_connection_that_breaks_before_the_answer_is_made_again(own_hub: Hub) -> None:
    """11: nothing had come, so nothing can come twice."""
    with serve([Reply(rst_after_bytes=0), ANSWER]) as server:
        assert start(own_hub, server, settings=TRIES).text() == "kelp"


def test_retries_are_not_written_to_the_screen(
    own_hub: Hub, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The library that counts the tries logs to nobody; another's use of it is still logged."""
    with serve([busy(500), ANSWER]) as server:
        assert start(own_hub, server, settings=TRIES).text() == "kelp"
    assert capfd.readouterr() == ("", "") and not caplog.records

    import stamina

    calls: list[int] = []

    @stamina.retry(on=KeyError, attempts=2, wait_initial=0.0, wait_jitter=0.0)
    def theirs() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError

    theirs()
    assert [r.name for r in caplog.records] == ["stamina"]


def test_a_stop_ends_the_waiting(own_hub: Hub) -> None:
    """Who stops while a request waits to be sent again waits no longer."""
    with serve(busy(retry_after="50")) as server:
        response = start(own_hub, server, settings=TRIES)
        server.wait_requests(1)
        while response.progress is None:
            response.wait_for_more(0, None)
        response.stop()
        response.wait_quietly(30)
        assert response.done and response.interrupted and len(server.requests) == 1


def test_a_server_that_loads_its_model_is_waited_for(own_hub: Hub) -> None:
    """12: more often than three times, with its state shown."""

    def reply(request: Request) -> Reply:
        return ANSWER if request.number >= 3 else busy(503, LOADING)

    with serve(reply) as server:
        response = start(own_hub, server, settings={"tries": 2, "loading_s": 60})
        seen = stages(response)
        assert response.text() == "kelp" and len(server.requests) == 4
    assert any(s.startswith("corp is loading its model (503): ") for s in seen)


@pytest.mark.parametrize(
    ("reply", "clock"),
    [
        (Reply(head_gate=threading.Event()), "first"),
        (Reply(b"", then_hang_s=math.inf), "first"),
        (Reply(b": keep-alive\n\n" * 2000, bytes_per_write=14, delay_s=0.02), "first"),
        (Reply(event(chunk("kelp ")), then_hang_s=math.inf), "idle"),
        (Reply(b'{"choices": [', then_hang_s=math.inf), "idle"),
    ],
    ids=["no head", "no byte", "comments for ever", "stall", "stall in JSON"],
)
def test_a_clock_runs_out(own_hub: Hub, reply: Reply, clock: str) -> None:
    """29: an answer that does not begin and one that halts end with what came, which clock it was, and what to type."""
    with serve(reply) as server:
        response = start(own_hub, server, first=0.4, idle=0.4)
        response.wait_quietly(30)
        error = response.error
        assert isinstance(error, ProviderError) and error.kind == "timeout" and error.partial is response
        assert f"--{clock} 0.8" in str(error) and "%models provider edit corp" in str(error)
        assert response.partial() == ("kelp " if b"kelp" in reply.body else "")
        server.wait_closed(1)


def test_comments_keep_an_answer_alive(own_hub: Hub) -> None:
    """20, 29: comments between two pieces of an answer feed the idle clock."""
    body = event(chunk("kelp ")) + b": keep-alive\n\n" * 40 + event(chunk("drifts", "stop")) + b"data: [DONE]\n\n"
    _response, error = ask(own_hub, Reply(body, bytes_per_write=14, delay_s=0.01), first=20.0, idle=0.3)
    assert error is None


def test_no_connection_says_how_to_find_out(own_hub: Hub) -> None:
    """29: nobody listens: the message has the address and what to type."""
    with serve(ANSWER) as server:
        port = server.port
    own_hub.providers.add("corp", base_url=f"http://127.0.0.1:{port}/v1", key="sk-x-0123456789", settings={"tries": 1})
    with pytest.raises(ProviderError) as raised:
        own_hub.chat("hi", model="corp/m").text()
    assert raised.value.kind == "connection" and raised.value.retryable
    assert f"127.0.0.1:{port}" in str(raised.value) and "%models provider test corp" in str(raised.value)


@pytest.mark.parametrize(
    "end",
    [b"data: [DONE]\n\n", event({"type": "message_stop"}, "message_stop"), b""],
    ids=["[DONE]", "message_stop", "finish alone"],
)
def test_a_server_that_hangs_after_its_end_is_not_waited_for(own_hub: Hub, end: bytes) -> None:
    """2, 29: the end was seen: the answer is whole, whether or not the connection is ever closed."""
    reply: Any = Reply(event(chunk("kelp", "stop")) + end, then_hang_s=math.inf)
    with serve(reply) as server:
        response = start(own_hub, server)
        assert response.text() == "kelp" and response.complete
        server.wait_closed(1)


@pytest.mark.parametrize("cut", [{"omit_last_chunk": True}, {"content_length": 9999}], ids=["no last chunk", "short"])
def test_a_cut_after_the_end_is_no_error(own_hub: Hub, cut: dict[str, Any]) -> None:
    """1: the connection breaks when all was said, be it that a finish alone has said so."""
    for done in (True, False):
        response, error = ask(own_hub, Reply(said("kelp", done=done), **cut))
        assert error is None and response.partial() == "kelp" and response.complete
