"""llama.cpp's own programs, built once from the sources that the installed llama-cpp-python was built from.

`pip download` fetches its source archive, CMake builds what the figures need with its own defaults, and both stay in
`.benchmarks-cache/peers/VERSION`. It takes about 4 minutes on two cores, once.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.cached_models import CACHE

PROGRAMS = ("llama-bench", "llama-batched-bench", "llama-server")
OPTIONS = ("-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF",
           "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_UI=OFF", "-DLLAMA_BUILD_MTMD=OFF")  # fmt: skip


class NoPeer(Exception):
    """A peer cannot be had here; the message is one line that says what is missing and what to do."""


def program(name: str) -> Path:
    """The path of one of PROGRAMS, built if need be. Raises NoPeer."""
    if name not in PROGRAMS:
        raise ValueError(f"{name!r} is none of the programs that are built: {', '.join(PROGRAMS)}")
    folder = CACHE / "peers" / importlib.metadata.version("llama_cpp_python")
    path = folder / "build" / "bin" / name
    if not path.exists():
        _build(folder)
    if not path.exists():
        raise NoPeer(f"{name} was not built; see {folder / 'build.log'}")
    return path


def bench(model: Path, threads: int, tokens: int, depth: int) -> float:
    """Tokens a second of llama-bench: one run of `tokens` drawn after `depth`, its other options as they come."""
    ran = _run([program("llama-bench"), "-m", model, "-t", threads, "-p", 0, "-n", tokens, "-d", depth,
                "-r", 1, "-o", "json"])  # fmt: skip
    return float(json.loads(ran)[0]["avg_ts"])


def batched_bench(model: Path, threads: int, prompt: int, tokens: int, width: int) -> float:
    """Tokens a second in sum of llama-batched-bench with `width` sequences, while tokens are drawn."""
    cells = -(-width * (prompt + tokens) // 256) * 256
    ran = _run([program("llama-batched-bench"), "-m", model, "-t", threads, "-c", cells, "-npp", prompt,
                "-ntg", tokens, "-npl", width, "--output-format", "jsonl"])  # fmt: skip
    (row,) = (line for line in ran.splitlines() if line.startswith("{"))
    return float(json.loads(row)["speed_tg"])


def _run(command: list[Any]) -> str:
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ran.returncode:
        raise NoPeer(f"{Path(command[0]).name} ended with {ran.returncode}: {(ran.stderr.splitlines() or [''])[-1]}")
    return ran.stdout


def _build(folder: Path) -> None:
    """Fetch the sources and build the programs. Raises NoPeer."""
    if not shutil.which("cmake"):
        raise NoPeer("llama.cpp's own programs are built with cmake, which is not installed: pip install cmake")
    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        raise NoPeer("llama.cpp's own programs need a C++ compiler, and there is none: install g++ or clang")
    folder.mkdir(parents=True, exist_ok=True)
    print(f"building {', '.join(PROGRAMS)}, once, about 4 minutes …", end=" ", file=sys.stderr, flush=True)
    with (folder / "build.log").open("wb") as log, tempfile.TemporaryDirectory(dir=folder) as unpacked:

        def do(*command: Any) -> None:
            if subprocess.run([str(part) for part in command], stdout=log, stderr=log).returncode:
                raise NoPeer(f"llama.cpp's own programs could not be built; see {log.name}")

        do(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python", "--dest", unpacked,
           f"llama-cpp-python=={folder.name}")  # fmt: skip
        (archive,) = Path(unpacked).glob("*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(unpacked, filter="data")
        (sources,) = Path(unpacked).glob("*/vendor/llama.cpp")
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        build = folder / "build"
        shutil.rmtree(build, ignore_errors=True)  # of an attempt that broke off: its sources are gone
        do("cmake", "-S", sources, "-B", build, *generator, *OPTIONS)
        do("cmake", "--build", build, "--parallel", os.cpu_count() or 1, "--target", *PROGRAMS)
