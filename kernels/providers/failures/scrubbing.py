"""What a server says, fit to be shown: one line, without what a terminal acts on, without keys and private names."""

from __future__ import annotations

import re

from modelhub.kernels.redaction import scrub

MASK = "…"

# Escape sequences (ECMA-48): colours and cursor moves; titles and links, which end in BEL or ST; two-byte ones.
_ESCAPES = re.compile("(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b[ -~]?")
# Controls, marks of direction, tags that show nothing, half characters.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
                     "\U000e0000-\U000e007f]")  # fmt: skip

_NAMED = re.compile(
    r"((?:api[ _-]?key|key|token|secret|credential|password)s?\b[^.\n]{0,30}?"
    r"(?:(?P<sure>provided|given|ending (?:in|with)|starting with)\s*:?|[:=])\s*['\"`(\[]*)"
    r"(?P<key>[^\s'\"`)\],;]{3,300}[^\s'\"`)\],;.])",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic)\s+(?P<key>[\w.~+/=-]{6,300})", re.IGNORECASE)
_FRAGMENT = re.compile(r"\b(?:(?:sk|pk|rk|gsk|xai|pplx|nvapi|hf|fw|tgp|csk|r8)[-_]|AIza|AKIA)(?P<key>[\w*-]{8,300})")
_TOKEN = re.compile(r"\beyJ[\w-]{10,}(?:\.[\w-]+){0,2}")  # a JSON web token
_QUERY = re.compile(r"([?&](?:key|api[_-]?key|access_token|token|sig|signature)=)[^&\s\"'<>]+", re.IGNORECASE)
_LOGIN = re.compile(r"(://)[^/\s@:]{1,200}:[^/\s@]{1,200}@")
_PERSON = re.compile(r"\b((?:user|org|proj|acct|cus|team)[-_])(?=[A-Za-z]*\d)[A-Za-z0-9]{6,}")
_PERSON_FIELD = re.compile(r"(\"(?:user_id|userId|organization_id|account_id)\"\s*:\s*)(?:\"[^\"]*\"|-?\d+)")


def plain(text: str) -> str:
    """`text` as one line that a terminal only shows; markup stands in it as text."""
    return " ".join(_UNSEEN.sub("", _ESCAPES.sub("", text)).split())


def masked(text: str) -> str:
    """`text` without keys, as far as they can be known, and without ids of users and organisations."""
    text = scrub(text)
    text = _NAMED.sub(_named, text)
    text = _SCHEME.sub(lambda found: f"{found[1]} {MASK}" if _drawn(found["key"]) else found[0], text)
    text = _FRAGMENT.sub(lambda found: MASK if _drawn(found["key"]) else found[0], text)
    text = _TOKEN.sub(MASK, text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    text = _LOGIN.sub(rf"\1{MASK}@", text)
    text = _PERSON.sub(rf"\1{MASK}", text)
    return _PERSON_FIELD.sub(rf'\1"{MASK}"', text)


def capped(text: str, most: int) -> str:
    """At most `most` characters of `text`; an ellipsis stands for the rest."""
    return text if len(text) <= most else text[: max(0, most - 1)] + MASK


def _drawn(word: str) -> bool:
    """Whether this is more likely a key, or what is left of one, than a word."""
    return "*" in word or MASK in word or (any(c.isdigit() for c in word) and any(c.isalpha() for c in word))


def _named(found: re.Match[str]) -> str:
    """What stands behind `key:` is masked where it looks like one; behind `provided:` always."""
    key = found["key"]
    sure = found["sure"] is not None or "*" in key or (len(key) >= 12 and _drawn(key))
    return found[1] + MASK if sure and any(c.isalpha() or c == "*" for c in key) else found[0]
