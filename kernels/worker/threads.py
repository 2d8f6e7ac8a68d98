"""How many threads a step may use: what this process is allowed, less what its neighbours keep busy.

llama.cpp's threads wait for each other hundreds of times a token. With a thread for each core and one core taken by
somebody else, all of them wait until the one without a core gets its turn again: 20 times slower, measured. So the
count follows what is free, and the waiting is short (`GOMP_SPINCOUNT`, engines/worker_process.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from modelhub.kernels.system import groups

PERIOD = 0.25  # seconds between two looks at the neighbours
QUIET = 1.0  # seconds a core must have been free before it is used again
BEARABLE = 0.35  # of a core, that others may use: a kernel that displays, its server and its browser
STALE = 1.0  # seconds; what happened in a longer time than this says little of now
COST = 200  # a look costs at most one part in so many of the time: on a machine of many cores it takes longer


class ThreadGovernor:
    """Sets the number of threads while the model runs. Owned by the thread that owns the model."""

    def __init__(
        self,
        apply: Callable[[int], None],
        most: int,
        *,
        fixed: bool = False,
        cpus: Iterable[int] | None = None,
        stat: Path = Path("/proc/stat"),
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.process_time,
    ) -> None:
        """Begin with `most` threads, which is also the highest number ever set.

        apply: is called with each new number. fixed: keep the number; so it is with `most` 1 in any case.
        cpus: those this process may run on; default: its affinity.
        stat: the system's `/proc/stat` (proc(5)); where it cannot be read the number stays `most`.
        clock: seconds that only grow. own: CPU seconds this process has used, all threads.
        """
        self.threads = self.most = most
        self._apply = apply
        self._cpus = allowed_cpus() if cpus is None else set(cpus)
        self._stat, self._clock, self._own = stat, clock, own
        self._free_since: float | None = None  # since when more could be used than is, and how many at least
        self._rise = 0
        self._due = math.inf
        sample = self._sample() if most > 1 and not fixed else None
        if sample is not None:
            self._last, self._due = sample, sample[0] + PERIOD

    def tick(self) -> None:
        """Look at the neighbours if it is time to. Cheap: before each step, usually one look at the clock."""
        if self._clock() < self._due:
            return
        sample = self._sample()
        if sample is None:
            self._due = math.inf
            return
        now, busy, own = sample
        before, last_busy, last_own = self._last
        self._last = sample
        self._due = now + max(PERIOD, COST * (self._clock() - now))
        if now <= before:
            return
        if now - before > STALE:  # nothing was asked meanwhile: who was busy then may be gone
            self._free_since = None
            if self.threads < self.most:
                self._set(self.most)
            return
        others = max(0.0, (busy - last_busy) - (own - last_own)) / (now - before)
        self._follow(max(1, min(self.most, int(len(self._cpus) - others + BEARABLE))), before, now)

    def _follow(self, wanted: int, before: float, now: float) -> None:
        """Down at once; up when the cores have been free for a while."""
        if wanted <= self.threads:
            self._free_since = None
            if wanted < self.threads:
                self._set(wanted)
            return
        if self._free_since is None:
            self._free_since, self._rise = before, wanted
        self._rise = min(self._rise, wanted)
        if now - self._free_since >= QUIET:
            self._free_since = None
            self._set(self._rise)

    def _set(self, threads: int) -> None:
        self.threads = threads
        self._apply(threads)

    def _sample(self) -> tuple[float, float, float] | None:
        """Now, and the CPU seconds used so far: by all on our CPUs, and by this process. None: it cannot be known."""
        now = self._clock()
        try:
            text = self._stat.read_text()
        except OSError:
            return None
        ticks, found = 0, 0
        for line in text.splitlines():
            name, *fields = line.split() or [""]
            if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in self._cpus:
                values = [int(f) for f in fields[:8]]
                ticks += sum(values) - sum(values[3:5])  # all but idle and waiting for a disk
                found += 1
        if found == 0:
            return None
        return now, ticks / os.sysconf("SC_CLK_TCK"), self._own()


def allowed_cpus() -> set[int]:
    """The numbers of the CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def usable_cores(cpus: Iterable[int] | None = None, root: Path = Path("/")) -> int:
    """How many threads can really run at once: physical cores among `cpus`, at most what a container's quota allows.

    root: where the system's `sys` and `proc` are.
    """
    mine = allowed_cpus() if cpus is None else set(cpus)
    cores = _physical(mine, root)
    quota = _quota(root)
    return max(1, cores if quota is None else min(cores, int(quota)))


def _physical(cpus: set[int], root: Path) -> int:
    """How many cores `cpus` are; threads of one core are counted once, where the system says which they are."""
    if sys.platform == "darwin":  # pragma: no cover - no such machine in CI
        count = ctypes.c_int(0)
        size = ctypes.c_size_t(4)
        for name in (b"hw.perflevel0.physicalcpu", b"hw.physicalcpu"):  # the fast ones; on Intel there is one kind
            if ctypes.CDLL(None).sysctlbyname(name, ctypes.byref(count), ctypes.byref(size), None, 0) == 0:
                return max(1, count.value)
    cores = set()
    for cpu in cpus:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        try:
            cores.add(topology.read_text().strip())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


def _quota(root: Path) -> float | None:
    """The CPUs' worth of time that the control groups of this process allow; None: no limit (cgroups(7))."""
    limits = []
    for folder in groups("cpu", root):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text().split()
            limits.append(int(quota) / int(period))
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            micro = int((folder / "cpu.cfs_quota_us").read_text())
            if micro > 0:
                limits.append(micro / int((folder / "cpu.cfs_period_us").read_text()))
    return min(limits, default=None)
