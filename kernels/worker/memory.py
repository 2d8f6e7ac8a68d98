"""What fits: how long a context, in which layout, and how many layers on the GPU. Numbers in, numbers out.

Bytes throughout. How much a context takes was compared with what llama.cpp says it allocates (1.1B: exact for keys and
values; its scores without flash attention, the greatest part of what it computes in, within 7 %).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelhub.kernels.protocol.load_params import CACHE_TYPES, FLOATS
from modelhub.kernels.worker.threads import groups

CACHE_BYTES = 256 << 20  # the most that prefixes of several conversations may take, beyond one full context
FREE_SHARE = 0.25  # of the free memory, for the context of a model that was trained for a very long one
GPU_SHARE = 0.8  # of what the weights leave free on a GPU, which nobody else wants
GPU_RESERVE = 512 << 20  # left free on each GPU: its driver, and what llama.cpp computes in
USABLE = 0.9  # of the free memory: the rest is for everybody else, or the system would begin to swap
MIN_CONTEXT = 2048
STEP = 256  # contexts are multiples of it, as llama.cpp rounds them
UBATCH_ON_CPU = 128  # as fast as 512 there, and a quarter of its memory
UBATCH_OF_LARGE = 64  # on a CPU, 2 % slower than 128 with 1.1B weights: half the memory, and a stop is heard sooner
LARGE = 512 << 20  # bytes of weights


class DoesNotFit(Exception):
    """What was asked for takes more memory than is free; the message says how much, and what would fit."""


@dataclass(frozen=True, slots=True)
class Net:
    """The sizes of a network. size: bytes of its weights; lengths: values of a key and of a value, one head."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    key_length: int
    value_length: int
    vocabulary: int
    size: int
    trained_context: int


@dataclass(frozen=True, slots=True)
class Fit:
    """What was settled. cells: tokens the context holds for all sequences together. layers + 1 is all of them.

    flash: whether flash attention is used; with layers on a GPU and flash_attn "auto" it is what is hoped for there.
    """

    context: int
    cells: int
    kv_unified: bool
    gpu_layers: int
    mmap: bool
    ubatch: int
    flash: bool
    note: str = ""


def token_bytes(net: Net, type_k: str, type_v: str) -> int:
    """What the keys and values of one token take."""
    (bytes_k, block_k), (bytes_v, block_v) = CACHE_TYPES[type_k], CACHE_TYPES[type_v]
    values = net.layers * net.kv_heads
    return max(1, values * net.key_length * bytes_k // block_k + values * net.value_length * bytes_v // block_v)


def layers_that_fit(free: int, layer_bytes: int, kv_bytes_per_layer: int, layers: int) -> int:
    """How many of `layers` layers go into `free` bytes with their part of the context."""
    return max(0, min(layers, free // max(1, layer_bytes + kv_bytes_per_layer)))


def fit(net: Net, load: dict[str, Any], host: int | None, gpus: list[int], quantised: bool) -> Fit:
    """Settle what `load` leaves open and check what it asks for.

    load: `LoadParams` as a dict. host: free memory; None where the system does not say, then nothing is refused.
    gpus: free bytes of each GPU that may be used, 0 where it does not say; empty on a CPU. quantised: whether the
    weights are. Raises DoesNotFit.
    """
    return _Fitting(net, load, host, gpus).settle(quantised)


class _Fitting:
    """The sums behind `fit`."""

    def __init__(self, net: Net, load: dict[str, Any], host: int | None, gpus: list[int]) -> None:
        self.net, self.load, self.host = net, load, host
        self.layers = net.layers + 1  # what comes behind the last one counts as a layer, as llama.cpp counts
        self.wanted = int(load["gpu_layers"]) if gpus else 0
        # On a CPU flash attention makes up for itself where the weights are large (1.1B: 1.3 times as fast over
        # 1,500 tokens of a shared context), and costs small ones much of their speed over long histories (135M: a
        # prompt token 5 times as much after 3,000). It draws otherwise alone than among others: not for `separate`.
        self.flash_on_cpu = net.size > LARGE and load["kv_unified"] is not False and load["flash_attn"] == "auto"
        flash = load["flash_attn"] == "on" or load["cache_type_v"] not in FLOATS
        self.flash = flash or (load["flash_attn"] == "auto" if self.wanted else self.flash_on_cpu)
        usual = UBATCH_OF_LARGE if net.size > LARGE and not self.flash else UBATCH_ON_CPU
        self.ubatch = min(load["batch"], load["ubatch"] or (load["batch"] if self.wanted else usual))
        reserve = GPU_RESERVE + 4 * net.vocabulary * self.ubatch
        self.graphics = sum(max(0, free - reserve) for free in gpus)
        self.measured = any(gpus)
        self.token = token_bytes(net, load["cache_type_k"], load["cache_type_v"])
        scores = (
            0 if self.flash else 4 * self.ubatch * (net.heads + 1)
        )  # a cell's, for all prompt tokens computed at once
        self.each = self.token * (load["slots"] if load["kv_unified"] is False else 1) + scores

    def settle(self, quantised: bool) -> Fit:
        net, load = self.net, self.load
        context = self._context()
        needed = max(context, self.load["cells"]) * self.each
        on_gpu = self._gpu_layers(context, needed)
        off = self.layers - on_gpu
        weights = net.size * off // self.layers
        mmap = load["mmap"]
        if mmap is None:
            # llama.cpp repacks quantised weights for a CPU and would keep the file's pages beside them (twice the
            # size, measured); read instead of mapped they are there once. What is greater than the memory can only
            # be mapped.
            mmap = bool(on_gpu) or not quantised or (self.host is not None and weights > USABLE * self.host)
        left = int((self._memory() - (0 if mmap else weights)) * USABLE)
        if self.host is not None and needed * off // self.layers > left:
            raise DoesNotFit(self._too_long(context, left, weights, off))
        unified, cells = self._layout(context, int(max(0, left) * FREE_SHARE))
        cut = not load["context"] and context < net.trained_context
        note = f"context {context:,} of {net.trained_context:,}: what fits in memory" if cut else ""
        return Fit(context, cells, unified, on_gpu, mmap, self.ubatch, self.flash, note)

    def _memory(self) -> int:
        return self.host if self.host is not None else 8 << 30

    def _context(self) -> int:
        """What was asked for, or the longest that takes its share of what the weights leave."""
        size, graphics = self.net.size, self.graphics
        if self.load["context"]:
            return int(self.load["context"])
        all_wanted = self.wanted < 0 or self.wanted >= self.layers
        if self.wanted and all_wanted and graphics - size >= MIN_CONTEXT * self.each:
            room = int((graphics - size) * GPU_SHARE)
        else:
            room = int(max(0, self._memory() - size) * FREE_SHARE)
            if self.wanted and self.measured:
                room = min(room, int(graphics * FREE_SHARE))
        return min(self.net.trained_context, max(MIN_CONTEXT, room // self.each // STEP * STEP))

    def _gpu_layers(self, context: int, needed: int) -> int:
        if not self.wanted:
            return 0
        if not self.measured:  # a GPU that does not say what is free: llama.cpp is left to try
            return self.layers if self.wanted < 0 else min(self.wanted, self.layers)
        layer, kv = self.net.size // self.layers, needed // self.layers
        most = layers_that_fit(self.graphics, layer, kv, self.layers)
        if self.wanted < 0:
            return most
        wanted = min(self.wanted, self.layers)
        if wanted > most:
            raise DoesNotFit(
                f"{wanted} layers with a context of {context:,} take {_size(wanted * (layer + kv))} on the GPU and "
                f"{_size(self.graphics)} can be had there: at most {most} fit; type --gpu-layers auto"
            )
        return wanted

    def _too_long(self, context: int, left: int, weights: int, off: int) -> str:
        each = max(1, self.each * off // self.layers)
        most = max(0, left) // each // STEP * STEP
        if most < STEP:
            return (
                f"its weights take {_size(weights)} and {_size(self._memory())} of memory are free; free some, or map "
                "the file with --mmap on, which is slow when it does not fit"
            )
        each_of = " for each slot" if self.load["kv_unified"] is False else ""
        return (
            f"a context of {context:,} tokens{each_of} takes {_size(context * each)} and {_size(left)} of memory are "
            f"left for it: about {most:,} fit; type -c {most}"
        )

    def _layout(self, context: int, share: int) -> tuple[bool, int]:
        """Whether sequences share the cells, and how many cells there are for all of them."""
        slots, unified = int(self.load["slots"]), self.load["kv_unified"]
        if asked := int(self.load["cells"]):
            return True, max(-(-asked // STEP) * STEP, context)
        if unified is None:
            small = context * slots * self.token <= min(CACHE_BYTES, share)
            unified = not small or (self.flash_on_cpu and not self.wanted)
        if not unified:
            return False, -(-context // STEP) * STEP * slots
        spare = min(slots - 1, min(CACHE_BYTES, share) // (self.token * context))
        return True, context * (1 + spare)


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be had without swapping, by this process's control groups as well; None: the system is silent.

    root: where the system's `proc` and `sys` are.
    """
    found: int | None = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found = int(line.split()[1]) * 1024
    names = ("memory.max", "memory.current", ""), (
        "memory.limit_in_bytes", "memory.usage_in_bytes", "total_",
    )  # fmt: skip
    for folder in groups("memory", root):
        for limit, usage, prefix in names:
            with contextlib.suppress(OSError, ValueError):  # "max": there is no limit
                free = int((folder / limit).read_text()) - int((folder / usage).read_text())
                pages = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                # Pages of files are given back when they are wanted; those that were used just now not willingly.
                free += int(pages.get(prefix + "inactive_file", 0)) + int(pages.get(prefix + "active_file", 0)) // 2
                free = max(0, free)
                found = free if found is None else min(found, free)
    return found


def _size(count: int) -> str:
    """A size in words, as 1.2 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.1f} MB"
