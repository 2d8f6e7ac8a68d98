"""Whether a provider can be asked, from what is known; nothing is asked for it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from modelhub.kernels.providers.addresses import is_near
from modelhub.kernels.providers.lists.list_file import KeptList
from modelhub.kernels.providers.provider import Provider

READY, NEEDS_KEY, UNREACHABLE, ERROR = "ready", "needs key", "unreachable", "error"


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a provider can be asked.

    state: `ready`, `needs key`, `unreachable` or `error`. why: in a few words. command: the one that mends it, ""
    where nothing is to be mended.
    """

    state: str
    why: str = ""
    command: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.state, self.why)))


def availability(provider: Provider, keyed: bool, kept: KeptList) -> Availability:
    """What is known of a provider. keyed: whether a key for it was found. kept: its list."""
    name = provider.name
    if not provider.enabled:
        return Availability(ERROR, "it is disabled", f"%models provider enable {name}")
    if not provider.base_url:
        example = "https://RESOURCE.openai.azure.com" if provider.dialect == "azure" else "https://example.com/v1"
        return Availability(ERROR, "it has no address", f"%models provider edit {name} --base-url {example}")
    if provider.needs_key and not keyed:
        page = f"; made at {provider.links['keys']}" if "keys" in provider.links else ""
        return Availability(NEEDS_KEY, f"none was found{page}", f"%models keys set {name}")
    if kept.problem:
        return _of_problem(provider, keyed, kept)
    if kept.listed is None:
        return Availability(READY, "not asked yet", f"%models provider test {name}")
    count = len(kept.rows)
    return Availability(READY, f"{count:,} model{'' if count == 1 else 's'}, listed {age(kept.listed)} ago")


def _of_problem(provider: Provider, keyed: bool, kept: KeptList) -> Availability:
    name = provider.name
    match kept.kind:
        case "auth" if not keyed:
            return Availability(NEEDS_KEY, "it wants a key", f"%models keys set {name}")
        case "auth":
            return Availability(ERROR, "its key was refused", f"%models keys set {name}")
        case "connection" | "timeout":
            test = f"%models provider test {name}"
            why = kept.problem.removesuffix(f" {test} tries it")
            if said := re.search(rf"%models provider edit {re.escape(name)} --\S+ [^\s;:,]+", why):
                return Availability(UNREACHABLE, why, said[0])
            away = provider.source == "packaged" and not is_near(urlsplit(provider.base_url).hostname or "")
            return Availability(UNREACHABLE, why, test if away else f"%models provider edit {name} --base-url URL")
        case "not_found":
            there = f"it lists no models at {provider.base_url}{provider.models.path}; {name}/ID asks one all the same"
            return Availability(READY, there, f"%models provider edit {name} --base-url URL")
        case "bad_request" | "permission" | "protocol":
            return Availability(ERROR, kept.problem, f"%models provider show {name}")
        case _:
            return Availability(ERROR, kept.problem, f"%models provider test {name}")


def age(then: float) -> str:
    """How long ago that was, in words."""
    seconds = max(0.0, time.time() - then)
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return "less than a minute"
