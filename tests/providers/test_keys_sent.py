"""The key that goes with a request: the one of this call, and to a remote model alone."""

from __future__ import annotations

import json
import traceback

import pytest

from modelhub.errors import BadRequest, ProviderError
from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, Request, serve

KEPT, GIVEN = "sk-canary-kept-0123456789", "sk-canary-given-0123456789"
END = {"choices": [{"index": 0, "delta": {"content": "well"}, "finish_reason": "stop"}]}
FINE = Reply(f"data: {json.dumps(END)}\n\ndata: [DONE]\n\n".encode())


def test_a_call_may_have_its_own_key(own_hub: Hub) -> None:
    """`key=` goes with this request in place of the kept one, and is in nothing that is kept of it."""
    with serve(FINE) as server:
        own_hub.providers.add("corp", base_url=f"{server.url}/v1", key=KEPT)
        given = own_hub.chat("hi", model="corp/x", key=GIVEN)
        assert given.text() == own_hub.chat("hi", model="corp/x").text() == "well"
        chats = [r for r in server.requests if r.method == "POST"]
        assert [r.headers["authorization"] for r in chats] == [f"Bearer {GIVEN}", f"Bearer {KEPT}"]
        assert "canary" not in str([r.body for r in chats])
    assert "canary" not in json.dumps(given.to_dict(), default=str) + repr(given) + str(given.debug)


def test_a_local_model_takes_no_key(hub: Hub) -> None:
    """A key that is given to a local model is an error, and not dropped in silence."""
    with pytest.raises(BadRequest, match="tiny-chat is asked without a key: leave key= out"):
        hub.chat("hi", model="tiny-chat", key=GIVEN)


def test_a_key_that_can_be_none_is_not_sent(own_hub: Hub) -> None:
    """What is wrong with `key=` is told at once, and the key is not in the message."""
    with serve(FINE) as server:
        own_hub.providers.add("corp", base_url=f"{server.url}/v1", key=KEPT)
        with pytest.raises(BadRequest, match="line ends") as wrong:
            own_hub.chat("hi", model="corp/x", key=f"{GIVEN}\nX-More: 1")
        assert "canary" not in str(wrong.value)
        assert not [r for r in server.requests if r.method == "POST"]


def test_a_provider_that_needs_a_key_is_not_asked_without(own_hub: Hub) -> None:
    """Without a key nothing is sent, and the error says what to type."""
    with serve(FINE) as server:
        own_hub.providers.add("corp", base_url=f"{server.url}/v1", needs_key=True)
        with pytest.raises(ProviderError, match="corp needs a key and none was found") as missing:
            own_hub.chat("hi", model="corp/x").text()
        assert missing.value.kind == "auth" and "%models keys set corp" in str(missing.value)
        assert not [r for r in server.requests if r.method == "POST"]


def test_an_error_brings_no_frames_along(own_hub: Hub) -> None:
    """What is raised to the user has passed no frame in whose locals the provider's words, and the key, stand."""

    def refuse(request: Request) -> Reply:
        said = request.headers["authorization"].removeprefix("Bearer ")
        return Reply(json.dumps({"error": {"message": said, "param": said, "code": said}}).encode(), 401,
                     {"content-type": "application/json", "x-request-id": said})  # fmt: skip

    with serve(refuse) as server:
        own_hub.providers.add("corp", base_url=f"{server.url}/v1", key=KEPT)
        with pytest.raises(ProviderError) as raised:
            own_hub.chat("hi", model="corp/x").text()
        with pytest.raises(ProviderError) as listed:
            own_hub.providers.models("corp", refresh=True)
    for error in (raised.value, listed.value):
        assert error.__cause__ is None and error.__context__ is None
        frames = [
            frame for frame, _line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename != __file__
        ]
        assert frames and KEPT not in "".join(repr(frame.f_locals) for frame in frames)
        assert KEPT not in str(vars(error)) + str(error) + str(error.to_record())


def test_no_cookie_goes_from_one_provider_to_another(own_hub: Hub) -> None:
    """What a provider sets as a cookie is not sent back, nor to another provider of the same host."""
    with serve(Reply(FINE.body, headers={"set-cookie": "who=you; Path=/"})) as server:
        for name in ("one", "two"):
            own_hub.providers.add(name, base_url=f"{server.url}/{name}")
            for _ in range(2):
                own_hub.chat("hi", model=f"{name}/x").text()
        assert not [r for r in server.requests if "cookie" in r.headers]
