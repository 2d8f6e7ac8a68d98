"""Keys in texts: what looks like one, and texts without them.

A text is scrubbed by value, of every key this process has met (`secret.met`), and by pattern. The shapes are those that
the providers' keys had in November 2026; a key without a prefix of its own (Mistral, Cohere, Azure) is known by value
alone. Nothing here is imported that `%load_ext` does not have.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from modelhub.kernels.secret import SHORTEST, mask, met

# What a key begins with, the least that follows, and whose it is. The longer beginning comes first.
SHAPES: tuple[tuple[str, int, str], ...] = (
    ("sk-ant-", 20, "anthropic"),
    ("sk-or-", 20, "openrouter"),
    ("sk-proj-", 16, "openai"),
    ("sk-svcacct-", 16, "openai"),
    ("sk-admin-", 16, "openai"),
    ("sk-", 16, "openai"),
    ("gsk_", 20, "groq"),
    ("hf_", 24, "hf"),
    ("nvapi-", 20, "nvidia"),
    ("AIza", 30, "gemini"),
    ("xai-", 20, "xai"),
    ("pplx-", 20, "perplexity"),
    ("tgp_v1_", 20, "together"),
    ("csk-", 20, ""),
    ("fw_", 20, "fireworks"),
    ("r8_", 24, ""),
    ("ghp_", 30, ""),
    ("github_pat_", 30, ""),
)
BEGINNINGS = tuple(dict.fromkeys(s[0] for s in SHAPES if not s[0].startswith("sk-") or s[0] == "sk-"))

_OWNER = {beginning: owner for beginning, _least, owner in SHAPES}
_LEAST = {beginning: least for beginning, least, _owner in SHAPES}
_KEY = re.compile(
    r"(?<![A-Za-z0-9_])(" + "|".join(re.escape(s[0]) for s in SHAPES) + r")([A-Za-z0-9_-]{16,300})(?![A-Za-z0-9_+/-])"
)
_PIECE = re.compile(r"[A-Za-z0-9]+")
_NO_KEY = re.compile(
    r"(?:^|[-_])your|example|placeholder|replace|insert|redacted|key-here|no-key|(.)\1{5}", re.IGNORECASE
)
_BLANK = re.compile(
    r"\b(?:your|my)[-_]?\w*[-_]?(?:key|token)|placeholder|\b(?:replace|insert)[-_]|key[-_]here|[x*]{6}", re.IGNORECASE
)


def keys_in(text: str) -> Iterator[re.Match[str]]:
    """What looks like a key in `text`; group 1 is its beginning. A look at a text without any takes microseconds."""
    if any(beginning in text for beginning in BEGINNINGS):
        for found in _KEY.finditer(text):
            if len(found[2]) >= _LEAST[found[1]] and is_drawn(found[2]):
                yield found


def owner_of(found: re.Match[str]) -> str:
    """The name of the provider whose keys begin so; "" where it is none of ours."""
    return _OWNER[found[1]]


def is_drawn(body: str) -> bool:
    """Whether letters look as if they were drawn: no placeholder, no words with hyphens, no name of a model."""
    if len(set(body)) < 8 or _NO_KEY.search(body):
        return False
    return any(_drawn(piece) for piece in _PIECE.findall(body))


def is_placeholder(key: str) -> bool:
    """Whether a key is one of a manual's: `sk-...`, `<your key>`, `xxxxxxxx`."""
    return bool(_BLANK.search(key)) or "..." in key or "…" in key or key[0] in "<[{$"


def scrub(text: str) -> str:
    """`text` with every key masked that this process has met, and what looks like one."""
    for secret in met():
        text = secret.out_of(text)
    if any(beginning in text for beginning in BEGINNINGS):
        text = _KEY.sub(_masked, text)
    return text


def may_hold_keys(text: str) -> bool:
    """Whether there is anything in `text` that `scrub` would look at."""
    return any(beginning in text for beginning in BEGINNINGS) or any(secret.is_in(text) for secret in met())


def scrub_data(data: Any) -> Any:
    """JSON data, each text of it scrubbed, also the names in objects."""
    if isinstance(data, str):
        return scrub(data) if len(data) >= SHORTEST else data
    if isinstance(data, dict):
        return {scrub(k) if isinstance(k, str) else k: scrub_data(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [scrub_data(v) for v in data]
    return data


def texts_in(data: Any) -> Iterator[str]:
    """Every text of JSON data but the names in objects."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from texts_in(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from texts_in(value)


def _drawn(piece: str) -> bool:
    """Whether letters and digits between hyphens are mixed as no word, no year and no CamelCase name mixes them."""
    if piece.isdigit():
        return len(piece) >= 10
    changes = sum(_sort(a) != _sort(b) for a, b in itertools.pairwise(piece))
    if any(c.isdigit() for c in piece):
        return len(piece) >= 8 and (changes >= 2 or len(piece) >= 14)
    return len(piece) >= 8 and changes * 5 >= len(piece)


def _sort(letter: str) -> tuple[bool, bool]:
    return letter.isdigit(), letter.isupper()


def _masked(found: re.Match[str]) -> str:
    a_key = len(found[2]) >= _LEAST[found[1]] and is_drawn(found[2])
    return found[1] + mask(found[2]) if a_key else found[0]
