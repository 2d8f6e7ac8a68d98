"""One GGUF in memory: its weights, one context for many sequences, and what is true of both."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

from llama_cpp import llama_cpp as lc

from modelhub.kernels.protocol.load_params import CACHE_TYPES, FLOATS
from modelhub.kernels.system import free_memory
from modelhub.kernels.worker.devices import Device, gpus, used
from modelhub.kernels.worker.fingerprint import fingerprint
from modelhub.kernels.worker.memory import DoesNotFit, Net, fit, needs
from modelhub.kernels.worker.template import CHATML, ChatTemplate, TemplateError
from modelhub.kernels.worker.threads import ThreadGovernor, usable_cores
from modelhub.kernels.worker.vocabulary import Vocabulary

SMALL_BYTES = 64 * 1024 * 1024  # below this a second thread costs more than it brings
UNQUANTISED = (0, 1, 32)  # llama.h, enum llama_ftype: F32, F16, BF16
BF16 = 30  # ggml.h, GGML_TYPE_BF16: the one type of the cache that llama-cpp-python 0.3.36 has no name for
GUESSED = 1024  # a bit of llama_ftype: the file does not say and llama.cpp guessed from its tensors

# (mapped, locked) as llama.h's enum llama_load_mode
LOAD_MODES = {
    (False, False): lc.LLAMA_LOAD_MODE_NONE,
    (True, False): lc.LLAMA_LOAD_MODE_MMAP,
    (False, True): lc.LLAMA_LOAD_MODE_MLOCK,
    (True, True): lc.LLAMA_LOAD_MODE_MMAP_MLOCK,
}
SPLIT_MODES = {
    "none": lc.LLAMA_SPLIT_MODE_NONE,
    "layer": lc.LLAMA_SPLIT_MODE_LAYER,
    "row": lc.LLAMA_SPLIT_MODE_ROW,
}
FLASH_ATTENTION = {
    "auto": lc.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": lc.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": lc.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
ROPE_SCALING = {
    None: lc.LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED,
    "none": lc.LLAMA_ROPE_SCALING_TYPE_NONE,
    "linear": lc.LLAMA_ROPE_SCALING_TYPE_LINEAR,
    "yarn": lc.LLAMA_ROPE_SCALING_TYPE_YARN,
}


class LoadFailed(Exception):
    """The file was not loaded; the message says what was being done.

    `.kind` is the error of `modelhub.errors` it becomes in the kernel: ModelFileError, or BadRequest when another
    load parameter would do. `.memory`: whether it would have been loaded with more memory.
    """

    def __init__(self, message: str, kind: str = "ModelFileError", memory: bool = False) -> None:
        """Keep all."""
        super().__init__(message)
        self.kind = kind
        self.memory = memory


class LoadedModel:
    """Weights and context of one GGUF. Owned by one thread; only `abort` may be called from another."""

    def __init__(
        self,
        path: str,
        load: dict[str, Any],
        progress: Callable[[float], None],
        wait: Callable[[Callable[[int | None], dict[str, Any]]], int | None] | None = None,
    ) -> None:
        """Load `path`.

        `load` has the load parameters of `protocol.load_params.LoadParams`; `progress` is called with the part done,
        0 to 1, at most twenty times. `wait` is called before memory is taken, with a function that measures anew what
        is free and what is needed within an allowance, and gives the allowance that holds. Raises LoadFailed.
        """
        started = time.monotonic()
        lc.llama_backend_init()
        self._keep: list[Any] = []
        self._asked = (path, load)
        self._load = load
        self._devices = _devices(load)
        net, quantised = _look(path)
        self.trained_context = net.trained_context
        _check(net, load)

        def measure(allowance: int | None) -> dict[str, Any]:
            return needs(net, load, free_memory(), self._free_on_gpus(), quantised, allowance)

        allowance = wait(measure) if wait is not None else None
        before = self._free_on_gpus()
        try:
            self.fit = fit(net, load, free_memory(), before, quantised, allowance)
        except DoesNotFit as problem:
            raise LoadFailed(str(problem), "BadRequest", memory=True) from None
        self.context_length = self.fit.context
        self.kv_unified = self.fit.kv_unified
        self.gpu_layers = self.fit.gpu_layers
        self.slots = int(load["slots"])
        self.batch = int(load["batch"])
        self.model = self._load_weights(path, progress)
        self.vocabulary = Vocabulary(self.model)
        asked, small = int(load["threads"]), lc.llama_model_size(self.model) < SMALL_BYTES
        self.threads = asked or (1 if small else usable_cores())
        self.context = self._make_context()
        self.governor = ThreadGovernor(self.set_threads, self.threads, fixed=bool(asked))
        self.memory = lc.llama_get_memory(self.context)
        self.template_error = ""
        self.template = self._template()
        self.gpu_memory = max(0, sum(before) - sum(self._free_on_gpus())) if self.gpu_layers else 0
        self.load_seconds = time.monotonic() - started

    # -- what the scheduler needs ------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Make the running (or next) decode return early. Any thread; `resume` undoes it."""
        self._flag[0] = b"\x01"

    def resume(self) -> None:
        """Let decodes run again."""
        self._flag[0] = b"\x00"

    def set_threads(self, threads: int) -> None:
        """Use `threads` threads from the next decode on. The governor calls this."""
        self.threads = threads
        lc.llama_set_n_threads(self.context, threads, threads)

    def describe(self) -> dict[str, Any]:
        """What is true of the loaded model: names, sizes in bytes and tokens, load parameters in force, seconds.

        `notes` are lines for people, on what came out other than the file or the caller said.
        """
        text = ctypes.create_string_buffer(256)
        lc.llama_model_desc(self.model, text, 256)
        facts = {
            "description": text.value.decode("utf-8", "replace"),
            "parameters": int(lc.llama_model_n_params(self.model)),
            "size": int(lc.llama_model_size(self.model)),
            "trained_context": self.trained_context,
            **self._load,
            "cells": int(lc.llama_n_ctx(self.context)),
            "slot_cells": int(lc.llama_n_ctx_seq(self.context)),  # the most of them that one sequence can have
            "context": self.context_length,
            "threads": self.threads,
            "ubatch": int(lc.llama_n_ubatch(self.context)),
            "kv_unified": self.kv_unified,
            "flash_attn": self._flash(),
            "mmap": self.fit.mmap,
            "gpu_layers": self.gpu_layers,
            "gpus": [f"{d.name}: {d.description}" for d in self._devices] if self.gpu_layers else [],
            "vocabulary": self.vocabulary.size,
            "template": self._template_origin,
            "load_seconds": round(self.load_seconds, 3),
            "notes": self._notes(),
        }
        return {**facts, "fingerprint": fingerprint(*self._asked, facts)}

    def _free_on_gpus(self) -> list[int]:
        """Bytes that are free now on each GPU this model may be put on."""
        return [d.free for d in _devices(self._load)] if self._devices else []

    def _notes(self) -> list[str]:
        notes = [self.fit.note] if self.fit.note else []
        if self._load["mlock"] and not _locked():
            notes.append("mlock: the system did not allow it; see ulimit -l")
        longer = 0 < self.trained_context < self.context_length
        if longer and not any(self._load[name] for name in ("rope_scaling", "rope_freq_base", "rope_freq_scale")):
            notes.append(
                f"context {self.context_length:,}: it was trained for {self.trained_context:,}, "
                "and answers beyond that are worth little"
            )
        return notes

    # -- loading -----------------------------------------------------------------------------------------------------

    def _load_weights(self, path: str, progress: Callable[[float], None]) -> Any:
        load = self._load
        params = lc.llama_model_default_params()
        params.n_gpu_layers = self.gpu_layers
        params.split_mode = SPLIT_MODES[load["split_mode"]]
        params.main_gpu = int(load["main_gpu"])
        if load["tensor_split"]:
            parts = (ctypes.c_float * max(16, lc.llama_max_devices()))(*load["tensor_split"])
            self._keep.append(parts)
            params.tensor_split = parts
        params.load_mode = LOAD_MODES[self.fit.mmap, bool(load["mlock"])]
        if self.gpu_layers and load["mmap"] is None and not load["mlock"]:
            params.load_mode = lc.LLAMA_LOAD_MODE_AUTO  # some GPUs cannot map; llama.cpp knows which
        shown = -1

        @lc.llama_progress_callback  # type: ignore[untyped-decorator]  # llama_cpp ships no types
        def on_progress(part: float, _user_data: Any) -> bool:
            nonlocal shown
            if int(part * 20) > shown:
                shown = int(part * 20)
                progress(part)
            return True

        self._keep.append(on_progress)
        params.progress_callback = on_progress
        model = lc.llama_model_load_from_file(os.fsencode(path), params)
        if not model:
            raise LoadFailed("llama.cpp could not load it")
        return model

    def _flash(self) -> str:
        """Flash attention: "on" or "off"; on a GPU "auto" is left to llama.cpp, which knows what the GPU can."""
        asked = str(self._load["flash_attn"])
        if asked != "auto":
            return asked
        if self.gpu_layers and self._load["cache_type_v"] in FLOATS:
            return "auto"
        return "on" if self.fit.flash else "off"

    def _make_context(self) -> Any:
        load = self._load
        params = lc.llama_context_default_params()
        params.n_ctx = self.fit.cells
        params.n_batch = self.batch
        params.n_ubatch = self.fit.ubatch
        params.n_seq_max = self.slots
        params.n_threads = params.n_threads_batch = self.threads
        params.flash_attn_type = FLASH_ATTENTION[self._flash()]
        params.type_k, params.type_v = (
            getattr(lc, f"GGML_TYPE_{load[name].upper()}", BF16) for name in ("cache_type_k", "cache_type_v")
        )
        params.rope_scaling_type = ROPE_SCALING[load["rope_scaling"]]
        params.rope_freq_base = float(load["rope_freq_base"])
        params.rope_freq_scale = float(load["rope_freq_scale"])
        params.yarn_orig_ctx = int(load["yarn_orig_ctx"])
        params.kv_unified = self.kv_unified
        params.no_perf = True
        # strlen as the abort callback: it is true as soon as the flag's first byte is set, takes no interpreter
        # lock and needs nothing compiled.
        self._flag = ctypes.create_string_buffer(b"\x00", 2)
        strlen = ctypes.cast(ctypes.CDLL(None).strlen, lc.ggml_abort_callback)
        self._keep.append(strlen)
        params.abort_callback = strlen
        params.abort_callback_data = ctypes.addressof(self._flag)
        context = lc.llama_init_from_model(self.model, params)
        if not context:
            raise LoadFailed(f"llama.cpp could not make a context of {params.n_ctx:,} tokens; ask for a smaller one")
        return context

    def _template(self) -> ChatTemplate | None:
        own, given = lc.llama_model_chat_template(self.model, None), self._load["chat_template"]
        self._template_origin = "given" if given else "in the file" if own else "none in the file; ChatML is used"
        source = given or (own.decode("utf-8", "replace") if own else CHATML)
        try:
            return ChatTemplate(source, self.vocabulary.bos(), self.vocabulary.eos())
        except TemplateError as error:
            self.template_error = str(error)
            return None


def _devices(load: dict[str, Any]) -> list[Device]:
    """The GPUs this model may be put on."""
    found = gpus()
    if found and load["main_gpu"] >= len(found):
        last = len(found) - 1
        raise LoadFailed(f"main_gpu must be a whole number from 0 to {last}; got {load['main_gpu']}", "BadRequest")
    return used(found, load["split_mode"], load["main_gpu"])


def _look(path: str) -> tuple[Net, bool]:
    """The network's sizes and whether its weights are quantised, without reading the weights (36 ms at 32k tokens)."""
    params = lc.llama_model_default_params()
    params.n_gpu_layers = 0
    params.no_alloc = True  # needs a load mode that does not map
    params.load_mode = lc.LLAMA_LOAD_MODE_NONE
    model = lc.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise LoadFailed("llama.cpp could not load it")
    try:
        heads, width = int(lc.llama_model_n_head(model)), int(lc.llama_model_n_embd(model))
        arch = _metadata(model, "general.architecture")
        net = Net(
            layers=int(lc.llama_model_n_layer(model)),
            width=width,
            heads=heads,
            kv_heads=int(lc.llama_model_n_head_kv(model)),
            key_length=_number(_metadata(model, f"{arch}.attention.key_length")) or width // max(1, heads),
            value_length=_number(_metadata(model, f"{arch}.attention.value_length")) or width // max(1, heads),
            vocabulary=int(lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))),
            size=int(lc.llama_model_size(model)),
            trained_context=int(lc.llama_model_n_ctx_train(model)),
        )
        return net, int(lc.llama_model_ftype(model)) & ~GUESSED not in UNQUANTISED
    finally:
        lc.llama_model_free(model)


def _check(net: Net, load: dict[str, Any]) -> None:
    """What this network cannot be loaded with."""
    if net.trained_context == 0 and not load["context"]:
        raise LoadFailed("it says it was trained for a context of 0 tokens; say how many: -c 2048", "BadRequest")
    for name, length in (("cache_type_k", net.key_length), ("cache_type_v", net.value_length)):
        block = CACHE_TYPES[load[name]][1]
        if length % block:
            raise LoadFailed(
                f"{name}={load[name]!r} needs heads of a multiple of {block} values, and this model's have {length}; "
                "take f16",
                "BadRequest",
            )


def _metadata(model: Any, key: str) -> str:
    """A value of the file's metadata as text; empty when it is not there or is a list."""
    text = ctypes.create_string_buffer(256)
    length = lc.llama_model_meta_val_str(model, key.encode(), text, 256)
    return text.value.decode("utf-8", "replace") if length >= 0 else ""


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _locked() -> bool:
    """Whether any memory of this process is locked; True where the system does not say (proc(5))."""
    try:
        with open("/proc/self/status") as file:  # noqa: PTH123 - a file of the system, not of the user
            return not any(line.split()[:2] == ["VmLck:", "0"] for line in file)
    except OSError:
        return True
