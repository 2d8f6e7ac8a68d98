"""Names of providers."""

from __future__ import annotations

import re

from modelhub.errors import BadRequest, did_you_mean
from modelhub.kernels.protocol.request import short

SHAPE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Words of %models provider, and what has a meaning in a model's full name.
TAKEN = {"local", "add", "edit", "list", "show", "test", "remove", "enable", "disable", "default", "all", "none"}


def check_name(name: str) -> None:
    """Raises BadRequest for a name that no provider can have."""
    if not isinstance(name, str) or not SHAPE.fullmatch(name) or ".." in name:
        said = " It says so in small letters" if isinstance(name, str) and SHAPE.fullmatch(name.lower()) else ""
        example = f": {name.lower()}" if said else ", as corp or my-box"
        raise BadRequest(
            "the name of a provider is small letters, digits and . _ -, beginning with a letter or a digit, at most 64"
            f"{example}; got {short(name)}",
            param="name",
        )
    if name in TAKEN:
        raise BadRequest(f"{name!r} is not free for a provider; choose another name", param="name")


def unknown(name: str, known: list[str]) -> BadRequest:
    """The error for a provider there is not, with the nearest names."""
    return BadRequest(
        f"there is no provider {short(name)}.{did_you_mean(str(name), known)} %models provider list shows them, "
        "%models provider add NAME --base-url URL adds one",
        param="provider",
    )
