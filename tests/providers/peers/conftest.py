"""Servers of other people's that serve tiny-chat on the loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelhub.kernels.hub import Hub
from tests.providers.peers.peer import COMMANDS, Peer


@pytest.fixture(scope="session", params=COMMANDS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Each of the peers in turn; it is stopped when the last test has asked it."""
    with Peer(request.param) as running:
        yield running


@pytest.fixture
def asked(hub: Hub, peer: Peer) -> Iterator[Hub]:
    """The hub, with the peer as its provider `peer`."""
    hub.providers.add("peer", base_url=f"{peer.url}/v1", dialect="llamacpp")
    yield hub
    hub.providers.remove("peer")
