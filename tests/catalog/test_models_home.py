"""The models home: every layout that models come in, and the documents beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from modelhub.kernels.catalog.catalog import PACKAGED
from modelhub.kernels.catalog.places.places import Places
from tests.catalog import small


@pytest.fixture
def models(home: Path) -> Path:
    (home / "models").mkdir(parents=True)
    return home / "models"


def found(places: Places | None = None) -> dict[str, Any]:
    """The cards but the packaged one's, by id."""
    return {c.id: c for c in (places or Places()).cards() if c.source != "packaged"}


def document(path: Path, **fields: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields), "utf-8")
    return path


@pytest.mark.parametrize(
    ("path", "ident"),
    [
        ("top.gguf", "top"),
        ("My Model (v2).gguf", "My-Model-v2"),
        ("TOP.GGUF", "TOP"),
        ("llama2-70b/llama2-70b.gguf", "llama2-70b"),
        ("llama2-70b/model.gguf", "llama2-70b"),
        ("llama2-70b/.gguf", "llama2-70b"),
        ("llama2-7b-gguf/llama2-7b-gguf-Q2.gguf", "llama2-7b-gguf/llama2-7b-gguf-Q2"),
        ("owner/repo/some-Q4_K_M.gguf", "owner/repo:Q4_K_M"),
        ("owner/repo/some.gguf", "owner/repo:F32"),
        ("publisher/name/Q8_0/name.gguf", "publisher/name:Q8_0"),
        ("huggingface.co/owner/repo/some-q5_k_s.gguf", "owner/repo:Q5_K_S"),
        ("a/b/c/d-IQ2_XXS.gguf", "a/b/c:IQ2_XXS"),
        ("模型.gguf", "model-模型"),
        ("-x- & ;rm -rf.gguf", "x-rm-rf"),
        ("a/../b.gguf", "b"),
    ],
)
def test_bare_files(models: Path, path: str, ident: str) -> None:
    """A file needs no document: its id is made of its name, or of the folders it lies in."""
    small.model(models / path)
    assert list(found()) == [ident]
    assert found()[ident].source == "models home"


def test_documents_of_the_seed(models: Path) -> None:
    """The folders drawn in the seed: `model.json`, documents by name, several of them, old files by their magic."""
    document(
        models / "llama2-70b/model.json", origin="TheBloke/Llama-2-70B-GGUF", parameters={"init": {"ctx_len": 2048}}
    )
    small.model(models / "llama2-70b/.gguf")
    for quant in ("Q2", "Q3_K_L"):
        document(models / f"llama2-7b-gguf/llama2-7b-gguf-{quant}.json", origin="TheBloke/Llama-2-7B-GGUF")
        small.model(models / f"llama2-7b-gguf/llama2-7b-gguf-{quant}.gguf")
    document(models / "llava-ggml/llava-ggml-Q5.json", origin="mys/ggml_llava-v1.5-13b")
    (models / "llava-ggml/ggml").write_bytes(b"tjgg" + b"\3\0\0\0" * 9)
    (models / "llava-ggml/.proj").write_bytes(b"lmgg" + b"\3\0\0\0" * 9)
    document(models / "llama-70b-finetune/llama-70b-finetune-q5.json", origin="me/finetune")
    small.model(models / "llama-70b-finetune/.bin")
    (models / "llama-70b-finetune/tokenizer.bin").write_bytes(b"\0" * 64)
    document(models / "azure-openai/azure-openai-gpt3-5.json", origin="https://x.openai.azure.com/",
             import_format="azure_openai", parameters={"init": {"DEPLOYMENT-NAME": "gpt35"}})  # fmt: skip
    places = Places()
    cards = found(places)
    assert cards["llama2-70b"].load == {"context": 2048} and cards["llama2-70b"].architecture == "llama"
    assert {"llama2-7b-gguf-Q2", "llama2-7b-gguf-Q3_K_L"} <= cards.keys()
    assert cards["llama2-7b-gguf-Q2"].path.endswith("llama2-7b-gguf-Q2.gguf")
    assert [str(c.state) for c in cards.values() if c.provider == "azure"] == ["remote"]
    old = [p for p in places.problems if "get the model as GGUF" in p]
    assert len(old) == 2 and "ggjt" in "".join(old)
    assert not any("tokenizer.bin" in p for p in places.problems)
    assert any(c.path and c.path.endswith(".bin") for c in cards.values())


def test_a_document_goes_over_the_header(models: Path) -> None:
    """What the document says is taken, what it leaves open is the header's, and their settings are put together."""
    hints = {"general_sampling.temp": ("f32", 0.6), "general_sampling.top_k": ("i32", 20)}
    small.model(models / "zephyr/zephyr.gguf", **hints)
    settings = {"init": {"ctx_len": 32}, "runtime": {"temperature": "0.2"}}
    path = models / "zephyr/model.json"
    document(path, id="zephyr-7b", origin="o/zephyr", owned_by="o", parameters=settings, metadata={"tags": ["x"]})
    (card,) = found().values()
    assert (card.id, card.origin, card.owned_by, card.context_length) == ("zephyr-7b", "o/zephyr", "o", 64)
    assert card.request == {"temperature": 0.2, "x_modelhub": {"top_k": 20}}
    assert card.load == {"context": 32} and card.metadata["tags"] == ["x"]
    assert card.metadata["modelhub"]["tokenizer"] == "gpt2"


def test_our_own_layout(models: Path) -> None:
    """`publisher/name/quant/model.json` and its files: the id it says, or one made of the folders."""
    folder = models / "owner/name/Q4_K_M"
    parts = small.split(folder, "name-Q4_K_M", 2)
    document(folder / "model.json", object="model", files=[{"role": "model", "path": parts[0].name}])
    assert list(found()) == ["owner/name:Q4_K_M"]
    document(folder / "model.json", id="owner/name:Q4_K_M", files=[{"role": "model", "path": parts[0].name}])
    (card,) = found().values()
    assert card.id == "owner/name:Q4_K_M" and [f.role for f in card.files] == ["model", "shard"]


@pytest.mark.parametrize("name", ["model.yaml", "model.yml"])
def test_yaml_of_cortex(models: Path, name: str) -> None:
    """cortex's flat YAML, and weights beside it."""
    small.model(models / "imported/m/m.gguf")
    (models / "imported/m" / name).write_text("model: m\nname: M\nfiles:\n  - m.gguf\nctx_len: 32\ntemperature: 0.5\n")
    (card,) = found().values()
    assert (card.id, card.load, card.request["temperature"]) == ("m", {"context": 32}, 0.5)


def test_what_a_document_has_no_weights_for(models: Path) -> None:
    """With an address it can be had; when the weights are there it is downloaded, in the same process."""
    document(models / "z/model.json", id="z", origin="o/z-GGUF", download_url="z.Q2_K.gguf")
    places = Places()
    assert str(found(places)["z"].state) == "downloadable"
    small.model(models / "z/z.Q2_K.gguf")
    card = found(places)["z"]
    assert str(card.state) == "downloaded" and card.files[0].url.endswith("o/z-GGUF/resolve/main/z.Q2_K.gguf")


@pytest.mark.parametrize("path", ["../../secret.gguf", "/etc/passwd", "~/x.gguf", "..", "a/../../../secret.gguf"])
def test_no_document_leads_out_of_its_folder(home: Path, models: Path, path: str) -> None:
    """A file named outside the document's folder is refused in one line, also where it is there and a model."""
    small.model(home / "secret.gguf")
    document(models / "evil/model.json", id="evil", files=[path])
    places = Places()
    assert found(places) == {}
    assert any("outside the document's folder" in p for p in places.problems)


def test_no_id_leads_out_of_the_home(models: Path) -> None:
    """An id with `..` in it is refused, and no id begins with a slash."""
    small.model(models / "a/a.gguf")
    document(models / "a/a.json", id="../../../etc/x", files=["a.gguf"])
    places = Places()
    assert all(".." not in ident for ident in found(places)) and any(".." in p for p in places.problems)


def test_a_key_in_a_document_is_named_and_not_shown(home: Path, models: Path) -> None:
    """A key is no part of a card nor of the index; a line says how to keep it safe."""
    secret = "sk-verysecret-0123456789"
    document(models / "azure/azure.json", origin="https://x.openai.azure.com/", import_format="azure_openai",
             parameters={"init": {"API-KEY": secret, "DEPLOYMENT-NAME": "gpt4"}})  # fmt: skip
    places = Places()
    (card,) = found(places).values()
    assert secret not in json.dumps(card.to_dict()) + "".join(places.problems)
    assert any("holds a key for azure: type %models import" in p for p in places.problems)
    assert secret not in (home / "index.json").read_text()


def test_projectors_and_adapters_go_with_their_model(models: Path) -> None:
    """An mmproj and an adapter beside a model are files of it, not models, and with the first it sees."""
    small.model(models / "o/llava/llava-Q4_0.gguf")
    small.projector(models / "o/llava/mmproj-llava-f16.gguf")
    small.adapter(models / "o/llava/style.gguf")
    (card,) = found().values()
    assert {f.role: Path(f.path).name for f in card.files} == {
        "model": "llava-Q4_0.gguf", "mmproj": "mmproj-llava-f16.gguf", "lora": "style.gguf",
    }  # fmt: skip
    assert "vision" in card.capabilities
    assert card.size == (models / "o/llava/llava-Q4_0.gguf").stat().st_size


def test_a_projector_of_another_width_is_nobodys(models: Path) -> None:
    """A projector that does not fit is one line, and changes no model."""
    small.model(models / "a.gguf")
    small.projector(models / "mmproj-b.gguf", width=4096)
    places = Places()
    assert list(found(places)) == ["a"] and len(found(places)["a"].files) == 1
    assert ["a projector for images" in p for p in places.problems] == [True]


def test_two_of_one_name(models: Path, home: Path, tmp_path: Path) -> None:
    """The first place has the name, the others a longer one; the packaged model keeps its own; nothing is hidden."""
    shutil.copy(PACKAGED / "tiny-chat.gguf", models / "tiny-chat.gguf")
    small.model(models / "a.gguf")
    small.model(models / "a#.gguf")
    (home / "settings.json").write_text(json.dumps({"folders": [str(tmp_path / "mine"), str(tmp_path / "more/mine")]}))
    small.model(tmp_path / "mine/a.gguf")
    small.model(tmp_path / "more/mine/a.gguf")
    cards = {c.id: c.source for c in Places().cards()}
    assert cards == {
        "tiny-chat": "packaged", "tiny-chat@models-home": "models home", "a": "models home",
        "a@models-home": "models home", "a@mine": f"folder {tmp_path}/mine", "a@mine-2": f"folder {tmp_path}/more/mine",
    }  # fmt: skip


def test_a_file_reached_twice_is_one_model(models: Path) -> None:
    """Links and hard links are the same model, by the name of the file itself, the one nearest to the top."""
    real = small.model(models / "zephyr.gguf")
    (models / "alias.gguf").symlink_to(real)
    (models / "deep").mkdir()
    (models / "deep/hard.gguf").hardlink_to(real)
    (models / "folder").symlink_to(models / "deep")
    places = Places()
    assert list(found(places)) == ["zephyr"] and places.problems == []


def test_a_file_dropped_there_is_found_at_once(models: Path) -> None:
    """New, changed and removed files are seen by the same catalogue, without a restart."""
    places = Places()
    assert found(places) == {}
    small.model(models / "deep/er/x.gguf")
    assert list(found(places)) == ["deep/er:F32"]
    (models / "deep/er/x.gguf").write_bytes(b"")
    assert found(places) == {} and "it is empty" in places.problems[0]
    shutil.rmtree(models / "deep")
    assert found(places) == {} and places.problems == []
