"""`import modelhub`: what it exposes, what it does not load, and the rooms that are entered through it alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import modelhub

ROOT = Path(modelhub.__file__).resolve().parent
HEAVY = [
    "llama_cpp",
    "numpy",
    "httpx",
    "anywidget",
    "sqlite3",
    "pydantic",
    "IPython",
    "ipywidgets",
    "jinja2",
    "asyncio",
]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_the_front_door_is_what_it_says() -> None:
    """`__all__` is sorted and names exactly what is public."""
    public = python("import modelhub; print(*(n for n in dir(modelhub) if n[0] != '_'))").stdout.split()
    helpers = {"annotations", "TYPE_CHECKING", "Any"}
    assert sorted(set(public) - helpers) == sorted(modelhub.__all__) == modelhub.__all__
    assert all(callable(getattr(modelhub, name)) and getattr(modelhub, name).__doc__ for name in modelhub.__all__)


def test_importing_it_loads_nothing_heavy() -> None:
    """`import modelhub` loads neither an engine nor a notebook."""
    loaded = python(f"import sys, modelhub; print(*[m for m in {HEAVY} if m in sys.modules])")
    assert (loaded.stdout.strip(), loaded.stderr) == ("", "")


def test_there_is_one_hub() -> None:
    """Every way to the hub leads to the same one."""
    code = "import modelhub; from modelhub.kernels.hub import hub; print(modelhub.hub() is hub() is modelhub.hub())"
    assert python(code).stdout.strip() == "True"


@pytest.mark.parametrize("room", ["kernels", "magics", "nbext"])
def test_a_room_is_entered_through_the_front_door(room: str) -> None:
    """A room's folder imported by its bare name says what its name is."""
    folder = (ROOT / room).resolve().parent
    ran = python(f"import sys; sys.path.insert(0, {str(folder)!r}); import {room}")
    assert ran.returncode and f"this folder is modelhub.{room}; you are importing it as '{room}'" in ran.stderr


def test_the_kernel_room_knows_no_notebook() -> None:
    """The hub, its engines and its store load neither IPython nor an engine's library."""
    code = "import sys, modelhub.kernels.hub; print(*[m for m in %r if m in sys.modules])"
    unwanted = ["IPython", "ipywidgets", "anywidget", "ipykernel", "llama_cpp", "numpy", "httpx", "jinja2"]
    assert python(code % unwanted).stdout.strip() == ""
