"""What was read, kept on disk: the state of one sequence under its `prompt_cache_key`, for 24 hours.

llama.cpp takes most damaged states for good ones, so each file has a checksum of its own, and names the model, its
load parameters and the tokens it is the state of. A file that does not fit is not used; it costs reading anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import struct
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as lc

MAGIC = b"modelhub state 1\n"
SIZES = struct.Struct("<QQQ")  # bytes of the header, number of tokens, bytes of the state
KEPT_SECONDS = 24 * 3600
MOST_HEADER = 1 << 16  # bytes; a longer one is no header of ours


def identity(path: str, load: dict[str, Any]) -> dict[str, Any]:
    """What must be the same for a state to fit: the file, and what of the load parameters is in every number of it."""
    import llama_cpp

    from modelhub.kernels.worker.fingerprint import files

    parts = [[status.st_size, status.st_mtime_ns] for status in (file.stat() for file in files(path))]
    inside = {k: v for k, v in load.items() if k.startswith(("cache_type", "rope", "yarn", "flash"))}
    return {"file": [path, *parts], "load": inside, "llama_cpp": llama_cpp.__version__}


class StateFiles:
    """The states kept for one loaded model."""

    def __init__(self, context: Any, folder: str | None, model: dict[str, Any]) -> None:
        """States in `folder`, which may not exist yet; None keeps nothing. `model` is what must be the same."""
        self._context = context
        self._folder = Path(folder) if folder else None
        self._model = json.dumps(model, sort_keys=True)
        self._writing: dict[str, threading.Thread] = {}

    def tokens(self, key: str) -> list[int]:
        """The tokens that are kept under `key`; none where there is no file that fits."""
        opened = self._open(key)
        if opened is None:
            return []
        data, tokens, _state = opened
        data.close()
        return tokens

    def restore(self, key: str, sequence: int) -> list[int]:
        """Put what is kept under `key` into an empty sequence; its tokens, none where the file does not fit."""
        opened = self._open(key)
        if opened is None:
            return []
        data, tokens, begin = opened
        size = len(data) - begin - 4
        with data:
            (checksum,) = struct.unpack("<I", data[-4:])
            view = memoryview(data)
            intact = zlib.crc32(view[:-4]) == checksum
            view.release()
            # A private copy-on-write mapping: ctypes takes the address of writable memory only.
            first = ctypes.c_uint8.from_buffer(data, begin)
            source = ctypes.cast(ctypes.addressof(first), ctypes.POINTER(ctypes.c_uint8))
            taken = lc.llama_state_seq_set_data(self._context, source, size, sequence) if intact else 0
            del first, source
        if taken != size:
            lc.llama_memory_seq_rm(lc.llama_get_memory(self._context), sequence, -1, -1)
            return []
        return tokens

    def save(self, key: str, sequence: int, tokens: list[int]) -> None:
        """Keep the state of a sequence that holds `tokens`. The file is written by a thread of its own."""
        if self._folder is None or not tokens:
            return
        size = int(lc.llama_state_seq_get_size(self._context, sequence))
        buffer = (ctypes.c_uint8 * size)()
        if lc.llama_state_seq_get_data(self._context, buffer, size, sequence) != size:
            return
        before = self._writing.get(key)
        thread = threading.Thread(target=self._write, args=(key, tokens, buffer, before), name="modelhub-state")
        self._writing[key] = thread
        thread.start()

    def finish(self) -> None:
        """Wait until what is being written is on disk. Any thread."""
        for thread in list(self._writing.values()):
            thread.join()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _path(self, key: str) -> Path | None:
        if self._folder is None:
            return None
        name = hashlib.sha256(f"{self._model}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._folder / f"{name}.state"

    def _open(self, key: str) -> tuple[mmap.mmap, list[int], int] | None:
        """The file of `key`, mapped, its tokens, and where the state begins; None where there is none that fits."""
        path = self._path(key)
        if writing := self._writing.pop(key, None):
            writing.join()
        if path is None or not path.is_file():
            return None
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError):
            return None
        try:
            at = len(MAGIC) + SIZES.size
            header_size, count, size = SIZES.unpack(data[len(MAGIC) : at])
            begin = at + header_size + 4 * count
            if data[: len(MAGIC)] == MAGIC and header_size <= MOST_HEADER and begin + size + 4 == len(data):
                header = data[at : at + header_size].decode()
                if header == self._model and path.stat().st_mtime > time.time() - KEPT_SECONDS:
                    return data, list(struct.unpack(f"<{count}i", data[at + header_size : begin])), begin
        except (OSError, ValueError, struct.error):
            pass
        data.close()
        return None

    def _write(self, key: str, tokens: list[int], state: Any, before: threading.Thread | None) -> None:
        """Write the file whole or not at all. A disk that is full costs reading anew, nothing else."""
        if before is not None:
            before.join()
        path = self._path(key)
        assert path is not None
        header = self._model.encode()
        head = MAGIC + SIZES.pack(len(header), len(tokens), len(state)) + header
        head += struct.pack(f"<{len(tokens)}i", *tokens)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._drop_old(path.parent)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".state-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(head)
                    file.write(state)
                    file.write(struct.pack("<I", zlib.crc32(state, zlib.crc32(head))))
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    @staticmethod
    def _drop_old(folder: Path) -> None:
        for path in (*folder.glob("*.state"), *folder.glob(".state-*")):  # and what a worker that was killed left
            if path.stat().st_mtime < time.time() - KEPT_SECONDS:
                path.unlink(missing_ok=True)
