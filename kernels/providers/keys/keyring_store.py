"""Keys in the system's keyring, through the package `keyring` (https://pypi.org/project/keyring) where it is there.

A keyring may ask its user, hang on a bus that nobody answers, or not be there: every call runs in a thread of its own
and is waited for so many seconds. A key is kept under the service `modelhub` and the name of its provider, so that
`keyring set modelhub openai` keeps one, too.
"""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from modelhub.errors import StoreFailed
from modelhub.kernels.providers.keys.key_store import DEFAULT
from modelhub.kernels.secret import Secret

SERVICE = "modelhub"
PATIENCE = 3.0  # seconds
FRESH = 30.0  # seconds for which an answer holds; a change made here holds at once


class KeyringStore:
    """The keyring, asked as seldom as can be. One that did not answer is left alone until a key is set in it."""

    def __init__(self) -> None:
        """Nothing is imported or asked yet."""
        self.patience = PATIENCE
        self.problem = ""
        """What is the matter with it, in a line; "" where it works or there is none."""
        self._known: dict[str, tuple[float, Secret | None, str | None]] = {}
        self._off = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<KeyringStore: {'installed' if self.installed else 'not installed'}>"

    @functools.cached_property
    def installed(self) -> bool:
        """Whether the package is there; whether it finds a keyring is known when it is asked."""
        import importlib.util

        return importlib.util.find_spec("keyring") is not None

    def get(self, provider: str, name: str = DEFAULT, ask: bool = True) -> tuple[Secret | None, str | None]:
        """The key and the address it is for; None each where there is none. Waits PATIENCE at most; never raises.

        ask: else what was heard last, however long ago.
        """
        user = _user(provider, name)
        if not ask:
            return self._known.get(user, (0.0, None, None))[1:]
        with self._lock:
            known = self._known.get(user)
            if known is not None and time.monotonic() - known[0] < FRESH:
                return known[1], known[2]
            if self._off or not self.installed:
                return None, None
            secret, origin = None, None
            try:
                secret, origin = _entry(_within(self.patience, lambda keyring: keyring.get_password(SERVICE, user)))
            except _Unusable as error:
                self._off = True
                self.problem = str(error)
            self._known[user] = (time.monotonic(), secret, origin)
            return secret, origin

    def has_answer(self, provider: str, name: str = DEFAULT) -> bool:
        """Whether `get` would answer at once."""
        known = self._known.get(_user(provider, name))
        return self._off or not self.installed or (known is not None and time.monotonic() - known[0] < FRESH)

    def set(self, provider: str, name: str, secret: Secret, origin: str | None) -> None:
        """Keep a key. Raises StoreFailed where there is no keyring, or it does not answer."""
        if not self.installed:
            raise StoreFailed("there is no keyring without the package for it: pip install 'jupyter-modelhub[keyring]'")
        user = _user(provider, name)
        with self._lock:
            try:
                _within(
                    self.patience,
                    lambda keyring: keyring.set_password(
                        SERVICE, user, json.dumps({"key": secret.reveal(), "origin": origin})
                    ),
                )
            except _Unusable as error:
                raise StoreFailed(
                    f"the key was not kept: {str(error) or 'this machine has no keyring'}; type --file or --session in "
                    "place of --keyring"
                ) from None
            self._off, self.problem = False, ""
            self._known[user] = (time.monotonic(), secret, origin)

    def remove(self, provider: str, name: str) -> bool:
        """Forget a key; whether there was one. One that cannot be removed is told of in `problem`."""
        with self._lock:
            self._known.pop(_user(provider, name), None)
        there = self.get(provider, name)[0] is not None
        with self._lock, contextlib.suppress(_Unusable):
            if there:
                _within(self.patience, lambda keyring: keyring.delete_password(SERVICE, _user(provider, name)))
            self._known.pop(_user(provider, name), None)
        return there


class _Unusable(Exception):
    """There is no keyring (then without a text), or it failed, or it did not answer."""


def _within(patience: float, ask: Callable[[Any], Any]) -> Any:
    """What `ask` says of the package, within so many seconds. Raises _Unusable."""
    said: list[Any] = []
    failed: list[str] = []

    def run() -> None:
        try:
            import keyring

            said.append(ask(keyring))
        except Exception as error:  # of any backend; its text may have anything in it
            nothing = type(error).__name__ == "NoKeyringError"
            failed.append("" if nothing else f"the keyring failed ({type(error).__name__})")

    thread = threading.Thread(target=run, name="modelhub-keyring", daemon=True)  # which may hang for good
    thread.start()
    thread.join(patience)
    if failed:
        raise _Unusable(failed[0])
    if not said:
        raise _Unusable(f"the keyring did not answer within {patience:g} seconds")
    return said[0]


def _entry(kept: str | None) -> tuple[Secret | None, str | None]:
    """What was kept: our object, or a key alone."""
    if not kept or not kept.strip():
        return None, None
    with contextlib.suppress(ValueError):
        found = json.loads(kept)
        if isinstance(found, dict) and isinstance(found.get("key"), str):
            origin = found.get("origin")
            return Secret(found["key"]), origin if isinstance(origin, str) else None
    return Secret(kept.strip()), None


def _user(provider: str, name: str) -> str:
    return provider if name == DEFAULT else f"{provider}/{name}"
