"""Exporting: what is written is whole, and is the same model where it is put."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, StoreFailed
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.catalog.places.export import export
from modelhub.kernels.hub import Hub
from tests.catalog import small


@pytest.fixture
def models(home: Path) -> Path:
    folder = home / "models/owner/name/Q4_0"
    parts = small.split(folder, "name-Q4_0", 2)
    small.projector(folder / "mmproj-f16.gguf")
    said = {"id": "owner/name:Q4_0", "files": [parts[0].name], "parameters": {"init": {"ctx_len": 32}}}
    (folder / "model.json").write_text(json.dumps(said))
    return home / "models"


def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The catalogue of a home whose models are in `folder`."""
    monkeypatch.setenv("MODELHUB_HOME", str(folder.parent))
    return Catalog()


@pytest.mark.parametrize("packed", [False, True])
def test_a_model_comes_back(
    hub: Hub, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    """A folder or an archive put into another home is the same model, with its settings, and it answers."""
    card = Catalog().find("owner/name:Q4_0")
    shown: list[float] = []
    target = tmp_path / "out" / ("model.zip" if packed else "model")
    assert export(card, target, shown.append) == target
    assert shown == sorted(shown) and shown[-1] == 1
    there = tmp_path / "there/models"
    if packed:
        with zipfile.ZipFile(target) as archive:
            assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
            archive.extractall(there)
    else:
        there.mkdir(parents=True)
        target.rename(there / "model")
    for path in models.rglob("*.gguf"):
        path.unlink()  # nothing of the first home is needed
    found = elsewhere(there, monkeypatch).find("owner/name:Q4_0")
    assert [f.role for f in found.files] == ["model", "shard", "mmproj"] and found.load == {"context": 32}
    assert str(tmp_path / "home") not in next(there.rglob("model.json")).read_text()
    assert hub.chat("hello", model="owner/name:Q4_0", max_tokens=2).text() is not None
    hub.unload("owner/name:Q4_0")


def test_links_are_followed_and_blobs_named(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a cache, a link to a blob called by its hash, is exported as a file with a name of its own."""
    base = tmp_path / "hub/models--o--r"
    blob = small.model(base / "blobs" / ("a" * 64))
    link = base / "snapshots/main/x-Q4_0.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MODELHUB_PLACES", "hugging-face")
    target = export(Catalog().find("o/r:Q4_0"), tmp_path / "out")
    assert sorted(p.name for p in target.iterdir()) == ["model.json", "x-Q4_0.gguf"]
    assert not (target / "x-Q4_0.gguf").is_symlink()
    assert (target / "x-Q4_0.gguf").read_bytes() == blob.read_bytes()
    said = json.loads((target / "model.json").read_text())
    assert said["files"][0]["path"] == "x-Q4_0.gguf" and said["files"][0]["sha256"] == "a" * 64


def test_nothing_is_written_over(models: Path, tmp_path: Path) -> None:
    """A file that is there is refused; in a folder with something in it the model gets a folder of its own."""
    card = Catalog().find("owner/name:Q4_0")
    (tmp_path / "a.zip").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    with pytest.raises(BadRequest, match="is there already; name another path"):
        export(card, tmp_path / "a.zip")
    assert export(card, tmp_path / "full") == tmp_path / "full/owner-name-Q4_0"
    with pytest.raises(BadRequest, match="is there already"):
        export(card, tmp_path / "full")
    assert (tmp_path / "a.zip").read_text() == "mine"
    with pytest.raises(StoreFailed, match="was not exported"):
        export(card, tmp_path / "a.zip/below")


def test_an_interrupt_leaves_nothing(models: Path, tmp_path: Path) -> None:
    """What was written so far is taken away."""

    def stop(part: float) -> None:
        raise KeyboardInterrupt

    for target in (tmp_path / "out/model", tmp_path / "out/model.zip"):
        with pytest.raises(KeyboardInterrupt):
            export(Catalog().find("owner/name:Q4_0"), target, stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_that_is_too_small(home: Path, tmp_path: Path) -> None:
    """What does not fit is refused before anything is written, with how much is free."""
    path = small.model(home / "models/large.gguf")
    with path.open("r+b") as file:
        file.truncate(shutil.disk_usage(tmp_path).free + (1 << 30))  # sparse: it takes no room
    with pytest.raises(StoreFailed, match=r"needs [\d,]+ bytes and .* has [\d,]+ free; name another path"):
        export(Catalog().find("large"), tmp_path / "out/model")
    assert list((tmp_path / "out").iterdir()) == []
