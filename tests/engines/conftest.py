"""What asks a random model through the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.kernels.hub import Hub
from tests.worker.asking import Asker


@pytest.fixture
def ask(hub: Hub, random_gguf: Path) -> Asker:
    return Asker(hub, random_gguf)
