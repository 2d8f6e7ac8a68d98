"""Load parameters: how a GGUF is loaded. Plain data, checked by one table; changing one means loading again.

The names are llama.cpp's own where it has one (`llama-server --help`), without its `n_`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelhub.errors import BadRequest, did_you_mean

# Bytes and values a block of each type the keys and values of the context may have (ggml-common.h, block structs).
CACHE_TYPES = {
    "f32": (4, 1), "f16": (2, 1), "bf16": (2, 1), "q8_0": (34, 32), "q5_1": (24, 32), "q5_0": (22, 32),
    "q4_1": (20, 32), "q4_0": (18, 32), "iq4_nl": (18, 32),
}  # fmt: skip
MAX_TEMPLATE = 256 * 1024  # bytes; the longest in use have some ten thousand
FLOATS = ("f32", "f16", "bf16")  # the ones that are not quantised


@dataclass(frozen=True, slots=True)
class LoadParams:
    """How a GGUF is loaded. Everything has a default; "auto" is settled by the worker, which reports what it took.

    context: tokens a conversation may have; 0 is what the model was trained for, cut to what fits in memory.
    gpu_layers: layers to put on the GPU; -1 is as many as fit in its free memory, measured when it is loaded.
    threads: for decoding and prompts; 0 is the physical cores this process may use, less those that others keep busy.
    batch: prompt tokens evaluated in one step, 1 to 4096.
    ubatch: prompt tokens computed at once, at most `batch`; 0 is 128 on a CPU, 64 for
        large weights without flash attention, and `batch` on a GPU.
    slots: sequences held in memory at once, running or as prefixes, 1 to 64.
    kv_unified: True: all sequences share the context's cells; False: each slot has a whole context of its own;
        None: separate where that is small and the weights are (up to 512 MB), shared otherwise.
    cells: tokens that all sequences together may hold where they share the context's cells, at least `context`;
        0 is one context, and more for prefixes where they are small.
    flash_attn: "on", "off" or "auto": on a GPU what llama.cpp chooses; on a CPU on for large weights (over 512 MB)
        that share the context, and where `cache_type_v` needs it.
    cache_type_k, cache_type_v: how keys and values are kept, one of CACHE_TYPES.
    mmap: whether the file is mapped; None: not for quantised weights on a CPU, which llama.cpp would keep twice.
    mlock: whether the weights are kept from being swapped out.
    split_mode: "layer", "row" or "none": how several GPUs share a model.
    main_gpu: the GPU that is used when nothing is split.
    tensor_split: what part each GPU takes, as (3, 1); empty is by their free memory.
    rope_scaling: None is what the file says; "none", "linear" or "yarn".
    rope_freq_base, rope_freq_scale, yarn_orig_ctx: 0 is what the file says.
    chat_template: a Jinja template in place of the file's own; empty is the file's, or ChatML where it has none.
    """

    context: int = 0
    gpu_layers: int = -1
    threads: int = 0
    batch: int = 512
    ubatch: int = 0
    slots: int = 16
    kv_unified: bool | None = None
    cells: int = 0
    flash_attn: str = "auto"
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    mmap: bool | None = None
    mlock: bool = False
    split_mode: str = "layer"
    main_gpu: int = 0
    tensor_split: tuple[float, ...] = ()
    rope_scaling: str | None = None
    rope_freq_base: float = 0.0
    rope_freq_scale: float = 0.0
    yarn_orig_ctx: int = 0
    chat_template: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The parameters as plain data."""
        return {**dataclasses.asdict(self), "tensor_split": list(self.tensor_split)}


@dataclass(frozen=True, slots=True)
class Rule:
    """What one load parameter may be.

    expected: in words, behind "must be". accepts: whether a value is one. auto: what "auto" stands for, if anything.
    bounds: both ends of a range. typed: how its value is typed behind the flag; empty for a switch.
    """

    expected: str
    accepts: Callable[[Any], bool]
    typed: str
    auto: Any = ...
    bounds: tuple[float, float] | None = None


def _whole(low: int, high: int, auto: Any = ...) -> Rule:
    what = f"a whole number from {low} to {high}" + (' or "auto"' if auto is not ... else "")
    typed = "auto|N" if auto is not ... else "N"
    return Rule(what, lambda v: type(v) is int and low <= v <= high, typed, auto, (low, high))


def _number(low: float, high: float) -> Rule:
    fits = lambda v: type(v) in (int, float) and low <= v <= high  # noqa: E731 - a value of a table
    return Rule(f"a number from {low:g} to {high:g}", fits, "X", bounds=(low, high))


def _word(*words: str) -> Rule:
    return Rule(f"one of {', '.join(words)}", lambda v: type(v) is str and v in words, "|".join(words))


def _template(value: Any) -> bool:
    with contextlib.suppress(UnicodeEncodeError):
        return isinstance(value, str) and len(value.encode()) <= MAX_TEMPLATE
    return False


def _parts(value: Any) -> bool:
    sound = isinstance(value, list | tuple) and len(value) <= 16
    numbers = sound and all(type(v) in (int, float) and 0 <= v < math.inf for v in value)
    return numbers and (not value or sum(value) > 0)


# What llama.cpp ends the process over is refused here (measured: n_batch=-1, n_threads=100000 and type_k=999 abort).
RULES: dict[str, Rule] = {
    "context": _whole(0, 1 << 27, 0),
    "gpu_layers": _whole(-1, 10_000, -1),
    "threads": _whole(0, 256, 0),
    "batch": _whole(1, 4096),
    "ubatch": _whole(0, 4096, 0),
    "slots": _whole(1, 64),
    "kv_unified": Rule('True, False or "auto"', lambda v: v is None or type(v) is bool, "on|off|auto", None),
    "cells": _whole(0, 1 << 27, 0),
    "flash_attn": _word("auto", "on", "off"),
    "cache_type_k": _word(*CACHE_TYPES),
    "cache_type_v": _word(*CACHE_TYPES),
    "mmap": Rule('True, False or "auto"', lambda v: v is None or type(v) is bool, "on|off|auto", None),
    "mlock": Rule("True or False", lambda v: type(v) is bool, ""),
    "split_mode": _word("layer", "none", "row"),
    "main_gpu": _whole(0, 15),
    "tensor_split": Rule("up to 16 numbers, one a GPU, as (3, 1)", _parts, "3,1"),
    "rope_scaling": Rule(
        "one of none, linear, yarn", lambda v: v in (None, "none", "linear", "yarn"), "none|linear|yarn"
    ),
    "rope_freq_base": _number(0, 1e9),
    "rope_freq_scale": _number(0, 1e3),
    "yarn_orig_ctx": _whole(0, 1 << 27),
    "chat_template": Rule("a Jinja template of at most 256 kB", _template, "FILE"),
}

# Names under which other programs know them (llama-cpp-python, llama.cpp, Ollama, LocalAI); None: not supported.
LOAD_NAMES: dict[str, str | None] = {
    "n_ctx": "context",
    "num_ctx": "context",
    "ctx_size": "context",
    "n_gpu_layers": "gpu_layers",
    "num_gpu": "gpu_layers",
    "n_threads": "threads",
    "n_threads_batch": "threads",
    "num_thread": "threads",
    "n_batch": "batch",
    "batch_size": "batch",
    "num_batch": "batch",
    "n_ubatch": "ubatch",
    "ubatch_size": "ubatch",
    "n_seq_max": "slots",
    "n_parallel": "slots",
    "parallel": "slots",
    "flash_attention": "flash_attn",
    "type_k": "cache_type_k",
    "type_v": "cache_type_v",
    "f16": "cache_type_k",
    "f16_kv": "cache_type_k",
    "use_mmap": "mmap",
    "use_mlock": "mlock",
    "rope_scaling_type": "rope_scaling",
    "mmproj": None,
    "lora": None,
    "lora_path": None,
    "numa": None,
} | {name: name for name in RULES}


def typed(name: str) -> str:
    """The flag of `%models load` for a load parameter, with what stands behind it, as `--context auto|N`."""
    return f"--{name.replace('_', '-')} {RULES[name].typed}".rstrip()


def load_params(**given: Any) -> LoadParams:
    """LoadParams from named values; "auto" stands for the automatic value where there is one.

    Raises BadRequest for an unknown name, a value that is not accepted, and values that do not go together.
    """
    for name, value in given.items():
        rule = RULES.get(name)
        if rule is None:
            raise _unknown(name)
        if isinstance(value, str) and value == "auto" and rule.auto is not ...:
            given[name] = rule.auto
        elif not rule.accepts(value):
            raise BadRequest(f"{name} must be {rule.expected}; got {_short(value)}", param=name)
    params = LoadParams(**given)
    if params.cache_type_v not in FLOATS and params.flash_attn == "off":
        raise BadRequest(
            f"cache_type_v={params.cache_type_v!r} needs flash attention, and flash_attn is 'off': "
            "leave flash_attn at 'auto', or keep the values as f16",
            param="cache_type_v",
        )
    if params.cells and params.kv_unified is False:
        raise BadRequest(
            "cells is for sequences that share them, and kv_unified is False: say how long each may be by context",
            param="cells",
        )
    return dataclasses.replace(params, tensor_split=tuple(float(part) for part in params.tensor_split))


def _unknown(name: str) -> BadRequest:
    ours = LOAD_NAMES.get(name)
    if ours is not None:
        return BadRequest(f"the load parameter {name!r} is called {ours!r} here", param=name)
    return BadRequest(
        f"there is no load parameter {name!r}; there are {', '.join(RULES)}.{did_you_mean(name, RULES)}", param=name
    )


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
