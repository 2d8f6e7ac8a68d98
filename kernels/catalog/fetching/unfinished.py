"""What came of downloads that were stopped: it is kept, so that the next one goes on from there."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from modelhub.errors import StateConflict

ABOUT, LOCK = "about.json", "lock"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A model that is not all here. asked: what `%models pull` is told to go on. received, size: bytes, or None."""

    id: str
    asked: str
    received: int
    size: int | None
    folder: Path

    def drop(self) -> None:
        """Delete what came. Raises StateConflict while somebody goes on with it."""
        with contextlib.suppress(FileNotFoundError), lock(self.folder) as mine:
            if not mine:
                raise StateConflict(f"{self.id} is being fetched by another kernel; stop it there first")
            remove(self.folder)


def unfinished(staging: Path) -> list[Unfinished]:
    """All of them, by name; those that somebody fetches just now are none."""
    found = []
    for folder in sorted(staging.iterdir()) if staging.is_dir() else []:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError), lock(folder) as mine:
            about = json.loads((folder / ABOUT).read_text("utf-8"))
            received = sum(path.stat().st_size for path in folder.rglob("*.part"))
            if mine and received:
                found.append(Unfinished(str(about["id"]), str(about["asked"]), received, about["size"], folder))
    return found


def remove(folder: Path) -> None:
    """Take a folder of what came away, and the one it lies in when that was the last."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder; gives False at once where another process has it. Raises OSError."""
    with (folder / LOCK).open("r+b") as file:
        yield take(file)


def take(file: BinaryIO) -> bool:
    """Take the lock that an open file stands for, which ends when it is closed; whether it could be had."""
    try:
        import fcntl
    except ImportError:  # Windows: two kernels there fetch the same file twice
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
