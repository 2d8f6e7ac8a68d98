"""Keys in documents: taken out before anything else reads them, so that nothing else can keep or show one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.documents.loose_json import Place

# Names of fields, in small letters and without anything between them, whose text is a secret; `api_key_env` and
# `api_key_name` say where one is, and are none.
_NAMES = re.compile(
    r"(?:.*(?:api|access|auth|secret|bearer|subscription|private)(?:key|token)|(?:.*client|.*api|.*)secret|token|bearer"
    r"|hftoken|(?:.*)password|passwd|(?:proxy|x)?authorization|(?:.*)credentials?|apikey.*value)"
)
# Keys by their look: OpenAI and those who took after it, Hugging Face, Google, Groq, xAI, GitHub, Bearer headers.
_LOOKS = re.compile(
    r"(?:sk|pk|rk)-[\w-]{16,}|hf_\w{16,}|AIza[\w-]{20,}|gsk_\w{16,}|xai-\w{16,}|gh[pousr]_\w{20,}|nvapi-[\w-]{16,}"
    r"|(?i:bearer)\s+[\w.~+/=-]{8,}"
)
# A name and a password before the host, and what signs an address: also of links to stores, which are good for a while.
_IN_ADDRESS = re.compile(
    r"(?<=://)[^/\s?#]+@|(?i:(?<=[?&])(?:api[-_]?key|key|(?:\w+[-_])?token|sig|code|password|secret|signature"
    r"|x-(?:amz|goog)-(?:signature|credential|security-token))=([^&\s#]+))"
)
_STANDS_FOR = re.compile(
    r"\$\{?\w+\}?|<.*>|\{.*\}|\[.*\]|x{3,}|\*+|\.+|(?i:your.*|.*your[-_ ]?(?:api[-_ ]?)?key.*|none|null)"
)
_PLAIN_KEY = re.compile(r"(?=[^.]*\d)[\w-]{20,}")


def take_keys(document: Document) -> tuple[Document, list[tuple[Place, str]]]:
    """The document without its keys, and each key with the way to where it stood."""
    found: list[tuple[Place, str]] = []
    data = _without(document.data, (), found, False)
    return replace(document, data=data), found


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a key."""
    return _NAMES.fullmatch(re.sub(r"[^a-z]", "", name.lower())) is not None


def _without(value: Any, place: Place, found: list[tuple[Place, str]], secret: bool) -> Any:
    if isinstance(value, dict):
        return {
            k: _without(v, (*place, k), found, is_secret(str(k)) or (str(k).lower() == "key" and _is_key(v)))
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_without(v, (*place, n), found, secret) for n, v in enumerate(value)]
    if isinstance(value, int | float) and secret and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return value
    if secret and value.strip():
        stripped = re.sub(r"(?i)^bearer\s+", "", value.strip())
        if not _STANDS_FOR.fullmatch(stripped):
            found.append((place, stripped))
        return None
    whole = _LOOKS.fullmatch(value.strip())
    if whole:
        found.append((place, re.sub(r"(?i)^bearer\s+", "", value.strip())))
        return None
    if "://" in value and (match := _IN_ADDRESS.search(value)):
        if match[1] and not _STANDS_FOR.fullmatch(match[1]):
            found.append((place, match[1]))
        return without_keys_in_addresses(value)
    return _LOOKS.sub("…", value) if _LOOKS.search(value) else value


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and _PLAIN_KEY.fullmatch(value.strip()) is not None


def without_keys_in_addresses(text: str) -> str:
    """An address, or a text with addresses, as it can be shown and kept: no password, no token, no signature in it."""
    if not _IN_ADDRESS.search(text):
        return text
    left = re.sub(r"([?&])[?&]+", r"\1", _IN_ADDRESS.sub("", text))
    return re.sub(r"[?&]+(?=[#\s]|$)", "", left)


def without_keys(data: Any) -> Any:
    """Plain data without what looks like a key."""
    return _without(data, (), [], False)
