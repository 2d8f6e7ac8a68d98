"""The models of providers: read once for many who ask, kept for a day, shown without what is not for every day."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import os
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import IO

from modelhub.errors import BadRequest, HubError, ProviderError
from modelhub.kernels.providers.dialects.dialect import Listed
from modelhub.kernels.providers.keys.keys import Keys
from modelhub.kernels.providers.lists.fetching import fetch_list
from modelhub.kernels.providers.lists.list_file import MOST_GONE, KeptList, ListFiles, path_of
from modelhub.kernels.providers.provider import Provider

LOCKED = 90.0  # seconds another kernel that reads the same list is waited for
PAUSE = 300.0  # seconds after a try that failed until a list is read again unasked
_DATE = re.compile(r"[-@:]?(?:20\d\d-\d\d-\d\d|20\d{6}|(?<=-)\d{4})$")


class ModelList(list[Listed]):
    """A provider's models."""

    def __init__(self, rows: Iterable[Listed] = (), listed: float | None = None, problem: str = "", whence: str = ""):
        """listed: when the list came, Unix seconds, None: never. problem: why it is not a newer one.

        whence: `list`, or `packaged` and the day it was known.
        """
        super().__init__(rows)
        self.listed = listed
        self.problem = problem
        self.whence = whence


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of reading a list anew. added, removed: ids, against the list that was there, {} for a first one.

    count: how many models there are now. problem: why what was there is kept. error: the same, to be raised.
    """

    provider: str
    count: int = 0
    first: bool = False
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    seconds: float = 0.0
    error: HubError | None = None


class Lists:
    """The lists of all providers. What is `async` runs on modelhub's loop."""

    def __init__(self, keys: Keys) -> None:
        """Nothing is read yet. keys: those that are sent."""
        self._keys = keys
        self.files = ListFiles()
        self._flights: dict[str, asyncio.Task[Refreshed]] = {}
        self._by_id: dict[str, tuple[tuple[Listed, ...], dict[str, Listed]]] = {}
        self._joined: dict[str, tuple[KeptList, Provider, KeptList]] = {}

    def kept(self, provider: Provider) -> KeptList:
        """What was last listed; nothing is fetched. Of a provider in use, the models its record names are among it."""
        kept = self.files.read(provider)
        if provider.models.fixed and (kept.tried is not None or provider.source == "yours"):
            held = self._joined.get(provider.name)
            if held is None or held[0] is not kept or held[1] is not provider:
                ids = {row.id for row in kept.rows}
                more = [Listed(id=ident) for ident in provider.models.fixed if ident not in ids]
                held = self._joined[provider.name] = (kept, provider, replace(kept, rows=(*more, *kept.rows)))
            return held[2]
        return kept

    def row(self, provider: Provider, ident: str) -> Listed | None:
        """What a provider's list says of a model; None where it has none of that id."""
        kept = self.kept(provider)
        held = self._by_id.get(provider.name)
        if held is None or held[0] is not kept.rows:
            held = self._by_id[provider.name] = (kept.rows, {row.id: row for row in kept.rows})
        return held[1].get(ident)

    def due(self, provider: Provider) -> bool:
        """Whether it is time to read its list, unasked."""
        kept = self.files.read(provider)
        if not provider.models.path or not provider.base_url:
            return bool(provider.models.fixed) and kept.tried is None
        return not kept.fresh and not (kept.problem and kept.tried and time.time() - kept.tried < PAUSE)

    async def refresh(self, provider: Provider) -> Refreshed:
        """Read a provider's list anew; who asks while it is read gets the same. Never raises HubError."""
        flight = self._flights.get(provider.name)
        if flight is None:
            flight = self._flights[provider.name] = asyncio.ensure_future(self._refresh(provider))
            flight.add_done_callback(lambda _: self._flights.pop(provider.name, None))
        return await asyncio.shield(flight)

    async def _refresh(self, provider: Provider) -> Refreshed:
        began, wall = time.monotonic(), time.time()
        path = path_of(provider.name)  # the home of who asked
        if not provider.models.path:
            self.files.write(provider.name, replace(self.files.read(provider), tried=wall), path)
            there = len(self.kept(provider).rows)
            dated = f", and {there} are known as of {provider.models.dated}" if there else ""
            why = f"{provider.shown} has no list of its models{dated}; any id can be asked: {provider.name}/ID"
            return Refreshed(provider.name, there, notes=(why,))
        async with _alone(provider.name):
            before = self.files.read(provider)
            if before.tried is not None and before.tried > wall:  # another kernel was faster
                return _told(provider, before, before.added, before.removed, began)
            try:
                if not provider.base_url:
                    raise BadRequest(f"{provider.shown} has no address yet", param="base_url")
                fetched = await fetch_list(provider, self._keys, before.etag if before.rows else "")
            except HubError as error:
                kind = error.kind if isinstance(error, ProviderError) else "bad_request"
                after = replace(before, problem=str(error), kind=kind, tried=time.time())
                self.files.write(provider.name, after, path)
                shown = error.bare() if isinstance(error, ProviderError) else error
                return replace(_told(provider, self.kept(provider), (), (), began), error=shown)
            after = _after(before, fetched.rows, fetched.notes, fetched.etag)
            self.files.write(provider.name, after, path)
            return replace(_told(provider, after, after.added, after.removed, began), first=before.listed is None)


def _after(before: KeptList, rows: Sequence[Listed] | None, notes: Sequence[str], etag: str) -> KeptList:
    """What is kept now that a list came."""
    now = time.time()
    if rows is None:
        return replace(before, listed=now, tried=now, added=(), removed=(), problem="", kind="")
    old, new = {row.id for row in before.rows}, {row.id for row in rows}
    removed = tuple(row.id for row in before.rows if row.id not in new)
    gone = {ident: when for ident, when in before.gone.items() if ident not in new} | dict.fromkeys(removed, now)
    return KeptList(
        before.url, before.dialect, now, tuple(replace(row, raw={}) for row in rows),
        tuple(row.id for row in rows if row.id not in old), removed,
        dict(list(gone.items())[-MOST_GONE:]), tuple(notes), tried=now, etag=etag,
    )  # fmt: skip


def _told(
    provider: Provider, kept: KeptList, added: tuple[str, ...], removed: tuple[str, ...], began: float
) -> Refreshed:
    return Refreshed(
        provider.name, len(kept.rows), added=added, removed=removed, notes=kept.notes, problem=kept.problem,
        seconds=time.monotonic() - began,
    )  # fmt: skip


def shown(provider: Provider, rows: Sequence[Listed]) -> list[Listed]:
    """The models that are for chats and for every day; the others are shown by --all.

    Hidden is what the list says is for something else or is retired, what `provider.hide` names, and a dated one
    where the same is listed without its date.
    """
    ids = {row.id for row in rows}
    patterns = re.compile("|".join(fnmatch.translate(p.lower()) for p in provider.hide) or r"(?!)")
    return [row for row in rows if row.id in provider.models.fixed or not _hidden(row, ids, patterns)]


def _hidden(row: Listed, ids: set[str], patterns: re.Pattern[str]) -> bool:
    if row.retired or row.kind in {"embedding", "other"}:
        return True
    plain = _DATE.sub("", row.id)
    if plain != row.id and plain and (plain in ids or f"{plain}-latest" in ids):
        return True
    name = row.id.lower()
    return bool(patterns.match(name) or ("/" in name and patterns.match(name.rpartition("/")[2])))


@contextlib.asynccontextmanager
async def _alone(name: str) -> AsyncIterator[None]:
    """While no other kernel reads the list of this provider, where the system has locks."""
    file = _opened(name)
    try:
        if file is not None:
            import fcntl

            for _ in range(int(LOCKED / 0.1)):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.1)
                except OSError:  # some file systems of networks have no locks
                    break
        yield
    finally:
        if file is not None:
            file.close()


def _opened(name: str) -> IO[bytes] | None:
    path = path_of(name).with_name(f".{name}.lock")
    try:
        import fcntl  # noqa: F401 - Windows has none

        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except (ImportError, OSError):
        return None
