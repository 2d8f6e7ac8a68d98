"""A small JSON object on disk that several kernels share: read anew when it changes, written in one step."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelhub.errors import StoreFailed
from modelhub.kernels.settings import alone, write_atomically


class JsonFile:
    """A JSON object in a file. Safe from any thread; two kernels that change it at once both have their way."""

    def __init__(self, path: Callable[[], Path]) -> None:
        """`path` is asked each time: the home may change under a test or an environment variable."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[Path, int, int] | None = None
        self._value: dict[str, Any] = {}
        self.problem: str | None = None
        """What is wrong with the file, in one line; None when it was read or is not there."""

    @property
    def path(self) -> Path:
        """Where it lies; it may not exist yet."""
        return self._path()

    def read(self) -> dict[str, Any]:
        """What the file holds, empty where there is none or it cannot be read (then `problem` says why)."""
        with self._lock:
            return copy.deepcopy(self._read())

    def change(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Read it, let `edit` change what was read, and write it.

        Raises StoreFailed when it cannot be written, and when what is there cannot be read: it is not overwritten.
        """
        with self._lock, alone(self.path):
            self._seen = None  # two writings within one tick of the clock may have one size
            value = copy.deepcopy(self._read())
            if self.problem is not None:
                raise StoreFailed(f"{self.problem}; mend it or remove it first", path=str(self.path))
            edit(value)
            write_atomically(self.path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
            self._seen = None

    def _read(self) -> dict[str, Any]:
        path = self.path
        try:
            status = path.stat()
        except OSError:
            self._seen, self._value, self.problem = None, {}, None
            return self._value
        seen = (path, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._value, self.problem = {}, None
            try:
                found = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                self.problem = f"{path} cannot be read ({error})"
            else:
                if isinstance(found, dict):
                    self._value = found
                else:
                    self.problem = f"{path} holds a {type(found).__name__}, and a JSON object is expected"
            self._seen = seen
        return self._value
