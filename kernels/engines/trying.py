"""Sending a request until it begins to be answered: again after failures that pass, and the wait is told."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.engines.exchange import Exchange
from modelhub.kernels.protocol.events import Progress
from modelhub.kernels.providers.failures.retrying import LOADING, POLICY, Policy, again
from modelhub.kernels.providers.provider import Provider

WORDS = {"rate_limit": "is busy", "overloaded": "is busy", "connection": "cannot be reached", "timeout": "is late"}

_ours = contextvars.ContextVar("modelhub_retries", default=False)


class Trying:
    """One request, sent until an answer begins. exchange: which has begun, once `opened` is through."""

    def __init__(self, send: Callable[[], Awaitable[Exchange]], provider: Provider) -> None:
        """send: sends it once; provider: who is asked."""
        self._send, self._provider = send, provider
        self._policy = policy_of(provider)
        self._begun = time.monotonic()
        self._tries = 0
        self._last: ProviderError | None = None
        self._due = 0.0  # when it is sent again
        self.exchange: Exchange

    async def opened(self) -> AsyncIterator[Progress]:
        """Send it; tell once a second what is waited for where it must be sent again. Raises ProviderError."""
        try:
            self.exchange = await self._once()
        except ProviderError as raised:
            error = raised
        else:
            return
        if self._wait(error) is None:
            raise error
        waiting = asyncio.create_task(self._again(error))
        del error
        try:
            while not waiting.done():
                if self._last is not None and (left := self._due - time.monotonic()) > 0:
                    yield self._told(self._last, left)
                await asyncio.wait({waiting}, timeout=1.0)
            self.exchange = waiting.result()
        finally:
            if not waiting.done():
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError, ProviderError):
                    await (await waiting).close()

    async def _once(self) -> Exchange:
        self._tries += 1
        return await self._send()

    def _wait(self, error: BaseException) -> float | None:
        """Seconds until it is sent again; None: it is not."""
        wait = again(error, self._tries, time.monotonic() - self._begun, policy=self._policy)
        if wait is not None and isinstance(error, ProviderError):
            self._last, self._due = error, time.monotonic() + wait
        return wait

    async def _again(self, error: ProviderError | None) -> Exchange:
        """Everything after the first failure, which is thrown again so that stamina sees it."""
        import stamina  # not light, and most requests do without

        _quiet()
        _ours.set(True)

        def on(raised: Exception) -> bool | float:
            wait = self._wait(raised)
            return False if wait is None else wait

        async for attempt in stamina.retry_context(on, attempts=None, timeout=None):
            with attempt:
                if error is not None:
                    first, error = error, None
                    raise first
                self._last = None
                return await self._once()
        raise AssertionError("stamina gives an attempt or raises")

    def _told(self, error: ProviderError, left: float) -> Progress:
        name, status = self._provider.name, f" ({error.status})" if error.status else ""
        if error.code == LOADING:
            return Progress(f"{name} is loading its model{status}: {time.monotonic() - self._begun:.0f} s so far")
        what = WORDS.get(error.kind, "failed")
        following = f"try {self._tries + 1} of {self._policy.tries}"
        return Progress(f"{name} {what}{status}: again in {math.ceil(left)} s, {following}")


def policy_of(provider: Provider) -> Policy:
    """The policy of a provider, whose settings may say: `tries`, requests in all, 1 to 10; `loading_s`, seconds for
    which a server that is loading its model is asked again.
    """
    tries, loading = provider.settings.get("tries"), provider.settings.get("loading_s")
    found = POLICY
    if isinstance(tries, int) and 1 <= tries <= 10:
        found = replace(found, tries=tries)
    if isinstance(loading, int | float) and loading >= 0:
        found = replace(found, loading_budget=float(loading))
    return found


def _quiet() -> None:
    """Have stamina's hooks, which log to the screen, not called for our retries; once, and for nobody else's."""
    from stamina import instrumentation

    hooks = instrumentation.get_on_retry_hooks()
    if not all(isinstance(hook, _Silent) for hook in hooks):
        instrumentation.set_on_retry_hooks([h if isinstance(h, _Silent) else _Silent(h) for h in hooks])


class _Silent:
    """A hook that is not called for our own retries."""

    def __init__(self, hook: Callable[[Any], Any]) -> None:
        self._hook = hook

    def __call__(self, details: Any) -> Any:
        return None if _ours.get() else self._hook(details)
