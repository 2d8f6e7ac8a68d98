"""Reading a provider's list of models over HTTP, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.dialects.dialect import Call, Listed, Page
from modelhub.kernels.providers.failures.failures import failure, failure_in
from modelhub.kernels.providers.failures.scrubbing import capped, masked, plain
from modelhub.kernels.providers.keys.keys import Keys
from modelhub.kernels.providers.lists.safe_ids import trouble
from modelhub.kernels.providers.outgoing import outgoing
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.stream.parsed import parsed

PAGES = 100  # at most; the longest list known has three at 1,000 a page
MOST = 20_000  # models
BYTES = 64 << 20  # of one page
SECONDS = 60.0  # for one page


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that came whole. headers: by names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """A list as it came. rows: None where it has not changed since the ETag that was sent."""

    rows: tuple[Listed, ...] | None
    notes: tuple[str, ...] = ()
    etag: str = ""


async def fetch_list(provider: Provider, keys: Keys, etag: str = "") -> Fetched:
    """Read a provider's models. etag: of the list that is there.

    Bad rows are skipped and noted. Raises ProviderError.
    """
    talk = dialect(provider.dialect)
    following: Mapping[str, str] = {}
    rows: dict[str, Listed] = {}
    skipped: dict[str, int] = {}
    notes: list[str] = []
    asked: list[Mapping[str, str]] = []
    found_etag = ""
    while True:
        call = talk.list_call(provider, following)
        condition = {"if-none-match": etag} if etag and not asked else {}
        reply = await send(call, provider, keys, condition, needed=provider.models.needs_key)
        if reply.status == 304 and condition:
            return Fetched(None, etag=etag)
        page = _page(reply, provider)
        for row in page.rows:
            if why := trouble(row.id):
                skipped[why] = skipped.get(why, 0) + 1
            else:
                rows.setdefault(row.id, row)
        if not asked and not page.following:
            found_etag = reply.headers.get("etag", "")
        asked.append(following)
        following = page.following
        if not following:
            break
        if following in asked:
            notes.append(f"the list of {provider.name} leads back to a page that was read: it is taken as it is")
            break
        if len(asked) >= PAGES or len(rows) >= MOST:
            notes.append(f"the list of {provider.name} goes on after {len(rows):,} models: it is cut off there")
            break
    if skipped:
        why = ", ".join(f"{count:,} with {what}" for what, count in skipped.items())
        count = sum(skipped.values())
        left = "1 row is" if count == 1 else f"{count:,} rows are"
        notes.append(f"{left} left out of the list of {provider.name}: {why}")
    return Fetched(tuple(rows.values()), tuple(notes), found_etag)


def _page(reply: Reply, provider: Provider) -> Page:
    """A page of a reply. Raises ProviderError."""
    if reply.status != 200:
        raise failure(reply.status, reply.headers, reply.body, provider)
    try:
        body: Any = parsed(reply.body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        begins = capped(masked(plain(reply.body[:400].decode("utf-8", "replace"))), 80)
        raise ProviderError(
            f"{provider.shown} answered at {provider.base_url}{provider.models.path} with no list of models but "
            f"{begins!r}: check its address, %models provider show {provider.name}",
            kind="protocol", provider=provider.name, status=reply.status,
        ) from None  # fmt: skip
    if (error := failure_in(body, provider)) is not None:
        raise error
    try:
        return dialect(provider.dialect).list_page(body, provider)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ProviderError(
            f"what {provider.shown} answered at {provider.base_url}{provider.models.path} is no list of models: check "
            f"its address and dialect, %models provider show {provider.name}",
            kind="protocol", provider=provider.name, status=reply.status,
        ) from None  # fmt: skip


async def send(call: Call, provider: Provider, keys: Keys, more: Mapping[str, str], needed: bool = True) -> Reply:
    """Send one call and read its reply whole.

    needed: whether it makes no sense without the provider's key. Raises ProviderError.
    """
    from modelhub.kernels import transport

    key = await keys.aauth(provider, needed=needed and provider.needs_key)
    going = replace(
        outgoing(replace(call, headers={**call.headers, **more}), provider, key),
        first=min(provider.first, SECONDS),
        idle=min(provider.idle, SECONDS),
    )
    try:
        async with asyncio.timeout(2 * SECONDS), transport.send(going) as reply:
            return Reply(reply.status, reply.headers, await reply.read(BYTES))
    except TimeoutError:
        raise ProviderError(
            f"{provider.name} was not done after {2 * SECONDS:g} s", kind="timeout", provider=provider.name
        ) from None
