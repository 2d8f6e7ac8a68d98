"""Files below a folder, as their folders show them: nothing is opened, and nothing a folder holds is an exception."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

DEEPEST = 8  # folders below the first
MOST = 20_000  # entries looked at below one folder


@dataclass(frozen=True, slots=True)
class Seen:
    """A regular file. path: as it was reached; by a link, if `link`. size: bytes. mtime: nanoseconds.

    same: equal for one file on disk, however it was reached.
    """

    path: str
    size: int
    mtime: int
    same: tuple[int, int]
    link: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)  # noqa: PTH119 - ten times as fast, for ten thousand files

    @property
    def folder(self) -> str:
        """The folder it was reached by."""
        return os.path.dirname(self.path)  # noqa: PTH120 - as above


@dataclass(slots=True)
class Walk:
    """What was found below a folder, in the order of the names, and what was in the way, in one line each."""

    files: list[Seen] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)  # whose names are wanted of files
    problems: list[str] = field(default_factory=list)


def walk(folder: Path, wanted: Callable[[str], bool]) -> Walk:
    """Every regular file below `folder` whose name is wanted. Links are followed; each folder is entered once.

    Names that begin with a dot are left out, but for those that are nothing but an ending that is wanted, as `.gguf`.
    A folder that is not there gives nothing.
    """
    found, entered, left = Walk(), set[tuple[int, int]](), MOST
    todo = [(str(folder), 0)]
    while todo:
        path, depth = todo.pop()
        try:
            status = os.stat(path)  # noqa: PTH116 - a path may be any text here, and there are many
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(path) as scan:
                entries = []
                for entry in scan:
                    left -= 1
                    if left < 0:
                        break
                    entries.append(entry)
        except OSError as error:
            if depth or not isinstance(error, FileNotFoundError | NotADirectoryError):
                found.problems.append(f"cannot look into {path!r}: {error.strerror or error}")
            continue
        deeper = []
        for entry in sorted(entries, key=lambda e: e.name):
            asked = wanted(entry.name)
            if entry.name.startswith(".") and (not asked or "." in entry.name[1:]):
                continue
            try:
                if entry.is_dir():
                    deeper.append(entry.path)
                    if asked:
                        found.folders.append(entry.path)
                elif asked and (one := _seen(entry)):
                    found.files.append(one)
            except OSError as error:  # a link that leads nowhere or to itself, a file that has just gone
                if asked and not isinstance(error, FileNotFoundError):
                    found.problems.append(f"cannot use {entry.path!r}: {error.strerror or error}")
        if depth < DEEPEST:
            todo += [(name, depth + 1) for name in reversed(deeper)]
        if left < 0:
            found.problems.append(
                f"{str(folder)!r} has more than {MOST:,} entries: the rest was not looked at; "
                "keep models in a folder of their own"
            )
            break
    found.files.sort(key=lambda f: f.path)
    return found


def seen(path: str) -> Seen | None:
    """One file by its path; None where there is no regular file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a path may be any text here, and there are many
    except (OSError, ValueError):
        return None
    return _of(path, status)


def opens(file: Seen) -> bool:
    """Whether the file can be opened for reading now."""
    try:
        with open(file.path, "rb"):  # noqa: PTH123 - as above
            return True
    except (OSError, ValueError):
        return False


def _seen(entry: os.DirEntry[str]) -> Seen | None:
    return _of(entry.path, entry.stat(), entry.is_symlink())


def _of(path: str, status: os.stat_result, link: bool = False) -> Seen | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return Seen(path, status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino), link)
