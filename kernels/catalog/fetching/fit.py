"""Whether a model fits this machine, before it is fetched: from the size of its file alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelhub.kernels import system

USUAL_CONTEXT = 8192  # tokens
WORK = 300_000_000  # bytes beside weights and context: computing, the process itself
TIGHT = 0.9  # of all memory there is; more than that leaves nothing for the system

# Best first: how well a model runs that is judged so.
VERDICTS = ("fits the GPU", "fits", "tight", "too large")


@dataclass(frozen=True, slots=True)
class Machine:
    """The memory of this machine in bytes: what is free now, what there is, and what is free on its GPUs."""

    free: int
    total: int
    gpu: int = 0

    def __str__(self) -> str:
        gpu = f", and {_size(self.gpu)} on the GPU" if self.gpu else ""
        return f"{_size(self.free)} of {_size(self.total)} are free{gpu}"


@dataclass(frozen=True, slots=True)
class Fit:
    """A verdict, one of VERDICTS; need: bytes in memory, an estimate; reason: why, in words."""

    verdict: str
    need: int
    reason: str

    @property
    def good(self) -> bool:
        """Whether it can be loaded as things stand."""
        return self.verdict in VERDICTS[:2]


def machine() -> Machine:
    """This machine, now; what limits this process counts as the machine's."""
    memory = system.memory()
    total = memory["limit"] or memory["total"] or 0
    apart = [g for g in system.gpus() if not g.get("integrated")]  # the others share the memory counted already
    return Machine(memory["available"] or 0, total, sum(int(g.get("free") or 0) for g in apart))


def need(weights: int, parameters: int | None = None, context: int = USUAL_CONTEXT) -> int:
    """About how many bytes a model takes when it is loaded with `context` tokens.

    parameters: how many weights it has; default: what a file of this size has at 4.8 bits each. Keys and values take
    about 130 kB a token in a model of 8 billion weights, 32 kB in one of 1 billion, 330 kB in one of 70 billion
    (layers × 2 × heads for keys × their width × 2 bytes, from the shapes of the Llama 3 family): as the square root.
    """
    count = parameters or weights * 8 / 4.8
    return weights + int(context * 130_000 * math.sqrt(count / 8e9)) + WORK


def fit(weights: int, on: Machine, parameters: int | None = None) -> Fit:
    """How a model whose files are `weights` bytes fits `on`."""
    wanted = need(weights, parameters)
    about = f"about {_size(wanted)} with {USUAL_CONTEXT:,} tokens"
    if wanted <= on.gpu:
        return Fit("fits the GPU", wanted, f"{about}; {_size(on.gpu)} are free on the GPU")
    if wanted <= on.free:
        return Fit("fits", wanted, f"{about}; {_size(on.free)} of {_size(on.total)} are free")
    if wanted <= on.total * TIGHT:
        return Fit("tight", wanted, f"{about}; only {_size(on.free)} of {_size(on.total)} are free now")
    return Fit("too large", wanted, f"{about}; this machine has {_size(on.total)}")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 100_000_000 else f"{count / 1e6:.0f} MB"
