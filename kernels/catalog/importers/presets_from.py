"""What importers that make presets share: the preset's document, as its file holds it."""

from __future__ import annotations

from typing import Any

from modelhub.errors import BadRequest, ImportFailed
from modelhub.kernels.catalog.aliases import LONGEST, check_name
from modelhub.kernels.catalog.ids import clean
from modelhub.kernels.catalog.importers.building import deep, metadata_of
from modelhub.kernels.catalog.importers.fields import Fields

CHAT = "CreateChatCompletion"


def preset(
    name: str,
    model: str,
    *,
    endpoint: str = "*",
    load: dict[str, Any] | None = None,
    request: dict[str, Any] | None = None,
    system: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A preset as its file holds it; what is empty is left out. Raises ImportFailed for a name that cannot be typed."""
    name = clean(name.removesuffix(".gguf"))[:LONGEST]
    try:
        check_name(name, "a preset")
    except BadRequest as error:
        raise ImportFailed(str(error)) from None
    found: dict[str, Any] = {
        "registration": {"model": name, "endpoint": endpoint},
        "local_settings": {"model": model, **(load or {})},
    }
    found |= {k: v for k, v in (("request_defaults", request), ("system", system), ("metadata", metadata)) if v}
    return found


def with_extension(request: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A request with more fields of x_modelhub, where they are set."""
    more = {k: v for k, v in more.items() if v}
    return deep(request, {"x_modelhub": more}) if more else request


def kept(fields: Fields, *others: Fields, **own: Any) -> dict[str, Any]:
    """Metadata of a preset: ours, and what nobody read, which is noted."""
    return metadata_of(fields, *others, **own)
