"""Peers that would not go together with modelhub: each in an environment of its own, made once with pip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.cached_models import CACHE
from benchmarks.peers import NoPeer


def python_with(*packages: str) -> Path:
    """The Python of an environment with these packages, as pip spells them. Raises NoPeer."""
    folder = CACHE / "peers" / re.sub(r"[^\w.-]+", "_", " ".join(packages))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / "whole").exists():
        return python
    print(f"installing {packages[0]}, once …", end=" ", file=sys.stderr, flush=True)
    for command in ([sys.executable, "-m", "venv", "--clear", folder], [python, "-m", "pip", "install", *packages]):
        ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if ran.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            last = (ran.stderr.strip().splitlines() or [""])[-1]
            raise NoPeer(f"{packages[0]} could not be installed here: {last}")
    (folder / "whole").touch()
    return python
