"""What a user meets when a provider fails: the error that is raised, its facts, and what had come."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from modelhub.errors import BadRequest, ContextTooLong, HubError, ProviderError, Stopped
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.providers.replay import Replies, Reply, Server, serve

KEY = "sk-proj-9aZ3kQ7wLm2Xc8Vb1Nn4Canary"
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def error(status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> Reply:
    body = json.dumps({"error": {"message": message, **more}}).encode()
    return Reply(body, status, {**JSON, **(headers or {})})


def said(*texts: str) -> bytes:
    chunks = [{"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": t}}]}
              for t in texts]  # fmt: skip
    return b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks)


DONE = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Asked:
    """A hub with the provider `corp` on loopback."""

    def __init__(self, hub: Hub, replies: Replies, dialect: str = "openai", tries: int = 1) -> None:
        self.hub = hub
        self.serving = serve(replies)
        self.server: Server = self.serving.__enter__()
        hub.providers.add("corp", base_url=f"{self.server.url}/v1", dialect=dialect, key=KEY, settings={"tries": tries})

    def response(self) -> Response:
        return self.hub.chat("hi", model="corp/gpt-x")

    def failed(self) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            self.response().text()
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caught.value.raw
        assert KEY not in shown and KEY not in json.dumps(caught.value.to_record())
        return caught.value


@pytest.fixture
def ask(own_hub: Hub) -> Iterator[Any]:
    made: list[Asked] = []

    def make(replies: Replies, **more: Any) -> Asked:
        made.append(Asked(own_hub, replies, **more))
        return made[-1]

    yield make
    for asked in made:
        asked.serving.__exit__(None, None, None)


def test_a_wrong_key_is_told_with_the_command_that_mends_it(ask: Any) -> None:
    """A 401 raises kind `auth` with the request's name; the key that the server echoes is in nothing that is kept."""
    echo = f"Incorrect API key provided: {KEY}. Find yours at https://corp.example"
    found = ask(error(401, echo, {"x-request-id": "req_1"}, code="invalid_api_key")).failed()
    assert (found.kind, found.status, found.request_id, found.retryable) == ("auth", 401, "req_1", False)
    assert "%models keys set corp" in str(found) and "Incorrect API key provided: …" in str(found)


def test_an_unknown_model_is_told_with_the_list_to_read_anew(ask: Any) -> None:
    """A 404 names the model and the command; it is not asked twice."""
    asked = ask(error(404, "The model `gpt-x` does not exist", code="model_not_found"), tries=3)
    found = asked.failed()
    assert found.kind == "not_found" and "`gpt-x`" in str(found) and "%models refresh corp" in str(found)
    assert len(asked.server.requests) == 1


def test_an_unknown_model_is_told_with_the_names_next_to_it(ask: Any) -> None:
    """The list that was read before is looked at for what was meant."""
    rows = Reply(b'{"data":[{"id":"gpt-x2"},{"id":"claude"}]}', 200, JSON)
    asked = ask(lambda request: rows if request.method == "GET" else error(404, "model not found"))
    asked.hub.providers.models("corp", refresh=True)
    assert str(asked.failed()).endswith("%models refresh corp reads its list of models anew. Did you mean 'gpt-x2'?")


def test_a_rate_limit_is_waited_for(ask: Any) -> None:
    """A 429 is asked again after the wait; the answer comes as if nothing had been."""
    asked = ask([error(429, "slower", {"retry-after-ms": "5"}), Reply(said("kelp ", "drifts") + DONE, headers=SSE)],
                tries=3)  # fmt: skip
    assert asked.response().text() == "kelp drifts" and len(asked.server.requests) == 2


def test_a_wait_of_hours_is_told_at_once(ask: Any) -> None:
    """Nobody waits two hours in a cell: the wait stands in the error."""
    asked = ask(error(429, "slower", {"retry-after": "7200"}), tries=3)
    found = asked.failed()
    assert (found.kind, found.retry_after, found.retryable) == ("rate_limit", 7200, True)
    assert "ask again in 2 h" in str(found) and len(asked.server.requests) == 1


def test_a_quota_is_not_asked_again(ask: Any) -> None:
    """A 429 for want of credit is told at once."""
    asked = ask(error(429, "You exceeded your current quota", type="insufficient_quota"), tries=3)
    assert asked.failed().kind == "quota" and len(asked.server.requests) == 1


def test_an_overloaded_provider_is_asked_three_times(ask: Any) -> None:
    """A 529 is asked three times in all, then told."""
    asked = ask(error(529, "Overloaded", {"retry-after-ms": "1"}, type="overloaded_error"), tries=3)
    found = asked.failed()
    assert (found.kind, found.status, len(asked.server.requests)) == ("overloaded", 529, 3)


def test_a_server_that_loads_its_model_is_waited_for(ask: Any) -> None:
    """llama.cpp's 503 is polled; the answer comes when the model is there."""
    loading = error(503, "Loading model", code=503, type="unavailable_error")
    asked = ask([loading, loading, Reply(said("kelp") + DONE, headers=SSE)], tries=2)
    assert asked.response().text() == "kelp" and len(asked.server.requests) == 3


def test_too_large_and_too_long_are_told_apart(ask: Any) -> None:
    """A 413 page is `too_large`; a prompt that does not fit is a ContextTooLong, as that of a model on this machine."""
    page = b"<html><head><title>413 Request Entity Too Large</title></head></html>"
    found = ask(Reply(page, 413, {"content-type": "text/html"})).failed()
    assert found.kind == "too_large" and "with a web page: 413 Request Entity Too Large" in str(found)


def test_a_context_that_is_too_short_is_a_context_too_long(ask: Any) -> None:
    """`except ContextTooLong` holds for every model."""
    with pytest.raises(ContextTooLong) as caught:
        ask(error(400, "maximum context length is 8192 tokens", param="messages")).response().text()
    assert caught.value.param == "messages" and "8192" in str(caught.value)


def test_a_field_that_is_not_taken_is_a_bad_request(ask: Any) -> None:
    """`except BadRequest` holds for every model; `.param` names the field."""
    with pytest.raises(BadRequest) as caught:
        ask(error(400, "'seed' is not supported with this model")).response().text()
    assert caught.value.param == "seed" and "leave seed out" in str(caught.value)


def test_a_gateways_page_is_shown_as_its_title(ask: Any) -> None:
    """An HTML 502 is one line, without markup."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
    found = ask(Reply(page, 502, {"content-type": "text/html"})).failed()
    assert str(found) == "corp answered 502 with a web page: 502 Bad Gateway; ask again later"
    assert (found.kind, found.retryable) == ("server", True)


def test_an_error_in_the_stream_keeps_what_came(ask: Any) -> None:
    """The error has its own kind, `.partial` is the response with the text so far, and nothing is sent again."""
    broken = said("kelp ") + b'data: {"error":{"message":"Overloaded","type":"overloaded_error"}}\n\n'
    asked = ask(Reply(broken, headers={**SSE, "x-request-id": "r2"}), tries=3)
    response = asked.response()
    with pytest.raises(ProviderError) as caught:
        response.text()
    assert caught.value.kind == "overloaded" and caught.value.partial is response
    assert str(caught.value).endswith("; what came is kept, and the error's .partial has it")  # it is no conversation's
    assert (response.partial(), len(asked.server.requests), caught.value.request_id) == ("kelp ", 1, "r2")


def test_an_error_survives_the_log(ask: Any) -> None:
    """A response with its error is the same after `to_dict` and JSON; the error's facts are there again."""
    asked = ask(error(429, "slower", {"retry-after": "90", "x-request-id": "r1"}, code="rate_limit_exceeded"))
    response = asked.response()
    with pytest.raises(ProviderError) as caught:
        response.text()
    back = Response.from_dict(json.loads(json.dumps(response.to_dict()))).error
    assert isinstance(back, ProviderError) and back.to_record() == caught.value.to_record()
    assert (back.kind, back.status, back.retry_after, back.request_id) == ("rate_limit", 429, 90, "r1")


def test_an_error_can_be_copied_and_pickled(ask: Any) -> None:
    """Copies have every fact but the response, and no key."""
    found = ask(error(401, f"Bearer {KEY} is wrong")).failed()
    assert found.partial is not None
    for back in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (type(back), str(back), back.to_record()) == (type(found), str(found), found.to_record())
        assert back.partial is None
    assert KEY.encode() not in pickle.dumps(found)


def test_a_notebook_shows_one_line(ask: Any) -> None:
    """The traceback is the message alone."""
    found = ask(error(500, "boom\nand more")).failed()
    assert found._render_traceback_() == ["ProviderError: corp answered 500: boom and more; ask again later"]
    assert isinstance(found, HubError) and not isinstance(found, Stopped)
