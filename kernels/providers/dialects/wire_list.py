"""Lists of models: the address of a page, and what rows have in common."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.dialects.wire_reply import failed
from modelhub.kernels.providers.provider import Provider

LONGEST = 512  # characters of an id


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


def page_rows(body: Any, name: str, idents: tuple[str, ...], provider: Provider) -> dict[str, dict[str, Any]]:
    """The rows of a page by their ids, which stand under one of `idents`. name: what the list stands under.

    A name alone is a row, too; what is none is left out, and the rest stands. Raises ProviderError for an error in
    place of the list, ValueError where there is none.
    """
    failed(body, provider)
    rows = body
    if isinstance(body, dict):
        rows = next((body[n] for n in (name, "data", "models") if isinstance(body.get(n), list)), None)
        if rows is None and body.keys() & {name, "data", "models"}:
            rows = []
    if not isinstance(rows, list):
        raise ValueError(f"no list of models: it has no {name!r}")
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        said = row if isinstance(row, dict) else {idents[0]: row}
        ident = next((said[n] for n in idents if isinstance(said.get(n), str) and said[n]), "")
        if ident.strip() and len(ident) <= LONGEST and ident.isprintable():
            found.setdefault(ident, said)
    return found


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
