"""The machine: its processors, its memory, its GPUs, its disk, and what a process holds of them. Sizes are bytes.

psutil knows most of it; what it does not know are the limits of control groups, in which a container lives, and the
GPUs, for which llama.cpp is asked in a process of its own, as nothing of it is to be loaded into the kernel.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GPU_SECONDS = 10.0  # what was heard of the GPUs holds so long: the process that asks takes a part of a second
NO_GPU_SECONDS = 600.0  # that there is none holds longer
GPU_PATIENCE = 20.0  # a driver that hangs is not waited for longer

# What a process that is started may know of the kernel's environment: enough to run, and no keys.
KEPT_NAMES = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH",
              "PYTHONHOME", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "SYSTEMROOT"}  # fmt: skip
KEPT_PREFIXES = ("LC_", "GGML_", "LLAMA_", "OMP_")


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds of the memory.

    resident: its pages, those it shares with others by its share (Linux: PSS), mapped files among them.
    own: what comes back to the others when it ends: its pages without those of files.
    """

    resident: int
    own: int


def environment() -> dict[str, str]:
    """The kernel's environment for a process that is started: without what may be a secret."""
    return {k: v for k, v in os.environ.items() if k in KEPT_NAMES or k.startswith(KEPT_PREFIXES)}


def memory() -> dict[str, int | None]:
    """The machine's memory: total, available (without swapping, by the control groups too), limit (theirs, if lower).

    limit is None where no control group limits this process to less than the machine has.
    """
    import psutil  # type: ignore[import-untyped]  # psutil ships no types

    machine = psutil.virtual_memory()
    limit, free = memory_limit(), free_memory()
    return {
        "total": machine.total,
        "available": free if free is not None else machine.available,
        "limit": limit if limit is not None and limit < machine.total else None,
    }


def memory_of(pid: int) -> Held | None:
    """What the process `pid` holds; None: it is gone, or not ours to look at."""
    pages: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, size = line.split()[:2]
            pages[name] = int(size) * 1024
        return Held(pages["Pss:"], pages.get("Pss_Anon:", pages["Pss:"]))
    import psutil

    with contextlib.suppress(psutil.Error):
        resident = int(psutil.Process(pid).memory_info().rss)
        return Held(resident, resident)
    return None


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


def memory_limit(root: Path = Path("/")) -> int | None:
    """The most memory that the control groups of this process allow; None: no limit. root: as for `free_memory`."""
    found: list[int] = []
    for folder in groups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # "max": there is none
                found.append(int((folder / name).read_text()))
    return min(found, default=None)


def groups(controller: str, root: Path = Path("/")) -> list[Path]:
    """The folders of this process's control groups that may limit it, innermost first; versions 1 and 2."""
    found: list[Path] = []
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            top = root / "sys/fs/cgroup"
        elif controller in names.split(","):
            top = root / "sys/fs/cgroup" / controller
        else:
            continue
        inside = top / path.strip().lstrip("/")
        # Inside a container the path may be the host's, and what is mounted is the container's own group.
        found += [p for p in (inside, *inside.parents) if p == top or top in p.parents]
    return found


def processors() -> dict[str, Any]:
    """The processors: physical and logical cores, those this process may use, and per cent of all that is busy.

    percent: since the call before, or of the last tenth of a second where that was later or there was none.
    """
    import psutil

    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count()
    physical, logical = psutil.cpu_count(logical=False), psutil.cpu_count()
    return {"physical": physical, "logical": logical, "usable": usable, "percent": _busy.percent()}


class _Busy:
    """How busy the processors are, between two looks that lie a tenth of a second apart at least."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked = 0.0
        self._percent = 0.0

    def percent(self) -> float:
        import psutil

        with self._lock:
            if not self._looked:
                self._percent = psutil.cpu_percent(0.1)
            elif time.monotonic() - self._looked > 0.1:
                self._percent = psutil.cpu_percent()
            else:
                return self._percent
            self._looked = time.monotonic()
            return self._percent


class _Gpus:
    """What llama.cpp said of the GPUs last, and when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[dict[str, Any]] = []
        self._until = 0.0

    def get(self, fresh: bool) -> list[dict[str, Any]]:
        with self._lock:
            if fresh or time.monotonic() >= self._until:
                self._found = _ask_for_gpus()
                self._until = time.monotonic() + (GPU_SECONDS if self._found else NO_GPU_SECONDS)
            return [dict(gpu) for gpu in self._found]


_busy, _gpus = _Busy(), _Gpus()


def gpus(fresh: bool = False) -> list[dict[str, Any]]:
    """The GPUs that llama.cpp was built for and finds: name, description, total, free, integrated.

    total and free are both 0 where a GPU does not say. Empty without a GPU and without llama_cpp. It is asked in a
    process of its own, which takes a part of a second; the answer holds for GPU_SECONDS unless `fresh`.
    """
    return _gpus.get(fresh)


def _ask_for_gpus() -> list[dict[str, Any]]:
    import importlib.util

    if importlib.util.find_spec("llama_cpp") is None:
        return []
    command = [sys.executable, "-P", "-m", "modelhub.kernels.worker.devices"]
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment(), timeout=GPU_PATIENCE, start_new_session=True, check=True,
        ).stdout  # fmt: skip
        found = json.loads(said.decode().splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return []
    return [gpu for gpu in found if isinstance(gpu, dict)] if isinstance(found, list) else []


def disk(folder: Path) -> dict[str, Any]:
    """Of the disk on which `folder` lies, or will lie: folder, total, free; both None where it cannot be asked."""
    import psutil

    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            usage = psutil.disk_usage(str(place))
            return {"folder": str(folder), "total": usage.total, "free": usage.free}
    return {"folder": str(folder), "total": None, "free": None}
