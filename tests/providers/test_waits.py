"""How long a provider asks to wait: headers of all makers, dates, durations, bodies; and what is none of that."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any

import pytest

from modelhub.kernels.providers.failures.waits import retry_after, shown

NOW = "Fri, 20 Nov 2026 19:59:00 GMT"

TOLD: list[tuple[dict[str, str], Any, float | None]] = [
    ({"retry-after": "11"}, None, 11),
    ({"Retry-After": " 1.5 "}, None, 1.5),
    ({"retry-after": "0"}, None, 0),
    ({"retry-after": "7200"}, None, 7200),
    ({"retry-after-ms": "1500", "retry-after": "9"}, None, 1.5),
    ({"retry-after-ms": "x", "retry-after": "9"}, None, 9),
    ({"retry-after": "Fri, 20 Nov 2026 19:59:30 GMT", "date": NOW}, None, 30),
    ({"retry-after": "Fri, 20 Nov 2026 21:59:00 +0100", "date": NOW}, None, 3600),
    ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": NOW}, None, None),
    ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None, None),
    *(({"retry-after": value}, None, None) for value in (
        "NaN", "-5", "inf", "1e3", "soon", "", "5 s", "9" * 40, "1790000000", "Fri, 99 Foo 2026 99:99:99 GMT", "٣")),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2m59.5s"}, None, 179.5),
    ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "2m59.5s"}, None, None),
    ({"x-ratelimit-reset-tokens": "2m59.5s"}, None, None),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "350ms",
      "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m"}, None, 3720),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795204770", "date": NOW}, None, 30),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795204770000", "date": NOW}, None, 30),
    ({"anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": "2026-11-20T20:00:00Z", "date": NOW}, None, 60),
    ({"anthropic-ratelimit-input-tokens-remaining": "0",
      "anthropic-ratelimit-input-tokens-reset": "2026-11-20T21:00:00+01:00", "date": NOW}, None, 60),
    ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "yesterday"}, None, None),
    ({"ratelimit": "limit=100, remaining=0, reset=30"}, None, 30),
    ({"ratelimit": '"api";r=0;t=120'}, None, 120),
    ({"ratelimit": '"api";r=5;t=120'}, None, None),
    ({}, {"error": {"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "34.07s"}]}}, 34.07),
    ({}, {"error": {"details": [{"retryDelay": {"seconds": "34"}}]}}, 34),
    ({}, {"error": {"details": [{"retryDelay": "-34s"}]}}, None),
    ({"retry-after": "1"}, {"error": {"details": [{"retryDelay": "34s"}]}}, 1),
    ({}, {"error": "loading", "estimated_time": 20.5}, 20.5),
    ({}, {"error": {"message": "Please try again in 1m2.5s."}}, 62.5),
    ({}, {"error": {"message": "Try again in 26 seconds."}}, 26),
    ({}, {"error": {"message": "Please retry after 2 hours and more"}}, 7200),
    ({}, {"error": {"message": "try again in a while"}}, None),
    ({}, {"retry_after_ms": 250}, 0.25),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body", "wait"), TOLD, ids=range(len(TOLD)))
def test_the_wait_is_what_the_reply_says(headers: dict[str, str], body: Any, wait: float | None) -> None:
    """Every way of asking to wait is read; what is past, negative or no wait at all is left out."""
    found = retry_after(headers, b"" if body is None else json.dumps(body).encode())
    assert found == (None if wait is None else pytest.approx(wait))


def test_a_date_counts_from_now_without_a_date_of_the_reply() -> None:
    """A date to come is so many seconds away by this machine's clock."""
    found = retry_after({"retry-after": email.utils.formatdate(time.time() + 300, usegmt=True)})
    assert found is not None and 200 < found <= 300


def test_only_a_rate_limit_waits_for_limits() -> None:
    """What the limits say of their reset counts for a 429 alone."""
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9s"}
    assert (retry_after(headers, b"", 429), retry_after(headers, b"", 500)) == (9, None)


@pytest.mark.parametrize(
    ("wait", "words"),
    [(0.2004, "201 ms"), (6.2, "7 s"), (119, "119 s"), (125, "2 min 5 s"), (180, "3 min"), (7200, "2 h"),
     (7501, "2 h 6 min"), (86400, "24 h")],
)  # fmt: skip
def test_a_wait_is_said_shortly(wait: float, words: str) -> None:
    """In the unit that suits it, rounded up."""
    assert shown(wait) == words
