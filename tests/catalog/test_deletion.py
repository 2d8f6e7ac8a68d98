"""Deleting: only what is modelhub's own goes, whatever links, documents and other models say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, ModelNotFound, StateConflict
from modelhub.kernels import deleting
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.catalog.places.deletion import owned
from modelhub.kernels.hub import Hub
from modelhub.kernels.residency import Residency
from tests.catalog import small


@pytest.fixture
def models(home: Path) -> Path:
    (home / "models").mkdir(parents=True)
    return home / "models"


def delete(name: str, force: bool = False) -> tuple[list[str], list[str]]:
    """The names of what went, and what stayed."""
    card, what = deleting.plan(Catalog(), name)
    gone = deleting.carry_out(Residency(), card, what, force)
    return [path.name for path in gone], list(what.kept)


def test_a_model_and_its_document_and_folders(models: Path) -> None:
    """All parts, the document and the folders that became empty go; what else lies there stays."""
    parts = small.split(models / "owner/name/Q4_0", "name-Q4_0", 2)
    document = models / "owner/name/Q4_0/model.json"
    document.write_text(json.dumps({"id": "owner/name:Q4_0", "files": [parts[0].name]}))
    small.model(models / "owner/other/other-Q4_0.gguf")
    gone, kept = delete("owner/name:Q4_0")
    assert gone == [*(p.name for p in parts), "model.json", "Q4_0", "name"] and kept == []
    assert [p.name for p in models.rglob("*")] == ["owner", "other", "other-Q4_0.gguf"]
    with pytest.raises(ModelNotFound):
        delete("owner/name:Q4_0")


def test_a_link_is_unlinked(models: Path, tmp_path: Path) -> None:
    """What a link leads to is the user's and stays, with its document gone."""
    mine = small.model(tmp_path / "mine.gguf")
    (models / "imported/mine").mkdir(parents=True)
    (models / "imported/mine/mine.gguf").symlink_to(mine)
    (models / "imported/mine/model.json").write_text(json.dumps({"id": "mine", "files": ["mine.gguf"]}))
    card, what = deleting.plan(Catalog(), "mine")
    assert (what.entries[0].size, what.entries[0].link) == (0, str(mine))
    assert card.path == str(models / "imported/mine/mine.gguf")
    gone, _kept = delete("mine")
    assert gone == ["mine.gguf", "model.json", "mine", "imported"]
    assert mine.read_bytes() and list(models.iterdir()) == []


def test_what_lies_behind_a_linked_folder_stays(models: Path, tmp_path: Path) -> None:
    """A folder of the user's that is linked into the home is not modelhub's: nothing in it goes, nor the link."""
    mine = small.model(tmp_path / "mine/x/x.gguf")
    (models / "linked").symlink_to(tmp_path / "mine")
    with pytest.raises(BadRequest, match="deletes only what lies in its own folder"):
        delete("linked/x:F32")
    assert mine.exists() and (models / "linked").is_symlink()


def test_of_other_programs_nothing_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_gguf: Path, models: Path
) -> None:
    """Models of other places, packaged ones and files asked by path are refused in one line that says whose."""
    monkeypatch.setenv("MODELHUB_PLACES", "lm-studio")
    monkeypatch.setenv("HOME", str(tmp_path))
    there = small.model(tmp_path / ".lmstudio/models/o/r/x-Q4_0.gguf")
    for name, whose in (
        ("o/r:Q4_0", "was found in lm-studio"), ("tiny-chat", "comes with modelhub"), (str(random_gguf), "by its path"),
    ):  # fmt: skip
        with pytest.raises(BadRequest, match=whose) as caught:
            delete(name)
        assert "\n" not in str(caught.value)
    assert there.exists() and random_gguf.exists()


def test_what_another_model_needs_stays(models: Path) -> None:
    """A projector of two models, and weights of two documents, go with the last of them."""
    for quant in ("Q4_0", "Q8_0"):
        small.model(models / f"o/llava/llava-{quant}.gguf")
    small.projector(models / "o/llava/mmproj-f16.gguf")
    gone, kept = delete("o/llava:Q4_0")
    assert gone == ["llava-Q4_0.gguf"] and "o/llava:Q8_0 needs it" in kept[0]
    assert delete("o/llava:Q8_0")[0] == ["llava-Q8_0.gguf", "mmproj-f16.gguf", "llava", "o"]


def test_another_name_is_not_the_model(models: Path) -> None:
    """An alias and a preset are refused with what they stand for: who wants them gone does not mean the model."""
    path = small.model(models / "base/base.gguf")
    (models / "base/model.json").write_text(json.dumps({"id": "the-base", "files": ["base.gguf"]}))
    catalog = Catalog()
    catalog.derive("the-base", "mine", {"temperature": 0.5})
    catalog.aliases.set("other", "the-base")
    catalog.aliases.set("third", "mine")
    wrong = {
        "mine": "mine is another name for the-base; type %models delete the-base to delete the model itself",
        "other": "other is an alias of the-base; type %models alias remove other to have the alias gone, or "
        "%models delete the-base",
        "third": "third is an alias of mine; type %models alias remove third to have the alias gone, or "
        "%models delete mine",
    }
    for name, said in wrong.items():
        with pytest.raises(BadRequest, match=f"^{said}$"):
            deleting.plan(catalog, name)
    assert delete(str(path))[0] == ["base.gguf", "model.json", "base"]


def test_a_document_without_weights(models: Path) -> None:
    """A model that is only described can be deleted: its document goes."""
    (models / "z").mkdir()
    (models / "z/model.json").write_text(json.dumps({"id": "z", "origin": "o/z", "download_url": "z.gguf"}))
    assert delete("z") == (["model.json", "z"], [])


@pytest.mark.parametrize("path", ["..", ".", "../settings.json", "a/../../x.gguf", "/etc/passwd", "link/x.gguf"])
def test_what_is_owned(models: Path, tmp_path: Path, path: str) -> None:
    """Nothing outside the models home is modelhub's own, however it is written; nor the home itself."""
    (models / "link").symlink_to(tmp_path)
    assert not owned(models / path)
    assert owned(models / "a.gguf") and owned(models / "b/../a/x.gguf") and owned(models / "link")


def test_a_home_that_is_a_link_is_owned(home: Path, tmp_path: Path) -> None:
    """A user may keep the models home on another disk by a link: what lies in it is modelhub's own."""
    home.mkdir()
    (tmp_path / "disk").mkdir()
    (home / "models").symlink_to(tmp_path / "disk")
    path = small.model(tmp_path / "disk/x.gguf")
    assert delete("x")[0] == ["x.gguf"] and not path.exists()


def test_a_loaded_model(hub: Hub, models: Path) -> None:
    """While it answers it is not deleted; idle it is freed first, and so it is with force."""
    path = small.model(models / "busy.gguf")
    other = small.model(models / "forced.gguf")
    for name in ("busy", "forced"):
        hub.load(name)
    engines = {name: hub.engine(name) for name in ("busy", "forced")}
    for name, engine in engines.items():
        card, what = deleting.plan(hub.catalog, name)
        with engine._request():  # as one that runs
            with pytest.raises(StateConflict, match=f"{name} answers: nothing was deleted; wait, or add --force"):
                deleting.carry_out(hub.residency, card, what)
            if name == "forced":
                assert deleting.carry_out(hub.residency, card, what, force=True) == [other]
        if name == "busy":
            assert path.exists() and engine.state == "running"
            assert deleting.carry_out(hub.residency, card, what) == [path]
        assert engine.state == "downloaded"
