"""What was read of files before, kept from kernel to kernel: a file that has not changed is not opened again.

It lies in the home folder. A broken one, or one that cannot be written, costs the time to read the files again and
nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from modelhub.kernels import settings
from modelhub.kernels.catalog.places.walk import Seen

VERSION = 1  # of what is kept; another one is not read
T = TypeVar("T")


class Index:
    """Small, plain data by file, as long as the file's size and time stay what they were."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._home: Path | None = None
        self._kept: dict[str, list[Any]] = {}  # path: [size, mtime, kind, data]
        self._used: set[str] = set()
        self._changed = False
        self.passing = False
        """Whether something was read since `open` that another look may find otherwise."""
        self._values: dict[str, tuple[Seen, Any]] = {}  # what was made of it, for this kernel

    def get(self, file: Seen, kind: str, read: Callable[[], Any], make: Callable[[Any], T]) -> T:
        """What `make` makes of what `read` says of the file; both are called only when it is new or has changed.

        kind: what is read of it, for one file may be read in several ways. What `read` gives must be JSON; a mapping
        with `passing` in it, for what another look may find otherwise, is not kept.
        """
        key = f"{kind}:{file.path}"
        self._used.add(key)
        known = self._values.get(key)
        if known is not None and known[0] == file:
            made: T = known[1]
            return made
        kept = self._kept.get(key)
        if kept is not None and kept[:2] == [file.size, file.mtime]:
            with contextlib.suppress(Exception):  # of another version, or changed by hand
                made = make(kept[2])
                self._values[key] = (file, made)
                return made
        data = read()
        made = make(data)
        if isinstance(data, dict) and data.get("passing"):
            self.passing = True
            return made
        self._kept[key] = [file.size, file.mtime, data]
        self._values[key] = (file, made)
        self._changed = True
        return made

    def open(self) -> None:
        """Read what earlier kernels kept; again when the home folder is another one now."""
        self._used, self.passing = set(), False
        home = settings.home()
        if home == self._home:
            return
        self._home, self._kept, self._values, self._changed = home, {}, {}, False
        with contextlib.suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
            raw = self._file().read_bytes()
            head, _, body = raw.partition(b"\n")
            if head == _head(body) and isinstance(kept := json.loads(body), dict):
                self._kept = kept

    def close(self) -> None:
        """Write down what is new, without what is of no more use."""
        if not self._changed or len(self._used) < 2:  # one file, the packaged one, is soon read
            return
        self._changed = False
        kept = {key: entry for key, entry in self._kept.items() if key in self._used}
        body = json.dumps(kept, separators=(",", ":")).encode()
        target = self._file()
        with contextlib.suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".index-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_head(body) + b"\n" + body)
                Path(temporary).replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise

    def _file(self) -> Path:
        return settings.home() / "index.json"


def _head(body: bytes) -> bytes:
    """The first line of the file: what the rest must be, to be believed."""
    return f"modelhub index {VERSION} {zlib.crc32(body):08x}".encode()
