"""`%models provider`: each message says what to type next, and no key is ever part of one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ModelNotFound, ProviderError
from modelhub.kernels.hub import Hub, hub
from modelhub.magics.completer import complete
from modelhub.magics.models import run
from tests.kernel import Kernel
from tests.providers.replay import Reply, Server, serve

KEY = "canary-0123456789-abcdef"


@pytest.fixture
def own() -> Hub:
    """The hub that `run` drives; what it keeps is in this test's home."""
    return hub()


def listing(*ids: str) -> Reply:
    rows = [{"id": ident} for ident in ids]
    return Reply(json.dumps({"data": rows}).encode(), headers={"content-type": "application/json"})


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(listing("a", "b", "c-nightly")) as running:
        yield running


def rows(line: str) -> dict[str, Any]:
    return {row["name"]: row for row in run(line)}


def test_adding_lists_and_tells_what_to_ask(server: Server) -> None:
    """A provider that answers is added, listed, and a cell that asks it is told."""
    said = repr(run(f"provider add corp --base-url {server.url}/v1/chat/completions"))
    assert said == (
        f"corp is at {server.url}/v1 (dialect openai); it lists 3 models, as corp/a, corp/b: %%chat -m corp/a"
    )
    assert hub().catalog.resolve("corp/a").card.name == "corp/a"


def test_adding_one_that_needs_a_key_asks_nobody(server: Server) -> None:
    """Where a key is missing the command that sets it is told."""
    said = repr(run(f"provider add corp --base-url {server.url} --needs-key"))
    assert "needs key: none was found: %models keys set corp; if it wants none, %models provider edit corp" in said
    assert server.requests == []


def test_adding_one_that_does_not_answer(server: Server) -> None:
    """It is added all the same, and what is wrong is told."""
    server.close()
    said = repr(run(f"provider add corp --base-url {server.url}"))
    assert "its models cannot be listed" in said and "no connection" in said and "corp" in hub().providers.all()
    assert said.endswith("; type %models provider edit corp --base-url URL")


def test_adding_one_that_is_slow_waits_for_nobody() -> None:
    """After a while the list goes on coming in the background, and where it will be shown is told."""
    gate = threading.Event()
    with serve(Reply(listing("a").body, head_gate=gate)) as server:
        said = repr(run(f"provider add corp --base-url {server.url}"))
        assert said.endswith("its models are being listed: %models list --from corp shows them")
        coming = hub().providers.begin_refresh("corp")
        gate.set()
        assert coming.result(30).count == 1 and [row["name"] for row in run("list --from corp")] == ["corp/a"]


def test_every_flag_is_heard(server: Server, tmp_path: Path) -> None:
    """Each flag of add says its field."""
    ca = tmp_path / "ca.pem"
    ca.write_text("none")
    run(
        f"provider add corp --base-url {server.url} --dialect vllm --no-key --key-env CORP_KEY --header X-Team blue "
        f"--header X-Seat=7 --setting depth=3 --setting mode fast --hide '*-old' --model mine --title 'The corp' "
        f"--ca {ca} --connect 1.5 --first 20 --idle 9 --allow-http"
    )
    found = hub().providers.get("corp")
    assert (found.like, found.needs_key, found.key_env, found.title) == ("vllm", False, ("CORP_KEY",), "The corp")
    assert found.headers == {"X-Team": "blue", "X-Seat": "7"} and found.settings == {"depth": 3, "mode": "fast"}
    assert found.hide == ("*-old",) and found.models.fixed == ("mine",) and found.ca == str(ca) and found.allow_http
    assert (found.connect, found.first, found.idle) == (1.5, 20, 9)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"provider add corp --base-url https://example.com --key {KEY}", "%models keys set NAME asks for it unseen"),
        (f"provider add corp --key={KEY}", "a key has no place in a cell"),
        ("provider add corp", "base_url is missing"),
        ("provider add corp --base-url htp:/example.com", "must be an address such as"),
        ("provider add", "takes the name of one provider"),
        ("provider add a b --base-url https://example.com", "takes the name of one provider"),
        ("provider ad corp", "Did you mean 'add'"),
        ("provider show corpp", "no provider 'corpp'"),
        ("provider edit openai", "say what is to be changed"),
        ("provider test openai --first 3", "--first belongs to"),
        ("provider add corp --base-url https://example.com --no-key --needs-key", "say the opposite"),
        ("provider add corp --base-url https://example.com --header Team", "NAME=VALUE"),
        ("provider add corp --base-url https://example.com --first soon", "needs a number"),
        ("provider remove openai", "provider disable openai"),
    ],
)
def test_what_is_refused(line: str, says: str) -> None:
    """One line each, with what to type; a key that was typed is not repeated."""
    with pytest.raises(BadRequest, match=says) as wrong:
        run(line)
    assert KEY not in str(wrong.value)


def test_the_table_of_providers(server: Server) -> None:
    """A row for each, the user's first; its values are plain, and each trouble has its command."""
    run(f"provider add corp --base-url {server.url}")
    table = run("provider")
    assert len(table) == 24 and table[0]["name"] == "corp" and table[0]["models"] == 3
    assert "keys: https://platform.openai.com/api-keys" in repr(table)
    found = rows("provider list")
    assert found["openai"]["state"] == "needs key" and found["openai"]["command"] == "%models keys set openai"
    assert found["azure"]["command"].startswith("%models provider edit azure --base-url")
    assert found["ollama"]["command"] == "%models provider test ollama"
    assert [row["name"] for row in run("provider list open")] == ["openai", "azure", "openrouter"]
    assert len(server.requests) == 1


def test_those_in_use_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packaged providers that have a key, or were listed, stand before those that want one."""
    assert run("provider")[0]["name"] == "openai" and "models" not in repr(run("provider")).split("\n")[0].split()
    monkeypatch.setenv("XAI_API_KEY", KEY)
    assert [row["name"] for row in run("provider")][:2] == ["xai", "openai"]


def test_showing_one(server: Server, own: Hub) -> None:
    """All that is known, where its key comes from and how it ends, and never the key; its name alone shows it, too."""
    own.providers.add("corp", base_url=server.url, key=KEY, headers={"X-Team": "blue"})
    run("refresh corp")
    table = run("provider show corp")
    facts = {row["what"]: row["value"] for row in table}
    assert facts["address"] == f"{server.url}/v1" and facts["models"] == 3 and facts["headers"] == {"X-Team": "blue"}
    assert "cdef" in facts["key"] and KEY not in repr(table) + table._repr_html_() + repr(list(table))
    assert repr(run("provider corp")) == repr(table)


def test_changing_one(server: Server) -> None:
    """The table of what is kept changes, and the new address is asked."""
    run("provider add corp --base-url http://127.0.0.1:9")
    assert f"corp is at {server.url}/v1 (dialect openai) now; it lists 3" in repr(
        run(f"provider edit corp --base-url {server.url}")
    )


def test_trying_one(server: Server) -> None:
    """One that answers says so in a line; else the cell fails with what mends it."""
    run(f"provider add corp --base-url {server.url}")
    assert repr(run("provider test corp")).startswith("corp answers: it lists 3 models, in ")
    assert repr(run("list openai")) == (
        "openai has no models to show: needs key: none was found; made at https://platform.openai.com/api-keys; "
        "type %models keys set openai"
    )
    with pytest.raises(ProviderError, match="%models keys set openai") as wrong:
        run("provider test openai")
    assert wrong.value.kind == "auth"
    server.close()
    with pytest.raises(ProviderError, match=r"right\? What to type: %models provider edit corp --base-url URL"):
        run("provider test corp")


def test_leaving_one_out_and_removing_it(server: Server, own: Hub) -> None:
    """Disabled its models are not shown; removed it is gone, and a kept key is told of."""
    run(f"provider add corp --base-url {server.url}")
    own.providers.keys.set("corp", KEY)
    assert "provider enable corp" in repr(run("provider disable corp"))
    assert [row["name"] for row in run("list")] == ["tiny-chat"]
    run("provider enable corp")
    assert "corp/a" in [row["name"] for row in run("list")]
    assert repr(run("provider remove corp")) == (
        "corp is removed; its key is kept: %models keys remove corp forgets it"
    )
    with pytest.raises(ModelNotFound, match="no model is named 'corp/a'") as gone:
        hub().catalog.resolve("corp/a")
    assert "Did you mean" not in str(gone.value)
    with pytest.raises(ModelNotFound, match="Did you mean 'groq/a'"):
        hub().catalog.resolve("grok/a")
    run("provider edit openai --first 5")
    assert "openai is at https://api.openai.com/v1" in repr(run("provider remove openai"))


@pytest.mark.parametrize(
    ("line", "has", "has_not"),
    [
        ("%models prov", {"provider"}, set[str]()),
        ("%models provider ", {"add", "show", "test"}, {"corp"}),
        ("%models provider show ", {"corp", "openai"}, {"add"}),
        ("%models provider show co", {"corp", "cohere"}, {"openai"}),
        ("%models provider add x --dialect ", {"anthropic", "vllm", "nim"}, {"corp"}),
        ("%models provider add x --base-url ", set[str](), {"corp"}),
        ("%models provider add x --ba", {"--base-url"}, {"corp"}),
        ("%models refresh ", {"corp", "openai"}, {"tiny-chat"}),
        ("%models list --from ", {"corp"}, {"tiny-chat"}),
        ("%models show corp/", {"corp/a"}, {"corp/c-nightly"}),
        ("%chat -m corp/", {"corp/a", "corp/b"}, {"corp/c-nightly"}),
    ],
)
def test_tab(server: Server, line: str, has: set[str], has_not: set[str]) -> None:
    """Tab offers providers, dialects and models that were listed, and asks nobody."""
    run(f"provider add corp --base-url {server.url}")
    asked = len(server.requests)
    found = complete(line, len(line))
    words = set(found[1]) if found else set()
    assert has <= words and not has_not & words and len(server.requests) == asked


def test_in_a_kernel(start_kernel: Callable[..., Kernel]) -> None:
    """A cell adds a provider, one lists its models, one asks it; its key is in no output."""
    stream = b'data: {"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    with serve(lambda request: listing("a") if request.method == "GET" else Reply(stream)) as server:
        kernel = start_kernel(CORP_KEY=KEY)
        added = kernel.run(f"%models provider add corp --base-url {server.url} --key-env CORP_KEY")
        assert added.ok and "%%chat -m corp/a" in added.text
        table = kernel.run("%models list --from corp")
        asked = kernel.run("%%chat -m corp/a\nhi")
        assert table.ok and "corp/a" in table.text and asked.ok and "hello" in asked.text
        assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}
        assert not any(KEY in json.dumps(ran.messages, default=str) for ran in (added, table, asked))
