"""What goes wrong with downloads: each is one line that says what to type, and nothing is taken for a model."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, DownloadFailed
from modelhub.kernels.catalog.catalog import PACKAGED
from modelhub.kernels.catalog.fetching.downloads import Downloads
from tests.catalog.downloading import FILE, REPOSITORY, models, part_files
from tests.hub_server import HubStandIn

CONTENT = (PACKAGED / "tiny-chat.gguf").read_bytes()


def wrong_hash(hub: HubStandIn) -> None:
    hub.faults.sha256[FILE] = "ab" * 32


def announced_small(hub: HubStandIn) -> None:
    hub.faults.sizes[FILE] = 1000


def announced_large(hub: HubStandIn) -> None:
    hub.faults.sizes[FILE] = len(CONTENT) + 1000


def surplus(hub: HubStandIn) -> None:
    hub.faults.surplus = 70_000


def web_page(hub: HubStandIn) -> None:
    hub.faults.html = True


def gated(hub: HubStandIn) -> None:
    hub.faults.gated = True


def private(hub: HubStandIn) -> None:
    hub.faults.private = True


def listing_429(hub: HubStandIn) -> None:
    hub.faults.api_statuses = [429] * 20


def listing_500(hub: HubStandIn) -> None:
    hub.faults.api_statuses = [500] * 20


def forbidden(hub: HubStandIn) -> None:
    hub.faults.statuses = [403]


def file_503(hub: HubStandIn) -> None:
    hub.faults.statuses = [200, *[503] * 50]


def nothing_comes(hub: HubStandIn) -> None:
    hub.faults.cut_after = 0


def gone(hub: HubStandIn) -> None:
    hub.repositories[REPOSITORY] = {"README.md": b"moved"}


def a_part_is_missing(hub: HubStandIn) -> None:
    hub.repositories[REPOSITORY] = {"x-00001-of-00002.gguf": CONTENT}


def no_header(hub: HubStandIn) -> None:
    hub.repositories[REPOSITORY][FILE] = b"GGUF" + b"\1" * 5000


def lfs_pointer(hub: HubStandIn) -> None:
    hub.repositories[REPOSITORY][FILE] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


def too_short(hub: HubStandIn) -> None:
    hub.repositories[REPOSITORY][FILE] = b"GG"


def disk_is_small(hub: HubStandIn) -> None:
    hub.faults.sizes[FILE] = 10**18


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        (wrong_hash, ["its hash is wrong", "abababababab…", "it was deleted", "type the same again"]),
        (announced_small, ["too large: 1,000 bytes were announced, 3,822,432 are sent", "type the same again"]),
        (announced_large, ["too small: 3,823,432 bytes were announced, 3,822,432 are sent"]),
        (surplus, ["too large: more came than the 3,822,432 bytes"]),
        (web_page, ["a web page came instead of a GGUF", "the address of the file itself"]),
        (gated, ["it is gated", "accept its licence at http://127.0.0.1", f"/{REPOSITORY}", "HF_TOKEN"]),
        (private, ["no such repository, or it is private", "check the name", "HF_TOKEN"]),
        (listing_429, ["too many requests (429)", "wait some minutes", "HF_TOKEN"]),
        (listing_500, ["the Hub answered 500 4 times", "try again later"]),
        (forbidden, ["it may not be read (403)", "HF_TOKEN"]),
        (file_503, ["the server has a problem (503)", "what came is kept", "type the same again later"]),
        (nothing_comes, ["the connection was cut", "what came is kept"]),
        (gone, ["has no GGUF that can be fetched", "%models browse --online tiny-chat-GGUF"]),
        (a_part_is_missing, ["has no GGUF that can be fetched, a split one with a part missing"]),
        (no_header, ["came as announced, but it cannot be used", "it was deleted"]),
        (lfs_pointer, ["a git-lfs pointer came instead of the GGUF"]),
        (too_short, ["it is no GGUF"]),
        (disk_is_small, ["1,000,000,000.0 GB more are needed and", "are free on the disk of", "MODELHUB_HOME"]),
    ],
)
def test_a_fault_is_one_line(
    fault: Callable[[HubStandIn], None], parts: list[str], hub_stand_in: HubStandIn, downloads: Downloads, home: Path
) -> None:
    """Whatever the Hub does, the error says what it was and what to type, and no file looks like a model."""
    fault(hub_stand_in)
    with pytest.raises(DownloadFailed) as caught:
        downloads.begin(REPOSITORY).result()
    said = str(caught.value)
    assert all(part in said for part in parts), said
    assert "\n" not in said and len(said) < 420
    assert models(home) == []


@pytest.mark.parametrize("fault", [wrong_hash, surplus, web_page, no_header])
def test_what_is_wrong_is_not_kept(
    fault: Callable[[HubStandIn], None], hub_stand_in: HubStandIn, downloads: Downloads, home: Path
) -> None:
    """Bytes that are known to be wrong are deleted, so that the next try does not go on from them."""
    fault(hub_stand_in)
    with pytest.raises(DownloadFailed):
        downloads.begin(REPOSITORY).result()
    assert sum(p.stat().st_size for p in part_files(home)) == 0


@pytest.mark.parametrize(
    "name",
    [
        "../escape.gguf", "a/../../escape.gguf", "/tmp/escape.gguf", "..\\escape.gguf", "a\\..\\..\\escape.gguf",
        "nul\0byte.gguf", "C:escape.gguf", "aux.gguf", "a//b.gguf", ".hidden.gguf", "line\nbreak.gguf",
        "x" * 300 + ".gguf",
    ],
)  # fmt: skip
def test_a_hostile_listing_is_one_line(name: str, hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """A repository that lists a file outside its folder, or one no disk can have, is refused and writes nothing."""
    hub_stand_in.faults.names = [name]
    before = sorted(home.parent.iterdir())
    with pytest.raises(DownloadFailed) as caught:
        downloads.begin(f"{REPOSITORY}:Q8_0")
    assert "no safe name for a file" in str(caught.value) and "\n" not in str(caught.value)
    assert [p for p in sorted(home.parent.iterdir()) if p not in before and p.name != "hf"] == []


@pytest.mark.parametrize(
    "what",
    ["../../etc", "a/../b", "owner", "owner/", "/repo", "a/b/c", "owner/repo name", "ftp://host/x.gguf", "http://", "https:///x.gguf",
     "a/..", "http://[/x.gguf", "a/b:c:d/../x.gguf"],
)  # fmt: skip
def test_a_name_that_is_none_is_one_line(what: str, downloads: Downloads) -> None:
    """What is neither a repository nor an address is refused without asking anybody."""
    with pytest.raises((BadRequest, DownloadFailed)) as caught:
        downloads.offer(what)
    assert "\n" not in str(caught.value)


def test_a_quantisation_that_is_not_there(downloads: Downloads) -> None:
    """A quantisation the repository lacks is answered with the nearest and all there are."""
    with pytest.raises(
        DownloadFailed, match=f"has no 'Q8_1'. Did you mean 'Q8_0'. It has Q8_0; type %models pull {REPOSITORY}:Q8_0"
    ):
        downloads.offer(REPOSITORY, "Q8_1")


def test_no_network(downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hub that cannot be reached is one line with what to check."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        with pytest.raises(
            DownloadFailed, match=r"cannot be reached.*check the network, a proxy \(HTTPS_PROXY\) and HF_ENDPOINT"
        ):
            downloads.offer(REPOSITORY)
        with pytest.raises(DownloadFailed, match=r"was not fetched: no connection.*check the address and the network"):
            downloads.offer(f"http://localhost:{port}/x.gguf")


def test_offline(downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is obeyed, and named."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE is set"):
        downloads.offer(REPOSITORY)


def test_a_token_that_does_not_open_it(
    hub_stand_in: HubStandIn, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a token that has not accepted the licence the line speaks of the token, and does not show it."""
    hub_stand_in.faults.gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    with pytest.raises(
        DownloadFailed, match=r"gated: the token that is set .* may not read it; accept its licence"
    ) as caught:
        downloads.begin(REPOSITORY).result()
    assert "hf_of_somebody_else" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("x.gguf", b"<html>", ["a web page came"]),
        ("x.gguf", b"lmgg" + b"0" * 100, ["the old ggml format"]),
        ("x.gguf", b"MZ" + b"0" * 100, ["it is no GGUF: it begins with b'MZ00'"]),
        ("x.bin", CONTENT, ["no address of a .gguf file"]),
        ("x-00001-of-00002.gguf", CONTENT, ["it is one part of a split one", "Give the repository"]),
        (None, b"", ["there is no such file (404)"]),
    ],
)
def test_a_plain_address_of_something_else(
    name: str | None, content: bytes, parts: list[str], hub_stand_in: HubStandIn, downloads: Downloads, home: Path
) -> None:
    """An address that gives no GGUF is one line, and nothing is kept."""
    if name:
        hub_stand_in.plain[name] = content
    with pytest.raises(DownloadFailed) as caught:
        downloads.begin(hub_stand_in.plain_url(name or "missing.gguf")).result()
    assert all(part in str(caught.value) for part in parts), caught.value
    assert models(home) == []


def test_a_wrong_hash_for_an_address(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """A hash that was given and is not the file's is an error; one that is none is refused before."""
    hub_stand_in.plain["x.gguf"] = CONTENT
    offer = downloads.offer(hub_stand_in.plain_url("x.gguf"))
    with pytest.raises(DownloadFailed, match="its hash is wrong"):
        downloads.begin(offer.with_sha256("0" * 64)).result()
    with pytest.raises(BadRequest, match="64 hexadecimal digits; got 'abc'"):
        offer.with_sha256("abc")
    with pytest.raises(BadRequest, match="says the hashes of its files"):
        downloads.offer(REPOSITORY).with_sha256("0" * 64)


def test_a_home_that_cannot_be_written_to(downloads: Downloads, home: Path, tmp_path: Path) -> None:
    """Where the models home is no folder, the line names it and what to set."""
    home.mkdir()
    (home / "models").write_text("no folder")
    with pytest.raises(DownloadFailed, match=r"cannot be written to.*MODELHUB_HOME"):
        downloads.begin(REPOSITORY).result()


def test_a_full_disk(hub_stand_in: HubStandIn, home: Path) -> None:
    """A disk that is full under way is one line, and what came is kept for when there is room."""
    code = (
        "import resource, signal, sys\n"
        "from modelhub.errors import DownloadFailed\n"
        "from modelhub.kernels.catalog.fetching.downloads import Downloads\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))\n"
        f"try:\n    Downloads().begin({REPOSITORY!r}).result()\n"
        "except DownloadFailed as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "is full; free some, then type the same again to go on" in said
    assert [p.stat().st_size for p in part_files(home)] == [1_000_000]
    Downloads().begin(REPOSITORY).result()
    assert hub_stand_in.requests[-1][2] == "bytes=1000000-"


def test_without_huggingface_hub(hub_stand_in: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where huggingface_hub is not installed, the line says how to install it; plain addresses work without it."""
    hidden = tmp_path / "hidden" / "huggingface_hub"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden.parent))
    downloads = Downloads()
    with pytest.raises(DownloadFailed, match=r"%pip install 'jupyter-modelhub\[local\]'"):
        downloads.offer(REPOSITORY)
    hub_stand_in.plain["x.gguf"] = CONTENT
    assert downloads.begin(hub_stand_in.plain_url("x.gguf")).result().state == "downloaded"


def test_a_hostile_note_of_what_was_kept(hub_stand_in: HubStandIn, downloads: Downloads, home: Path) -> None:
    """What lies in the folder of downloads and cannot be read is left out, and harms no later download."""
    folder = home / "models" / ".downloads" / "strange"
    folder.mkdir(parents=True)
    for name, content in (("lock", ""), ("about.json", "[1"), ("x.part", "x")):
        (folder / name).write_text(content)
    (home / "models" / ".downloads" / "file").write_text("")
    assert downloads.unfinished() == []
    (folder / "about.json").write_text(json.dumps({"id": 1}))
    assert downloads.unfinished() == []
    assert downloads.begin(REPOSITORY).result().state == "downloaded"


def test_a_listing_without_end(hub_stand_in: HubStandIn, downloads: Downloads) -> None:
    """More names than any repository has are one line, not a kernel full of them."""
    hub_stand_in.faults.names = [f"{number:06}{'y' * 190}.gguf" for number in range(90_000)]
    with pytest.raises(DownloadFailed, match="the server's answer is too long"):
        downloads.offer(REPOSITORY)
