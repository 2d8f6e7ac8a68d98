"""A Hub on this machine and what asks it, for the tests of downloads."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import psutil

from modelhub.kernels.catalog.fetching.downloads import Download, Downloads
from tests.hub_server import HubStandIn

REPOSITORY = "modelhub/tiny-chat-GGUF"
FILE = "tiny-chat.Q8_0.gguf"
ID = f"{REPOSITORY}:Q8_0"
PROGRESS = 15.0  # seconds within which progress is told; a silent connection is given up after 20
PATIENCE = 0.7  # seconds without a byte; the tests wait for it where nothing comes for good


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def part_files(home: Path) -> list[Path]:
    """What is kept of downloads."""
    return sorted((home / "models" / ".downloads").rglob("*.part"))


def models(home: Path) -> list[str]:
    """The files that lie where models are looked for, below the models home."""
    folder = home / "models"
    found = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
    return sorted(p.as_posix() for p in found if p.parts[0] != ".downloads")


def children() -> list[int]:
    """The processes that fetch for this one."""
    return [
        c.pid
        for c in psutil.Process().children(recursive=True)
        if "modelhub.kernels.catalog.fetching.fetcher" in c.cmdline()
    ]


def hold(hub: HubStandIn, after: int) -> threading.Event:
    """Have the hub send `after` bytes of a file and no more until the event is set."""
    hub.faults.gate, hub.faults.hold_after = threading.Event(), after
    return hub.faults.gate


def held(download: Download, count: int) -> None:
    """Wait until `count` bytes are here; the progress must say so by itself, not when the connection times out."""
    end = time.monotonic() + PROGRESS
    while download.received < count:
        assert not download.wait(0.02), f"it ended before {count} bytes were here: {download.error}"
        assert time.monotonic() < end, f"{download.received} of {count} bytes are told"


def stop_at(hub: HubStandIn, downloads: Downloads, what: str, count: int) -> Download:
    """Begin to fetch, and cancel when `count` bytes are here; what is asked later is sent freely."""
    hold(hub, count)
    download = downloads.begin(what)
    held(download, count)
    download.cancel()
    hub.faults.gate = None
    return download
