"""The catalogue: which models there are, and what a name means."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from modelhub.errors import ModelFileError, ModelNotFound
from modelhub.kernels.catalog.catalog import Catalog


@pytest.fixture
def models(home: Path) -> Path:
    (home / "models").mkdir(parents=True)
    return home / "models"


def test_the_packaged_model_is_always_there() -> None:
    """With no models home, the packaged model is found by its id and its full name."""
    catalog = Catalog()
    assert [c.name for c in catalog.cards()] == ["local/tiny-chat"]
    assert catalog.names() == ["tiny-chat", "local/tiny-chat"]
    card = catalog.find("tiny-chat")
    assert card == catalog.find("local/tiny-chat") == catalog.find(" tiny-chat ")
    assert (card.source, card.provider) == ("packaged", "local")


def test_files_in_the_models_home_are_models(models: Path, random_gguf: Path) -> None:
    """A file put there is found at once by its name, a changed one is read anew, a removed one is gone."""
    catalog = Catalog()
    assert len(catalog.cards()) == 1
    shutil.copy(random_gguf, models / "mine.gguf")
    assert catalog.find("mine").source == "models home"
    (models / "mine.gguf").write_bytes(b"")
    assert [c.id for c in catalog.cards()] == ["tiny-chat"]
    assert "it is empty" in catalog.problems[0]
    (models / "mine.gguf").unlink()
    with pytest.raises(ModelNotFound):
        catalog.find("mine")
    assert catalog.problems == []


def test_one_bad_file_spoils_nothing(models: Path, random_gguf: Path) -> None:
    """A broken file beside good ones is one line in `problems`."""
    shutil.copy(random_gguf, models / "good.gguf")
    (models / "bad.gguf").write_text("no")
    (models / "folder.gguf").mkdir()
    catalog = Catalog()
    assert [c.id for c in catalog.cards()] == ["good", "tiny-chat"]
    assert len(catalog.problems) == 2


def test_the_packaged_name_cannot_be_taken(models: Path, random_gguf: Path) -> None:
    """A file called tiny-chat in the models home does not take the packaged model's place."""
    shutil.copy(random_gguf, models / "tiny-chat.gguf")
    assert Catalog().find("tiny-chat").source == "packaged"


def test_a_path_is_a_name(random_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, relative and home-relative paths name a file."""
    monkeypatch.chdir(random_gguf.parent)
    monkeypatch.setenv("HOME", str(random_gguf.parent))
    found = {Catalog().find(n).path for n in (str(random_gguf), "random.gguf", "./random.gguf", "~/random.gguf")}
    assert found == {str(random_gguf)}


@pytest.mark.parametrize("name", ["tiny-cat", "local/tiny-cat", "Tiny_Chat", "TINY-CHAT"])
def test_a_wrong_name_is_answered_with_the_nearest(name: str) -> None:
    """A name no model has gives the nearest one and all there are, in one line."""
    with pytest.raises(ModelNotFound) as caught:
        Catalog().find(name)
    assert "Did you mean 'tiny-chat'?" in str(caught.value) and "%models" in str(caught.value)
    assert "\n" not in str(caught.value) and caught.value.name == name


@pytest.mark.parametrize(
    "name",
    [
        "nothing-like-it",
        "a\nb",
        "a\0b",
        "\ud83d",
        "x" * 5000,
        "openai/gpt",
        "a/b/c",
        "~nobody-of-this-name/x",
        "..",
        "/",
    ],
)
def test_any_name_is_found_or_refused(name: str) -> None:
    """Whatever stands where a name should, the error is ours and one line."""
    for tried in (name, f"{name}.gguf", f"/{name}", f"local/{name}"):
        with pytest.raises((ModelNotFound, ModelFileError)) as caught:
            Catalog().find(tried)
        assert "\n" not in str(caught.value)
