"""Lists of models: read page by page, kept for a day, read once for many, shown without what is not for every day."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels import settings
from modelhub.kernels.providers.lists.list_file import path_of
from modelhub.kernels.providers.providers import Providers
from tests.providers.replay import Reply, Request, Server, serve

JSON = {"content-type": "application/json"}


@pytest.fixture
def providers() -> Providers:
    """The providers of a home of their own."""
    return Providers()


def listed(*ids: Any, status: int = 200, **headers: str) -> Reply:
    """A list of these ids, or rows, in OpenAI's shape."""
    rows = [{"id": one, "object": "model"} if isinstance(one, str) else one for one in ids]
    return Reply(json.dumps({"object": "list", "data": rows}).encode(), status, {**JSON, **headers})


def failing(status: int = 503) -> Reply:
    return Reply(b'{"error": {"message": "down"}}', status, JSON)


class Changing:
    """Answers what `now` is at the moment."""

    def __init__(self, now: Reply) -> None:
        self.now = now

    def __call__(self, request: Request) -> Reply:
        return self.now


@pytest.fixture
def changing() -> Changing:
    return Changing(listed("a", "b"))


@pytest.fixture
def server(changing: Changing) -> Iterator[Server]:
    with serve(changing) as running:
        yield running


@pytest.fixture
def corp(providers: Providers, server: Server) -> Providers:
    """The providers, with one called corp that lists a and b."""
    providers.add("corp", base_url=server.url)
    return providers


def ids(rows: Iterable[Any]) -> list[str]:
    return [row.id for row in rows]


def aged(name: str, hours: float) -> None:
    """Make a kept list that old."""
    data = json.loads(path_of(name).read_text("utf-8"))
    data["listed"] -= hours * 3600
    data["tried"] = data["tried"] and data["tried"] - hours * 3600
    path_of(name).write_text(json.dumps(data))


def test_a_list_is_read_once_a_day(corp: Providers, server: Server) -> None:
    """The first look asks, the next ones and other kernels do not; a day later it is asked again."""
    assert ids(corp.models("corp")) == ["a", "b"] == ids(corp.models("corp")) == ids(Providers().models("corp"))
    assert [r.path for r in server.requests] == ["/v1/models"]
    aged("corp", 25)
    corp.models("corp")
    assert len(server.requests) == 2
    corp.models("corp", refresh=True)
    assert len(server.requests) == 3


def test_the_age_is_a_setting(corp: Providers, server: Server) -> None:
    """`list_hours` says how old a list may be."""
    corp.models("corp")
    aged("corp", 25)
    settings.save("list_hours", 100)
    corp.models("corp")
    assert len(server.requests) == 1


def test_what_was_added_and_removed(corp: Providers, changing: Changing) -> None:
    """Reading anew replaces the list and tells the difference; what is gone is remembered."""
    [first] = corp.refresh("corp")
    assert first.first and first.count == 2
    changing.now = listed("b", "c", "d")
    [second] = corp.refresh("corp")
    assert (second.added, second.removed, second.count, second.problem) == (("c", "d"), ("a",), 3, "")
    assert ids(corp.models("corp")) == ["b", "c", "d"] and list(corp.lists.kept(corp.get("corp")).gone) == ["a"]
    changing.now = listed("a", "b", "c", "d")
    assert corp.refresh("corp")[0].added == ("a",) and not corp.lists.kept(corp.get("corp")).gone


def test_a_list_that_cannot_be_read_is_given_as_it_was(corp: Providers, changing: Changing) -> None:
    """With the reason; where there is none to give it is an error. A later success clears the reason."""
    corp.models("corp")
    changing.now = failing(500)
    stale = corp.models("corp", refresh=True)
    assert ids(stale) == ["a", "b"] and "500" in stale.problem and stale.listed is not None
    assert corp.refresh("corp")[0].problem == stale.problem and corp.refresh("corp")[0].count == 2
    changing.now = listed("a")
    assert corp.models("corp", refresh=True).problem == ""
    path_of("corp").unlink()
    changing.now = failing(500)
    with pytest.raises(ProviderError) as wrong:
        corp.models("corp")
    assert wrong.value.status == 500


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"<html><title>Sign in</title></html>", "protocol"), (b'{"models_are": 1}', "protocol"), (b'"x"', "protocol"),
     (b'{"error": {"message": "bad key", "code": 401}}', "auth"), (b"", "protocol"), (b"[[[[", "protocol")],
)  # fmt: skip
def test_what_is_no_list_is_no_empty_list(corp: Providers, changing: Changing, body: bytes, kind: str | None) -> None:
    """A login page, an error with status 200 and half a reply are errors; the list that was there stays."""
    corp.models("corp")
    changing.now = Reply(body, 200, JSON)
    [told] = corp.refresh("corp")
    assert isinstance(told.error, ProviderError) and kind in (None, told.error.kind) and told.count == 2


def test_an_etag_spares_the_list(corp: Providers, server: Server, changing: Changing) -> None:
    """The ETag of a list is sent when it is read anew; 304 leaves it as it is, and young again."""
    changing.now = listed("a", "b", etag='"v1"')
    corp.models("corp")
    aged("corp", 30)
    changing.now = Reply(b"", 304, {})
    assert ids(corp.models("corp")) == ["a", "b"] == ids(corp.models("corp"))
    assert [r.headers.get("if-none-match") for r in server.requests] == [None, '"v1"']


@pytest.mark.parametrize("written", [True, False])
def test_many_threads_ask_once(corp: Providers, home: Path, server: Server, changing: Changing, written: bool) -> None:
    """While a list is read, who else wants it waits for the same, also where no file can be locked."""
    if not written:
        (home / "lists").write_text("in the way")
    gate = threading.Event()
    changing.now = Reply(changing.now.body, headers=JSON, head_gate=gate)
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(ids(corp.models("corp")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    server.wait_requests(1)
    gate.set()
    for thread in threads:
        thread.join(30)
    assert found == [["a", "b"]] * 8 and len(server.requests) == 1


KERNEL = """
import sys
from modelhub.kernels.providers.providers import Providers
print("ready", flush=True)
sys.stdin.readline()
print([row.id for row in Providers().models("corp")])
"""


def test_many_kernels_ask_once(corp: Providers, server: Server, changing: Changing) -> None:
    """Two kernels that want a list at once read it once between them."""
    gate = threading.Event()
    changing.now = Reply(changing.now.body, headers=JSON, head_gate=gate)
    kernels = [
        subprocess.Popen([sys.executable, "-c", KERNEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for kernel in kernels:
        assert kernel.stdout is not None and kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    server.wait_requests(1)
    gate.set()
    assert [kernel.communicate(timeout=60)[0] for kernel in kernels] == ["['a', 'b']\n"] * 2
    assert len(server.requests) == 1


def paged(request: Request) -> Reply:
    """Three pages in Anthropic's way."""
    after = dict(part.split("=") for part in request.query.split("&") if "=" in part).get("after_id", "")
    first = int(after[1:]) + 1 if after else 0
    rows = [{"type": "model", "id": f"m{n}"} for n in range(first, min(first + 2, 5))]
    more = first + 2 < 5
    return Reply(json.dumps({"data": rows, "has_more": more, "last_id": rows[-1]["id"]}).encode(), headers=JSON)


def test_pages_are_followed(providers: Providers) -> None:
    """Each page's cursor asks for the next one, until there is none."""
    with serve(paged) as server:
        providers.add("claude", base_url=server.url, dialect="anthropic", key="k3y")
        assert ids(providers.models("claude")) == ["m0", "m1", "m2", "m3", "m4"]
        assert len(server.requests) == 3 and all(r.headers["x-api-key"] == "k3y" for r in server.requests)


def test_pages_that_lead_in_a_circle_end(providers: Providers) -> None:
    """A cursor that comes twice ends the list, with a note; one that goes on for ever is cut off."""
    page = {"data": [{"type": "model", "id": "m0"}], "has_more": True, "last_id": "m0"}
    with serve(Reply(json.dumps(page).encode(), headers=JSON)) as server:
        providers.add("claude", base_url=server.url, dialect="anthropic", key="k3y")
        assert ids(providers.models("claude")) == ["m0"] and len(server.requests) == 2
        assert "leads back" in providers.lists.kept(providers.get("claude")).notes[0]

    def endless(request: Request) -> Reply:
        last = f"m{request.number}"
        body = {"data": [{"type": "model", "id": last}], "has_more": True, "last_id": last}
        return Reply(json.dumps(body).encode(), headers=JSON)

    with serve(endless) as server:
        providers.add("claude", base_url=server.url, dialect="anthropic", key="k3y")
        assert len(providers.models("claude")) == 100 == len(server.requests)


HOSTILE = [
    "good-1", "", 3, None, "../../etc/passwd", "a/../b", "<script>alert(1)</script>", "a b", "a\nb", "\x1b[31mred",
    "x" * 300, "a\u202eb", {"id": None}, {"name": "by-name"}, "ft:gpt-x:acme::a1", "accounts/f/models/m", "q@q4_k_m",
    "@cf/meta/x", "gemma3:4b", "good-1",
]  # fmt: skip


def test_hostile_rows_are_left_out(corp: Providers, changing: Changing, home: Path) -> None:
    """What could not be typed, or would write into a page or a path, is skipped with a note; the rest is there."""
    changing.now = listed(*HOSTILE)
    good = ["good-1", "by-name", "ft:gpt-x:acme::a1", "accounts/f/models/m", "q@q4_k_m", "@cf/meta/x", "gemma3:4b"]
    assert ids(corp.models("corp")) == good
    [note] = corp.lists.kept(corp.get("corp")).notes
    assert "left out" in note and "<script" not in note
    assert {p.name for p in home.rglob("*") if p.is_file()} == {"corp.json", ".corp.lock", "providers.json"}


def test_three_thousand_models(corp: Providers, changing: Changing) -> None:
    """A long list is a list as any other."""
    changing.now = listed(*(f"org{n % 37}/m-{n:04}" for n in range(3000)))
    assert len(corp.models("corp")) == 3000 and len(Providers().models("corp")) == 3000


ROWS = [
    "gpt-x", "gpt-x-2026-01-02", "gpt-x-20260102", "claude-y-20260102", "text-embed-y", "whisper-1", "gpt-x-nightly",
    "gem-3-preview-01", "dall-e-9", "omni-moderation-latest", {"id": "by-kind", "type": "embedding"},
]  # fmt: skip


def test_what_is_not_for_every_day_is_hidden(corp: Providers, changing: Changing) -> None:
    """Nightly ones, those no chat is with, and dated ones of which there is one without a date go with `all=False`."""
    changing.now = listed(*ROWS)
    assert ids(corp.models("corp", all=False)) == ["gpt-x", "claude-y-20260102"]
    assert len(corp.models("corp")) == len(ROWS)
    corp.edit("corp", hide=[])
    few = ids(corp.models("corp", all=False))
    assert "whisper-1" in few and "by-kind" not in few


def test_models_it_does_not_list(corp: Providers) -> None:
    """Ids that its user names are among its models, whatever they look like."""
    corp.edit("corp", models=["my-embedding"])
    assert ids(corp.models("corp")) == ["my-embedding", "a", "b"]


def test_a_provider_without_a_list(providers: Providers) -> None:
    """Perplexity's models are those that were known on a day, which is said; nothing is sent."""
    found = providers.models("perplexity")
    assert "sonar" in ids(found) and found.whence == f"packaged {providers.get('perplexity').models.dated}"
    [told] = providers.refresh("perplexity")
    assert told.error is None and "no list" in told.notes[0]


def test_a_list_is_of_its_address(corp: Providers, server: Server) -> None:
    """A provider that moves does not show what was listed elsewhere."""
    corp.models("corp")
    with serve(listed("other")) as elsewhere:
        corp.edit("corp", base_url=elsewhere.url)
        assert not corp.lists.kept(corp.get("corp")).rows and ids(corp.models("corp")) == ["other"]


def test_a_broken_file_is_read_anew(corp: Providers, server: Server) -> None:
    """What somebody wrote into the file of a list costs another reading of the list."""
    for text in ("{", "[]", '{"schema": 1, "rows": 3}', '{"schema": 99}', '{"schema": 1, "rows": [{"id": 1, "x": 2}]}'):
        corp.models("corp", refresh=True)
        path_of("corp").write_text(text)
        assert ids(Providers().models("corp")) == ["a", "b"]


def test_a_home_that_cannot_be_written(corp: Providers, home: Path, server: Server) -> None:
    """Where no file can be kept the list is this kernel's, and it is there."""
    (home / "lists").write_text("in the way")
    assert ids(corp.models("corp")) == ["a", "b"] == ids(corp.models("corp"))


def test_a_key_that_changes_reads_the_list_anew(corp: Providers, server: Server) -> None:
    """Once, in the background, with the new key; adding a provider with its key asks nothing yet."""
    corp.add("keyed", base_url=server.url, key="first-k3y")
    assert server.requests == []
    corp.keys.set("keyed", "second-k3y", session=True)
    [request] = server.wait_requests(1)
    assert request.headers["authorization"] == "Bearer second-k3y"
    assert ids(corp.begin_refresh("keyed").result(30) and corp.models("keyed")) == ["a", "b"]


def test_in_use(providers: Providers, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refreshing all asks those added, those with a key and those asked before; no other port of this machine."""
    assert providers.refresh() == [] and providers.in_use() == []
    monkeypatch.setenv("GROQ_API_KEY", "gsk_0123456789abcdefghij")
    providers.add("corp", base_url=server.url)
    assert {p.name for p in providers.in_use()} == {"corp", "groq"}
    providers.disable("corp")
    assert {p.name for p in providers.in_use()} == {"groq"}
    monkeypatch.delenv("GROQ_API_KEY")
    providers.enable("corp")
    assert [told.provider for told in providers.refresh()] == ["corp"]


def test_lists_that_are_old_come_in_the_background(corp: Providers, server: Server, changing: Changing) -> None:
    """`refresh_due` waits for nothing, reads what is old, and lets one that failed rest."""
    corp.refresh_due()
    server.wait_requests(1)
    corp.begin_refresh("corp").result(30)
    assert not corp.lists.due(corp.get("corp"))
    asked = len(server.requests)
    changing.now = failing(500)
    corp.refresh("corp")
    aged("corp", 25)
    data = json.loads(path_of("corp").read_text("utf-8"))
    data["tried"] = time.time()
    path_of("corp").write_text(json.dumps(data))
    assert not corp.lists.due(corp.get("corp"))
    data["tried"] = time.time() - 600
    path_of("corp").write_text(json.dumps(data))
    assert corp.lists.due(corp.get("corp")) and len(server.requests) == asked + 1
    corp.remove("corp")
    assert not path_of("corp").exists()


def test_a_page_that_repeats_the_key_is_not_quoted_with_it(providers: Providers, changing: Changing) -> None:
    """What came instead of a list is quoted as every error is: on one line, without the key."""
    key = "drawn-by-nobody-7431"
    with serve(Reply(f"you sent {key}\x1b[31m, and\nthat is no list".encode(), 200, JSON)) as server:
        providers.add("corp", base_url=server.url, key=key)
        with pytest.raises(ProviderError, match=r"you sent .*, and that is no list") as wrong:
            providers.models("corp")
    assert key not in str(wrong.value) and "\\x1b" not in str(wrong.value)
    assert key not in path_of("corp").read_text("utf-8")
