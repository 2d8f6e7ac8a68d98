"""A model loaded into the hub of this process, which stands for the kernel: worker, link, hub and response."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # psutil ships no types

import modelhub
from modelhub.kernels import background
from modelhub.kernels.response import Response


class HubModel:
    """A GGUF, loaded with the load parameters given, and freed at the end of the `with`."""

    def __init__(self, path: Path, **load: Any) -> None:
        self.name = str(path)
        self.engine = modelhub.hub().load(self.name, **load)

    def __enter__(self) -> HubModel:
        return self

    def __exit__(self, *_raised: object) -> None:
        modelhub.hub().unload(self.name)

    @property
    def facts(self) -> dict[str, Any]:
        """What the worker says of the loaded model: its threads, …"""
        return self.engine.loaded

    @property
    def pid(self) -> int:
        """Of the worker that runs now."""
        pid = self.engine.pid
        assert pid is not None
        return pid

    @property
    def cells(self) -> int:
        """Tokens its context can hold for all sequences together."""
        return int(background.wait(self.engine.status())["cells"])

    @property
    def resident(self) -> int:
        """Bytes of memory the worker holds, the mapped file included."""
        return resident(self.pid)

    def ask(self, prompt: str | list[dict[str, Any]], tokens: int, **fields: Any) -> Response:
        """The finished, greedy answer of so many tokens. Raises what ended it badly."""
        response = modelhub.hub().chat(prompt, model=self.name, temperature=0, max_tokens=tokens, **fields)
        response.text()
        return response

    def rate(self, prompt: str, tokens: int, **fields: Any) -> float:
        """Tokens a second after the first, by the response's clock."""
        timings = self.ask(prompt, tokens, **fields).timings()
        assert timings["total_s"] is not None and timings["first_token_s"] is not None
        return (tokens - 1) / (timings["total_s"] - timings["first_token_s"])


def first_token(response: Response) -> float:
    """Seconds from the request to the first token."""
    first = response.timings()["first_token_s"]
    assert first is not None
    return first


def resident(pid: int) -> int:
    """Bytes of memory a process holds."""
    return int(psutil.Process(pid).memory_info().rss)
