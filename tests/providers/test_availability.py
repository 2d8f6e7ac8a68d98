"""Whether a provider can be asked: told from what is known, and tried by `test`; each trouble with what mends it."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from modelhub.kernels.providers.lists.availability import availability
from modelhub.kernels.providers.lists.list_file import KeptList
from modelhub.kernels.providers.providers import Providers
from tests.providers.replay import Reply, Request, serve

JSON = {"content-type": "application/json"}
LIST = Reply(b'{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}', headers=JSON)


@pytest.fixture
def providers() -> Providers:
    """The providers of a home of their own."""
    return Providers()


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def error(status: int, message: str = "no") -> Reply:
    return Reply(json.dumps({"error": {"message": message}}).encode(), status, JSON)


def test_a_missing_key_names_the_page_and_the_command(providers: Providers) -> None:
    """A service without a key needs one; once it is set it is ready, and nothing was sent."""
    found = providers.availability("openai")
    assert found.state == "needs key" and "platform.openai.com" in found.why
    assert found.command == "%models keys set openai"
    providers.disable("openai")  # so that its key asks nobody
    providers.keys.set("openai", "k3y-0123456789", session=True)
    providers.enable("openai")
    assert providers.availability("openai").state == "ready"


def test_what_the_last_list_said(providers: Providers) -> None:
    """Ready with its count, then refused, unreachable and broken, each with one command; and ready again."""
    now = [LIST]
    with serve(lambda request: now[0]) as server:
        providers.add("corp", base_url=server.url, key="k3y-0123456789")
        assert str(providers.availability("corp")) == "ready: not asked yet"
        providers.models("corp")
        assert str(providers.availability("corp")) == "ready: 2 models, listed less than a minute ago"
        for reply, state, command in (
            (error(401), "error", "%models keys set corp"),
            (error(500), "error", "%models provider test corp"),
            (Reply(b"<html>hi</html>", headers=JSON), "error", "%models provider show corp"),
            (error(404), "ready", "%models provider edit corp --base-url URL"),
        ):
            now[0] = reply
            providers.refresh("corp")
            found = providers.availability("corp")
            assert (found.state, found.command) == (state, command), reply.status
        now[0] = LIST
        providers.refresh("corp")
        assert providers.availability("corp").state == "ready"
    providers.refresh("corp")
    assert providers.availability("corp").state == "unreachable"
    providers.disable("corp")
    assert providers.availability("corp").command == "%models provider enable corp"


def test_a_server_that_wants_a_key_after_all(providers: Providers) -> None:
    """A keyless server that answers 401 needs a key."""
    with serve(error(401)) as server:
        providers.add("corp", base_url=server.url)
        assert not providers.test("corp").ok
        assert providers.availability("corp").state == "needs key"


def test_trying_one_that_answers(providers: Providers) -> None:
    """A test reads the list: how many models, how long it took."""
    with serve(LIST) as server:
        providers.add("corp", base_url=server.url)
        found = providers.test("corp")
        assert found.ok and found.models == 2 and found.seconds > 0 and found.command == "" and found.error is None


def test_trying_one_that_is_not_there(providers: Providers) -> None:
    """A test of a port at which nobody listens says so, and what to type."""
    providers.add("corp", base_url=f"http://127.0.0.1:{closed_port()}")
    found = providers.test("corp")
    assert not found.ok and found.error is not None and "no connection" in found.why
    assert found.command == "%models provider edit corp --base-url URL"


def test_the_command_is_the_one_that_the_trouble_names(providers: Providers) -> None:
    """One that is late is waited for longer, a strange certificate is named; a service that is away is asked again."""
    with serve(Reply(head_gate=threading.Event())) as server:
        providers.add("corp", base_url=server.url, first=0.2)
        found = providers.test("corp")
        assert not found.ok and found.command == "%models provider edit corp --first 0.4" and found.command in found.why
        assert providers.availability("corp").state == "unreachable"
    problem = "corp: the certificate of x is not trusted: for a company's own, %models provider edit corp --ca FILE"
    state = availability(providers.get("corp"), False, KeptList("", "", problem=problem, kind="connection"))
    assert state.command == "%models provider edit corp --ca FILE"
    away = KeptList("", "", problem="openai: no connection to api.openai.com", kind="connection")
    assert availability(providers.get("openai"), True, away).command == "%models provider test openai"
    near = KeptList("", "", problem="ollama: no connection to 127.0.0.1:11434", kind="connection")
    assert availability(providers.get("ollama"), False, near).command == "%models provider edit ollama --base-url URL"


def without_list(request: Request) -> Reply:
    """A server that has no list, and wants the key `right`."""
    if request.method == "GET":
        return error(404)
    return error(400, "messages is empty") if request.headers.get("authorization") == "Bearer right" else error(401)


def test_trying_one_without_a_list(providers: Providers) -> None:
    """Where no list tells whether the key is good, a question without messages does, which costs nothing."""
    with serve(without_list) as server:
        providers.add("corp", base_url=server.url, key="wrong")
        found = providers.test("corp")
        assert not found.ok and found.command == "%models keys set corp"
        providers.add("corp", base_url=server.url, key="right")
        assert providers.test("corp").ok and server.requests[-1].json()["messages"] == []


def test_a_public_list_proves_no_key(providers: Providers) -> None:
    """OpenRouter lists its models to everybody: its key is tried beside that."""

    def public(request: Request) -> Reply:
        return LIST if request.method == "GET" else without_list(request)

    with serve(public) as server:
        providers.add("routed", base_url=server.url, dialect="openrouter", key="wrong")
        found = providers.test("routed")
        assert not found.ok and found.models == 2 and found.command == "%models keys set routed"
