"""What other programs have is found where it is, under the names it has there, and nothing of it is touched."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from modelhub.kernels.catalog.places.places import Places
from modelhub.kernels.catalog.places.programs import PROGRAMS
from modelhub.kernels.hub import Hub
from tests.catalog import small

HOMES = (
    "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LLAMA_CACHE", "APPDATA",
    "LOCALAPPDATA", "OLLAMA_MODELS", "MODELHUB_PLACES",
)  # fmt: skip


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home folder with nothing in it; every place is looked at."""
    for name in HOMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "user/.ollama/models"))
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


def found(places: Places | None = None) -> dict[str, Any]:
    return {c.id: c for c in (places or Places()).cards() if c.source != "packaged"}


def blob(folder: Path, raw: bytes) -> str:
    """Put bytes under their hash, as Ollama and Hugging Face do; the hash."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(raw).hexdigest()
    (folder / digest).write_bytes(raw)
    return digest


def cached(cache: Path, repository: str, revision: str, name: str, raw: bytes) -> Path:
    """A file in a cache as huggingface_hub lays it out."""
    base = cache / f"models--{repository.replace('/', '--')}"
    digest = blob(base / "blobs", raw)
    path = base / "snapshots" / revision / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(base / "blobs" / digest)
    return path


def ollama(store: Path, name: str, **layers: bytes) -> Path:
    """A model in Ollama's store: its manifest."""
    listed = []
    for kind, raw in layers.items():
        digest = blob(store / "blobs", raw)
        (store / "blobs" / digest).rename(store / "blobs" / f"sha256-{digest}")
        kind = kind.rstrip("_")
        listed.append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}", "size": 1})
    path = store / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 2, "layers": listed}), "utf-8")
    return path


def test_nothing_there(user: Path) -> None:
    """A home with none of these programs has no models and no problems."""
    places = Places()
    assert found(places) == {} and places.problems == []
    assert list(user.iterdir()) == []


def test_the_hugging_face_cache(user: Path) -> None:
    """`owner/repo:QUANT`, by the snapshot's link, with the blob's hash; another revision's is named after it."""
    cache = user / ".cache/huggingface/hub"
    old, new = "a" * 40, "b" * 40
    first = small.model(user / "first.gguf").read_bytes()
    second = small.model(user / "second.gguf").read_bytes()
    path = cached(cache, "unsloth/Qwen-GGUF", new, "Qwen-Q4_K_M.gguf", second)
    cached(cache, "unsloth/Qwen-GGUF", old, "Qwen-Q4_K_M.gguf", first)
    cached(cache, "unsloth/Qwen-GGUF", new, "BF16/Qwen-BF16.gguf", small.model(user / "third.gguf").read_bytes())
    (cache / "models--unsloth--Qwen-GGUF/refs").mkdir()
    (cache / "models--unsloth--Qwen-GGUF/refs/main").write_text(new)
    (cache / "models--unsloth--Qwen-GGUF/blobs/abc.incomplete").write_bytes(b"GG")
    cached(cache, "google/bert", new, "model.safetensors", b"no gguf")
    places = Places()
    cards = found(places)
    assert sorted(cards) == ["unsloth/Qwen-GGUF:BF16", "unsloth/Qwen-GGUF:Q4_K_M", "unsloth/Qwen-GGUF:Q4_K_M@aaaaaaa"]
    card = cards["unsloth/Qwen-GGUF:Q4_K_M"]
    assert (card.source, card.origin, card.path) == ("hugging-face", "unsloth/Qwen-GGUF", str(path))
    assert card.files[0].sha256 == hashlib.sha256(second).hexdigest()
    assert places.problems == []


def test_a_split_model_in_the_cache(user: Path) -> None:
    """Parts keep their names, by which llama.cpp finds them; a projector of the repository goes with them."""
    cache = user / ".cache/huggingface/hub"
    for path in small.split(user / "parts", "big-Q8_0", 2):
        link = cached(cache, "o/big", "c" * 40, f"Q8_0/{path.name}", path.read_bytes())
    cached(cache, "o/big", "c" * 40, "mmproj-F16.gguf", small.projector(user / "mmproj.gguf").read_bytes())
    (card,) = found().values()
    assert card.id == "o/big:Q8_0"
    assert [(f.role, Path(f.path).name) for f in card.files] == [
        ("model", "big-Q8_0-00001-of-00002.gguf"), ("shard", link.name), ("mmproj", "mmproj-F16.gguf"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["HF_HUB_CACHE", "HF_HOME"])
def test_the_cache_where_it_was_moved_to(user: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The environment says where the cache is."""
    monkeypatch.setenv(name, str(user / "moved"))
    cache = user / "moved" / ("hub" if name == "HF_HOME" else "")
    cached(cache, "o/r", "d" * 40, "x-Q2_K.gguf", small.model(user / "x.gguf").read_bytes())
    assert list(found()) == ["o/r:Q2_K"]


def test_ollama(user: Path) -> None:
    """Names as `ollama list` shows them; parameters, system message and licence come along, by our names."""
    store = user / ".ollama/models"
    weights = small.model(user / "w.gguf").read_bytes()
    said = {
        "params": json.dumps({"stop": ["<|x|>"], "temperature": 0.5, "num_ctx": 32, "top_k": 9, "num_gpu": 2}).encode(),
        "system": b"Be brief.", "license": b"LLAMA COMMUNITY LICENSE\nand so on", "template": b"{{ .Prompt }}",
        "projector": small.projector(user / "p.gguf").read_bytes(),
    }  # fmt: skip
    ollama(store, "registry.ollama.ai/library/llama3.2/1b", model=weights, **said)
    ollama(store, "registry.ollama.ai/me/mine/latest", model=small.model(user / "m.gguf").read_bytes())
    ollama(store, "hf.co/o/r-GGUF/Q4_K_M", model=small.model(user / "h.gguf").read_bytes())
    places = Places()
    cards = found(places)
    assert sorted(cards) == ["hf.co/o/r-GGUF:Q4_K_M", "llama3.2:1b", "me/mine:latest"]
    card = cards["llama3.2:1b"]
    assert card.request == {"temperature": 0.5, "stop": ["<|x|>"], "x_modelhub": {"top_k": 9}}
    assert card.load == {"context": 32, "gpu_layers": 2}
    assert (card.system, card.licence, card.source) == ("Be brief.", "LLAMA COMMUNITY LICENSE", "ollama")
    assert "vision" in card.capabilities and card.files[0].sha256 == hashlib.sha256(weights).hexdigest()
    assert places.problems == []


def test_names_of_one_model_in_ollama(user: Path) -> None:
    """Two tags of the very same are one model; with other parameters they are two, of one file."""
    store = user / ".ollama/models"
    weights = small.model(user / "w.gguf").read_bytes()
    ollama(store, "registry.ollama.ai/library/llama3.2/1b", model=weights)
    ollama(store, "registry.ollama.ai/library/llama3.2/latest", model=weights)
    ollama(store, "registry.ollama.ai/library/pirate/latest", model=weights, system=b"Arr.")
    assert sorted(found()) == ["llama3.2:1b", "pirate:latest"]


def test_broken_things_of_ollama(user: Path) -> None:
    """What cannot be used there is one line for all of it, and spoils nothing."""
    store = user / ".ollama/models"
    ollama(store, "registry.ollama.ai/library/good/1b", model=small.model(user / "g.gguf").read_bytes())
    (store / "manifests/registry.ollama.ai/library/bad").mkdir()
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"layers": [{"digest": "../../x", "mediaType": 1}]}')):
        (store / "manifests/registry.ollama.ai/library/bad" / name).write_text(text)
    lost = ollama(store, "registry.ollama.ai/library/lost/1b", model=b"GGUF gone")
    for path in (store / "blobs").glob(f"sha256-{hashlib.sha256(b'GGUF gone').hexdigest()}"):
        path.unlink()
    ollama(store, "registry.ollama.ai/library/mlx/1b", model=b"no gguf at all", params=b"{ no json")
    places = Places()
    assert list(found(places)) == ["good:1b"] and lost.exists()
    (problem,) = places.problems
    assert problem.startswith("ollama: ") and "files cannot be used; the first: " in problem


@pytest.mark.parametrize("folder", [".lmstudio/models", ".cache/lm-studio/models", "moved/models"])
def test_lm_studio(user: Path, folder: str) -> None:
    """`publisher/repo/file.gguf`, in either of its homes or where its pointer leads."""
    (user / ".lmstudio-home-pointer").write_text(str(user / "moved"))
    small.model(user / folder / "lmstudio-community/Llama-3.2-1B-GGUF/Llama-3.2-1B-Q4_K_M.gguf")
    (user / folder / "lmstudio-community/Llama-3.2-1B-GGUF/downloading_x.gguf.part").write_bytes(b"GG")
    (card,) = found().values()
    assert (card.id, card.source) == ("lmstudio-community/Llama-3.2-1B-GGUF:Q4_K_M", "lm-studio")


@pytest.mark.parametrize("folder", [".local/share/Jan/data/llamacpp/models", ".config/Jan/data/models", "jan/models"])
def test_jan(user: Path, folder: str) -> None:
    """Its data folder as it moved with the versions; `model.yml` says what the model is called."""
    small.model(user / folder / "janhq/jan-nano/model.gguf")
    (user / folder / "janhq/jan-nano/model.yml").write_text("model_path: model.gguf\nname: Jan nano\nsize_bytes: 5\n")
    small.model(user / folder / "trinity-v1.2-7b/trinity-v1.2-7b.Q4_K_M.gguf")
    said = {"id": "trinity-v1.2-7b", "object": "model", "settings": {"ctx_len": 32}, "engine": "nitro"}
    (user / folder / "trinity-v1.2-7b/model.json").write_text(json.dumps(said))
    cards = found()
    assert cards["trinity-v1.2-7b"].load == {"context": 32}
    assert cards["jan-nano"].description == "Jan nano"
    assert {c.source for c in cards.values()} == {"jan"} and len(cards) == 2


def test_cortex(user: Path) -> None:
    """`huggingface.co/author/repo/file.gguf` with its `.yml`, and what was imported from a file elsewhere."""
    base = user / "cortexcpp/models"
    small.model(base / "huggingface.co/o/r/x-Q4_0.gguf")
    small.model(user / "elsewhere.gguf")
    (base / "huggingface.co/o/r/x-Q4_0.yml").write_text(
        "model: o:r:x-Q4_0.gguf\nfiles:\n  - models/huggingface.co/o/r/x-Q4_0.gguf\nctx_len: 32\ntop_k: 7\n"
    )
    (base / "imported").mkdir()
    (base / "imported/mine.yml").write_text(f"model: mine\nfiles:\n  - {user}/elsewhere.gguf\nctx_len: 32\n")
    cards = found()
    assert cards["o:r:x-Q4_0.gguf"].load == {"context": 32}
    assert cards["o:r:x-Q4_0.gguf"].request == {"x_modelhub": {"top_k": 7}}
    assert cards["mine"].path == str(user / "elsewhere.gguf")


def test_gpt4all_and_llama_cpp(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flat folders; llama.cpp's manifests say which repository a file is of."""
    small.model(user / ".local/share/nomic.ai/GPT4All/Phi-3-mini.Q4_0.gguf")
    cache = user / ".cache/llama.cpp"
    small.model(cache / "ggml-org_gemma-3-1b-it-GGUF_gemma-3-1b-it-Q4_K_M.gguf")
    (cache / "manifest=ggml-org=gemma-3-1b-it-GGUF=latest.json").write_text("{}")
    small.model(cache / "some_file.gguf")
    ids = {c.id: c.source for c in found().values()}
    assert ids == {
        "Phi-3-mini.Q4_0": "gpt4all", "ggml-org/gemma-3-1b-it-GGUF:Q4_K_M": "llama.cpp", "some_file": "llama.cpp",
    }  # fmt: skip
    monkeypatch.setenv("LLAMA_CACHE", str(user / "moved"))
    shutil.move(cache, user / "moved")
    assert {c.id: c.source for c in found().values()} == ids


def test_one_file_in_several_programs_is_one_model(user: Path) -> None:
    """A blob of Ollama that LM Studio links to is Ollama's model, once."""
    store = user / ".ollama/models"
    ollama(store, "registry.ollama.ai/library/x/1b", model=small.model(user / "x.gguf").read_bytes())
    (path,) = (store / "blobs").iterdir()
    link = user / ".lmstudio/models/ollama/x/x.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(path)
    assert {c.id: c.source for c in found().values()} == {"x:1b": "ollama"}


@pytest.mark.parametrize(("asked", "there"), [("none", set()), ("", set()), ("jan, ollama", {"jan", "ollama"})])
def test_which_places_are_looked_at(user: Path, monkeypatch: pytest.MonkeyPatch, asked: str, there: set[str]) -> None:
    """MODELHUB_PLACES names the programs whose models are shown."""
    monkeypatch.setenv("MODELHUB_PLACES", asked)
    shown = {place.source for place, _count in Places().counts()} - {"packaged", "models home"}
    assert shown == there <= set(PROGRAMS)


def test_nothing_of_others_is_changed(user: Path) -> None:
    """After a look, every file of every program is as it was."""
    store = user / ".ollama/models"
    ollama(store, "registry.ollama.ai/library/x/1b", model=small.model(user / "x.gguf").read_bytes())
    cached(user / ".cache/huggingface/hub", "o/r", "d" * 40, "x-Q2_K.gguf", small.model(user / "y.gguf").read_bytes())

    def state() -> dict[str, Any]:
        return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(user.rglob("*"))}

    before = state()
    assert len(found()) == 2
    assert state() == before


def test_a_model_of_ollama_answers(hub: Hub, user: Path) -> None:
    """A blob is loaded from where it is, under Ollama's name."""
    store = user / ".ollama/models"
    ollama(store, "registry.ollama.ai/library/small/1b", model=small.whole(), params=b'{"temperature": 0}')
    response = hub.chat("hello", model="small:1b", max_tokens=4)
    assert response.usage()["completion_tokens"] > 0
    hub.unload("small:1b")
