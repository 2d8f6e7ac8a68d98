"""The GPUs that llama.cpp was built for and finds, by ggml's own list: CUDA, Metal, Vulkan and the rest go one way.

`python -m modelhub.kernels.worker.devices` prints them as JSON, for kernels.system.
"""

from __future__ import annotations

import ctypes
import json
from dataclasses import asdict, dataclass
from typing import Any

from llama_cpp import llama_cpp as lc

GPU, INTEGRATED = 1, 2  # ggml-backend.h, enum ggml_backend_dev_type


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU. free, total: bytes; both 0 where it does not say."""

    name: str
    description: str
    free: int
    total: int
    integrated: bool


def gpus() -> list[Device]:
    """The GPUs that llama.cpp would use: integrated ones only where there is no other. Empty on a CPU build."""
    if not lc.llama_supports_gpu_offload():
        return []
    registry, base = _libraries()
    registry.ggml_backend_dev_count.restype = ctypes.c_size_t
    found = [_device(registry, base, i) for i in range(registry.ggml_backend_dev_count())]
    devices = [d for d in found if d is not None]
    return [d for d in devices if not d.integrated] or devices


def used(devices: list[Device], split_mode: str, main_gpu: int) -> list[Device]:
    """Those of `devices` that a model is put on: all of them, or with `split_mode` "none" the main one."""
    return devices[main_gpu : main_gpu + 1] if split_mode == "none" else devices


def _libraries() -> tuple[Any, Any]:
    """ggml's registry and its base library. They lie beside libllama, which has opened them already."""
    from llama_cpp._ctypes_extensions import load_shared_library

    folder = lc._base_path
    return load_shared_library("ggml", folder), load_shared_library("ggml-base", folder)


def _device(registry: Any, base: Any, index: int) -> Device | None:
    """The GPU of this number in ggml's list; None for what is no GPU."""
    registry.ggml_backend_dev_get.restype = ctypes.c_void_p
    registry.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    device = ctypes.c_void_p(registry.ggml_backend_dev_get(index))
    for name in ("ggml_backend_dev_name", "ggml_backend_dev_description"):
        getattr(base, name).restype = ctypes.c_char_p
        getattr(base, name).argtypes = [ctypes.c_void_p]
    base.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    base.ggml_backend_dev_type.restype = ctypes.c_int
    kind = int(base.ggml_backend_dev_type(device))
    if kind not in (GPU, INTEGRATED):
        return None
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    base.ggml_backend_dev_memory.restype = None
    size = ctypes.POINTER(ctypes.c_size_t)
    base.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size, size]
    base.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
    text = [getattr(base, f"ggml_backend_dev_{n}")(device).decode("utf-8", "replace") for n in ("name", "description")]
    return Device(text[0], text[1], int(free.value), int(total.value), kind == INTEGRATED)


if __name__ == "__main__":
    print(json.dumps([asdict(device) for device in gpus()]))
