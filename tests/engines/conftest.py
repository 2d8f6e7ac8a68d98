"""A hub whose workers no other test shares: here they are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelhub.kernels.hub import Hub
from tests.worker.asking import Asker


@pytest.fixture
def own_hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def ask(hub: Hub, random_gguf: Path) -> Asker:
    return Asker(hub, random_gguf)
