"""What the hub does with models: find them, fetch them, load and free them. `Hub` asks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, ModelFileError, ModelNotFound
from modelhub.kernels import settings
from modelhub.kernels.asking import check_here, wrong_fields
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.catalog.named import Named
from modelhub.kernels.catalog.states import State
from modelhub.kernels.document_providers import served
from modelhub.kernels.engines.local import LocalEngine
from modelhub.kernels.engines.remote import RemoteEngine
from modelhub.kernels.plugins import registry
from modelhub.kernels.protocol.load_params import load_params
from modelhub.kernels.providers.providers import Providers
from modelhub.kernels.remote_models import RemoteModels
from modelhub.kernels.residency import Residency
from modelhub.kernels.secret import Secret

if TYPE_CHECKING:
    from modelhub.kernels.catalog.fetching.downloads import Download
    from modelhub.kernels.importing import Taken
    from modelhub.kernels.plugins.installed import Plugins

LIVELIEST = (State.RUNNING, State.LOADING, State.STOPPING, State.FAILED)
PACKAGED_MODEL = "tiny-chat"


class HubModels:
    """The half of the hub that minds models."""

    def __init__(self) -> None:
        """Nothing is read or started yet."""
        self.providers = Providers()
        self.catalog = Catalog(RemoteModels(self.providers, self._in_use))
        self.residency = Residency()
        self._default: str | None = None

    @property
    def plugins(self) -> Plugins:
        """What plugins bring; `plugins.add(model)` offers a `modelhub.Model` of this notebook."""
        return registry()

    @property
    def default_model(self) -> str:
        """The model that answers when none is named."""
        if self._default is None:
            saved = settings.load("default_model")
            self._default = saved if isinstance(saved, str) and saved else PACKAGED_MODEL
        return self._default

    def set_default(self, name: str) -> ModelCard:
        """Make a model, a preset or an alias the default, for this kernel and later ones.

        Raises ModelNotFound, or StoreFailed when it holds for this kernel only because it could not be written down.
        """
        card, self._default = self.catalog.lasting_name(name)
        settings.save("default_model", self._default)
        return card

    def engine(self, name: str) -> LocalEngine:
        """The engine of a model, made but not loaded if need be."""
        return self._engine(self.resolve(name))

    def engines(self) -> list[LocalEngine]:
        """Every engine that was asked for so far."""
        return self.residency.engines()

    def _in_use(self) -> set[str]:
        """What the user's aliases, presets and the default stand for."""
        aliases = self.catalog.user_aliases().values()
        return {*aliases, *(preset.model for preset in self.catalog.presets()), self.default_model}

    def cards(self, hidden: bool = False) -> list[ModelCard]:
        """A card for every model that can be asked by name, and every file asked by its path that is still there.

        hidden: also models of providers that are not for every day: nightly ones, and those no chat is with.
        """
        cards = self.catalog.cards(hidden=hidden)
        seen = {c.path for c in cards}
        for engine in self.engines():
            path = engine.card.path
            if path is not None and path not in seen and (engine.state == State.RUNNING or Path(path).exists()):
                seen.add(path)
                cards.append(engine.card)
        return cards

    def state(self, card: ModelCard) -> State:
        """Where a model stands now; of one that is loaded more than once, with other parameters, the liveliest."""
        states = [State(e.state) for e in self.engines() if e.card.name == card.name]
        return next((s for s in LIVELIEST if s in states), State(card.state))

    def models(self, state: str = "all") -> dict[str, Any]:
        """Every model as OpenAI's list object: `{"object": "list", "data": [...]}`, each with its `state`.

        state: "all", or the one they are in (`remote`, `downloadable`, `downloaded`, `running`, …). Raises BadRequest.
        """
        if state not in (known := ["all", *map(str, State)]):
            raise BadRequest(f"state must be one of {', '.join(known)}; got {state!r}", param="state")
        rows = [{**card.to_dict(), "state": str(self.state(card))} for card in self.cards()]
        return {"object": "list", "data": [row for row in rows if state in ("all", row["state"])]}

    def import_models(
        self,
        path: str | Path,
        as_: str | None = None,
        copy: bool = False,
        import_format: str | None = None,
        progress: Callable[[float], None] = lambda part: None,
    ) -> Taken:
        """Take in a .gguf file, a document that describes models, or a folder of them; what came, and notes on it.

        as_: another name, where there is one model. copy: copy files into the models home; else links lead to them.
        import_format: the importer, where the document does not speak for itself. `progress` is called with the part
        copied, 0 to 1. Keys in a document go to the key store and nowhere else.

        Raises ImportFailed, ModelFileError, BadRequest, StateConflict for a name that is taken, StoreFailed.
        """
        from modelhub.kernels.importing import import_models

        return import_models(self.catalog, self.providers, path, as_, copy, import_format, progress)

    def pull(self, what: str, quant: str | None = None, background: bool = False) -> Download:
        """Fetch a model: `owner/repo`, `owner/repo:QUANT`, an https:// address or a name of `%models browse`.

        quant: the quantisation; default: what fits best, see `Offer`. Nobody is asked, however large it is. background:
        return at once, with a download that can be waited for and cancelled; else an interrupt stops it.

        Raises BadRequest, DownloadFailed, Stopped.
        """
        self.check_fetched(what)
        download = self.catalog.downloads.begin(what, quant)
        return download if background else download.wait_with(lambda progress: None)

    def check_fetched(self, what: str) -> None:
        """Raises BadRequest for the model of a provider, of which nothing is to be fetched.

        It is one of the user's own providers' names that counts, or a model that a provider lists: an owner of
        repositories may be called as a packaged one.
        """
        who, _, ident = what.partition("/")
        provider = self.providers.all().get(who) if ident else None
        if provider is None or (provider.source != "yours" and self.providers.lists.row(provider, ident) is None):
            return
        raise BadRequest(
            f"{who} is a provider, which runs its models itself: %%chat -m {what} asks this one. For a repository of "
            f"that name: %models pull hf.co/{what}"
        )

    def delete(self, name: str, force: bool = False) -> list[Path]:
        """Delete a model's files, those that are modelhub's own; what is gone. It is freed first.

        Raises BadRequest for what is not modelhub's own, StateConflict while it answers, unless `force`, StoreFailed.
        """
        from modelhub.kernels.deleting import carry_out, plan

        card, what = plan(self.catalog, name)
        return carry_out(self.residency, card, what, force)

    def load(
        self,
        name: str,
        progress: Callable[[float], None] = lambda part: None,
        reload: bool = False,
        keep: bool | None = None,
        **params: Any,
    ) -> LocalEngine:
        """Load a model and wait for it; an interrupt stops the loading.

        params: load parameters (`context=8192`, `threads=4`, …); see `LoadParams`. `progress` is called with the
        part done, 0 to 1, in the caller's thread. keep: whether it stays in memory though it is idle; None leaves that.

        What is idle goes where it needs room (`ModelRoom`). With the same parameters, or none, loading again is free.
        Raises StateConflict where it has others, unless `reload`, and where it would be loaded again while it answers.
        """
        named = self.resolve(name)
        engine = self._engine(named)
        wanted = load_params(**{**named.load, **params}) if params else None
        self.residency.load(engine, progress, reload, keep, wanted)
        return engine

    def unload(self, name: str, force: bool = False) -> bool:
        """Free a model's memory; whether it held any. Its own name frees all that is loaded of it, a preset's its own.

        Raises StateConflict while it answers, unless `force`: then the answers end with an error.
        """
        return self.residency.unload(self.residency.called(name, self.catalog.resolve), force)

    def status(self) -> list[dict[str, Any]]:
        """A row for every loaded model; see `Residency.status`."""
        return self.residency.status()

    def system_status(self) -> dict[str, Any]:
        """The machine in bytes and per cent: `cpu`, `ram`, `gpus`, `disk` of the models home, `workers` (`status`)."""
        return self.residency.system()

    def validate(self, model: str | None = None, **options: Any) -> list[BadRequest]:
        """What is wrong with asking a model with these fields, as `chat` takes them; empty: nothing.

        Each is an error whose `.param` is the field's name; nothing is asked. Raises as `prepare` does for the model.
        """
        return wrong_fields(self.resolve(self._name(model)), options, self.providers)

    def resolve(self, name: str) -> Named:
        """What a name stands for, under the name of the provider that is asked; see `Catalog.resolve`."""
        named = self.catalog.resolve(name)
        if named.card.engine != "http":
            return named
        return replace(named, card=served(named.card, self.providers))

    def _name(self, model: str | None) -> str:
        """The model's name, or the default's. Raises BadRequest for what is none."""
        name = model if model is not None else self.default_model
        if not isinstance(name, str) or not name.strip():
            raise BadRequest(
                f"model must be the name of a model; got {name!r}. Type %models to see them", param="model"
            )
        return name

    def _find(self, model: str | None) -> tuple[Named, tuple[str, ...]]:
        """What is asked, and what the user should know: a default that is gone gives the packaged model."""
        name = self._name(model)
        try:
            named = self.resolve(name)
        except (ModelNotFound, ModelFileError):
            if model is not None or name == PACKAGED_MODEL:
                raise
            gone = f"{name} is the default and is not there now: {PACKAGED_MODEL} answers"
            return self.catalog.resolve(PACKAGED_MODEL), (f"{gone}. %models default MODEL chooses another",)
        check_here(named.card)
        return named, (named.note,) if named.note else ()

    def _engine(self, named: Named, key: Secret | None = None) -> LocalEngine:
        check_here(named.card)
        if named.card.engine == "http":
            return RemoteEngine(named.card, self.providers, key)  # type: ignore[return-value]  # an engine that holds nothing
        return self.residency.engine(named.card, named.load)
