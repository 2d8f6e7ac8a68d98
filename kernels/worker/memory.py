"""What fits: how long a context, in which layout, and how many layers on the GPU. Numbers in, numbers out.

Bytes throughout. How much a context takes was compared with what llama.cpp says it allocates (1.1B: exact for keys and
values; its scores without flash attention, the greatest part of what it computes in, within 7 %).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from modelhub.kernels.protocol.load_params import CACHE_TYPES, FLOATS

CACHE_BYTES = 256 << 20  # the most that prefixes of several conversations may take, beyond one full context
FREE_SHARE = 0.25  # of the free memory, for the context of a model that was trained for a very long one
GPU_SHARE = 0.8  # of what the weights leave free on a GPU, which nobody else wants
GPU_RESERVE = 512 << 20  # left free on each GPU: its driver, and what llama.cpp computes in
USABLE = 0.9  # of the free memory: the rest is for everybody else, or the system would begin to swap
MIN_CONTEXT = 2048
GOOD_CONTEXT = 8192  # for an automatic context no idle model has to go that leaves so much, or what was trained
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


def fit(
    net: Net, load: dict[str, Any], host: int | None, gpus: list[int], quantised: bool, allowance: int | None = None
) -> Fit:
    """Settle what `load` leaves open and check what it asks for.

    load: `LoadParams` as a dict. host: free memory; None where the system does not say, then nothing is refused.
    gpus: free bytes of each GPU that may be used, 0 where it does not say; empty on a CPU. quantised: whether the
    weights are. allowance: bytes of memory it may take by the user's budget, mapped weights counted; None: no limit.
    Raises DoesNotFit.
    """
    return _Fitting(net, load, host, gpus, allowance).settle(quantised)


def needs(
    net: Net, load: dict[str, Any], host: int | None, gpus: list[int], quantised: bool, allowance: int | None = None
) -> dict[str, dict[str, int | None]]:
    """What loading would take, by `gpu`, `host` and `budget`: bytes that are free, wanted and least; see `fit`.

    least: with it, it is loaded at all. wanted: with it, as it should be: all layers that were asked for on the GPU,
    quantised weights read and not mapped, and where the context is automatic at least GOOD_CONTEXT tokens of it, or
    what was trained. What is idle is freed for no more than that: a longer context takes what happens to be free.
    free: None where nobody says, and nothing is to be freed.
    """
    return _Fitting(net, load, host, gpus, allowance).needs(quantised)


class _Fitting:
    """The sums behind `fit`."""

    def __init__(
        self, net: Net, load: dict[str, Any], host: int | None, gpus: list[int], allowance: int | None
    ) -> None:
        self.net, self.load, self.host, self.allowance = net, load, host, allowance
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
        left = int(((8 << 30 if self.host is None else self.host) - (0 if mmap else weights)) * USABLE)
        if self.allowance is not None:
            left = min(left, self.allowance - weights)
        known = self.host is not None or self.allowance is not None
        if known and needed * off // self.layers > left:
            raise DoesNotFit(self._too_long(context, left, weights, off))
        unified, cells = self._layout(context, int(max(0, left) * FREE_SHARE))
        cut = not load["context"] and context < net.trained_context
        note = f"context {context:,} of {net.trained_context:,}: what fits in memory" if cut else ""
        return Fit(context, cells, unified, on_gpu, mmap, self.ubatch, self.flash, note)

    def needs(self, quantised: bool) -> dict[str, dict[str, int | None]]:
        load, size, trained = self.load, self.net.size, self.net.trained_context
        asked = int(load["context"])
        wanted, least = asked or min(trained, GOOD_CONTEXT), asked or min(trained, MIN_CONTEXT)
        context = {c: max(c, int(load["cells"])) * self.each for c in (wanted, least)}  # bytes
        on_gpus = self.layers if self.wanted < 0 else min(self.wanted, self.layers)  # as asked for
        layers = on_gpus if self.measured else 0
        part = layers / self.layers
        on_gpu = layers_that_fit(self.graphics, size // self.layers, context[wanted] // self.layers, self.layers)
        off = 1 - (min(on_gpu, layers) if self.measured else on_gpus) / self.layers
        # An automatic context takes a share of what the weights leave, so much must be left for it.
        whole = layers == self.layers
        gpu = size * part + context[wanted] * part
        if not asked and self.wanted:
            gpu = max(gpu, size * part + context[wanted] / (GPU_SHARE if whole else FREE_SHARE))
        share = 0 if asked or not off else size + context[wanted] / FREE_SHARE
        mapped = load["mmap"] if load["mmap"] is not None else bool(layers) or not quantised
        read = 0 if mapped else size * off
        held = context[wanted] * off
        return {
            "gpu": {
                "free": self.graphics if self.measured and layers else None,
                "wanted": math.ceil(gpu) + 2 * self.layers,
                "least": math.ceil(part * (size + context[least])) + 2 * self.layers if self.wanted > 0 else 0,
            },
            "host": {
                "free": self.host,
                "wanted": _up(max(share, read / USABLE, read + held / USABLE)),
                "least": _up(read + context[least] * off / USABLE),
            },
            "budget": {
                "free": self.allowance,
                "wanted": _up(max(share, size * off + held)),
                "least": _up((size + context[least]) * off),
            },
        }

    def _memory(self) -> int:
        known = [m for m in (self.host, self.allowance) if m is not None]
        return min(known, default=8 << 30)

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
        if most < STEP and self.allowance is not None and self.allowance < (self.host or 8 << 30):
            return (
                f"its weights take {_size(weights)} and the memory budget leaves {_size(max(0, self.allowance))} for "
                "it; free some, or type %models budget auto"
            )
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


def _up(count: float) -> int:
    """Rounded up, and by what rounding in `settle` may cost."""
    return math.ceil(count) + 64


def _size(count: int) -> str:
    """A size in words, as 1.2 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.1f} MB"
