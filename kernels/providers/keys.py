"""Keys of providers, in a file of the home folder that only its owner may read.

A key is for one provider and, where it is known, one address: it is given out for no other. No message, no repr and no
log of ours has a key in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from modelhub.errors import BadRequest, StoreFailed
from modelhub.kernels import settings
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.secret import Secret

LONGEST = 4096  # characters


class Keys:
    """Finds the key of a provider: of this session, of the environment, of the file; see `find`."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._session: dict[str, tuple[Secret, str]] = {}
        self.store = KeyStore()

    def set(self, provider: Provider, key: str, session: bool = False) -> None:
        """Keep a key for a provider's address: for this kernel only, or in the file."""
        if session:
            self._session[provider.name] = (Secret(key), provider.origin)
        else:
            self.store.set(provider.name, key, provider.origin)

    def find(self, provider: Provider) -> Secret | None:
        """The key to be sent to a provider; None where there is none for its address."""
        held = self._session.get(provider.name)
        if held is not None and held[1] == provider.origin:
            return held[0]
        for name in provider.key_env:
            if value := os.environ.get(name):
                return Secret(value)
        kept = self.store.get(provider.name, provider.base_url)
        return Secret(kept) if kept else None


class KeyStore:
    """`keys.json` in the home folder, read each time; what is written is there for every kernel at once."""

    def __repr__(self) -> str:
        return f"<KeyStore: {', '.join(self.names()) or 'no keys'}>"

    @property
    def path(self) -> Path:
        """Where it lies; it may not exist yet."""
        return settings.home() / "keys.json"

    def names(self) -> list[str]:
        """The providers there is a key for."""
        return sorted(self._read()[0])

    def origin(self, provider: str) -> str | None:
        """The address a provider's key is for; None where there is no key or it came without one."""
        found = self._read()[0].get(provider, {}).get("origin")
        return found if isinstance(found, str) else None

    def get(self, provider: str, origin: str | None = None) -> str | None:
        """The key of a provider. origin: the address it would be sent to; a key for another one is not given out."""
        found = self._read()[0].get(provider, {})
        key, kept = found.get("key"), found.get("origin")
        if not isinstance(key, str) or (origin and kept and _host(origin) != _host(str(kept))):
            return None
        return key

    def set(self, provider: str, key: str, origin: str | None = None) -> None:
        """Keep a key. Raises BadRequest for what can be none, StoreFailed."""
        if not provider or not provider.isprintable() or len(provider) > 200:
            raise BadRequest("a key is kept by the name of its provider, as openai", param="provider")
        if not isinstance(key, str) or not key.strip() or len(key) > LONGEST or not key.strip().isprintable():
            raise BadRequest(f"a key is 1 to {LONGEST:,} characters that can be printed", param="key")
        entry = {"key": key.strip(), **({"origin": origin} if origin else {})}
        with self._changing() as keys:
            keys[provider] = entry

    def remove(self, provider: str) -> bool:
        """Forget a provider's key; whether there was one. Raises StoreFailed."""
        if provider not in self._read()[0]:
            return False
        with self._changing() as keys:
            keys.pop(provider, None)
        return True

    def _read(self) -> tuple[dict[str, dict[str, Any]], str]:
        """What is kept, and what is wrong with the file."""
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}, ""
        except OSError as error:
            return {}, f"it cannot be read ({error.strerror})"
        except (ValueError, RecursionError):  # whose text would quote the file
            return {}, "it is no JSON"
        if not isinstance(found, dict):
            return {}, "it holds no JSON object"
        return {k: v for k, v in found.items() if isinstance(v, dict)}, ""

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, Any]]]:
        """What is kept, to be changed; written at the end, while no other kernel does."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path.with_name(".keys.lock")):
                keys, problem = self._read()
                if problem:
                    raise StoreFailed(f"{self.path}: {problem}; mend it or remove it first", path=str(self.path))
                yield keys
                self._write(json.dumps(keys, indent=2, sort_keys=True))
        except OSError as error:
            raise StoreFailed(
                f"the key was not kept: {self.path} cannot be written ({error.strerror}); "
                "set MODELHUB_HOME to a folder that can",
                path=str(self.path),
            ) from None

    def _write(self, text: str) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")  # readable by its owner alone
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            Path(temporary).replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise


def _host(origin: str) -> str:
    """The host and port of an address, as they are compared."""
    try:
        parts = urlsplit(origin if "://" in origin else f"//{origin}")
        return f"{(parts.hostname or '').lower()}:{parts.port or ''}"
    except ValueError:
        return origin.lower()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that other kernels see, where the system has one."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
