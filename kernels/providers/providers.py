"""The providers of this kernel: the packaged ones, those of plugins, those the user added."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Mapping
from typing import Any

from modelhub.errors import BadRequest, HubError
from modelhub.kernels import background, plugins, settings
from modelhub.kernels.json_file import JsonFile
from modelhub.kernels.protocol.request import ChatRequest, short
from modelhub.kernels.providers import checking, kept, records, user_rules
from modelhub.kernels.providers.dialects import dialect as dialect_of
from modelhub.kernels.providers.keys.header_keys import headers_without_keys
from modelhub.kernels.providers.keys.keys import Keys
from modelhub.kernels.providers.lists.availability import Availability, availability
from modelhub.kernels.providers.lists.lists import Lists, ModelList, Refreshed, shown
from modelhub.kernels.providers.lists.tested import Tested, tested
from modelhub.kernels.providers.names import check_name, unknown
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import Target, target_of

SCHEMA = 1  # of providers.json


class Providers:
    """Who serves models. `hub().providers`."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._file = JsonFile(lambda: settings.home() / "providers.json")
        self._seen: Any = None
        self._all: dict[str, Provider] = {}
        self._problems: list[str] = []
        self.keys = Keys(self.get)
        self.lists = Lists(self.keys)
        self._adding = threading.local()
        self.keys.on_change.append(self._key_changed)

    def __repr__(self) -> str:
        return f"<Providers: {', '.join(self.all())}>"

    # -- who there is --------------------------------------------------------------------------------------------------

    def all(self, wait: bool = False) -> dict[str, Provider]:
        """Every provider, by name: the user's, the packaged ones, those of plugins.

        wait: whether plugins that are still loading are waited for.
        """
        rows, theirs = self._rows(), plugins.registry().things("providers", wait)
        seen = (rows, theirs, kept.environment(), self._file.problem)
        if seen != self._seen:
            self._all, self._problems = self._made(rows, theirs)
            self._seen = seen
        return dict(self._all)

    @property
    def problems(self) -> list[str]:
        """What is wrong with providers that are left out, in one line each."""
        self.all()
        return [*self._problems, *user_rules.problems()]

    def get(self, name: str) -> Provider:
        """The provider of this name. Raises BadRequest with the nearest names."""
        found = self.all().get(name) or self.all(wait=True).get(name)
        if found is None:
            broken = next((p for p in self.problems if p.startswith(f"{name}: ")), None)
            raise unknown(name, list(self.all())) if broken is None else BadRequest(broken, param="provider")
        return found

    def _rows(self) -> dict[str, Any]:
        held = self._file.read()
        found = held.get("providers") if "schema_version" in held else held
        return found if isinstance(found, dict) else {}

    def _made(self, rows: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[dict[str, Provider], list[str]]:
        """Every provider of these rows, and what is wrong with the others."""
        found: dict[str, Provider] = {}
        problems = [self._file.problem] if self._file.problem else []
        for name, record in records.packaged().items():
            found[name], problem = kept.from_environment(record)
            problems += [problem] if problem else []
        for name, thing in theirs.items():
            try:
                if name in found:
                    raise BadRequest("a provider of this name comes with modelhub")
                found[name] = kept.of_plugin(name, thing)
            except HubError as error:
                problems.append(f"{name}: a plugin's provider is left out: {error}")
        for name, row in rows.items():
            base = found.get(name)
            try:
                if not isinstance(row, dict):
                    raise BadRequest(f"it must be an object; got {short(row)}")
                source = "yours" if base is None or "base_url" in row else base.source
                found[name] = kept.made(name, row, base, source)
            except HubError as error:
                problems.append(f"{name}: it is left out of {self._file.path}: {error}")
        order = sorted(found.values(), key=lambda p: (p.source != "yours", p.source != "packaged"))
        return {p.name: p for p in order}, problems

    # -- changing them -------------------------------------------------------------------------------------------------

    def add(
        self, name: str, *, base_url: str | None = None, dialect: str | None = None, key: str | None = None, **said: Any
    ) -> Provider:
        """Add a provider, and keep it in the home folder; one of this name that was added before is replaced.

        base_url: its address; what was pasted of a call with it (`/chat/completions`) is cut off, and where it has no
        path it gets that of the record. dialect: how it is talked to (`openai`, the default, `anthropic`, …), or the
        packaged provider it is like (`groq`, `vllm`, …), whose rules hold for it then. key: for this kernel only;
        `%models keys set NAME` keeps one. said: other fields of `Provider`: needs_key (default: not on a private
        network), headers, key_env (environment variables that hold its key), ca, connect, first, idle (seconds),
        allow_http, settings (over those of what it is like), hide, title, key_header, key_scheme, fields; models: ids
        of models it does not list.

        The name of a packaged provider changes that one, as `edit` does. Raises BadRequest, StoreFailed.
        """
        check_name(name)
        base = self._base(name)
        if base is not None and dialect is None:
            changes = said if base_url is None else {**said, "base_url": base_url}
            return self.edit(name, key=key, **changes)
        if base is not None:
            raise BadRequest(
                f"{name!r} is {base.shown}, which comes with modelhub: choose another name for a second one, or change "
                f"it by %models provider edit {name}",
                param="name",
            )
        if base_url is None and dialect is None:
            raise kept.nowhere()
        row = kept.like_of(dialect or "openai")
        if base_url is not None:
            row["base_url"] = base_url
        row |= {field: value for field, value in said.items() if value is not None}
        return self._keep(name, row, None, key)

    def edit(self, name: str, *, key: str | None = None, **said: Any) -> Provider:
        """Change fields of a provider, packaged ones too, and keep that; None sets one back, and a setting too.

        A packaged provider that gets another base_url has the keys of its own no more. Raises BadRequest, StoreFailed.
        """
        current = self.get(name)
        row = dict(self._rows().get(name, {}))
        if (dialect := said.pop("dialect", None)) is not None:
            row |= kept.like_of(dialect) if self._base(name) is None else {"dialect": kept.like_of(dialect)["dialect"]}
        for field, value in said.items():
            if value is None:
                row.pop(field, None)
            elif field == "settings" and isinstance(value, Mapping):
                row[field] = {**row.get(field, {}), **value}
            else:
                row[field] = value
        if current.source == "yours" and said.get("base_url") is not None and "needs_key" not in said:
            row.pop("needs_key", None)  # what was right at the old address
        return self._keep(name, row, self._base(name), key)

    def remove(self, name: str) -> bool:
        """Forget a provider that was added; a packaged one that was changed is again as it came.

        Returns whether it is gone. Raises BadRequest where there is nothing to forget, StoreFailed.
        """
        rows = self._rows()
        if name not in rows:
            found = self.get(name)
            whence = "modelhub" if found.source == "packaged" else "a plugin"
            raise BadRequest(
                f"{name} comes with {whence} and cannot be removed: %models provider disable {name} leaves it out",
                param="provider",
            )
        self._change(lambda rows: rows.pop(name, None))
        self.lists.files.remove(name)
        return name not in self.all()

    def enable(self, name: str, enabled: bool = True) -> Provider:
        """Show a provider's models among others, or not; it can be asked either way."""
        current = self.get(name)
        return current if current.enabled == enabled else self.edit(name, enabled=enabled)

    def disable(self, name: str) -> Provider:
        """As `enable(name, False)`."""
        return self.enable(name, False)

    def _base(self, name: str) -> Provider | None:
        """What a row of this name changes: the packaged record, or a plugin's provider."""
        if name in records.packaged():
            return kept.from_environment(records.packaged()[name])[0]
        found = plugins.registry().things("providers", wait=True).get(name)
        return None if found is None else kept.of_plugin(name, found)

    def _keep(self, name: str, row: dict[str, Any], base: Provider | None, key: str | None) -> Provider:
        """Check a row, write it down, take its key. Raises BadRequest, StoreFailed."""
        row, key = headers_without_keys(kept.tidied(row, base), key)
        if "base_url" in row:
            row = kept.settled(row, base)
            row.setdefault("needs_key", kept.needs_key(row["base_url"], key is not None or bool(row.get("key_env"))))
        source = "yours" if base is None or "base_url" in row else base.source
        provider = kept.made(name, row, base, source)
        plain = provider.model_dump(mode="json")
        held = {field: plain[field] for field in row}
        if "settings" in row:  # its record's own may be others tomorrow
            held["settings"] = {setting: plain["settings"].get(setting) for setting in row["settings"]}
        self._change(lambda rows: rows.__setitem__(name, held))
        if key is not None:
            self._adding.name = name  # who adds a provider asks for its list when it is wanted
            try:
                self.keys.set(provider, key, session=True)
            finally:
                self._adding.name = None
        return self.get(name)

    def _change(self, edit: Any) -> None:
        def write(held: dict[str, Any]) -> None:
            rows = held.get("providers") if "schema_version" in held else dict(held)
            rows = rows if isinstance(rows, dict) else {}
            edit(rows)
            held.clear()
            held |= {"schema_version": SCHEMA, "providers": rows}

        self._file.change(write)

    # -- their models ------------------------------------------------------------------------------------------------

    def models(self, name: str, refresh: bool = False, all: bool = True) -> ModelList:
        """The models that a provider lists; read anew where `refresh` says so, and where the list is a day old.

        all: False leaves out what %models does not show unasked: nightly ones, dated ones, those no chat is with,
        retired ones.
        A list that cannot be read anew is given as it was, and `.problem` says why; any other id can be asked all the
        same. Raises ProviderError where there is no list, BadRequest.
        """
        provider = self.get(name)
        kept_list = self.lists.kept(provider)
        if self.lists.due(provider) if not provider.models.path else refresh or not kept_list.fresh:
            done = background.wait(self.lists.refresh(provider))
            kept_list = self.lists.kept(provider)
            if done.error is not None and not kept_list.rows:
                raise done.error
        dated = provider.models.dated
        whence = "list" if kept_list.listed is not None else f"packaged {dated}" if dated else "yours"
        rows = kept_list.rows if all else shown(provider, kept_list.rows)
        return ModelList(rows, kept_list.listed, kept_list.problem, whence)

    def refresh(self, name: str | None = None) -> list[Refreshed]:
        """Read the list of one provider anew, or of all that are in use, at once: what was added and removed.

        In use are those the user added, those with a key, and those that were asked for their list before.
        """
        chosen = [self.get(name)] if name is not None else self.in_use()
        return background.wait(self._refresh(chosen))

    def begin_refresh(self, name: str) -> concurrent.futures.Future[Refreshed]:
        """As `refresh` of one provider, without waiting for it. Raises BadRequest."""
        return background.submit(self.lists.refresh(self.get(name)))

    async def _refresh(self, providers: list[Provider]) -> list[Refreshed]:
        return list(await asyncio.gather(*(self.lists.refresh(provider) for provider in providers)))

    def in_use(self) -> list[Provider]:
        """The providers that may be asked unasked: no port of this machine that the user never spoke of is tried."""
        return [p for p in self.all().values() if p.enabled and p.base_url and self._used(p)]

    def _used(self, provider: Provider) -> bool:
        if provider.source == "yours" or self.lists.files.stamp(provider.name) is not None:
            return True
        return bool(provider.key_env or provider.needs_key) and self.keys.has(provider)

    def refresh_due(self) -> None:
        """Read the lists of providers in use that are old, in the background; nobody waits for it."""

        def look() -> None:
            for provider in self.in_use():
                if self.lists.due(provider) and not (provider.needs_key and not self.keys.has(provider)):
                    background.submit(self.lists.refresh(provider))

        threading.Thread(target=look, name="modelhub lists", daemon=True).start()

    def _key_changed(self, name: str) -> None:
        """A key was set or removed: what the provider lists may be otherwise now."""
        provider = self.all().get(name)
        if provider is None or not provider.enabled or not provider.base_url or not provider.models.path:
            return
        if getattr(self._adding, "name", None) != name and self.keys.has(provider):
            background.submit(self.lists.refresh(provider))

    def availability(self, name: str) -> Availability:
        """Whether a provider can be asked, from what is known: nothing is sent. Raises BadRequest."""
        provider = self.get(name)
        keyed = self.keys.has(provider)
        return availability(provider, keyed, self.lists.kept(provider))

    def test(self, name: str) -> Tested:
        """Ask a provider, by its list of models or by a question it refuses: whether it answers, and what to mend."""
        provider = self.get(name)
        return background.wait(tested(provider, self.keys, self.lists))

    # -- asking them ---------------------------------------------------------------------------------------------------

    def check(self, request: ChatRequest, target: Target) -> list[str]:
        """The warnings of a request. Raises BadRequest for a field or a value the provider does not take."""
        return checking.check(request, target)

    def target(self, provider: str, model: str, most_output: int | None = None) -> Target:
        """What a request to a model is for, with the rules that hold for it. Raises BadRequest.

        most_output: the most tokens it answers with; default: what the provider's list says.
        """
        found = self.get(provider)
        if not found.base_url:
            raise no_address(found)
        if most_output is None and (row := self.lists.row(found, model)) is not None:
            most_output = row.most_output
        return target_of(found, model, dialect_of(found.dialect).rules, records.dated_rules(), most_output)


def no_address(provider: Provider) -> BadRequest:
    """The error for a provider whose address is its user's to say."""
    names = f", or set {provider.url_env[0]}" if provider.url_env else ""
    example = "https://RESOURCE.openai.azure.com" if provider.dialect == "azure" else "https://example.com/v1"
    return BadRequest(
        f"{provider.shown} has no address yet: %models provider edit {provider.name} --base-url {example}{names}",
        param="base_url",
    )
