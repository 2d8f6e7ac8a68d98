"""A hub whose workers no other test shares: here they are killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelhub.kernels.hub import Hub


@pytest.fixture
def own_hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()
