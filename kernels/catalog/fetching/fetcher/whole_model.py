"""A whole model: all of its files fetched, verified, and only then put where models are looked for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelhub.errors import DownloadFailed, ModelFileError
from modelhub.kernels import settings, transport
from modelhub.kernels.catalog.fetching.fetcher.part_file import PartFile, Source, check_disk
from modelhub.kernels.catalog.fetching.unfinished import ABOUT, LOCK, remove, take
from modelhub.kernels.catalog.importers.secrets import without_keys_in_addresses

TOLD = 0.2  # seconds between two reports
PIECE = 1 << 22  # bytes hashed at once
PROGRESS = "progress.json"  # what the one who fetches tells those who wait


@dataclass(frozen=True, slots=True)
class File:
    """A file of the model. name: what it is called here. remote: what it is called there. size, hashes: announced."""

    name: str
    remote: str
    role: str
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    git: str | None = None


class WholeModel:
    """The fetching of one model, in the order: lock, disk, bytes, hashes, headers, place."""

    def __init__(self, errand: dict[str, Any], say: Callable[..., None]) -> None:
        """errand: what the kernel wants; see `downloads.Download`. say: tells it how far it is."""
        self.errand, self._say = errand, say
        self.files = [File(**f) for f in errand["files"]]
        self.staging, self.target = Path(errand["staging"]), Path(errand["target"])
        self._doing = ("downloading", "")
        self._told: dict[str, Any] = {}
        self._telling = threading.Lock()
        self._parts: dict[str, PartFile] = {}
        self._hashes: dict[str, str] = {}

    def fetch(self) -> dict[str, Any]:
        """Fetch it. Gives what it was verified by, and whether it was here already. Raises DownloadFailed."""
        try:
            with self._alone():
                if (known := self._here()) is not None:
                    remove(self.staging)
                    return {"verified": known, "existing": True}
                self._check_place()
                verified = self._fetch()
                self._place()
                return {"verified": verified, "existing": False}
        except OSError as error:
            raise DownloadFailed(
                f"{self.errand['id']} was not fetched: {error.filename or self.staging} cannot be written to "
                f"({error.strerror or error}); set MODELHUB_HOME to a folder that can"
            ) from None

    # -- who fetches -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process fetches the same, and tell how far that one is."""
        path = self.staging / LOCK
        while True:
            settings.make_folder(self.staging)
            with path.open("ab") as file:
                while not take(file):
                    self._follow()
                    time.sleep(TOLD)
                if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                    yield
                    return
            # The one that was waited for has taken its folder away, and the lock with it.

    def _follow(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            told = json.loads((self.staging / PROGRESS).read_text("utf-8"))
            self._say("progress", **{**told, "note": "another kernel fetches it"})

    def _listed(self) -> tuple[str | None, dict[str, dict[str, Any]]]:
        """Whence the model is that lies where this one belongs, and its files by name, as its card says."""
        try:
            card = json.loads((self.target / "model.json").read_text("utf-8"))
            return card["origin"], {Path(f["path"]).name: f for f in card["files"]}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None, {}

    def _check_place(self) -> None:
        """Raise where something else lies in the way; a file that is the very one wanted is taken for a part."""
        origin, known = self._listed()
        mine = origin == self.errand["card"]["origin"]
        if known and not mine:
            raise DownloadFailed(
                f"{self.errand['id']} was not fetched: {self.target} holds a model of that name from {origin}; "
                f"type %models delete {self.errand['id']} first, or rename that folder"
            )
        for file in self.files:
            path = self.target / file.name
            if not path.exists() or (mine and file.name in known):
                continue
            if not file.sha256 or _hash(path, hashlib.sha256()) != file.sha256:
                raise DownloadFailed(
                    f"{self.errand['id']} was not fetched: {path} is there already and modelhub did not put it there; "
                    "move it away first"
                )
            path.replace(self.staging / f"{file.name}.part")  # as after a crash between moving it and its card
            PartFile.adopt(self.staging / f"{file.name}.part", file.sha256)

    def _here(self) -> str | None:
        """What the model was verified by, where it has been fetched before and is still what is wanted."""
        known = self._listed()[1]
        for file in self.files:
            before = known.get(file.name, {})
            here = self.target / file.name
            if not here.is_file() or (file.size is not None and here.stat().st_size != file.size):
                return None
            if file.sha256 is not None and before.get("sha256") != file.sha256:
                return None
            if file.sha256 is None and before.get("url") != without_keys_in_addresses(file.url or ""):
                return None
        return "sha256" if all(f.sha256 for f in self.files) else "size"

    # -- fetching ----------------------------------------------------------------------------------------------------

    def _fetch(self) -> str:
        sizes = [f.size for f in self.files]
        about = {k: self.errand[k] for k in ("id", "asked")}
        about["size"] = None if None in sizes else sum(s or 0 for s in sizes)
        (self.staging / ABOUT).write_text(json.dumps(about), "utf-8")
        headers, sources = self._sources()
        with transport.client(headers) as client:
            for file, source in zip(self.files, sources, strict=True):
                path = self.staging / f"{file.name}.part"
                self._parts[file.name] = PartFile(path, source, client, self.errand["patience"])
            missing = sum(max(0, (p.source.size or 0) - p.received) for p in self._parts.values())
            check_disk(self.staging, missing, self.errand["id"])
            with self._reporting():
                found = [self._one(file, client) for file in self.files]
        return "sha256" if "sha256" in found else "git hash" if "git hash" in found else "size"

    def _one(self, file: File, client: transport.Client) -> str:
        """Fetch and verify one file; a wrong hash of what was gone on from is one more try from the start."""
        part = self._parts[file.name]
        while True:
            resumed = part.resumed
            part.fetch(lambda here, note: self._tell("downloading", note))
            try:
                return self._verify(file, part)
            except DownloadFailed:
                part.drop()
                if not resumed:
                    raise
                self._tell("downloading", "what was kept was damaged or of another version: it starts again")

    def _sources(self) -> tuple[dict[str, str], list[Source]]:
        """Where each file is had, and the headers to ask with."""
        name = self.errand["repository"]
        if name is None:
            return {}, [Source(f.url or "", f.name, f.size, f.sha256, firm=False) for f in self.files]
        from modelhub.kernels.catalog.fetching.fetcher import hub_api

        headers: dict[str, str] = {}
        sources = []
        for file in self.files:
            url, headers = hub_api.place(name, self.errand["commit"], file.remote)
            sources.append(Source(url, file.remote, file.size, file.sha256, hub_api.token_hint(name)))
        return headers, sources

    def _verify(self, file: File, part: PartFile) -> str:
        """Compare the file's hash with the announced one; what was compared. Raises DownloadFailed."""
        wanted = file.sha256 or file.git
        size = part.received
        made = hashlib.sha256() if file.sha256 or not file.git else hashlib.sha1(b"blob %d\0" % size)

        def tell(done: int) -> None:
            self._tell("verifying", f"{file.name}: {100 * done // max(1, size)} %")

        found = _hash(part.path, made, tell)
        if wanted and found != wanted.lower():
            raise DownloadFailed(
                f"{file.remote} was not fetched: its hash is wrong (announced {wanted[:12]}…, it has {found[:12]}…), "
                "so it was deleted; type the same again, and if it stays so do not trust the file"
            )
        if made.name == "sha256":
            self._hashes[file.name] = found
        return made.name.replace("sha1", "git hash") if wanted else "size"

    # -- placing -----------------------------------------------------------------------------------------------------

    def _place(self) -> None:
        """Read the headers, move the files where they belong and write the card beside them."""
        from modelhub.kernels.catalog.card import card_of_file
        from modelhub.kernels.catalog.headers.facts import facts_of

        for file in self.files:
            part = self._parts[file.name]
            try:
                facts_of(part.path)
            except ModelFileError as error:
                part.drop()
                why = str(error).partition(": ")[2].partition(";")[0]
                raise DownloadFailed(
                    f"{file.remote} came as announced, but it cannot be used: {why}; it was deleted. "
                    "Fetch the model from another place"
                ) from None
        self.target.mkdir(parents=True, exist_ok=True)
        for file in self.files:
            self._parts[file.name].path.replace(self.target / file.name)
        main = next(f.name for f in self.files if f.role == "model")
        self._write_card(card_of_file(self.target / main))
        remove(self.staging)

    def _write_card(self, found: Any) -> None:
        from modelhub.kernels.catalog.card import ModelFile
        from modelhub.kernels.catalog.documents.writer import write_card

        known = {k: v for k, v in self.errand["card"].items() if v}
        files = tuple(
            ModelFile(
                str(self.target / f.name),
                f.role,
                without_keys_in_addresses(f.url) if f.url else None,
                (self.target / f.name).stat().st_size,
                f.sha256 or self._hashes.get(f.name),
            )
            for f in self.files
        )
        card = replace(found, id=self.errand["id"], files=files, created=int(time.time()), **known)
        write_card(card, self.target)

    # -- telling -----------------------------------------------------------------------------------------------------

    def _tell(self, stage: str, note: str = "") -> None:
        """Say what is being done; what is new is told at once, how far it is now and then."""
        new = (stage, note) != self._doing and (stage != "verifying" or self._doing[0] != stage)
        self._doing = (stage, note)
        if new:
            self._report()

    def _report(self) -> None:
        """Tell the kernel, and those who wait for the same, how far all files together are."""
        with self._telling:
            parts = list(self._parts.values())
            sizes = [p.size for p in parts]
            told = {
                "stage": self._doing[0],
                "received": sum(p.received for p in parts),
                "size": None if None in sizes else sum(s or 0 for s in sizes),
                "note": self._doing[1],
            }
            if told == self._told:
                return
            self._told = told
            self._say("progress", **told)
            with contextlib.suppress(OSError):  # those who wait then see nothing new
                fresh = self.staging / f".{PROGRESS}"
                fresh.write_text(json.dumps(told), "utf-8")
                fresh.replace(self.staging / PROGRESS)

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        """Report from time to time, also while nothing comes."""
        over = threading.Event()

        def report() -> None:
            while not over.wait(TOLD):
                self._report()

        thread = threading.Thread(target=report, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._report()


def _hash(path: Path, made: Any, tell: Callable[[int], None] = lambda done: None) -> str:
    """The hash of a file, begun in `made`; `tell` is told the bytes that were read."""
    done = 0
    with path.open("rb") as data:
        while piece := data.read(PIECE):
            made.update(piece)
            done += len(piece)
            tell(done)
    return str(made.hexdigest())
