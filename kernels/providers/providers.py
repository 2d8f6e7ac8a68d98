"""The providers of this kernel: the packaged ones, those of plugins, those the user added."""

from __future__ import annotations

from typing import Any

from modelhub.errors import BadRequest, did_you_mean
from modelhub.kernels import settings
from modelhub.kernels.json_file import JsonFile
from modelhub.kernels.protocol import honesty
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers import records
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.keys import Keys
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import Target, target_of


class Providers:
    """Who serves models. `hub().providers`."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._file = JsonFile(lambda: settings.home() / "providers.json")
        self.keys = Keys()

    def all(self) -> dict[str, Provider]:
        """Every provider, by name."""
        mine = {name: Provider(name=name, **row) for name, row in self._file.read().items()}
        return {**records.packaged(), **mine}

    def get(self, name: str) -> Provider:
        """The provider of this name. Raises BadRequest with the nearest names."""
        found = self.all().get(name)
        if found is None:
            near = did_you_mean(name, self.all())
            raise BadRequest(f"there is no provider {name!r}.{near} %models provider list shows them", param="provider")
        return found

    def add(
        self, name: str, *, base_url: str | None = None, dialect: str = "openai", key: str | None = None, **more: Any
    ) -> Provider:
        """Add a provider, and keep it in the home folder."""
        like = records.ALIASES.get(dialect, dialect)
        base = records.packaged().get(like)
        row: dict[str, Any] = {} if base is None else base.model_dump(exclude={"name", "source", "key_env", "url_env"})
        row |= {"like": base.name if base else "", "title": "", "source": "yours", **more}
        if base is None:
            row["dialect"] = like
        if base_url is not None:
            row["base_url"] = base_url.rstrip("/")
        provider = Provider(name=name, **row)
        kept = provider.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        self._file.change(lambda rows: rows.__setitem__(name, kept))
        if key is not None:
            self.keys.set(provider, key, session=True)
        return provider

    def remove(self, name: str) -> bool:
        """Forget a provider the user added."""
        there = name in self._file.read()
        self._file.change(lambda rows: rows.pop(name, None))
        return there

    def check(self, request: ChatRequest, target: Target) -> list[str]:
        """The warnings of a request. Raises BadRequest for a field or a value the provider does not take."""
        return honesty.check(request, f"{target.provider.name}/{target.model}", target.rules)

    def target(self, provider: str, model: str, most_output: int | None = None) -> Target:
        """What a request to a model is for, with the rules that hold for it."""
        found = self.get(provider)
        return target_of(found, model, dialect(found.dialect).rules, records.dated_rules(), most_output)
