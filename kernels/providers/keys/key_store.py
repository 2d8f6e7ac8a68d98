"""`keys.json` of the home folder: keys of providers, which only their owner may read.

    {"openai": {"key": "…", "origin": "https://api.openai.com:443", "named": {"work": {"key": "…"}}, "use": "work"}}

A key in the keyring has its entry here too, with `"in": "keyring"` in place of the key. No error quotes the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelhub.errors import BadRequest, StoreFailed
from modelhub.kernels import settings
from modelhub.kernels.providers.keys.key_origins import same_origin
from modelhub.kernels.secret import Secret

DEFAULT = "default"  # the name of a key that was given none
LONGEST = 4096  # characters
KEYRING = "keyring"

Entry = dict[str, Any]


class KeyStore:
    """The file, read each time; what is written is there for every kernel at once."""

    def __repr__(self) -> str:
        return f"<KeyStore: {', '.join(self.names()) or 'no keys'}>"

    @property
    def path(self) -> Path:
        """Where it lies; it may not exist yet."""
        return settings.home() / "keys.json"

    def names(self) -> list[str]:
        """The providers there is a key for."""
        return sorted(self._read()[0])

    def entries(self, provider: str) -> dict[str, Entry]:
        """What is kept of a provider, by the names of its keys, the default's first."""
        return _entries(self._read()[0].get(provider, {}))

    def used(self, provider: str) -> str | None:
        """The name of the key that was chosen with `use`, or None."""
        found = self._read()[0].get(provider, {}).get("use")
        return found if isinstance(found, str) else None

    def origin(self, provider: str) -> str | None:
        """The address a provider's key is for; None where there is no key or it came without one."""
        found = self.entries(provider).get(DEFAULT, {}).get("origin")
        return found if isinstance(found, str) else None

    def get(self, provider: str, origin: str | None = None, name: str = DEFAULT) -> str | None:
        """The key of a provider. origin: the address it would be sent to; a key for another one is not given out."""
        found = self.entries(provider).get(name, {})
        key, kept = found.get("key"), found.get("origin")
        if not isinstance(key, str) or (origin and kept and not same_origin(str(kept), origin)):
            return None
        return key

    def secrets(self) -> list[Secret]:
        """Every key of the file."""
        found = [e.get("key") for row in self._read()[0].values() for e in _entries(row).values()]
        return [Secret(key) for key in found if isinstance(key, str) and key]

    def set(self, provider: str, key: str | None, origin: str | None = None, name: str = DEFAULT) -> None:
        """Keep a key; None: it is in the keyring. Raises BadRequest for what can be none, StoreFailed."""
        if not provider or not provider.isprintable() or len(provider) > 200:
            raise BadRequest("a key is kept by the name of its provider, as openai", param="provider")
        if key is not None and (
            not isinstance(key, str) or not key.strip() or len(key) > LONGEST or not key.strip().isprintable()
        ):
            raise BadRequest(f"a key is 1 to {LONGEST:,} characters that can be printed", param="key")
        entry = {"in": KEYRING} if key is None else {"key": key.strip()}
        entry |= {"origin": origin} if origin else {}
        with self._changing() as rows:
            row = rows.setdefault(provider, {})
            if name == DEFAULT:
                for field in ("key", "origin", "in"):
                    row.pop(field, None)
                row |= entry
            else:
                named = row.get("named")
                row["named"] = {**(named if isinstance(named, dict) else {}), name: entry}

    def use(self, provider: str, name: str | None) -> None:
        """Choose a key by its name; None: none is chosen. Raises StoreFailed."""
        with self._changing() as rows:
            row = rows.setdefault(provider, {})
            row.pop("use", None)
            if name is not None:
                row["use"] = name
            if not row:
                del rows[provider]

    def remove(self, provider: str, name: str | None = None) -> bool:
        """Forget a provider's key, or all of them; whether there was one. Raises StoreFailed."""
        if provider not in self._read()[0] or (name is not None and name not in self.entries(provider)):
            return False
        with self._changing() as rows:
            row = rows.get(provider, {})
            if name == DEFAULT:
                for field in ("key", "origin", "in"):
                    row.pop(field, None)
            elif name is not None and isinstance(row.get("named"), dict):
                row["named"].pop(name, None)
            if row.get("use") == name:
                row.pop("use", None)
            if not row.get("named"):
                row.pop("named", None)
            if name is None or not row:
                rows.pop(provider, None)
        return True

    @property
    def problems(self) -> list[str]:
        """What is wrong with the file, a line each; nothing is mended that was not asked for."""
        found = self._read()[1]
        lines = [f"{self.path}: {found}; mend it or remove it"] if found else []
        with contextlib.suppress(OSError):
            if os.name == "posix" and (mode := stat.S_IMODE(self.path.stat().st_mode)) & 0o077:
                lines.append(f"others on this machine may read your keys ({self.path} has the mode {mode:04o}): "
                             f"type chmod 600 {self.path}")  # fmt: skip
            home = self.path.parent
            if os.name == "posix" and (mode := stat.S_IMODE(home.stat().st_mode)) & 0o022:
                lines.append(f"others on this machine may replace your keys ({home} has the mode {mode:04o}): "
                             f"type chmod 700 {home}")  # fmt: skip
        return lines

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
            settings.make_folder(self.path.parent)
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


def _entries(row: Entry) -> dict[str, Entry]:
    own = {DEFAULT: row} if "key" in row or row.get("in") == KEYRING else {}
    named = row.get("named")
    more = named.items() if isinstance(named, dict) else ()
    return own | {k: v for k, v in more if isinstance(v, dict)}


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
