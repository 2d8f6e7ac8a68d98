"""A provider's models as they were last listed, on disk: one file a provider, which every kernel reads.

A model's id is never part of a path.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelhub.errors import StoreFailed
from modelhub.kernels import settings
from modelhub.kernels.providers.dialects.dialect import Listed
from modelhub.kernels.providers.provider import Provider

SCHEMA = 1
HOURS = 24.0  # how long a list is taken as it is, where the setting `list_hours` does not say
MOST_GONE = 1000  # models that are remembered though they are listed no more

_FIELDS = tuple(f.name for f in dataclasses.fields(Listed) if f.name != "raw")
_BLANK = Listed(id="")
_WHOLE = ("url", "dialect", "problem", "kind", "etag")
_LISTS = ("added", "removed", "notes")


@dataclass(frozen=True, slots=True)
class KeptList:
    """What was last listed, and what became of the last try.

    listed: when its rows came, Unix seconds; None: never. rows: in the provider's order. added, removed: by the last
    list that came. gone: models that were listed once, and when they were first missing. notes: of what was skipped.
    problem: why the last try failed, `""` where it did not; kind: of ProviderError; tried: when. etag: of its HTTP
    reply. url, dialect: whom the rows are of.
    """

    url: str
    dialect: str
    listed: float | None = None
    rows: tuple[Listed, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    gone: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str = ""
    kind: str = ""
    tried: float | None = None
    etag: str = ""

    @property
    def fresh(self) -> bool:
        """Whether it is young enough to be taken as it is."""
        age = time.time() - self.listed if self.listed is not None else None
        return age is not None and -60 < age < hours() * 3600


def hours() -> float:
    """How old a list may be, in hours: the setting `list_hours`."""
    said = settings.load("list_hours")
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and said >= 0 else HOURS


def path_of(name: str) -> Path:
    """Where the list of the provider of this name lies; it may not exist yet."""
    return settings.home() / "lists" / f"{name}.json"


class ListFiles:
    """Reads and writes lists; a file is read again when it changed."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._seen: dict[str, tuple[Any, KeptList]] = {}

    def stamp(self, name: str) -> tuple[str, int, int] | None:
        """What changes when the file does; None where there is none."""
        path = path_of(name)
        try:
            status = path.stat()
        except OSError:
            return None
        return str(path), status.st_mtime_ns, status.st_size

    def read(self, provider: Provider) -> KeptList:
        """What is kept of a provider; of one that is elsewhere now, or is talked to otherwise, nothing."""
        stamp = self.stamp(provider.name)
        held = self._seen.get(provider.name)
        if held is None or held[0] != stamp:
            kept = KeptList("", "")
            if stamp is not None:
                with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError, AttributeError):
                    kept = _from_data(json.loads(Path(stamp[0]).read_text("utf-8")))
            held = self._seen[provider.name] = (stamp, kept)
        kept = held[1]
        if (kept.url, kept.dialect) != (provider.base_url, provider.dialect):
            return KeptList(provider.base_url, provider.dialect)
        return kept

    def write(self, name: str, kept: KeptList, path: Path) -> None:
        """Keep it in this file, in one step. Where nothing can be written it is kept for this kernel."""
        self._seen[name] = (self.stamp(name), kept)
        with contextlib.suppress(StoreFailed):
            settings.write_atomically(path, json.dumps(_to_data(kept), ensure_ascii=True, separators=(",", ":")))
            self._seen[name] = (self.stamp(name), kept)

    def remove(self, name: str) -> None:
        """Forget a provider's list."""
        self._seen.pop(name, None)
        with contextlib.suppress(OSError):
            path_of(name).unlink(missing_ok=True)


def _to_data(kept: KeptList) -> dict[str, Any]:
    data = {f.name: getattr(kept, f.name) for f in dataclasses.fields(kept) if f.name != "rows"}
    rows = [{n: v for n in _FIELDS if (v := getattr(row, n)) != getattr(_BLANK, n)} for row in kept.rows]
    return {"schema": SCHEMA, **data, "gone": dict(kept.gone), "rows": rows}


def _from_data(data: Mapping[str, Any]) -> KeptList:
    if data["schema"] != SCHEMA:
        return KeptList("", "")
    said: dict[str, Any] = {k: data[k] for k in _WHOLE}
    said |= {k: tuple(map(str, data[k])) for k in _LISTS}
    said |= {k: None if data[k] is None else float(data[k]) for k in ("listed", "tried")}
    said["gone"] = {str(k): float(v) for k, v in data["gone"].items()}
    if not all(isinstance(said[k], str) for k in _WHOLE):
        raise TypeError("a text is none")
    return KeptList(**said, rows=tuple(_row(row) for row in data["rows"]))


def _row(data: dict[str, Any]) -> Listed:
    for name in ("capabilities", "parameters"):
        if name in data:
            data[name] = tuple(data[name])
    return Listed(**data)
