"""The dialect `anthropic`, asked of a server that is not ours: llama.cpp's own speaks the Messages API, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.hub import Hub
from tests.providers.peers.peer import Peer


@pytest.fixture(scope="module")
def llama() -> Iterator[Peer]:
    """llama.cpp's server with tiny-chat."""
    with Peer("xllamacpp") as running:
        yield running


@pytest.fixture
def asked(hub: Hub, llama: Peer) -> Iterator[Hub]:
    """The hub, with the server as two providers: one for each of its ways."""
    hub.providers.add("messages", base_url=llama.url, dialect="anthropic", needs_key=False)
    hub.providers.add("chat", base_url=f"{llama.url}/v1", dialect="llamacpp")
    yield hub
    hub.providers.remove("messages")
    hub.providers.remove("chat")


def test_both_ways_give_one_answer(asked: Hub) -> None:
    """Text, finish reason and counts are the same, whichever API the server is asked by."""
    found = []
    for name in ("messages", "chat"):
        response = asked.chat("What is the capital of France?", model=f"{name}/tiny-chat", temperature=0, max_tokens=20)
        usage = response.usage()
        counts = [usage[n] for n in ("prompt_tokens", "completion_tokens", "total_tokens")]
        found.append((response.text(), response.finish_reason, counts))
    assert found[0] == found[1]
    assert "Paris" in found[0][0] and found[0][1] == "stop"


def test_a_limit_and_a_system_message(asked: Hub) -> None:
    """A system message and the turns before arrive, and a limit ends the answer."""
    talk = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Count."},
    ]
    texts = []
    for name in ("messages", "chat"):
        response = asked.chat(talk, model=f"{name}/tiny-chat", temperature=0, max_tokens=3)
        texts.append(response.text())
        assert response.finish_reason == "length"
        assert response.usage()["completion_tokens"] == 3
    assert texts[0] == texts[1]


def test_a_prompt_that_is_too_long(asked: Hub) -> None:
    """The server's error is told as what it is."""
    with pytest.raises(ProviderError) as raised:
        asked.chat("x " * 2000, model="messages/tiny-chat", max_tokens=5).text()
    assert (raised.value.kind, raised.value.status) == ("context_length", 400)
