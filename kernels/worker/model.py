"""One GGUF in memory: its weights, one context for many sequences, and what is true of both."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

from llama_cpp import llama_cpp as lc

from modelhub.kernels.worker.template import CHATML, ChatTemplate, TemplateError
from modelhub.kernels.worker.vocabulary import Vocabulary

SMALL_BYTES = 64 * 1024 * 1024  # below this a second thread costs more than it brings
CACHE_BYTES = 256 << 20  # the most that prefixes of several conversations may take, beyond one full context
FREE_SHARE = 0.25  # of the free memory, for the context of a model that was trained for a very long one
MIN_CONTEXT = 2048
UBATCH_ON_CPU = 128  # as fast as 512 there, and a quarter of its memory


class LoadFailed(Exception):
    """llama.cpp did not load the file or could not make a context; the message says what was being done."""


class LoadedModel:
    """Weights and context of one GGUF. Owned by one thread; only `abort` may be called from another."""

    def __init__(self, path: str, load: dict[str, Any], progress: Callable[[float], None]) -> None:
        """Load `path`.

        `load` has the load parameters of `protocol.plan.LoadParams`; `progress` is called with the part done, 0 to 1,
        at most twenty times. Raises LoadFailed.
        """
        started = time.monotonic()
        lc.llama_backend_init()
        self._keep: list[Any] = []
        self.model = self._load(path, load, progress)
        self.vocabulary = Vocabulary(self.model)
        self.trained_context = int(lc.llama_model_n_ctx_train(self.model))
        self.context_length = load["context"] or min(self.trained_context, self._fitting())
        self.slots = int(load["slots"])
        self.batch = int(load["batch"])
        self.context = self._make_context(load)
        self.memory = lc.llama_get_memory(self.context)
        self.template_error = ""
        self.template = self._template()
        self.load_seconds = time.monotonic() - started

    # -- what the scheduler needs ------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Make the running (or next) decode return early. Any thread; `resume` undoes it."""
        self._flag[0] = b"\x01"

    def resume(self) -> None:
        """Let decodes run again."""
        self._flag[0] = b"\x00"

    def describe(self) -> dict[str, Any]:
        """What is true of the loaded model: names, sizes in bytes and tokens, threads, seconds."""
        text = ctypes.create_string_buffer(256)
        lc.llama_model_desc(self.model, text, 256)
        return {
            "description": text.value.decode("utf-8", "replace"),
            "parameters": int(lc.llama_model_n_params(self.model)),
            "size": int(lc.llama_model_size(self.model)),
            "trained_context": self.trained_context,
            "context": self.context_length,
            "cells": int(lc.llama_n_ctx(self.context)),
            "slots": self.slots,
            "batch": self.batch,
            "threads": self.threads,
            "gpu_layers": self.gpu_layers,
            "vocabulary": self.vocabulary.size,
            "template": "in the file" if self._template_source else "none in the file; ChatML is used",
            "load_seconds": round(self.load_seconds, 3),
        }

    # -- loading -----------------------------------------------------------------------------------------------------

    def _load(self, path: str, load: dict[str, Any], progress: Callable[[float], None]) -> Any:
        params = lc.llama_model_default_params()
        self.gpu_layers = int(load["gpu_layers"])
        params.n_gpu_layers = self.gpu_layers
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

    def _make_context(self, load: dict[str, Any]) -> Any:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        small = lc.llama_model_size(self.model) < SMALL_BYTES
        self.threads = int(load["threads"]) or (1 if small else max(1, cores // 2))
        params = lc.llama_context_default_params()
        params.n_ctx = self._cells()
        params.n_batch = params.n_ubatch = self.batch
        params.n_seq_max = self.slots
        params.n_threads = self.threads
        # One core is left to the kernel and its server: with a thread a core and one busy neighbour, llama.cpp's
        # threads wait for each other and everything takes many times as long.
        params.n_threads_batch = int(load["threads"]) or (1 if small else max(1, cores - 1))
        if not (self.gpu_layers and lc.llama_supports_gpu_offload()):
            # On a CPU flash attention makes each new prompt token dearer the longer the history is: 40 tokens after
            # 800 took 9 times as long with the packaged model, after 1,120 1.5 times with a 1B one
            # (benchmarks/follow_up.py). Without it scores take cells x ubatch x heads floats: fewer at once.
            params.flash_attn_type = lc.LLAMA_FLASH_ATTN_TYPE_DISABLED
            params.n_ubatch = min(self.batch, UBATCH_ON_CPU)
        params.kv_unified = True  # cells belong to whoever needs them, and a shared prefix is kept once
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

    def _token_bytes(self) -> int:
        """Bytes of keys and values (16 bits each) that one token takes in the context."""
        layers = int(lc.llama_model_n_layer(self.model))
        width = int(lc.llama_model_n_embd(self.model)) * int(lc.llama_model_n_head_kv(self.model))
        return max(1, 4 * layers * width // max(1, int(lc.llama_model_n_head(self.model))))

    def _fitting(self) -> int:
        """The longest context, a multiple of 256 tokens, that takes no more than FREE_SHARE of the free memory."""
        tokens = int(_free_memory() * FREE_SHARE) // self._token_bytes()
        return max(MIN_CONTEXT, tokens // 256 * 256)

    def _cells(self) -> int:
        """How many tokens the context holds for all sequences together: one full context, and room for more."""
        spare = min(self.slots - 1, CACHE_BYTES // (self._token_bytes() * self.context_length))
        return self.context_length * (1 + spare)

    def _template(self) -> ChatTemplate | None:
        source = lc.llama_model_chat_template(self.model, None)
        self._template_source = source.decode("utf-8", "replace") if source else ""
        try:
            return ChatTemplate(self._template_source or CHATML, self.vocabulary.bos(), self.vocabulary.eos())
        except TemplateError as error:
            self.template_error = str(error)
            return None


def _free_memory() -> int:
    """Bytes of memory that can be had without swapping; 8 GiB where the system does not say."""
    try:
        with open("/proc/meminfo") as file:  # noqa: PTH123 - a file of the system, not of the user
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 8 << 30
