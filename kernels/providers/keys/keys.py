"""Keys of providers: where they are looked for, and to whom they are given.

A key is looked for in this order: given to the call, of this session, of the environment, in the keyring, in the file
`keys.json`. It is for one provider and one origin (scheme, host, port) and is sent to no other. It is looked for at
each request, so that a change holds for the next one. No message, repr or log of ours has a key in it.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from modelhub.errors import BadRequest, ProviderError, did_you_mean
from modelhub.kernels.providers import records
from modelhub.kernels.providers.keys.key_auth import (
    ARGUMENT,
    ENVIRONMENT,
    FILE,
    KEYRING,
    SESSION,
    Found,
    KeyAuth,
    ask,
    is_plain,
    usable,
)
from modelhub.kernels.providers.keys.key_origins import is_at, same_origin, shown, variables
from modelhub.kernels.providers.keys.key_store import DEFAULT, KeyStore
from modelhub.kernels.providers.keys.keyring_store import KeyringStore
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.redaction import scrub, texts_in
from modelhub.kernels.secret import SHORTEST, Secret, met

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
PLACES = {
    ARGUMENT: "the call",
    SESSION: "this session",
    ENVIRONMENT: "the environment",
    KEYRING: "the keyring",
    FILE: "keys.json",
}


class Keys:
    """Finds, keeps and forgets keys. `hub().providers.keys`."""

    def __init__(self, get: Callable[[str], Provider] | None = None) -> None:
        """Nothing is read yet. get: the provider of a name."""
        self._get = get
        self._session: dict[str, dict[str, tuple[Secret, str]]] = {}
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self.store = KeyStore()
        self.keyring = KeyringStore()
        self.on_change: list[Callable[[str], object]] = []
        """Called with a provider's name when its key was set, chosen or removed."""

    def __repr__(self) -> str:
        return f"<Keys: {', '.join(sorted({*self.store.names(), *self._session})) or 'none kept'}>"

    # -- finding -----------------------------------------------------------------------------------------------------

    def find(self, provider: Provider | str, name: str | None = None, key: str | Secret | None = None) -> Found:
        """The key to be sent to a provider, or why there is none.

        name: of one of several; default: the one chosen with `use`, else the first in the order above. key: given to
        this call, which comes first.
        """
        provider = self._provider(provider)
        if key is not None:
            return Found(key if isinstance(key, Secret) else Secret(usable(key)), ARGUMENT)
        return self._first(self._candidates(provider, name or self.store.used(provider.name)))

    def has(self, provider: Provider | str) -> bool:
        """Whether a provider has a key, as far as is known without asking a keyring, which may take its time."""
        provider = self._provider(provider)
        if self._first(self._candidates(provider, self.store.used(provider.name), ask=False)).secret is not None:
            return True
        elsewhere = [e.get("origin") for e in self.store.entries(provider.name).values() if e.get("in") == KEYRING]
        return any(not origin or same_origin(str(origin), provider.base_url) for origin in elsewhere)

    def _first(self, candidates: Iterable[Found]) -> Found:
        """The key to be taken, or why there is none."""
        whys: dict[str, None] = {}
        for found in candidates:
            if not found.why:
                return found
            whys[found.why] = None
        return Found(None, why="; ".join(whys))

    def auth(
        self,
        provider: Provider | str,
        name: str | None = None,
        key: str | Secret | None = None,
        needed: bool | None = None,
    ) -> KeyAuth:
        """The header that carries the key; false where the provider needs none and has none.

        needed: whether to do without a key is an error; default: what the record says. Raises ProviderError of the kind
        `auth` for a key that is missing, is for another address or would travel in plain text.
        """
        provider = self._provider(provider)
        found = self.find(provider, name, key)
        warnings = self._to_tell(provider)
        if found.secret is None:
            if provider.needs_key if needed is None else needed:
                raise self._missing(provider, name, found)
            warnings += (f"no key was sent: {found.why}",) if found.why else ()
        elif is_plain(provider.base_url) and not provider.allow_http:
            raise _error(provider, f"the key of {provider.name} was not sent: {shown(provider.origin)} is plain "
                         "http, on which others can read it; use an https address, or type %models provider edit "
                         f"{provider.name} --allow-http")  # fmt: skip
        else:
            try:
                usable(found.secret.reveal())
            except BadRequest as wrong:
                raise _error(provider, f"the key of {provider.name} was not sent ({_place(found)}): {wrong}") from None
        return KeyAuth(provider.key_header, provider.key_scheme, found.secret, found.source, found.name, warnings)

    async def aauth(
        self,
        provider: Provider | str,
        name: str | None = None,
        key: str | Secret | None = None,
        needed: bool | None = None,
    ) -> KeyAuth:
        """As `auth`, in a thread where a keyring must be asked, which may take its time."""
        provider = self._provider(provider)
        wanted = name or self.store.used(provider.name)
        near = self._first(self._candidates(provider, wanted, ask=False))
        names = [wanted] if wanted else [DEFAULT, *self.store.entries(provider.name)]
        if (
            key is not None
            or near.source in {SESSION, ENVIRONMENT}
            or all(self.keyring.has_answer(provider.name, one) for one in names)
        ):
            return self.auth(provider, name, key, needed)
        return await asyncio.to_thread(self.auth, provider, name, key, needed)

    def headers(self, provider: Provider | str, name: str | None = None) -> dict[str, str]:
        """The header that carries the key, or none; see `auth`. To be made when it is sent, and kept nowhere."""
        found = self.auth(provider, name)
        return {found.header: found.value()} if found else {}

    def _candidates(self, provider: Provider, name: str | None = None, ask: bool = True) -> Iterator[Found]:
        """The keys of a provider, or those of a name, the first to be taken first.

        `why` says why one is not for where the provider is now. ask: whether a keyring may be asked.
        """
        with self._lock:
            session = dict(self._session.get(provider.name, {}))
        entries = self.store.entries(provider.name)
        for one in [name] if name else [DEFAULT, *sorted({*session, *entries} - {DEFAULT})]:
            if one in session:
                secret, origin = session[one]
                yield self._bound(provider, secret, origin, SESSION, one)
            for variable, why in variables(provider):
                if (name == f"${variable}" or (name is None and one == DEFAULT)) and (
                    value := os.environ.get(variable, "").strip()
                ):
                    yield Found(Secret(value), ENVIRONMENT, f"${variable}", why)
            entry = entries.get(one, {})
            if one == DEFAULT or entry.get("in") == KEYRING:
                held, kept_for = self.keyring.get(provider.name, one, ask)
                if held is not None:
                    yield self._bound(provider, held, kept_for, KEYRING, one)
            key, kept_for = entry.get("key"), entry.get("origin")
            if isinstance(key, str) and key.strip():
                yield self._bound(provider, Secret(key), kept_for if isinstance(kept_for, str) else None, FILE, one)

    def _bound(self, provider: Provider, secret: Secret, origin: str | None, source: str, name: str) -> Found:
        """A kept key, if it is for where the provider is now."""
        if origin is None:  # it came without one: it is for where the provider usually is
            base = records.packaged().get(provider.name)
            mine = base is None or is_at(provider, base)
            origin = base.origin if base else provider.origin
        else:
            mine = same_origin(origin, provider.base_url)
        if mine:
            return Found(secret, source, name)
        why = f"the key in {PLACES[source]} is for {shown(origin)}, and {provider.name} is at {shown(provider.origin)}"
        return Found(secret, source, name, why)

    def _missing(self, provider: Provider, name: str | None, found: Found) -> ProviderError:
        wanted = name or self.store.used(provider.name)
        typed = f"%models keys set {provider.name}"
        if found.why:
            return _error(provider, f"no key was sent to {provider.name}: {found.why}. {typed} asks for one that is")
        if wanted:
            known = sorted({c.name for c in self._candidates(provider)})
            near = did_you_mean(wanted, known)
            return _error(provider, f"{provider.name} has no key that is called {wanted!r}.{near} There are "
                          f"{', '.join(known) or 'none'}: {typed} {wanted} asks for it")  # fmt: skip
        looked = ["this session", *(f"${v}" for v in provider.key_env)]
        looked += ["keyring"] if self.keyring.installed else []
        link = provider.links.get("keys")
        made = f"; keys are made at {link}" if link else ""
        return _error(provider, f"{provider.name} needs a key and none was found (looked in: {', '.join(looked)}, "
                      f"keys.json): {typed} asks for it{made}")  # fmt: skip

    # -- keeping -----------------------------------------------------------------------------------------------------

    def set(
        self,
        provider: Provider | str,
        key: str | Secret | None = None,
        session: bool = False,
        name: str | None = None,
        where: str | None = None,
    ) -> None:
        """Keep a key for a provider's address; without `key` it is asked for, and not shown as it is typed.

        session: for this kernel only; else in the file, or where `where` says: "keyring" or "file". name: of one of
        several. A key of the same name that was kept elsewhere goes. Raises BadRequest for what can be no key and where
        nobody can be asked, StoreFailed.
        """
        self.keep(provider, key, session=session, name=name, where=where)

    def keep(
        self,
        provider: Provider | str,
        key: str | Secret | None = None,
        session: bool = False,
        name: str | None = None,
        where: str | None = None,
    ) -> str:
        """As `set`; where it is kept now, for people."""
        provider = self._provider(provider)
        name = name or DEFAULT
        if not NAME.fullmatch(name):
            raise BadRequest("a key's name is letters, digits, - _ and ., as work; the key itself is no part of the "
                             "line", param="name")  # fmt: skip
        where = SESSION if session else where or FILE
        if where not in (SESSION, KEYRING, FILE):
            raise BadRequest(f"where must be session, keyring or file; got {where!r}", param="where")
        if key is None:
            key = ask(f"key of {provider.shown}{'' if name == DEFAULT else f' ({name})'}: ", self._otherwise(provider))
        secret = Secret(usable(key.reveal() if isinstance(key, Secret) else key))
        if where == KEYRING:
            self.keyring.set(provider.name, name, secret, provider.origin)
            self.store.set(provider.name, None, provider.origin, name)
        elif where == FILE:
            self.store.set(provider.name, secret.reveal(), provider.origin, name)
        with self._lock:
            kept = self._session.setdefault(provider.name, {})
            kept.pop(name, None)
            if where == SESSION:
                kept[name] = (secret, provider.origin)
        if where == FILE:
            self.keyring.remove(provider.name, name)
        self._changed(provider.name)
        return str(self.store.path) if where == FILE else PLACES[where]

    def use(self, provider: Provider | str, name: str | None) -> None:
        """Choose a key by its name, for later kernels too; None: the first there is again. Raises BadRequest."""
        provider = self._provider(provider)
        known = [found.name for found in self._candidates(provider)]
        if name is not None and name not in known:
            raise BadRequest(f"{provider.name} has no key that is called {name!r}.{did_you_mean(name, known)} "
                             f"There are {', '.join(known) or 'none'}: %models keys set {provider.name} NAME asks for "
                             "one", param="name")  # fmt: skip
        self.store.use(provider.name, name)
        self._changed(provider.name)

    def remove(self, provider: Provider | str, name: str | None = None) -> list[str]:
        """Forget a provider's kept keys of this name, or all of them; where there were some, for people.

        A provider that is no more is named by its name. Raises StoreFailed.
        """
        who = provider if isinstance(provider, str) else provider.name
        names = [name] if name else [DEFAULT, *self.store.entries(who), *self._session.get(who, {})]
        gone: dict[str, None] = {}
        with self._lock:
            kept = self._session.get(who, {})
            gone |= dict.fromkeys("this session" for one in dict.fromkeys(names) if kept.pop(one, None))
        gone |= dict.fromkeys("the keyring" for one in dict.fromkeys(names) if self.keyring.remove(who, one))
        if self.store.used(who) in names:
            self.store.use(who, None)
        if self.store.remove(who, name):
            gone[str(self.store.path)] = None
        if gone:
            self._changed(who)
        return list(gone)

    # -- telling -----------------------------------------------------------------------------------------------------

    def rows(self, providers: list[Provider]) -> list[dict[str, Any]]:
        """A row for every key there is for these providers, those in use first; never a key itself."""
        rows = []
        for provider in providers:
            taken = self.find(provider)
            for found in self._candidates(provider):
                is_taken = (found.source, found.name) == (taken.source, taken.name)
                state = "in use" if is_taken and not found.why else "not sent" if found.why else "shadowed"
                rows.append({"provider": provider.name, "name": found.name, "from": _place(found),
                             "ends with": found.secret.last_four if found.secret else "",
                             "for": found.why.partition(" is for ")[2].partition(",")[0] or shown(provider.origin),
                             "state": state, "why": found.why})  # fmt: skip
        return rows

    def orphans(self, known: Collection[str]) -> list[dict[str, Any]]:
        """As `rows`, of keys that are kept for providers that are no more."""
        return [
            {"provider": who, "name": name, "from": PLACES[KEYRING if entry.get("in") == KEYRING else FILE],
             "ends with": Secret(str(entry.get("key", ""))).last_four, "for": shown(str(entry.get("origin", ""))),
             "state": "not sent", "why": f"there is no provider {who} any more: %models keys remove {who}"}
            for who in self.store.names() if who not in known
            for name, entry in self.store.entries(who).items()
        ]  # fmt: skip

    def scrub(self, text: str) -> str:
        """`text` with every key masked: those kept, those of the environment, and what looks like one."""
        self.known()
        return scrub(text)

    def check_texts(self, messages: Any, whom: str) -> None:
        """Raises BadRequest for messages that would take a key of the user's to `whom`."""
        texts = [text for text in texts_in(messages) if len(text) >= SHORTEST]
        for secret in self.known() if texts else ():
            if any(secret.is_in(text) for text in texts):
                raise BadRequest(
                    f"what would be sent to {whom} has a key of yours in it ({secret.masked}), and was not sent: take "
                    "it out; where an earlier turn has it, --new begins a conversation without it",
                    param="messages",
                )

    def known(self) -> list[Secret]:
        """Every key that is kept or in the environment, and those that were."""
        self.store.secrets()
        for provider in records.packaged().values():
            for variable in provider.key_env:
                if value := os.environ.get(variable, "").strip():
                    Secret(value)
        return met()

    @property
    def problems(self) -> list[str]:
        """What is wrong with the places keys are kept in, a line each."""
        return [*self.store.problems, *([self.keyring.problem] if self.keyring.problem else [])]

    def _to_tell(self, provider: Provider) -> tuple[str, ...]:
        new = [problem for problem in self.problems if problem not in self._told]
        self._told.update(new)
        return tuple(new)

    def _otherwise(self, provider: Provider) -> str:
        variable = provider.key_env[0] if provider.key_env else ""
        set_it = f"set the environment variable {variable} before the kernel starts" if variable else (
            f'keep it in Python: hub().providers.keys.set("{provider.name}", key)')  # fmt: skip
        return f"this front end cannot ask for the key of {provider.name} unseen: {set_it}"

    def _provider(self, provider: Provider | str) -> Provider:
        if isinstance(provider, Provider):
            return provider
        if self._get is None:
            raise BadRequest(f"there is no provider {provider!r}", param="provider")
        return self._get(provider)

    def _changed(self, name: str) -> None:
        for listener in list(self.on_change):
            listener(name)


def _place(found: Found) -> str:
    """Where a key is from, for people."""
    return PLACES[found.source]


def _error(provider: Provider, message: str) -> ProviderError:
    return ProviderError(message, kind="auth", provider=provider.name)
