"""How long a provider asks to wait, by its headers and by the body of its reply."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from modelhub.kernels.providers.failures.shapes import DURATION, Said, said, seconds

MOST = 31 * 86400.0  # seconds; more is no wait but a mistake, as a date in the place of a duration
_RESETS = re.compile(r"((?:x-|anthropic-)?ratelimit)-(?:(reset)(-[\w-]+)?|([\w-]+)-reset)")
_SAID = re.compile(
    r"(?:try again|retry(?: it)?|wait|available again)(?: again)? (?:in|after|for)?\s?(\d[\d.]*\s?[a-z][\d.a-z ]*)"
)


def retry_after(headers: Mapping[str, str], body: bytes | Said = b"", status: int | None = 429) -> float | None:
    """Seconds to wait before the request is sent again, or None where nothing says it.

    Read are, in this order, `retry-after-ms`; `retry-after` in seconds or as a date, which counts from the reply's own
    `date`; the body's delay (Google's RetryInfo, `retry_after`, `estimated_time`); and, for a 429, the limits that are
    used up: `x-ratelimit-reset-*` (`2m59.5s`, Unix time), `anthropic-ratelimit-*-reset` (RFC 3339), `ratelimit`
    (draft-ietf-httpapi-ratelimit-headers), and what the text says. What is negative, past or none at all is left out.
    """
    told = {str(k).lower(): str(v).strip() for k, v in headers.items()}
    found = body if isinstance(body, Said) else said(body, told.get("content-type", ""))
    now = _unix(told.get("date", "")) or time.time()
    for wait in _waits(told, found, status, now):
        if wait is not None and 0 <= wait <= MOST:
            return wait
    return None


def shown(wait: float) -> str:
    """A wait for people: `350 ms`, `11 s`, `2 min 5 s`, `1 h 3 min`."""
    if wait < 1:
        return f"{math.ceil(wait * 1000)} ms"
    whole = math.ceil(wait)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = math.ceil(whole / 60)
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def _waits(headers: Mapping[str, str], found: Said, status: int | None, now: float) -> Iterator[float | None]:
    milliseconds = seconds(_plain(headers.get("retry-after-ms", "")))
    yield None if milliseconds is None else milliseconds / 1000
    asked = headers.get("retry-after", "")
    yield seconds(_plain(asked))
    yield _until(_unix(asked), now)
    yield found.delay
    if status == 429:
        yield max(_resets(headers, now), default=None)
    if status in {429, 503, 529}:
        yield _in_words(" ".join(found.hints)[:4000].lower())


def _resets(headers: Mapping[str, str], now: float) -> Iterator[float]:
    """The waits of all limits of which nothing remains."""
    for name, value in headers.items():
        parts = _RESETS.fullmatch(name)
        if parts is None:
            continue
        begin, reset, behind, between = parts.groups()
        left = f"{begin}-remaining{behind or ''}" if reset else f"{begin}-{between}-remaining"
        if seconds(_plain(headers.get(left, ""))) == 0:
            wait = _reset(value, now)
            if wait is not None:
                yield wait
    policy = headers.get("ratelimit", "")  # `limit=100, remaining=0, reset=30`, or `"default";r=0;t=30`
    facts = {k.strip(): v.strip() for k, _, v in (part.partition("=") for part in re.split("[,;]", policy[:500]))}
    if "0" in (facts.get("remaining"), facts.get("r")):
        wait = seconds(_plain(facts.get("reset", facts.get("t", ""))))
        if wait is not None:
            yield wait


def _reset(value: str, now: float) -> float | None:
    """A reset, told as a duration, as Unix time in seconds or milliseconds, or as a date of RFC 3339."""
    wait = seconds(value)
    if wait is not None and wait > 1e9:
        return _until(wait / 1000 if wait > 1e11 else wait, now)
    if wait is not None:
        return wait
    try:
        moment = datetime.fromisoformat(value[:40])
    except ValueError:
        return None
    return _until((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), now)


def _in_words(text: str) -> float | None:
    """The wait that a text names: `Please try again in 1m2.5s`."""
    found = _SAID.search(text)
    if found is None:
        return None
    parts, at = [], 0
    for part in DURATION.finditer(found[1]):
        if part.start() != at or seconds("".join(part.groups())) is None:
            break
        parts.append(seconds("".join(part.groups())) or 0.0)
        at = part.end()
    return sum(parts) if parts else None


def _unix(date: str) -> float | None:
    """A date of HTTP as Unix time."""
    try:
        moment = parsedate_to_datetime(date[:60])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until(moment: float | None, now: float) -> float | None:
    return moment - now if moment is not None and moment > now else None


def _plain(value: str) -> Any:
    """A header's number; a duration with a unit is none of `retry-after`."""
    return value if re.fullmatch(r"\d{1,15}(?:\.\d{0,15})?", value) else ""
