"""Headers that are sent with each request: what looks like a key in them goes where keys are kept, never to a file."""

from __future__ import annotations

import re
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import short

# What the transport says itself, or what would change whom is spoken to.
_OURS = {
    "host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "accept", "te",
    "upgrade", "proxy-authorization", "expect",
}  # fmt: skip
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_KEY_NAME = re.compile(
    r".*authorization|cookie|(?:.*[-_])?(?:api[-_]?key|key|token|secret|password|auth|credential)s?", re.IGNORECASE
)
_KEY_LOOK = re.compile(
    r"(?:sk|pk|rk)-[\w-]{16,}|hf_\w{16,}|AIza[\w-]{20,}|gsk_\w{16,}|xai-\w{16,}|nvapi-[\w-]{16,}|pplx-\w{16,}"
)


def headers_without_keys(row: dict[str, Any], key: str | None) -> tuple[dict[str, Any], str | None]:
    """A provider's row whose headers hold no key, and the key: what was given, or what stood in the headers.

    Raises BadRequest for headers that cannot be sent, and for a second key.
    """
    headers = row.get("headers")
    if headers is None:
        return row, key
    if not isinstance(headers, dict):
        raise BadRequest('headers must be names and values, as {"X-Team": "blue"}', param="headers")
    left: dict[str, str] = {}
    more: dict[str, Any] = {}
    for name, value in headers.items():
        _check(name, value)
        if not (_KEY_NAME.fullmatch(name) or _KEY_LOOK.search(value)):
            left[name] = value
            continue
        if key is not None or more:
            raise BadRequest(
                f"the header {name} looks like a key, and there is one already: a provider has one key, set by key= "
                "or %models keys set NAME",
                param="headers",
            )
        scheme, blank, bare = value.partition(" ")
        more = {"key_header": name, "key_scheme": scheme if blank else ""}
        key = bare.strip() if blank else value.strip()
    return {**row, "headers": left, **more}, key


def _check(name: Any, value: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadRequest(f"the name of a header is letters, digits and -; got {short(name)}", param="headers")
    if name.lower() in _OURS:
        raise BadRequest(f"the header {name} is modelhub's own to send; leave it out", param="headers")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > 8192:
        raise BadRequest(f"the header {name} must be a text of printable ASCII", param="headers")
