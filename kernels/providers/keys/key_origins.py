"""Where a key is for: a provider's own address, and no other."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from modelhub.kernels.providers import records
from modelhub.kernels.providers.provider import Provider, origin_of


def variables(provider: Provider) -> list[tuple[str, str]]:
    """The variables that may have a provider's key, and why one is not taken: it is of a packaged one elsewhere."""
    base = records.packaged().get(provider.name)
    if base is None or is_at(provider, base):
        return [(variable, "") for variable in provider.key_env]
    place = shown(base.origin) if base.base_url else f"where ${base.url_env[0]} says"
    said = provider.key_env if provider.source == "yours" else ()  # an own address has those alone that were said
    return [(v, "") for v in said] + [
        (v, f"the key in ${v} is for {place}, and {provider.name} is at {shown(provider.origin)}")
        for v in base.key_env
        if v not in said
    ]


def is_at(provider: Provider, base: Provider) -> bool:
    """Whether a provider is where its packaged record, or the environment, says."""
    places = [base.base_url, *(os.environ.get(v, "") for v in base.url_env)]
    return any(_matches(place, provider.base_url) for place in places if place)


def _matches(place: str, url: str) -> bool:
    """Whether an address is at `place`, whose host may have a `{name}` in it."""
    try:
        one = urlsplit(place if "://" in place else f"http://{place}")
        if "{" in (one.netloc or ""):
            shape = re.escape(one.netloc.lower())
            shape = re.sub(r"\\\{\w+\\\}", "[a-z0-9-]+", shape)
            other = urlsplit(url)
            return other.scheme == one.scheme and re.fullmatch(shape, other.netloc.lower()) is not None
        return origin_of(one.geturl()) == origin_of(url)
    except ValueError:
        return False


def same_origin(kept: str, asked: str) -> bool:
    """Whether two addresses are one: scheme, host and port; one that was kept without a scheme has its host alone."""
    try:
        if "://" in kept and "://" in asked:
            return origin_of(kept) == origin_of(asked)
        one, other = (origin_of(text if "://" in text else f"//{text}").partition("//")[2] for text in (kept, asked))
    except ValueError:  # a port that is none
        return False
    return one == other


def shown(origin: str) -> str:
    """An origin as people write it: without the port that goes without saying."""
    return re.sub(r"^(http://.*):80$|^(https://.*):443$", lambda found: found[1] or found[2], origin)
