"""One file, fetched by HTTP ranges: what came stays where it is and is gone on from, as long as it is the same file."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modelhub.errors import DownloadFailed
from modelhub.kernels import transport
from modelhub.kernels.catalog.headers.gguf import MAGIC, OLD_MAGICS
from modelhub.kernels.catalog.importers.secrets import without_keys_in_addresses

FIRST_DELAY, LAST_DELAY = 0.25, 8.0  # seconds between tries: each is twice the one before
MOST_AT_ONCE = 32 << 30  # bytes asked for in one answer; some networks of caches stop at 50 GB
SPARE = 200_000_000  # bytes a disk must keep
LOOK = 64 << 20  # bytes between two looks at the disk
CHANGED = "the file changed under way: it starts again"

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file is had. size, sha256: as announced, None where they are not.

    token_hint: what 401 and 403 say. firm: another size than the announced one is an error, not a change.
    """

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    token_hint: str = ""
    firm: bool = True


class PartFile:
    """A file under way, at `path`; beside it, in `path`.json, what it is part of."""

    def __init__(self, path: Path, source: Source, client: transport.Client, patience: float) -> None:
        """patience: seconds without a new byte after which it is given up."""
        self.path, self.source, self.client, self.patience = path, source, client, patience
        self._address = without_keys_in_addresses(source.url)  # a link that was signed anew leads to the same file
        self._about = path.with_name(path.name + ".json")
        self._note = self._read()
        if self._note.get("sha256") != source.sha256 or (self.received and not self._same()):
            self.drop()
        self.size = source.size
        self.resumed = bool(self.received)

    @staticmethod
    def adopt(path: Path, sha256: str) -> None:
        """Take the file at `path` for what came of one with this hash."""
        path.with_name(path.name + ".json").write_text(json.dumps({"sha256": sha256}), "utf-8")

    @property
    def received(self) -> int:
        """Bytes that are here."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def drop(self) -> None:
        """Forget what came."""
        self.path.unlink(missing_ok=True)
        self._note = {}
        self.resumed = False

    def fetch(self, progress: Callable[[int, str], None]) -> None:
        """Fetch what is missing; `progress` is told the bytes that are here, and what is the matter, if anything.

        Raises DownloadFailed.
        """
        delay, last = FIRST_DELAY, time.monotonic()
        while self.size is None or self.received < self.size or not self.path.exists():
            before, problem = self.received, ""
            if self.size is not None and before > self.size:
                self.drop()
            try:
                if self._once(progress):
                    return
                pause = delay
            except _Later as later:
                problem, pause = str(later), max(delay, later.seconds)
            except transport.HTTPError as error:
                problem, pause = transport.why(error), delay
            except transport.InvalidURL as error:
                raise self._failed(f"{transport.why(error)}") from None
            except OSError as error:
                raise self._disk(error) from None
            now = time.monotonic()
            if self.received > before:
                delay, last, pause = FIRST_DELAY, now, FIRST_DELAY
            if now - last + pause > self.patience:
                problem = problem or "the server sends no more"
                raise self._failed(f"{problem}; what came is kept, so type the same again later to go on")
            if problem:
                progress(self.received, f"{problem}; trying again")
            time.sleep(pause)
            delay = min(2 * delay, LAST_DELAY)

    def _once(self, progress: Callable[[int, str], None]) -> bool:
        """One request; whether the file is complete."""
        start = self.received
        headers = {"Accept-Encoding": "identity"}
        if start or (self.size or 0) > MOST_AT_ONCE:
            end = start + MOST_AT_ONCE - 1 if (self.size or 0) - start > MOST_AT_ONCE else ""
            headers["Range"] = f"bytes={start}-{end}"
        if start and (mark := self._mark()):
            headers["If-Range"] = mark
        with self.client.stream("GET", self.source.url, headers=headers) as answer:
            if answer.status_code == 416 and start:
                self.drop()
                progress(0, CHANGED)
                return False
            self._check(answer)
            begin, total = self._place(answer, start)
            if start and not begin:
                progress(0, CHANGED)
            if self.source.firm and total is not None and self.source.size not in (None, total):
                self.drop()
                raise self._failed(
                    f"it is too {'large' if total > (self.source.size or 0) else 'small'}: {self.source.size:,} bytes "
                    f"were announced, {total:,} are sent; it changed since it was listed, so type the same again"
                )
            self.size = total if total is not None else self.source.size
            self._remember(answer)
            self._write(answer, begin, progress)
        return self.size is None or self.received >= self.size

    def _write(self, answer: transport.Response, begin: int, progress: Callable[[int, str], None]) -> None:
        here, looked, head = begin, begin, b""
        with self.path.open("r+b" if begin else "wb", buffering=0) as file:
            file.seek(begin)
            file.truncate()
            for chunk in answer.iter_raw():
                if here < len(MAGIC) and not begin:
                    head += chunk[: 512 - len(head)]
                    if len(head) >= len(MAGIC):
                        self._look(head)
                here += len(chunk)
                if self.size is not None and here > self.size:
                    file.truncate(0)
                    raise self._failed(f"it is too large: more came than the {self.size:,} bytes that were announced")
                file.write(chunk)
                if here - looked >= LOOK:
                    looked = here
                    check_disk(self.path, (self.size or here) - here, self.source.name)
                progress(here, "")
        if not begin and here < len(MAGIC) and self.size == here:
            self.drop()
            raise self._failed(f"it is no GGUF: it has {here} bytes")

    def _look(self, head: bytes) -> None:
        """Raise where the first bytes are not a GGUF's."""
        if head[:4] == MAGIC:
            return
        self.drop()
        if head.lstrip()[:1] == b"<":
            what = "a web page came instead of a GGUF; give the address of the file itself, not of its page"
        elif head.startswith(b"version https://git-lfs"):
            what = "a git-lfs pointer came instead of the GGUF; give the address behind the download button"
        elif head[:4] in OLD_MAGICS:
            what = f"it is in the old {OLD_MAGICS[head[:4]]} format, which llama.cpp gave up in 2023; look for a GGUF"
        else:
            what = f"it is no GGUF: it begins with {head[:4]!r}"
        raise self._failed(what)

    def _check(self, answer: transport.Response) -> None:
        status = answer.status_code
        if status in (200, 206):
            return
        if status in _AGAIN:
            after = answer.headers.get("Retry-After", "")
            says = "too many requests" if status == 429 else "the server has a problem"
            raise _Later(f"{says} ({status})", float(after) if re.fullmatch(r"\d{1,6}", after) else 0.0)
        if status in (401, 403):
            hint = self.source.token_hint or "the server asks for a login, and none is sent to plain addresses"
            raise self._failed(f"it may not be read ({status}); {hint}")
        if status in (404, 410):
            raise self._failed(f"there is no such file ({status}); check the address")
        raise self._failed(f"the server answered {status}; check the address")

    def _place(self, answer: transport.Response, start: int) -> tuple[int, int | None]:
        """Where the answer's bytes belong, and how many the whole file has."""
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code == 206 and found:
            total = None if found[3] == "*" else int(found[3])
            etag, before = answer.headers.get("ETag"), self._note.get("etag")
            other = start and etag and before and etag != before and not self.source.sha256
            if int(found[1]) == start and not other:
                return start, total
            self.drop()
            raise _Later(CHANGED, 0.0)
        length = answer.headers.get("Content-Length", "")
        plain = answer.headers.get("Content-Encoding", "identity") == "identity"
        return 0, int(length) if plain and length.isdigit() else None

    # -- what it is part of ------------------------------------------------------------------------------------------

    def _mark(self) -> str:
        """What says that the file is the same: a strong ETag, or the time it was changed.

        Nothing where the hash will tell: the stores behind a Hub give one file different ETags.
        """
        if self.source.sha256:
            return ""
        etag = self._note.get("etag") or ""
        return etag if etag and not etag.startswith("W/") else self._note.get("modified") or ""

    def _same(self) -> bool:
        """Whether what is here can be gone on from: its hash will tell, or the server can."""
        return bool(self.source.sha256 or (self._note.get("url") == self._address and self._mark()))

    def _remember(self, answer: transport.Response) -> None:
        note = {
            "url": self._address,
            "etag": answer.headers.get("ETag"),
            "modified": answer.headers.get("Last-Modified"),
            "sha256": self.source.sha256,
        }
        if note != self._note:
            self._note = note
            self._about.write_text(json.dumps(note), "utf-8")

    def _read(self) -> dict[str, str | None]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._about.read_text("utf-8"))
            if isinstance(found, dict):
                return found
        return {}

    def _failed(self, why: str) -> DownloadFailed:
        return DownloadFailed(f"{self.source.name} was not fetched: {why}")

    def _disk(self, error: OSError) -> DownloadFailed:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return self._failed(f"the disk of {self.path.parent} is full; free some, then type the same again to go on")
        return self._failed(f"{self.path.parent} cannot be written to ({error.strerror or error})")


class _Later(Exception):
    """The server says to come again, perhaps after some seconds."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def check_disk(path: Path, missing: int, name: str) -> None:
    """Raise DownloadFailed where `missing` bytes more do not fit the disk of `path`."""
    folder = path
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if missing + SPARE > free:
        raise DownloadFailed(
            f"{name} was not fetched: {_size(missing)} more are needed and {_size(free)} are free on the disk of "
            f"{folder}, of which {_size(SPARE)} are left alone; free some, or set MODELHUB_HOME to a folder on a "
            "larger disk"
        )
