"""What is said of the machine: memory by its control groups too, processors, GPUs, disk, and what processes hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelhub.kernels import system
from modelhub.kernels.hub import Hub


def test_memory(tmp_path: Path) -> None:
    """Total and available are the machine's, a limit is said only where it is lower; a process's part is in it."""
    known = system.memory()
    assert known["total"] and known["available"] and 0 < known["available"] <= known["total"]
    assert known["limit"] is None or known["limit"] < known["total"]
    held = system.memory_of(os.getpid())
    assert held is not None and 1_000_000 < held.own <= held.resident < known["total"]
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert system.memory_of(process.pid) is None


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/job", {"sys/fs/cgroup/job/memory.max": "2000000"}, 2_000_000),
        ("0::/job", {"sys/fs/cgroup/job/memory.max": "max", "sys/fs/cgroup/memory.max": "3000000"}, 3_000_000),
        ("0::/job", {"sys/fs/cgroup/job/memory.max": "max"}, None),
        ("4:memory:/job", {"sys/fs/cgroup/memory/job/memory.limit_in_bytes": "4000000"}, 4_000_000),
        ("", {}, None),
    ],
)
def test_the_limit_of_control_groups(tmp_path: Path, cgroup: str, files: dict[str, str], limit: int | None) -> None:
    """The lowest limit of the groups a process is in, of versions 1 and 2."""
    for name, text in {"proc/self/cgroup": cgroup, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert system.memory_limit(tmp_path) == limit


def test_processors() -> None:
    """Cores, and how many per cent of them are busy, however often it is asked."""
    for _ in range(3):
        known = system.processors()
        assert 1 <= known["usable"] <= known["logical"] and 0 <= known["percent"] <= 100


def test_gpus_are_asked_for_in_another_process(tmp_path: Path) -> None:
    """What llama.cpp finds, without llama_cpp in this process; none without llama_cpp, and none where it crashes."""
    ask = "import sys; from modelhub.kernels import system as s; print(s.gpus(), 'llama_cpp' in sys.modules)"
    said = subprocess.run([sys.executable, "-P", "-c", ask], capture_output=True, text=True, check=True).stdout
    assert said.strip().endswith("] False")
    found = system.gpus()
    assert f"{found} False" == said.strip() or found
    assert all(set(gpu) == {"name", "description", "total", "free", "integrated"} for gpu in found)
    for text in ("raise SystemExit(3)", "print('no list')", "import os; os.abort()"):
        (tmp_path / "llama_cpp.py").write_text(text)
        broken = {**os.environ, "PYTHONPATH": str(tmp_path)}
        said = subprocess.run(
            [sys.executable, "-c", ask], capture_output=True, text=True, check=True, env=broken
        ).stdout
        assert said.strip() == "[] False"


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """The free space is that of the nearest folder that is there."""
    known = system.disk(tmp_path / "not" / "yet")
    assert known["folder"] == str(tmp_path / "not" / "yet")
    assert 0 < known["free"] <= known["total"]


def test_the_status_of_the_system(hub: Hub, home: Path) -> None:
    """One value with all of it; what the kernel and its workers use is what they hold, and the rows are the status."""
    hub.load("tiny-chat")
    status = hub.system_status()
    assert set(status) == {"cpu", "ram", "gpus", "disk", "workers"}
    ram = status["ram"]
    assert ram["workers"] == sum(row["memory"] for row in status["workers"]) > 1_000_000
    assert ram["used"] == ram["kernel"] + ram["workers"] < ram["total"]
    assert status["disk"]["folder"] == str(home / "models")
    (row,) = [row for row in status["workers"] if row["model"] == "local/tiny-chat"]
    assert {"state", "pid", "memory", "held", "cells", "running", "waiting", "idle", "unloads_in", "load"} <= set(row)
