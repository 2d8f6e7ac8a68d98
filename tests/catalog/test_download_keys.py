"""Keys in the addresses of downloads: used to ask, and neither shown nor kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.errors import BadRequest, DownloadFailed
from modelhub.kernels.catalog.catalog import PACKAGED
from modelhub.kernels.catalog.fetching.downloads import Downloads
from tests.catalog.downloading import REPOSITORY, held, hold, part_files
from tests.hub_server import HubStandIn

KEYS = "?token=canary1&X-Amz-Credential=canary2&X-Amz-Signature=canary3&part=7"


def keyed(hub: HubStandIn, name: str, keys: str = KEYS) -> str:
    """The address of a plain file with a password and signatures."""
    return hub.plain_url(name).replace("://", "://user:can@ary@") + keys


def kept(home: Path) -> str:
    """What is written in the home beside weights."""
    files = [p for p in home.rglob("*") if p.is_file() and p.suffix not in (".gguf", ".part")]
    return "\n".join(p.read_text("utf-8") for p in files)


def silent(text: str) -> bool:
    return "canary" not in text and "can@ary" not in text and "ary@" not in text


def test_a_keyed_address_is_fetched_and_kept_without_its_keys(
    hub_stand_in: HubStandIn, downloads: Downloads, home: Path
) -> None:
    """Its file, its card and its errors have the address alone; with another signature it is the same model."""
    hub_stand_in.plain["p.gguf"] = (PACKAGED / "tiny-chat.gguf").read_bytes()
    fetched = downloads.begin(keyed(hub_stand_in, "p.gguf")).result()
    assert silent(repr(fetched.card) + repr(fetched.card.to_dict())) and silent(kept(home))
    assert fetched.card.origin == hub_stand_in.plain_url("p.gguf") + "?part=7"
    again = downloads.begin(keyed(hub_stand_in, "p.gguf", "?part=7&Signature=canary9")).result()
    assert again.existing


def test_a_stopped_one_goes_on_with_a_new_signature(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """What is kept of a download has no key in it, and is gone on from when the link is signed anew."""
    hub_stand_in.plain["p.gguf"] = (PACKAGED / "tiny-chat.gguf").read_bytes()
    gate = hold(hub_stand_in, 1_000_000)
    first = downloads.begin(keyed(hub_stand_in, "p.gguf"))
    held(first, 1_000_000)
    first.cancel()
    gate.set()
    assert part_files(home) and silent(kept(home)) and silent(repr(downloads.unfinished()))
    hub_stand_in.faults.gate = None
    hub_stand_in.requests.clear()
    downloads.begin(keyed(hub_stand_in, "p.gguf", "?part=7&token=canary9")).result()
    assert hub_stand_in.requests[-1][2].startswith("bytes=")


def test_what_fails_shows_no_key(
    hub_stand_in: HubStandIn, downloads: Downloads, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error, no failed card and no file has the keys of an address, of HF_ENDPOINT, or HF_TOKEN."""
    hub_stand_in.plain |= {"x.txt": b"hi", "b.gguf": b"GGUF" + b"\1" * 5000}
    said = []
    for name in ("missing.gguf", "x.txt", "b.gguf"):
        with pytest.raises(DownloadFailed) as failed:
            downloads.begin(keyed(hub_stand_in, name)).result()
        said.append(str(failed.value) + repr(vars(failed.value)))
    with pytest.raises(BadRequest) as refused:
        downloads.begin("https://user:canary@[/x.gguf")
    said.append(str(refused.value))
    monkeypatch.setenv("HF_ENDPOINT", "http://user:canary@127.0.0.1:1")
    monkeypatch.setenv("HF_TOKEN", "hf_canarycanarycanary")
    with pytest.raises(DownloadFailed) as unreached:
        downloads.begin(REPOSITORY)
    said.append(str(unreached.value))
    assert all(map(silent, said)), said
    assert downloads.cards() and silent(repr(downloads.cards())) and silent(kept(home))
