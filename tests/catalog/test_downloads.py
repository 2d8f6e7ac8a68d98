"""Fetching models from a Hub on this machine: what comes, what is kept, what goes on, and what is shared."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from modelhub.errors import DownloadFailed, StateConflict, Stopped
from modelhub.kernels import background
from modelhub.kernels.catalog.catalog import PACKAGED, Catalog
from modelhub.kernels.catalog.fetching.downloads import Downloads
from tests.catalog.downloading import (
    FILE,
    ID,
    REPOSITORY,
    children,
    held,
    hold,
    models,
    part_files,
    sha256,
    stop_at,
)
from tests.hub_server import HubStandIn, projector_gguf, split_gguf

CONTENT = (PACKAGED / "tiny-chat.gguf").read_bytes()
HALF = 2_000_000


def test_a_model_is_fetched_verified_and_found(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """The file lies in owner/repo/QUANT with a card that says whence and what hash, and the catalogue has it."""
    download = downloads.begin(REPOSITORY).result()
    assert (download.offer.id, download.verified, download.state, download.part) == (ID, "sha256", "downloaded", 1.0)
    folder = home / "models" / REPOSITORY / "Q8_0"
    assert models(home) == [f"{REPOSITORY}/Q8_0/model.json", f"{REPOSITORY}/Q8_0/{FILE}"]
    assert (folder / FILE).read_bytes() == CONTENT
    card = json.loads((folder / "model.json").read_text())
    assert (card["id"], card["origin"], card["licence"]) == (ID, REPOSITORY, "apache-2.0")
    assert card["files"][0]["sha256"] == sha256(CONTENT)
    assert card["download_url"].endswith(f"/{REPOSITORY}/resolve/{hub_stand_in.commit(REPOSITORY)}/{FILE}")
    found = Catalog().find(ID)
    assert (found.state, found.path, found.origin) == ("downloaded", str(folder / FILE), REPOSITORY)
    assert not (home / "models" / ".downloads").exists()


def test_what_is_here_is_not_fetched_again(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """The same command again costs a listing, and says that the model is here."""
    downloads.begin(REPOSITORY).result()
    again = downloads.begin(REPOSITORY).result()
    assert again.existing
    assert hub_stand_in.sent[FILE] == len(CONTENT)


def test_a_newer_file_takes_the_old_ones_place(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """Where the repository has another file now, it is fetched and replaces the one that is here."""
    downloads.begin(REPOSITORY).result()
    hub_stand_in.repositories[REPOSITORY][FILE] = newer = CONTENT + b"\0" * 32
    again = downloads.begin(REPOSITORY).result()
    assert not again.existing
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == newer


def test_cancelling_keeps_what_came(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """A cancelled download has ended with its process, is no model, and goes on from the byte it was stopped at."""
    download = stop_at(hub_stand_in, downloads, REPOSITORY, HALF)
    assert download.done and download.state == "downloadable"
    assert children() == []
    assert models(home) == []
    assert [p.stat().st_size for p in part_files(home)] == [HALF]
    assert [c.id for c in Catalog().cards() if c.source == "models home"] == []
    with pytest.raises(Stopped):
        download.result()
    downloads.begin(REPOSITORY).result()
    assert hub_stand_in.requests[-1] == ("GET", hub_stand_in.requests[-1][1], f"bytes={HALF}-")
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == CONTENT
    assert hub_stand_in.sent[FILE] == len(CONTENT)


def test_cancelling_at_once(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """A download can be cancelled before its process has begun."""
    offer = downloads.offer(REPOSITORY)
    busy = threading.Event()
    background.loop().call_soon_threadsafe(busy.wait)  # so that it cannot begin yet
    download = downloads.begin(offer)
    threading.Timer(0.3, busy.set).start()
    download.cancel()
    assert download.done and download.state == "downloadable"
    assert hub_stand_in.sent[FILE] == 0


def test_a_cut_connection_is_gone_on_from(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """Where the connection is cut again and again, each try begins where the last one ended."""
    hub_stand_in.faults.cut_after = 1_000_000
    downloads.begin(REPOSITORY).result()
    ranges = [
        r
        for method, path, r in hub_stand_in.requests
        if method == "GET" and path.endswith(FILE) and "/resolve/" not in path
    ]
    assert ranges == ["", "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"]
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_waited_out(status: int, hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """What the server says to try again is tried again: the listing, and the file."""
    hub_stand_in.faults.api_statuses = [status]
    hub_stand_in.faults.statuses = [status, 200, status]  # of the question whether it may be had, then of the file
    assert downloads.begin(REPOSITORY).result().verified == "sha256"


def test_a_repository_that_changed_meanwhile_starts_again(
    hub_stand_in: HubStandIn, downloads: Downloads, home: Path
) -> None:
    """What was kept of another version is not gone on from."""
    stop_at(hub_stand_in, downloads, REPOSITORY, HALF)
    hub_stand_in.repositories[REPOSITORY][FILE] = newer = CONTENT + b"\1" * 32
    downloads.begin(REPOSITORY).result()
    assert hub_stand_in.requests[-1][2] == ""
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == newer


def test_a_damaged_part_starts_again(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """Where the hash says that what was kept is damaged, all of the file is fetched once more, and that is said."""
    stop_at(hub_stand_in, downloads, REPOSITORY, HALF)
    (part,) = part_files(home)
    part.write_bytes(b"GGUF" + b"\7" * (HALF - 4))
    download = downloads.begin(REPOSITORY).result()
    assert download.restarted
    assert hub_stand_in.sent[FILE] == 2 * len(CONTENT)
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == CONTENT


def test_a_plain_address(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """A file at an address of its own is fetched, gone on from with If-Range, and not called verified."""
    hub_stand_in.plain["small one.gguf"] = CONTENT
    url = hub_stand_in.plain_url("small%20one.gguf")
    stop_at(hub_stand_in, downloads, url, HALF)
    download = downloads.begin(url).result()
    assert (download.verified, download.restarted) == ("size", False)
    assert hub_stand_in.requests[-1][2] == f"bytes={HALF}-"
    assert [bool(c) for c in hub_stand_in.conditions] == [True]
    assert models(home) == ["small-one/model.json", "small-one/small one.gguf"]
    assert Catalog().find(download.offer.id).origin == url


def test_a_plain_address_with_a_hash(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """A hash that was given with an address is compared."""
    hub_stand_in.plain["x.gguf"] = CONTENT
    offer = downloads.offer(hub_stand_in.plain_url("x.gguf")).with_sha256(sha256(CONTENT).upper())
    assert downloads.begin(offer).result().verified == "sha256"


def test_a_plain_file_that_changes_under_way_starts_again(
    hub_stand_in: HubStandIn, downloads: Downloads, home: Path
) -> None:
    """A file that is another one when its download goes on is fetched from its first byte, also of another size."""
    hub_stand_in.plain["x.gguf"] = CONTENT
    url = hub_stand_in.plain_url("x.gguf")
    offer = downloads.offer(url)
    stop_at(hub_stand_in, downloads, url, HALF)
    hub_stand_in.plain["x.gguf"] = newer = CONTENT + b"\1" * 64
    download = downloads.begin(offer).result()
    assert download.restarted
    assert (home / "models" / "x" / "x.gguf").read_bytes() == newer


def test_a_server_without_ranges_starts_again(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """Where a server sends all of a file though the rest was asked for, it is taken from the first byte."""
    stop_at(hub_stand_in, downloads, REPOSITORY, HALF)
    hub_stand_in.faults.no_ranges = True
    downloads.begin(REPOSITORY).result()
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == CONTENT


def test_a_gated_model_with_a_token(
    hub_stand_in: HubStandIn, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_TOKEN opens a gated model, and is sent neither to the store it redirects to nor to plain addresses."""
    hub_stand_in.faults.gated = hub_stand_in.faults.private = True
    hub_stand_in.plain["x.gguf"] = CONTENT
    monkeypatch.setenv("HF_TOKEN", hub_stand_in.token)
    downloads.begin(REPOSITORY).result()
    downloads.begin(hub_stand_in.plain_url("x.gguf")).result()
    assert hub_stand_in.tokens == set()


def test_all_parts_of_a_split_model(hub_stand_in: HubStandIn, downloads: Downloads, home: Path, tmp_path: Path) -> None:
    """A split model is one model: all parts come, one after the other, and the card lists them in order."""
    parts = split_gguf(tmp_path, "big-Q4_0", 3)
    hub_stand_in.repositories["a/big"] = {f"Q4_0/{n}": p.read_bytes() for n, p in reversed(parts.items())}
    download = downloads.begin("a/big").result()
    assert [len(c.files) for c in download.offer.choices] == [3]
    assert models(home) == ["a/big/Q4_0/" + n for n in [*parts, "model.json"]]
    files = Catalog().find("a/big:Q4_0").files
    assert [(Path(f.path or "").name, f.role) for f in files] == list(
        zip(parts, ["model", "shard", "shard"], strict=True)
    )


def test_a_split_model_goes_on_with_the_part_it_was_stopped_in(
    hub_stand_in: HubStandIn, downloads: Downloads, tmp_path: Path
) -> None:
    """Parts that are here whole are not asked for again."""
    parts = split_gguf(tmp_path, "big-Q4_0", 3)
    hub_stand_in.repositories["a/big"] = {n: p.read_bytes() for n, p in parts.items()}
    first, second, _third = parts
    size = parts[first].stat().st_size
    hub_stand_in.faults.sha256[second] = "0" * 64
    with pytest.raises(Exception, match="hash is wrong"):
        downloads.begin("a/big").result()
    hub_stand_in.faults.sha256.clear()
    downloads.begin("a/big").result()
    assert hub_stand_in.sent[first] == size
    assert hub_stand_in.sent[second] == 2 * parts[second].stat().st_size


def test_what_makes_a_model_see_comes_with_it(
    hub_stand_in: HubStandIn, downloads: Downloads, home: Path, tmp_path: Path
) -> None:
    """An mmproj beside a model is fetched with it, F16 before others, and can be left out."""
    eye = projector_gguf(tmp_path / "eye.gguf").read_bytes()
    hub_stand_in.repositories[REPOSITORY] |= {"mmproj-BF16.gguf": eye, "mmproj-F16.gguf": eye}
    offer = downloads.offer(REPOSITORY)
    assert [c.label for c in offer.choices] == ["Q8_0"]
    downloads.begin(offer).result()
    files = Catalog().find(ID).files
    assert [(Path(f.path or "").name, f.role) for f in files] == [(FILE, "model"), ("mmproj-F16.gguf", "mmproj")]
    assert offer.without_mmproj().size == len(CONTENT)


def test_one_download_for_two_who_ask(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """Asked for again while it comes, the same download is given."""
    gate = hold(hub_stand_in, HALF)
    first = downloads.begin(REPOSITORY)
    assert downloads.begin(f"{REPOSITORY}:q8_0") is first
    assert downloads.active() == [first]
    gate.set()
    first.result()
    assert downloads.active() == []


def test_a_model_that_comes_is_listed_and_cannot_be_asked_yet(hub_stand_in: HubStandIn, home: Path) -> None:
    """While it comes its card says downloading; to ask it is a StateConflict with the per cent."""
    catalog = Catalog()
    gate = hold(hub_stand_in, HALF)
    download = catalog.downloads.begin(REPOSITORY)
    held(download, HALF)
    card = catalog.find(ID)
    assert (card.state, card.size, card.path) == ("downloading", len(CONTENT), None)
    with pytest.raises(StateConflict, match=r"is being fetched, 52 % are here.*%models cancel modelhub/tiny-chat"):
        catalog.resolve(ID)
    gate.set()
    download.result()
    assert catalog.resolve(ID).card.state == "downloaded"


def test_a_model_that_failed_says_why(hub_stand_in: HubStandIn, home: Path) -> None:
    """What could not be fetched is listed as failed; to ask it gives the reason and how to try again."""
    catalog = Catalog()
    hub_stand_in.faults.html = True
    with pytest.raises(Exception, match="web page"):
        catalog.downloads.begin(REPOSITORY).result()
    assert catalog.find(ID).state == "failed"
    with pytest.raises(StateConflict, match=f"web page.*%models pull {ID} tries again"):
        catalog.resolve(ID)
    hub_stand_in.faults.html = False
    catalog.downloads.begin(REPOSITORY).result()
    assert catalog.resolve(ID).card.state == "downloaded"


def test_what_was_stopped_is_listed_and_can_be_deleted(
    hub_stand_in: HubStandIn, downloads: Downloads, home: Path
) -> None:
    """What came of a stopped download is known to later kernels, with its size, and is deleted when that is asked."""
    stop_at(hub_stand_in, downloads, REPOSITORY, HALF)
    later = Downloads()
    (kept,) = later.unfinished()
    assert (kept.id, kept.asked, kept.received, kept.size) == (ID, ID, HALF, len(CONTENT))
    with pytest.raises(StateConflict, match=f"Unfinished are {ID}"):
        later.drop("other")
    assert later.drop(ID) == HALF
    assert later.unfinished() == []
    assert list((home / "models").iterdir()) == []


def test_cancelling_what_is_not_on_its_way(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """A name that is not being fetched is one line with those that are."""
    with pytest.raises(StateConflict, match=r"not being fetched\. Nothing is on its way"):
        downloads.cancel("x")
    gate = hold(hub_stand_in, HALF)
    downloads.begin(REPOSITORY)
    with pytest.raises(StateConflict, match=f"Did you mean '{ID}'. On its way is {ID}"):
        downloads.cancel(ID[:-1])
    downloads.cancel(REPOSITORY)
    gate.set()


def test_closing_the_hub_stops_what_comes(hub_stand_in: HubStandIn) -> None:
    """When the hub is closed nothing goes on fetching."""
    from modelhub.kernels.hub import Hub

    hub = Hub()
    gate = hold(hub_stand_in, HALF)
    download = hub.catalog.downloads.begin(REPOSITORY)
    held(download, HALF)
    hub.close()
    assert download.done and children() == []
    gate.set()


def test_another_model_of_that_name_is_not_replaced(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """A file of the same name from another address is refused with what to do, and the first one stays."""
    hub_stand_in.plain |= {"a/x.gguf": CONTENT, "b/x.gguf": CONTENT + b"\0" * 32}
    downloads.begin(hub_stand_in.plain_url("a/x.gguf")).result()
    with pytest.raises(
        DownloadFailed, match=r"holds a model of that name from .*/a/x.gguf; type %models delete x first"
    ):
        downloads.begin(hub_stand_in.plain_url("b/x.gguf")).result()
    assert (home / "models" / "x" / "x.gguf").read_bytes() == CONTENT


def test_a_file_of_the_user_is_not_replaced(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """A file the user put where the download belongs is left alone; if it is the very same, it is not sent again."""
    path = home / "models" / REPOSITORY / "Q8_0" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(DownloadFailed, match="is there already and modelhub did not put it there; move it away"):
        downloads.begin(REPOSITORY).result()
    assert path.read_bytes() == b"mine"
    path.write_bytes(CONTENT)
    assert downloads.begin(REPOSITORY).result().verified == "sha256"
    assert path.read_bytes() == CONTENT
    assert hub_stand_in.sent == {}


def test_another_store_with_another_etag_goes_on(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """Where the hash is known, a store that names the same file by another ETag loses nothing that came."""
    stop_at(hub_stand_in, downloads, REPOSITORY, HALF)
    hub_stand_in.faults.salt = b"another store"
    assert not downloads.begin(REPOSITORY).result().restarted
    assert hub_stand_in.sent[FILE] == len(CONTENT)


def test_a_server_that_ignores_conditions(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """A plain file that changed is not mixed of two, though the server sends a part of the new one."""
    hub_stand_in.plain["x.gguf"] = CONTENT
    url = hub_stand_in.plain_url("x.gguf")
    stop_at(hub_stand_in, downloads, url, HALF)
    hub_stand_in.plain["x.gguf"] = newer = CONTENT[:-64] + b"\1" * 64
    hub_stand_in.faults.no_condition = True
    assert downloads.begin(url).result().restarted
    assert (home / "models" / "x" / "x.gguf").read_bytes() == newer
