"""A Hub on this machine with one small model, and downloads that ask it and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelhub.kernels.catalog.catalog import PACKAGED
from modelhub.kernels.catalog.fetching.downloads import Downloads
from tests.catalog.downloading import FILE, PATIENCE, REPOSITORY
from tests.hub_server import HubStandIn


@pytest.fixture
def hub_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A Hub that serves one repository; HF_ENDPOINT names it, and the user's tokens and caches are out of the way."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with HubStandIn({REPOSITORY: {FILE: PACKAGED / "tiny-chat.gguf", "README.md": b"A model."}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def downloads(hub_stand_in: HubStandIn) -> Iterator[Downloads]:
    """Downloads that give up soon; they are stopped with the test."""
    made = Downloads(PATIENCE)
    yield made
    made.close()
