"""A model of random weights to ask, in the hub that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.kernels.hub import Hub
from tests.worker.asking import Asker, load_with


@pytest.fixture
def unified() -> bool:
    """The layout of the context's memory; tests of what depends on it are run with both."""
    return False


@pytest.fixture
def ask(hub: Hub, random_gguf: Path, unified: bool) -> Asker:
    load_with(hub, random_gguf, kv_unified=unified)
    return Asker(hub, random_gguf)


@pytest.fixture
def ask_long(hub: Hub, long_gguf: Path, unified: bool) -> Asker:
    load_with(hub, long_gguf, kv_unified=unified)
    return Asker(hub, long_gguf)
