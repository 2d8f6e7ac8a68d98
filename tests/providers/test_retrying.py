"""When a failed request is sent again, and when the user is told instead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelhub.errors import EngineFailed, ProviderError
from modelhub.kernels.providers.failures.failures import failure
from modelhub.kernels.providers.failures.retrying import POLICY, again
from modelhub.kernels.providers.provider import Provider

CORP = Provider(name="corp", base_url="https://corp.example/v1")


def most() -> float:
    return 1.0


def least() -> float:
    return 0.0


def busy(retry_after: float | None = None, kind: str = "overloaded", retryable: bool = True) -> ProviderError:
    return ProviderError("busy", kind=kind, retryable=retryable, retry_after=retry_after)


def test_it_is_tried_three_times_with_growing_waits() -> None:
    """The wait is drawn between nothing and half a second, then a second; the third failure is told."""
    assert [again(busy(), n, 0.0, draw=most) for n in (1, 2, 3)] == [0.5, 1.0, None]
    assert again(busy(), 1, 0.0, draw=least) == 0.0


def test_what_the_provider_asks_for_comes_first() -> None:
    """Retry-After is a lower bound up to a minute; a longer one is told at once, with the wait in the message."""
    assert (again(busy(11), 1, 0.0, draw=least), again(busy(11), 1, 0.0, draw=most)) == (11.0, 11.5)
    assert again(busy(60), 1, 0.0, draw=least) == 60.0
    long = failure(429, {"retry-after": "61"}, b"", CORP)
    assert again(long, 1, 0.0) is None and "ask again in 61 s" in str(long) and long.retry_after == 61


def test_nothing_is_sent_again_after_the_first_event() -> None:
    """Text would come twice."""
    assert again(busy(), 1, 0.0, told=True) is None


def test_the_budget_ends_it() -> None:
    """All tries and waits together take two minutes at most; a try that took longer is the last."""
    assert again(busy(60), 1, 59.9, draw=least) == 60.0
    assert again(busy(60), 1, 60.1, draw=least) is None
    assert again(busy(kind="timeout"), 1, 600.0) is None


@pytest.mark.parametrize("kind", ProviderError.KINDS)
def test_some_errors_are_never_met_with_another_try(kind: str) -> None:
    """No key, no credit, no such model, a field it does not take: told at once, even where a header says otherwise."""
    passing = {"rate_limit", "overloaded", "server", "timeout", "connection", "protocol"}
    assert (again(busy(kind=kind), 1, 0.0) is not None) == (kind in passing)
    assert again(busy(kind=kind, retryable=False), 1, 0.0) is None


def test_errors_of_ours_are_told() -> None:
    """Only a provider's errors are tried again."""
    assert again(EngineFailed("x"), 1, 0.0) is None and again(ValueError(), 1, 0.0) is None


def test_a_server_that_loads_its_model_is_asked_for_ten_minutes() -> None:
    """llama.cpp's 503 and Hugging Face's are polled every second or two, not three times."""
    for body in (b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
                 b'{"error":"Model x is currently loading"}'):  # fmt: skip
        loading = failure(503, {}, body, CORP)
        assert [again(loading, n, 5.0 * n, draw=most) for n in (1, 50)] == [2.0, 2.0]
        assert again(loading, 300, 598.5, draw=least) == 1.0
        assert again(loading, 300, 599.5, draw=least) is None
    assert again(failure(503, {}, b'{"error":"Model x is currently loading","estimated_time":20}', CORP), 9, 0.0) == 20
    assert again(failure(503, {}, b"", CORP), 4, 0.0) is None
    assert again(loading, 1, 0.0, policy=replace(POLICY, tries=1)) is None


@given(st.integers(1, 10), st.floats(0, 200), st.none() | st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_outside_its_bounds(tries: int, spent: float, asked: float | None, drawn: float) -> None:
    """Whatever failed, a wait is never shorter than asked for, never longer than asked for and 8 s, and in budget."""
    wait = again(busy(asked), tries, spent, draw=lambda: drawn)
    if wait is not None:
        assert (asked or 0) <= wait <= (asked or 0) + POLICY.longest and spent + wait <= POLICY.budget
        assert tries < POLICY.tries
