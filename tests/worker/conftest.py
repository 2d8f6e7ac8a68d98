"""A model of random weights to ask, in the hub that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.kernels.hub import Hub
from tests.worker.asking import Asker


@pytest.fixture
def ask(hub: Hub, random_gguf: Path) -> Asker:
    return Asker(hub, random_gguf)


@pytest.fixture
def ask_long(hub: Hub, long_gguf: Path) -> Asker:
    return Asker(hub, long_gguf)
