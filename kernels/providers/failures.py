"""What a provider's error means, whatever its shape: a ProviderError of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.providers.provider import Provider


def failure(status: int, headers: Mapping[str, str], body: bytes, provider: Provider) -> ProviderError:
    """The error that a reply of this status says. headers: by names in small letters."""
    kinds = {401: "auth", 403: "permission", 404: "not_found", 429: "rate_limit"}
    kind = kinds.get(status, "server" if status >= 500 else "bad_request")
    text = body[:2000].decode("utf-8", "replace")
    return ProviderError(
        f"{provider.shown} answered {status}: {text}", kind=kind, status=status, provider=provider.name
    )


def failure_in(body: Any, provider: Provider, headers: Mapping[str, str] | None = None) -> ProviderError | None:
    """The error that stands in a reply, or an event of one, whose status says success; None where there is none."""
    if isinstance(body, dict) and body.get("error"):
        return ProviderError(f"{provider.shown}: {body['error']}", kind="server", provider=provider.name)
    return None
