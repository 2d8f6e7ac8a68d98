"""Names of providers' models: full, bare, unlisted, and beside models of this machine that are called alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ModelNotFound
from modelhub.kernels import settings
from modelhub.kernels.catalog.states import State
from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, serve

ROWS: list[Any] = [
    {
        "id": "vendor/big:free", "name": "Big", "created": 1790000000, "context_length": 32768, "owned_by": "vendor",
        "description": "a big one", "pricing": {"prompt": "0.000002", "completion": "0.000008"},
        "top_provider": {"max_completion_tokens": 4096}, "supported_parameters": ["temperature", "logprobs"],
    },
    {"id": "small"}, {"id": "small-nightly"}, {"id": "q4_k_m"}, {"id": "name-Q4_K_M"}, {"id": "/srv/model.gguf"},
]  # fmt: skip

Listed = Callable[..., None]


@pytest.fixture
def lists(hub: Hub) -> Iterator[Listed]:
    """Adds providers by name, each with a list of rows or ids; again: with another list."""
    rows: dict[str, Any] = {}
    with serve(lambda request: Reply(json.dumps({"data": rows[request.path.split("/")[1]]}).encode())) as server:

        def add(name: str, *found: Any, **more: Any) -> None:
            rows[name] = [{"id": one} if isinstance(one, str) else one for one in found]
            if name not in hub.providers.all():
                hub.providers.add(name, base_url=f"{server.url}/{name}", **more)
            hub.providers.refresh(name)

        yield add


@pytest.fixture
def corp(lists: Listed) -> None:
    """A provider that lists ROWS as OpenRouter does."""
    lists("corp", *ROWS, dialect="openrouter")


@pytest.fixture
def local(home: Path, random_gguf: Path) -> Callable[[str], Path]:
    """Puts a model of this machine into the models home, by the path of its file there."""

    def put(path: str) -> Path:
        file = settings.models_home() / path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(random_gguf, file)
        return file

    return put


def name(hub: Hub, asked: str) -> str:
    return hub.catalog.resolve(asked).card.name


@pytest.mark.usefixtures("corp")
def test_full_and_bare_names(hub: Hub) -> None:
    """A listed model answers to its full name and, where no other has it, to its id; slashes and colons stay."""
    for ident in ("vendor/big:free", "small", "small-nightly", "q4_k_m"):
        assert name(hub, f"corp/{ident}") == name(hub, ident) == f"corp/{ident}"


@pytest.mark.usefixtures("corp")
def test_what_a_card_says(hub: Hub) -> None:
    """What the list says stands in the card, and nothing that it does not say."""
    card = hub.catalog.find("corp/vendor/big:free")
    assert (card.state, card.engine, card.kind, card.context_length) == (State.REMOTE, "http", "chat", 32768)
    assert (card.created, card.owned_by, card.description, card.path) == (1790000000, "vendor", "a big one", None)
    assert card.metadata["prices"] == {"prompt": 2.0, "completion": 8.0} and card.metadata["most_output"] == 4096
    assert card.metadata["takes"] == ["temperature", "logprobs"] and card.metadata["listed"].startswith("20")
    bare = hub.catalog.find("corp/small")
    assert (bare.context_length, bare.capabilities, bare.created, bare.description) == (None, (), None, None)
    assert set(bare.metadata) == {"listed"}
    assert hub.providers.target("corp", "vendor/big:free").most_output == 4096
    assert hub.providers.target("corp", "small").most_output is None


@pytest.mark.usefixtures("corp")
def test_what_is_hidden_can_be_asked(hub: Hub) -> None:
    """A nightly model is not among the models, nor at Tab, and answers to its name."""
    assert "corp/small-nightly" not in {c.name for c in hub.cards()} | set(hub.catalog.names())
    assert "corp/small-nightly" in {c.name for c in hub.cards(hidden=True)}
    assert {"corp/small", "small"} <= set(hub.catalog.names())


@pytest.mark.usefixtures("corp")
def test_a_typed_id_is_sent_as_it_is(hub: Hub) -> None:
    """What is not listed may be asked all the same; the nearest listed one is told."""
    named = hub.catalog.resolve("corp/smal")
    assert named.card.name == "corp/smal" and named.note == "corp does not list smal. Did you mean 'small'?"
    assert name(hub, "corp/a/b:c@d") == "corp/a/b:c@d"
    assert hub.catalog.resolve("openai/gpt-99").note == ""  # whose list was never read


@pytest.mark.usefixtures("corp")
def test_no_quantisation_is_guessed_of_a_remote_id(hub: Hub) -> None:
    """name-Q4_K_M of a provider is no quantisation of `name`, nor `small:q4` one of `small`."""
    with pytest.raises(ModelNotFound):
        hub.catalog.resolve("name")
    assert name(hub, "corp/name") == "corp/name"
    assert name(hub, "corp/small:q4") == "corp/small:q4"


@pytest.mark.usefixtures("corp")
def test_a_path_is_a_file(hub: Hub, local: Callable[[str], Path]) -> None:
    """What looks like a path is a file of this machine, also where a server lists its models by paths."""
    file = local("mine.gguf")
    assert hub.catalog.resolve(str(file)).card.provider == "local"
    with pytest.raises(Exception, match=r"/srv/model\.gguf"):
        hub.catalog.resolve("/srv/model.gguf")
    assert name(hub, "corp//srv/model.gguf") == "corp//srv/model.gguf"


def test_what_was_local_stays_local(hub: Hub, lists: Listed, local: Callable[[str], Path]) -> None:
    """An id of this machine that begins as a provider does is never sent away, unless that is preferred."""
    local("openai/gpt-oss-20b/gpt-oss-20b-Q4_K_M.gguf")
    local("corp/small/weights.gguf")
    [first, second] = sorted(c.id for c in hub.catalog.here() if c.source != "packaged")
    assert first.startswith("corp/small") and second.startswith("openai/gpt-oss-20b")
    lists("corp", first, first.removeprefix("corp/"), "small")
    assert name(hub, first) == f"local/{first}" and name(hub, second) == f"local/{second}"
    assert name(hub, "openai/gpt-oss-20b") == f"local/{second}"
    named = hub.catalog.resolve(first)
    assert "%models prefer corp" in named.note
    settings.save("prefer", ["corp"])
    assert name(hub, first) == f"corp/{first.removeprefix('corp/')}"


def test_a_repository_is_to_be_pulled(hub: Hub) -> None:
    """The name of a repository of GGUF files is none of a provider's models: it is said that there is no such model."""
    with pytest.raises(ModelNotFound):
        hub.catalog.resolve("nvidia/Nemotron-9B-GGUF")
    assert name(hub, "nvidia/nemotron-9b") == "nvidia/nemotron-9b"


def test_an_id_of_two_providers(hub: Hub, lists: Listed) -> None:
    """An id that two list is refused with both names, until one is preferred."""
    lists("one", "same")
    lists("two", "same")
    with pytest.raises(ModelNotFound, match="one/same, two/same"):
        hub.catalog.resolve("same")
    settings.save("prefer", ["two"])
    assert name(hub, "same") == "two/same"


def test_aliases_presets_and_the_default(hub: Hub, lists: Listed) -> None:
    """A remote model can be any of these, and is kept under its full name."""
    lists("corp", "small")
    assert hub.catalog.set_alias("s", "small") == "corp/small" and name(hub, "s") == "corp/small"
    hub.set_default("small")
    assert hub.default_model == "corp/small"
    hub.catalog.derive("corp/small", as_="cool", request={"temperature": 0.1})
    named = hub.catalog.resolve("cool")
    assert named.card.name == "corp/small" and named.request == {"temperature": 0.1}


def test_a_model_in_use_that_is_listed_no_more(hub: Hub, lists: Listed) -> None:
    """It is flagged where an alias stands for it, and forgotten where nothing does."""
    lists("corp", "small", "large")
    hub.catalog.set_alias("s", "corp/small")
    lists("corp", "other")
    cards = {c.name: c for c in hub.cards()}
    assert "corp/large" not in cards and cards["corp/small"].metadata["retired"]
    [problem] = [p for p in hub.catalog.problems if "corp/small" in p]
    assert "is not listed by corp any more" in problem
    assert name(hub, "s") == "corp/small"


def test_near_names_are_few(hub: Hub, lists: Listed) -> None:
    """With thousands of models an unknown name gives the nearest, and counts the others."""
    lists("corp", *(f"vendor/m-{n:04}" for n in range(3000)))
    with pytest.raises(ModelNotFound) as wrong:
        hub.catalog.resolve("m-0017x")
    assert "3,000 of corp" in str(wrong.value) and len(str(wrong.value)) < 600
    with pytest.raises(ModelNotFound, match="Did you mean 'openai/gpt-x'"):
        hub.catalog.resolve("opneai/gpt-x")


@pytest.mark.usefixtures("corp")
@pytest.mark.parametrize("asked", ["corp", "corp/", "openai"])
def test_a_provider_is_no_model(hub: Hub, asked: str) -> None:
    """Its name alone asks none of its models: the error says how one is asked, and what lists them."""
    who = asked.strip("/")
    with pytest.raises(ModelNotFound, match=f"{who} is a provider: {who}/ID asks .* %models list {who} shows"):
        hub.chat("hi", model=asked)


def test_disabled_and_removed(hub: Hub, lists: Listed) -> None:
    """A provider that is disabled shows no models; one that is removed has none."""
    lists("corp", "small")
    hub.providers.disable("corp")
    assert "corp/small" not in {c.name for c in hub.cards()} and name(hub, "corp/small") == "corp/small"
    hub.providers.remove("corp")
    with pytest.raises(ModelNotFound):
        hub.catalog.resolve("corp/small")


AZURE = {
    "origin": "https://r.openai.azure.com/", "import_format": "azure_openai", "id": "gpt4",
    "parameters": {"init": {"DEPLOYMENT-NAME": "gpt4", "api-version": "2024-10-21"}, "runtime": {"temperature": 0.7}},
}  # fmt: skip


def test_documents_of_remote_models(hub: Hub, home: Path, tmp_path: Path) -> None:
    """A document's model is asked where the document says: of a provider that is there, or is made."""
    other = {**AZURE, "origin": "https://other.openai.azure.com/"}
    gateway = {"origin": "https://gw.example.com/v1", "import_format": "openai", "id": "gpt"}
    plain = {"origin": "https://api.openai.com/v1", "import_format": "openai", "id": "gpt"}
    found = []
    for number, document in enumerate((AZURE, other, gateway, plain)):
        (tmp_path / f"{number}.json").write_text(json.dumps(document))
        found += [row["name"] for row in hub.import_models(tmp_path / f"{number}.json").rows]
    assert found == ["azure/gpt4", "azure-other/gpt4", "openai-gw.example.com/gpt", "openai/gpt"]
    assert hub.providers.get("azure").base_url == "https://r.openai.azure.com/openai/v1"
    assert hub.providers.target("azure", "gpt4").settings["api_version"] == "2024-10-21"
    assert hub.providers.get("openai-gw.example.com").base_url == "https://gw.example.com/v1"
    assert hub.resolve("azure/gpt4").request["temperature"] == 0.7


def test_a_document_that_lies_in_the_home_is_asked_nowhere_else(hub: Hub, home: Path) -> None:
    """A model a document calls openai's, at another address, is not asked of OpenAI: it says what to type."""
    document = {"id": "far", "origin": "https://gw.example.com/v1", "import_format": "openai"}
    settings.models_home().mkdir(parents=True)
    (settings.models_home() / "far.json").write_text(json.dumps(document))
    with pytest.raises(BadRequest, match=r"provider add openai-gw.example.com --base-url https://gw.example.com/v1"):
        hub.chat("hi", model="far")
    hub.providers.add("gw", base_url="https://gw.example.com/v1")
    assert hub.resolve("far").card.name == "gw/far"
