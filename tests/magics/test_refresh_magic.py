"""`%models refresh`, and lists of providers' models among the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from modelhub.errors import BadRequest, ProviderError
from modelhub.kernels.hub import Hub, hub
from modelhub.magics.completer import complete
from modelhub.magics.models import run
from tests.providers.replay import Reply, Server, serve

JSON = {"content-type": "application/json"}
PRICED = {
    "id": "big", "context_length": 32768, "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
    "top_provider": {"max_completion_tokens": 4096}, "created": 1790000000, "description": "a big one",
}  # fmt: skip


class Changing:
    """A provider whose list is `rows`; None: it is down."""

    def __init__(self) -> None:
        self.rows: list[Any] | None = ["a", "b"]

    def __call__(self, request: object) -> Reply:
        if self.rows is None:
            return Reply(b'{"error": {"message": "down"}}', 500, JSON)
        rows = [{"id": one} if isinstance(one, str) else one for one in self.rows]
        return Reply(json.dumps({"data": rows}).encode(), headers=JSON)


@pytest.fixture
def own() -> Hub:
    """The hub that `run` drives; what it keeps is in this test's home."""
    return hub()


@pytest.fixture
def now() -> Changing:
    return Changing()


@pytest.fixture
def server(now: Changing, own: Hub) -> Iterator[Server]:
    """A server that corp is at, of whose models nobody knows yet."""
    with serve(now) as running:
        own.providers.add("corp", base_url=running.url, dialect="openrouter", needs_key=False)
        yield running


@pytest.mark.usefixtures("server")
def test_what_came_and_went(now: Changing) -> None:
    """The first list says so; the next one names what was added and what was removed."""
    first = run("refresh corp")
    assert (first[0]["models"], first[0]["added"], first[0]["removed"]) == (2, ["a", "b"], [])
    assert "all: it is the first list" in repr(first)
    now.rows = ["b", *(f"m{n:02}" for n in range(12))]
    table = run("refresh")
    assert table[0]["added"] == [f"m{n:02}" for n in range(12)] and table[0]["removed"] == ["a"]
    assert "m07 and 4 more" in repr(table) and "problem" not in repr(table)


@pytest.mark.usefixtures("server")
def test_one_that_fails_keeps_what_was_there(now: Changing) -> None:
    """Its problem stands in its row, and below its models; one that never had a list fails the cell."""
    run("refresh")
    now.rows = None
    [row] = run("refresh corp")
    assert row["models"] == 2 and "500" in row["problem"] and "what was there is kept" in repr(run("refresh"))
    assert "its list is shown as it was" in repr(run("list --from corp"))
    run("provider add other --base-url http://127.0.0.1:9")
    with pytest.raises(ProviderError, match="no connection"):
        run("refresh other")
    assert {row["provider"] for row in run("refresh")} == {"corp", "other"}


def test_nobody_to_ask(own: Hub) -> None:
    """Without a provider in use it is said how there is one."""
    assert "%models provider add NAME" in repr(run("refresh"))


def test_models_are_listed_in_the_background(server: Server, own: Hub) -> None:
    """`%models` waits for no provider; what is not known yet is there the next time."""
    assert [row["name"] for row in run("list")] == ["tiny-chat"]
    server.wait_requests(1)
    own.providers.begin_refresh("corp").result(30)
    assert [row["name"] for row in run("")] == ["tiny-chat", "corp/a", "corp/b"]


@pytest.mark.usefixtures("server")
def test_all_shows_what_is_hidden(now: Changing) -> None:
    """Hidden models are counted, and listed with --all."""
    now.rows = ["a", "a-nightly", "text-embedding-3"]
    run("refresh")
    table = run("list --from corp")
    assert [row["name"] for row in table] == ["corp/a"] and "and 2 more" in repr(table)
    assert "and 2 more" in repr(run("list corp")) and "and 2 more" not in repr(run("list corp --all"))
    assert len(run("list --from corp --all")) == 3 and len(run("list --all")) == 4


@pytest.mark.usefixtures("server")
def test_the_columns_of_remote_models(now: Changing) -> None:
    """Where all rows are a provider's, lengths and prices stand in place of sizes and memory."""
    now.rows = [PRICED, "small"]
    run("refresh")
    shown = repr(run("list --from corp"))
    head = shown.splitlines()[0].split()
    assert "prompt" in head and "memory" not in head and "quantisation" not in head
    assert "32,768" in shown and "0.15" in shown and "0.6" in shown
    assert "$: US dollars for a million tokens" in shown and "US dollars" not in repr(run("list small"))
    assert "memory" in repr(run("list")).splitlines()[0] and "state" in run("list --from corp")[0]


@pytest.mark.usefixtures("server")
def test_showing_a_remote_model(now: Changing, own: Hub) -> None:
    """Its prices have their date, its provider its address; --params tells what becomes of each field."""
    now.rows = [PRICED]
    run("refresh")
    facts = {row["what"]: row["value"] for row in run("show corp/big")}
    [prices] = [key for key in facts if key.startswith("prices for a million tokens, as listed on 20")]
    assert facts[prices] == {"prompt": "$0.15", "completion": "$0.6"} and facts["most output"] == 4096
    assert facts["state"] == "remote" and facts["address"] == own.providers.get("corp").base_url
    fields = {row["field"]: row["status"] for row in run("show corp/big --params")}
    assert fields["messages"] == "honoured" and set(fields.values()) <= {"honoured", "no-op", "rejected"}


@pytest.mark.usefixtures("server")
def test_thousands_of_models_hide_none_of_this_machine(now: Changing) -> None:
    """What is here comes first, of a provider a few models until the list is narrowed; loading shows one row."""
    now.rows = [f"a-{n:04}" for n in range(300)]
    run("refresh")
    table = run("list")
    assert table[0]["name"] == "tiny-chat" and len(table) == 301 and "and 290 more" in repr(table)
    assert repr(table).count("corp/a-") == 10 and repr(run("list corp")).count("corp/a-") == 100
    assert [row["name"] for row in run("load tiny-chat")] == ["tiny-chat"]
    run("unload tiny-chat")


@pytest.mark.usefixtures("server")
def test_tab_among_thousands(now: Changing) -> None:
    """Tab offers thousands of models step by step: the provider, who made them, then the models."""
    now.rows = [f"maker{n % 3}/m-{n:04}" for n in range(3000)]
    run("refresh")
    for typed, has in (
        ("", {"corp/", "tiny-chat"}), ("corp/", {"corp/maker0/", "corp/maker2/"}), ("corp/maker1/m-0001", set[str]()),
        ("corp/maker1/m-00", {"corp/maker1/m-0001", "corp/maker1/m-0097"}),
    ):  # fmt: skip
        found = complete(f"%models show {typed}", len(f"%models show {typed}"))
        assert found is not None and has <= set(found[1]) and len(found[1]) <= 300


@pytest.mark.usefixtures("server")
def test_what_is_not_done_with_a_remote_model() -> None:
    """There is nothing to load, to free or to delete, which is said in a line."""
    run("refresh")
    assert "nothing is loaded here: %%chat -m corp/a" in repr(run("load corp/a"))
    assert repr(run("unload corp/a")) == "corp/a was not loaded"
    with pytest.raises(BadRequest, match="provider disable corp"):
        run("delete corp/a --yes")
    for fetch in (lambda: run("pull corp/a"), lambda: hub().pull("corp/a")):
        with pytest.raises(BadRequest, match=r"corp is a provider.*%%chat -m corp/a.*%models pull hf\.co/corp/a"):
            fetch()
    run("options corp/a context 512")
    assert "context: no effect" in hub().catalog.resolve("corp/a").warnings[0]


def test_a_provider_with_nothing_to_show_says_why() -> None:
    """`--from openai` without a key says what to type."""
    assert "type %models keys set openai" in repr(run("list --from openai"))


@pytest.mark.usefixtures("server")
def test_the_default_is_marked(now: Changing, own: Hub) -> None:
    """A remote default has its star."""
    run("refresh")
    try:
        run("default corp/a")
        assert "corp/a *" in repr(run("list --from corp")) and own.default_model == "corp/a"
    finally:
        run("default tiny-chat")
