"""Trying a provider: whether it answers, how fast, and what is to be mended."""

from __future__ import annotations

import time
from dataclasses import dataclass

from modelhub.errors import HubError, ProviderError
from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.failures.failures import failure
from modelhub.kernels.providers.keys.keys import Keys
from modelhub.kernels.providers.lists.availability import availability
from modelhub.kernels.providers.lists.fetching import send
from modelhub.kernels.providers.lists.lists import Lists
from modelhub.kernels.providers.provider import Provider


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test found.

    ok: whether it answers. seconds: the time it took. models: how many it lists, None where it has no list. why: what
    is wrong, or what was seen, in a line. command: the one that mends it, or "". error: to be looked at.
    """

    provider: str
    ok: bool
    seconds: float
    models: int | None
    why: str
    command: str = ""
    error: HubError | None = None


async def tested(provider: Provider, keys: Keys, lists: Lists) -> Tested:
    """Try it: read its list, or, where that proves nothing of the key, send it a question without messages."""
    began = time.monotonic()
    count: int | None = None
    error: HubError | None = None
    if provider.models.path:
        done = await lists.refresh(provider)
        error = done.error
        count = done.count if error is None else None
    model = next((row.id for row in lists.kept(provider).rows), "none")
    listless = not provider.models.path or (isinstance(error, ProviderError) and error.kind == "not_found")
    public = error is None and provider.needs_key and not provider.models.needs_key
    if provider.base_url and provider.dialect == "openai" and (listless or public):
        error = await _asked(provider, keys, model)
    seconds = time.monotonic() - began
    if error is None:
        many = "it answers" if count is None else f"it lists {count:,} model{'' if count == 1 else 's'}"
        return Tested(provider.name, True, seconds, count, f"{many}, in {seconds:.1f} s")
    keyed = keys.find(provider).secret is not None
    mend = availability(provider, keyed, lists.kept(provider)).command or f"%models provider show {provider.name}"
    if isinstance(error, ProviderError) and error.kind == "auth":
        mend = f"%models keys set {provider.name}"
    why = str(error).removesuffix(f" %models provider test {provider.name} tries it")
    return Tested(provider.name, False, seconds, count, why, mend, error)


async def _asked(provider: Provider, keys: Keys, model: str) -> HubError | None:
    """What is wrong where a question without messages, which costs nothing, is refused for something else than that."""
    call = Call("POST", f"{provider.base_url}/chat/completions", {"model": model, "messages": []})
    try:
        reply = await send(call, provider, keys, {})
    except ProviderError as raised:
        return raised.bare()
    except HubError as raised:
        return raised
    if reply.status in {200, 400, 422}:
        return None
    error = failure(reply.status, reply.headers, reply.body, provider)
    return error if error.kind in {"auth", "permission", "not_found", "server"} else None
