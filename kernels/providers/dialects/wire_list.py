"""Lists of models: the address of a page, and what rows have in common."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.provider import Provider


def page_call(provider: Provider, following: Mapping[str, str], path: str) -> Call:
    """The call for a page. path: behind the base address, where the provider's record says none of its own."""
    where = path if provider.models.path in ("", "/models") else provider.models.path
    address = where if where.startswith(("http://", "https://")) else joined(provider.base_url, where)
    query = urlencode({**provider.models.params, **following})
    return Call("GET", f"{address}{'&' if '?' in address else '?'}{query}" if query else address)


def joined(base: str, path: str) -> str:
    """A base address and a path, where both may name the version: `.../v1` and `/v1/models`."""
    base = base.rstrip("/")
    first = "/" + path.lstrip("/").split("/", 1)[0]
    return base.removesuffix(first) + path if base.endswith(first) else base + path


def page_rows(body: Any, name: str) -> list[dict[str, Any]]:
    """The rows of a page. Raises ValueError where it is none."""
    rows = body.get(name) if isinstance(body, dict) else body
    if rows is None and isinstance(body, dict) and name in body:
        return []
    if not isinstance(rows, list):
        raise ValueError(f"no list of models: it has no {name!r}")
    return [row for row in rows if isinstance(row, dict)]


def second(value: Any) -> int | None:
    """Unix seconds of an RFC 3339 time; None for none, and for the beginning of time, which stands for unknown."""
    try:
        found = int(datetime.datetime.fromisoformat(str(value)).timestamp())
    except (ValueError, OverflowError, OSError):
        return None
    return found or None


def whole(value: Any) -> int | None:
    """A count of tokens above 0; None for none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1 << 53:
        return None
    return int(value)
