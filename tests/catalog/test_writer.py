"""`model.json`: what is written is strict JSON, comes back as it was, and has no key in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, StoreFailed
from modelhub.kernels.catalog import importers
from modelhub.kernels.catalog.card import ModelCard, ModelFile, card_of_file
from modelhub.kernels.catalog.documents.writer import write_card

DOCUMENTS = Path(__file__).parent / "documents"
FULL = ModelCard(
    id="a/b:Q4_K_M",
    kind="completion",
    state="downloadable",
    files=(
        ModelFile(url="https://huggingface.co/a/b/resolve/main/b.gguf", size=5, sha256="0" * 64),
        ModelFile(role="mmproj", url="https://x.example/m.gguf"),
    ),
    source="document",
    parameters=7_000_000_000,
    quantisation="Q4_K_M",
    context_length=4096,
    architecture="llama",
    description="Größe – “quoted”",
    licence="mit",
    has_template=True,
    capabilities=("chat", "tools"),
    origin="a/b",
    import_format="thebloke",
    download_url="b.gguf",
    created=1686935002,
    owned_by="a",
    load={"context": 2048, "flash_attn": "on", "tensor_split": [3, 1], "chat_template": "{{ messages }}"},
    request={
        "temperature": 0.7,
        "stop": ["x"],
        "logit_bias": {5: -1.0},
        "x_modelhub": {"top_k": 5, "roles": {"user": "U"}},
    },
    system="Be kind.",
    metadata={"tags": ["x"], "modelhub": {"unread": {"colour": "blue"}}},
)


def again(card: ModelCard, folder: Path) -> ModelCard:
    path = write_card(card, folder)
    assert path == folder / "model.json"
    document = json.loads(path.read_text("utf-8"))
    assert document["object"] == "model" and "state" not in document
    (found,) = importers.read(path)
    (read,) = found.cards
    return read


def test_a_card_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every field a document can say survives, and writing it again writes the same."""
    assert again(FULL, tmp_path) == FULL
    first = (tmp_path / "model.json").read_bytes()
    write_card(again(FULL, tmp_path), tmp_path)
    assert (tmp_path / "model.json").read_bytes() == first


@pytest.mark.parametrize("path", sorted(DOCUMENTS.iterdir()), ids=lambda p: p.name)
def test_every_sample_comes_back(path: Path, tmp_path: Path) -> None:
    """What any importer makes of a sample is written and read back by the one, whatever format it had."""
    try:
        (found,) = importers.read(path)
    except importers.ImportFailed:
        return
    for number, card in enumerate(found.cards):
        read = again(card, tmp_path / str(number))
        assert replace(read, files=()) == replace(card, files=())
        assert read.files == tuple(f for f in card.files if f.url)


def test_files_beside_it_are_named_without_their_folder(tmp_path: Path, random_gguf: Path) -> None:
    """A folder can be moved: its document names its files as they lie in it; files elsewhere are not named."""
    shutil.copy(random_gguf, tmp_path / "w.gguf")
    card = replace(card_of_file(tmp_path / "w.gguf", "mine"), source="document")
    assert again(card, tmp_path) == card
    assert json.loads((tmp_path / "model.json").read_text())["files"][0]["path"] == "w.gguf"
    elsewhere = again(card, tmp_path / "other")
    assert elsewhere.files == () and str(tmp_path) not in (tmp_path / "other" / "model.json").read_text()


def test_a_key_is_never_written(tmp_path: Path) -> None:
    """What looks like a key, wherever a card has it, is not in the file."""
    metadata = {
        "api_key": "canary-1",
        "deep": [{"Authorization": "Bearer canary-22222"}],
        "x": "sk-canary0123456789abc",
    }
    write_card(replace(FULL, metadata=metadata, description="call sk-canary0123456789abc"), tmp_path)
    assert "canary" not in (tmp_path / "model.json").read_text()


def test_only_json_is_written(tmp_path: Path) -> None:
    """A value JSON has no word for is an error, and what was there stays."""
    write_card(FULL, tmp_path)
    before = (tmp_path / "model.json").read_bytes()
    for value in (float("nan"), object(), "\ud83d"):
        with pytest.raises(BadRequest):
            write_card(replace(FULL, metadata={"x": value}), tmp_path)
    assert (tmp_path / "model.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.json"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreFailed):
        write_card(FULL, tmp_path / "file")
