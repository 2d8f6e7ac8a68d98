"""Whether a request that failed is sent again, and when: a policy as data, and one decision. Nothing waits here."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from modelhub.errors import ProviderError

LOADING = "model_loading"  # the code of an error that says: the server reads the model just now

# What the same request will meet again, whatever a header says of it.
NEVER = frozenset({"auth", "permission", "not_found", "bad_request", "unsupported_param", "context_length",
                   "content_filter", "quota", "too_large", "truncated"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long; times are seconds.

    tries: requests in all; with 1 nothing is ever sent again. first, longest: what the back-off begins with and grows
    to, doubling. most_wait: the longest wait a provider may ask for; a longer one is told at once. budget: from the
    first try's beginning to the last one's. loading_every, loading_budget: how often a server that is still loading
    its model is asked, and for how long.
    """

    tries: int = 3
    first: float = 0.5
    longest: float = 8.0
    most_wait: float = 60.0
    budget: float = 120.0
    loading_every: float = 1.0
    loading_budget: float = 600.0


POLICY = Policy()


def again(
    error: BaseException,
    tries_done: int,
    spent: float,
    told: bool = False,
    policy: Policy = POLICY,
    draw: Callable[[], float] = random.random,
) -> float | None:
    """Seconds to wait before the request is sent again; None: it is not, the error is to be raised.

    tries_done: requests sent so far, this one with them. spent: seconds since the first of them began. told: whether
    an event of the answer has been told, after which nothing is sent again: text would come twice. draw: a number in
    [0, 1). The back-off has full jitter; what the provider asks for (`retry_after`) comes before it.
    """
    if told or policy.tries < 2 or not isinstance(error, ProviderError):
        return None
    if not error.retryable or error.kind in NEVER:
        return None
    asked = error.retry_after or 0.0
    if asked > policy.most_wait:
        return None
    if error.code == LOADING:
        wait = max(asked, policy.loading_every * (1.0 + draw()))
        return wait if spent + wait <= policy.loading_budget else None
    if tries_done >= policy.tries:
        return None
    wait = asked + draw() * min(policy.longest, policy.first * 2.0 ** (tries_done - 1))
    return wait if spent + wait <= policy.budget else None
