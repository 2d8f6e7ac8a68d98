"""A plugin that tries to end the process ends its own answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import modelhub
from modelhub.errors import PluginFailed
from modelhub.kernels.hub import Hub

SECONDS = 20.0


class Leaving(modelhub.Model):
    """Raises what ends a process, from code that is awaited."""

    id = "leaving"

    async def execute(self, request: Any, options: Any) -> Any:
        """Say something and go."""
        yield "bye"
        raise SystemExit(2)


class Staying(modelhub.Model):
    """Answers from code that is awaited."""

    id = "staying"

    async def execute(self, request: Any, options: Any) -> Any:
        """Say something."""
        yield "here"


@pytest.fixture
def offered(hub: Hub) -> Iterator[Hub]:
    names = [hub.plugins.add(model).name for model in (Leaving(), Staying())]
    yield hub
    for name in names:
        hub.plugins.remove(name)


def test_an_exit_in_awaited_code_ends_its_answer_alone(offered: Hub) -> None:
    """sys.exit in an async plugin is its error in one line; async plugins answer afterwards as before."""
    for _ in range(2):
        left, stayed = offered.chat("Go.", model="leaving"), offered.chat("Stay.", model="staying")
        assert left.wait(SECONDS) and stayed.wait(SECONDS)
        with pytest.raises(PluginFailed, match="SystemExit: 2"):
            left.text()
        assert stayed.text() == "here"
