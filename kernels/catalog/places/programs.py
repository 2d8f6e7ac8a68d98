"""Where other programs keep their models: found by the environment and the home folder, read and never changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from modelhub.kernels.catalog.places.described import Described
from modelhub.kernels.catalog.places.hub_cache import HubCache
from modelhub.kernels.catalog.places.llama_cache import LlamaCache
from modelhub.kernels.catalog.places.ollama_store import OllamaStore
from modelhub.kernels.catalog.places.place import Place


def program_places() -> list[Place]:
    """The places other programs have, in the order in which they are looked at, there or not.

    MODELHUB_PLACES names those that are wanted, with commas between them, or `none`; unset: all of PROGRAMS.
    """
    asked = os.environ.get("MODELHUB_PLACES")
    wanted = [w.strip() for w in asked.split(",")] if asked is not None else list(PROGRAMS)
    return [
        layout(program, folder.absolute(), foreign=True)
        for program, (layout, folders) in PROGRAMS.items()
        if program in wanted
        for folder in dict.fromkeys(folders())
    ]


def home() -> Path:
    """The user's home folder as the environment says now."""
    try:
        return Path.home()
    except RuntimeError:  # the system knows none
        return Path("/nonexistent")


def _named(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value).expanduser() if value else None


def _cache() -> Path:
    if sys.platform == "darwin":
        return home() / "Library" / "Caches"
    return _named("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME") or home() / ".cache"


def _data() -> Path:
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support"
    return _named("LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME") or home() / ".local" / "share"


def _hugging_face() -> list[Path]:
    """As huggingface_hub finds it (its constants.py); on macOS too it lies in ~/.cache."""
    base = _named("HF_HOME") or (_named("XDG_CACHE_HOME") or home() / ".cache") / "huggingface"
    return [_named("HF_HUB_CACHE") or _named("HUGGINGFACE_HUB_CACHE") or base / "hub"]


def _ollama() -> list[Path]:
    """OLLAMA_MODELS, else the user's; on Linux also that of the service its installer sets up."""
    if named := _named("OLLAMA_MODELS"):
        return [named]
    return [home() / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")]


def _lm_studio() -> list[Path]:
    """Since 0.3.6 in ~/.lmstudio, before that in its cache; a file beside the home says where it was moved to."""
    folders = [home() / ".lmstudio" / "models", home() / ".cache" / "lm-studio" / "models"]
    try:
        moved = (home() / ".lmstudio-home-pointer").read_text("utf-8").strip()
    except (OSError, ValueError):
        moved = ""
    return [Path(moved) / "models", *folders] if moved.startswith("/") else folders


def _jan() -> list[Path]:
    """Jan's data folder moved with its versions; its models lie in `models`, and since 0.6 in `llamacpp/models`."""
    bases = [_data() / "Jan" / "data", home() / ".config" / "Jan" / "data", home() / "jan"]
    if roaming := _named("APPDATA"):
        bases.insert(0, roaming / "Jan" / "data")
    return [base / inner for base in bases for inner in (Path("llamacpp") / "models", Path("models"))]


def _cortex() -> list[Path]:
    return [home() / "cortexcpp" / "models"]


def _gpt4all() -> list[Path]:
    """The program's own folder, and that of its Python package."""
    return [_data() / "nomic.ai" / "GPT4All", home() / ".cache" / "gpt4all"]


def _llama_cpp() -> list[Path]:
    """As llama.cpp finds it (common.cpp, fs_get_cache_directory)."""
    return [_named("LLAMA_CACHE") or _cache() / "llama.cpp"]


PROGRAMS: dict[str, tuple[type[Place], Callable[[], list[Path]]]] = {
    "hugging-face": (HubCache, _hugging_face),
    "ollama": (OllamaStore, _ollama),
    "lm-studio": (Place, _lm_studio),
    "jan": (Described, _jan),
    "cortex": (Described, _cortex),
    "gpt4all": (Place, _gpt4all),
    "llama.cpp": (LlamaCache, _llama_cpp),
}
"""How each lays its models out, and the folders it may keep them in."""
