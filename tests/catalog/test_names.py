"""What a name means, in which order, and what is said when it means nothing or too much."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modelhub
from modelhub.errors import ModelNotFound
from modelhub.kernels import plugins, settings
from modelhub.kernels.catalog.catalog import Catalog

Put = Callable[[str, int], None]


@pytest.fixture
def put(home: Path, random_gguf: Path) -> Put:
    """Puts a model into the models home, at a path below it, with a time of its own."""

    def put_there(path: str, time: int = 1_700_000_000) -> None:
        target = home / "models" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(random_gguf, target)
        os.utime(target, (time, time))

    return put_there


class Parrot(modelhub.Model):
    """A model of a plugin, which says what it is told."""

    def __init__(self, ident: str, provider: str) -> None:
        self.id, self.provider = ident, provider

    def execute(self, request: Any, options: Any) -> Any:
        """The last message."""
        yield request.messages[-1].content


@pytest.fixture
def parrots() -> Any:
    """Offers models as a plugin does; they are taken back with the test."""
    registry, added = plugins.registry(), []

    def offer(ident: str, provider: str, aliases: tuple[str, ...] = ()) -> None:
        added.append(registry.add(Parrot(ident, provider), aliases).name)

    yield offer
    for name in added:
        registry.remove(name)


def test_the_order_of_names(parrots: Any) -> None:
    """User's alias before full name before preset before plugin's alias before the id of one model."""
    parrots("macaw", "zoo", ("pp",))
    catalog = Catalog()

    def means(name: str) -> tuple[str, str | None]:
        named = catalog.resolve(name)
        return named.card.name, named.preset

    assert means("macaw") == means("pp") == ("zoo/macaw", None)
    catalog.derive("tiny-chat", as_="macaw", force=True)  # a preset before an id
    assert means("macaw") == ("local/tiny-chat", "macaw")
    catalog.derive("tiny-chat", as_="pp", force=True)  # and before a plugin's alias
    assert means("pp") == ("local/tiny-chat", "pp")
    catalog.derive("tiny-chat", as_="zoo/macaw", force=True)  # but not before a full name
    assert means("zoo/macaw") == ("zoo/macaw", None)
    catalog.set_alias("zoo/macaw", "local/tiny-chat", force=True)  # which an alias of the user's is
    assert means("zoo/macaw") == ("local/tiny-chat", None)
    catalog.preset_files.remove("pp")
    catalog.set_alias("pp", "tiny-chat")
    assert means("pp") == ("local/tiny-chat", None)
    catalog.cards()
    assert any("'pp' of a plugin, for zoo/macaw, is not used: yours" in p for p in catalog.problems)


def test_a_plugins_alias_comes_before_an_id(put: Put, parrots: Any) -> None:
    """A plugin's alias that is also the id of a model stands for what the plugin says; the packaged id is promised."""
    put("bird.gguf", 1)
    parrots("macaw", "zoo", ("bird", "tiny-chat"))
    catalog = Catalog()
    assert catalog.find("bird").name == "zoo/macaw"
    assert catalog.find("local/bird").id == "bird"
    assert catalog.find("tiny-chat").name == "local/tiny-chat"


def test_an_id_of_two_models_is_refused(parrots: Any) -> None:
    """An ambiguous id is an error with the full names, unless one provider is preferred; then a note says so."""
    parrots("macaw", "zoo")
    parrots("macaw", "aviary")
    catalog = Catalog()
    with pytest.raises(ModelNotFound) as caught:
        catalog.resolve("macaw")
    assert str(caught.value) == (
        "'macaw' is the name of 2 models: aviary/macaw, zoo/macaw. Ask for one of these names, or let one come first: "
        "%models prefer aviary"
    )
    assert caught.value.candidates == ["aviary/macaw", "zoo/macaw"]
    assert catalog.find("zoo/macaw").provider == "zoo"
    assert catalog.lasting_name("zoo/macaw")[1] == "zoo/macaw"
    settings.save("prefer", ["zoo"])
    named = catalog.resolve("macaw")
    assert named.card.name == "zoo/macaw"
    assert named.note == "macaw is zoo/macaw, which is preferred to aviary/macaw"


def test_a_place_can_be_preferred(put: Put, home: Path, tmp_path: Path, random_gguf: Path) -> None:
    """A model that lies in two places is the first one's, or the one's in the place that is preferred."""
    put("twin.gguf", 1_700_000_000)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "twin.gguf").write_bytes(random_gguf.read_bytes())
    settings.save("folders", [str(tmp_path / "mine")])
    catalog = Catalog()
    assert catalog.resolve("twin").card.source == "models home"
    settings.save("prefer", [f"folder {tmp_path / 'mine'}"])
    named = catalog.resolve("twin")
    assert named.card.path == str(tmp_path / "mine" / "twin.gguf")
    assert "preferred to local/twin" in named.note
    assert catalog.resolve("local/twin").card.source == "models home"


def test_the_quantisation_that_came_last(put: Put) -> None:
    """A repository without its quantisation is the one fetched last, or the preferred one, and a note says which."""
    put("own/repo-GGUF/small-Q4_0.gguf", 1_700_000_300)
    put("own/repo-GGUF/small-Q8_0.gguf", 1_700_000_100)
    catalog = Catalog()
    assert {"own/repo-GGUF:Q4_0", "own/repo-GGUF:Q8_0"} <= {c.id for c in catalog.cards()}
    for name in ("own/repo-GGUF", "local/own/repo-GGUF", "repo-GGUF", "repo"):
        named = catalog.resolve(name)
        assert named.card.id == "own/repo-GGUF:Q4_0", name
        assert named.note == f"{name} is own/repo-GGUF:Q4_0 here, the one that came last of 2"
    put("own/repo-GGUF/small-Q8_0.gguf", 1_700_000_900)
    assert catalog.find("repo").id == "own/repo-GGUF:Q8_0"
    settings.save("quantisations", ["Q2_K", "q4_0"])
    assert catalog.resolve("repo").note == "repo is own/repo-GGUF:Q4_0 here, the q4_0 you prefer of 2"
    for name in ("own/repo-GGUF:q8_0", "repo:Q8_0", "repo-GGUF:q8_0", "local/own/repo-GGUF:q8_0"):
        assert catalog.find(name).id == "own/repo-GGUF:Q8_0", name


def test_one_quantisation_needs_no_note(put: Put) -> None:
    """Where there is one only, nothing was chosen."""
    put("own/repo/small-Q4_0.gguf", 1)
    put("lonely-Q8_0.gguf", 1)
    assert (Catalog().find("own/repo").id, Catalog().resolve("own/repo").note) == ("own/repo:Q4_0", "")
    assert Catalog().find("lonely").id == "lonely-Q8_0"
    assert Catalog().find("tiny-chat:q8_0").id == "tiny-chat"
    with pytest.raises(ModelNotFound, match="Did you mean 'tiny-chat'"):
        Catalog().find("tiny-chat:Q4_0")


def test_the_end_of_two_repositories_is_no_name(put: Put) -> None:
    """A short name that fits two owners' repositories is refused with both."""
    put("one/repo/a-Q4_0.gguf", 1)
    put("two/repo/b-Q4_0.gguf", 2)
    with pytest.raises(ModelNotFound) as caught:
        Catalog().find("repo")
    assert "local/one/repo:Q4_0, local/two/repo:Q4_0" in str(caught.value)


def test_an_alias_may_stand_for_the_newest(put: Put) -> None:
    """An alias of a repository without a quantisation goes with what is fetched later."""
    put("own/repo/small-Q4_0.gguf", 100)
    catalog = Catalog()
    assert catalog.set_alias("r", "own/repo") == "own/repo"
    put("own/repo/small-Q8_0.gguf", 200)
    assert catalog.find("r").id == "own/repo:Q8_0"


def test_a_failure_says_where_it_looked(put: Put, parrots: Any) -> None:
    """No such name: the nearest in any spelling, where it was looked for, and not a thousand names."""
    for number in range(12):
        put(f"model-{number:02}.gguf", number)
    parrots("macaw", "zoo")
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="creative")
    catalog.set_alias("Quick", "tiny-chat")
    for wrong, right in (
        ("CREATIV", "creative"),
        ("quik", "Quick"),
        ("Macaf", "macaw"),
        ("local/tiny-cat", "tiny-chat"),
    ):
        with pytest.raises(ModelNotFound) as caught:
            catalog.find(wrong)
        message = str(caught.value)
        assert f"Did you mean '{right}'" in message
        assert "looked in: packaged, models home, " in message
        assert "plugin notebook" in message
        assert " more; looked in" in message
        assert "model-09" not in message
        assert len(message) < 450
