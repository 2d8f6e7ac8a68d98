"""Questions to models of random weights, as the tests of the worker ask them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelhub.errors import StateConflict
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response

ENDLESS = {0: -100, 1: -100, 2: -100}  # the control tokens, one of which would end the answer
SECONDS = 60.0  # the most anything here may take on a slow machine


class Asker:
    """One model of random weights in a hub. Greedy and endless unless the options say otherwise."""

    def __init__(self, hub: Hub, path: Path) -> None:
        self.hub, self.path = hub, path

    def __call__(self, prompt: Any, **options: Any) -> Response:
        return self.hub.chat(prompt, model=str(self.path), **{"temperature": 0, "logit_bias": ENDLESS, **options})

    def running(self) -> int:
        """How many slots are taken."""
        (row,) = [row for row in self.hub.status() if row["model"] == f"local/{self.path.stem}"]
        return int(row["running"])


def raw(response: Response) -> bytes:
    """The bytes of an answer's tokens; waits for the end."""
    return b"".join(bytes(entry["bytes"]) for entry in response.logprobs)


def sure(response: Response) -> bytes:
    """The bytes of a greedy answer up to its first near tie, which rounding may decide one way or the other.

    Where a sequence stands in memory and who is beside it changes the order of additions: here up to 0.005.
    """
    kept = []
    for entry in response.logprobs:
        best = [t["logprob"] for t in entry["top_logprobs"] if not t["token"].startswith("<|")]
        if best[0] - best[1] < 0.02:
            break
        kept.append(bytes(entry["bytes"]))
    return b"".join(kept)


def first_text(response: Response) -> str:
    """Wait for the first text of an answer."""
    return next(iter(response))


def started(response: Response) -> None:
    """Wait until the worker has taken the request."""
    while "prompt_tokens" not in response.debug:
        assert not response.wait(0.01), response


def load_with(hub: Hub, path: Path, **params: Any) -> None:
    """Load a model with these parameters, again only where it has others."""
    try:
        hub.load(str(path), **params)
    except StateConflict:
        hub.load(str(path), reload=True, **params)
