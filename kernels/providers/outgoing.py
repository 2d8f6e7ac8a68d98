"""From a dialect's call to a request on its way out: the provider's headers and clocks, its key for its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.keys.key_auth import KeyAuth
from modelhub.kernels.providers.provider import Provider, origin_of

if TYPE_CHECKING:
    from modelhub.kernels.transport import Outgoing


def outgoing(call: Call, provider: Provider, key: KeyAuth) -> Outgoing:
    """The request of a call. A key is left out where the call goes to another address than the provider's."""
    from modelhub.kernels.transport import Outgoing

    ours = bool(key) and origin_of(call.url) == provider.origin
    return Outgoing(
        call.method,
        call.url,
        provider.name,
        {**provider.headers, **call.headers},
        call.body,
        key if ours else None,
        provider.connect,
        provider.first,
        provider.idle,
        provider.ca,
        call.stream,
    )
