"""Importers: what Jan's documents become, ours among them; the registry; ids, files and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ImportFailed
from modelhub.kernels.catalog import importers
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.fetching.fetched import wanted_of
from modelhub.kernels.catalog.importers import Imported
from modelhub.kernels.protocol.load_params import load_params
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.worker.template import ChatTemplate

DOCUMENTS = Path(__file__).parent / "documents"
ZEPHYR = "https://huggingface.co/TheBloke/zephyr-7B-beta-GGUF/resolve/main/"


def one(name: str) -> Imported:
    (found,) = importers.read(DOCUMENTS / name)
    return found


def card(name: str) -> ModelCard:
    (found,) = one(name).cards
    return found


def of(text: str | dict[str, Any], import_format: str | None = None) -> Imported:
    return importers.read_one(text if isinstance(text, str) else json.dumps(text), import_format)


def refusal(text: str | dict[str, Any] | Path, import_format: str | None = None) -> str:
    with pytest.raises(ImportFailed) as caught:
        if isinstance(text, Path):
            importers.read(text, import_format)
        else:
            of(text, import_format)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def valid(found: ModelCard) -> None:
    """What a card says about loading and asking is what the worker and a request take."""
    load_params(**found.load)
    ChatRequest.make(model="x", messages=[{"role": "user", "content": "x"}], **found.request)


def test_the_seed_s_model_of_one_file() -> None:
    """Numbers come as numbers, the file as an address, the prompts as a chat template; what is wrong is noted."""
    found = one("model-zephyr-7B.json")
    (zephyr,) = found.cards
    valid(zephyr)
    assert (zephyr.name, zephyr.state, zephyr.engine) == ("local/model-zephyr-7B", "downloadable", "llamacpp")
    assert (zephyr.origin, zephyr.owned_by, zephyr.created) == ("TheBloke/zephyr-7B-beta-GGUF", "TheBloke", 1686935002)
    assert zephyr.import_format == "thebloke"
    assert [f.url for f in zephyr.files] == [ZEPHYR + "zephyr-7b-beta.Q2_K.gguf"]
    assert {k: v for k, v in zephyr.load.items() if k != "chat_template"} == {
        "context": 2048, "gpu_layers": 100, "slots": 4
    }  # fmt: skip
    assert zephyr.request == {"temperature": 0.7, "max_tokens": 2048, "stop": ["USER:", "ASSISTANT:"]}
    assert zephyr.system == "A chat between a curious user and an artificial intelligence"
    said = ChatTemplate(zephyr.load["chat_template"]).render(
        [{"role": "system", "content": "S"}, {"role": "user", "content": "{{ 1 }} é"}]
    )
    assert said == "S\nUSER: {{ 1 }} é\nASSISTANT: "
    assert zephyr.metadata["modelhub"]["unread"] == {
        "parameters.init.embedding": True, "parameters.runtime.top_p": ".."
    }  # fmt: skip
    (wrong,) = [note for note in found.notes if "top_p" in note]
    assert "model-zephyr-7B.json, line 35: parameters.runtime.top_p" in wrong and "'..'" in wrong
    assert not [note for note in found.notes if "top_k" in note]  # an empty text is unset


def test_the_seed_s_model_of_several_files() -> None:
    """A comment that swallowed a field costs that field; without a file the origin says where to get it."""
    llava = card("model-llava-v1.5-ggml.json")
    valid(llava)
    assert (llava.id, llava.state, llava.files) == ("model-llava-v1.5-ggml", "downloadable", ())
    assert (llava.origin, llava.import_format) == ("mys/ggml_llava-v1.5-13b", "default")


@pytest.mark.parametrize(
    ("pattern", "asked"),
    [("*Q4_K_M*.gguf", "a/b:Q4_K_M"), ("Q8_0*.gguf", "a/b:Q8_0"), ("x*.q2_k.gguf", "a/b:Q2_K"), ("*.gguf", "a/b")],
)
def test_a_pattern_for_the_file(tmp_path: Path, pattern: str, asked: str) -> None:
    """A download_url may be a pattern: the quantisation in it is what is pulled of the repository."""
    (tmp_path / "m.json").write_text(json.dumps({"origin": "a/b", "download_url": pattern}))
    (found,) = importers.read(tmp_path / "m.json")
    (read,) = found.cards
    assert (read.files, read.download_url, wanted_of(read)) == ((), pattern, asked)


def test_the_seed_s_remote_model() -> None:
    """Azure's deployment, found in the id, is the model; its address and version are kept, and nothing of a key."""
    found = one("model-azure-openai-gpt4-turbo.json")
    (azure,) = found.cards
    valid(azure)
    assert (azure.name, azure.engine, azure.state) == ("azure/gpt4-turbo", "http", "remote")
    assert azure.metadata["modelhub"] == {
        "deployment": "gpt4-turbo", "api_version": "2023-05-15", "base_url": "https://docs-test-001.openai.azure.com/",
    }  # fmt: skip
    assert azure.request == {
        "temperature": 0.7, "max_tokens": 2048, "presence_penalty": 0.0, "top_p": 1.0, "stream": True,
    }  # fmt: skip
    assert found.keys == {} and "API-KEY" not in str(azure.to_dict())


def test_the_older_shapes_of_jan() -> None:
    """`source_url`, `settings` with flat parameters, and `engine_parameters` say the same things in other places."""
    zephyr = card("jan-source-url.json")
    assert zephyr.files[0].url == ZEPHYR + "zephyr-7b-beta.Q4_K_M.gguf"
    assert (zephyr.id, zephyr.origin) == ("zephyr-7b", "TheBloke/zephyr-7B-beta-GGUF")
    assert zephyr.load == {"context": 2048, "gpu_layers": 100}
    tiny = card("jan-settings.json")
    assert [f.url and f.url.rsplit("/", 1)[1] for f in tiny.files] == ["tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf"]
    assert tiny.load == {"context": 4096} and tiny.request["max_tokens"] == 2048 and "stop" not in tiny.request
    assert tiny.metadata["tags"] == ["Tiny", "Foundation Model"]
    gpt = card("jan-engine-parameters.json")
    assert (gpt.name, gpt.state, gpt.request["max_tokens"]) == ("openai/gpt-4-1106-preview", "remote", 4096)
    assert gpt.metadata["modelhub"]["base_url"] == "https://api.openai.com/v1"
    for found in (zephyr, tiny, gpt):
        valid(found)


def test_a_file_beside_the_document_is_the_model(tmp_path: Path, random_gguf: Path) -> None:
    """A named file is found beside it, and its header is read; `model.json` is called as its folder."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    shutil.copy(random_gguf, folder / "weights.gguf")
    (folder / "model.json").write_text('{"origin": "a/b", "download_url": "weights.gguf", "parameters": {"init": {}}}')
    (found,) = importers.read(folder / "model.json")
    (mine,) = found.cards
    assert (mine.id, mine.state, mine.path) == ("my-model", "downloaded", str(folder / "weights.gguf"))
    assert (mine.architecture, mine.context_length) == ("llama", 512)
    assert mine.files[0].url == "https://huggingface.co/a/b/resolve/main/weights.gguf"
    (folder / "model.json").write_text('{"id": "unnamed", "settings": {}, "engine": "nitro"}')
    assert importers.read(folder / "model.json")[0].cards[0].path == str(folder / "weights.gguf")


@pytest.mark.parametrize(
    "named",
    ["../other.gguf", "/etc/passwd", "a/../../x.gguf", "..\\..\\x.gguf", "C:/x.gguf", "~/x.gguf", "file:///x.gguf"],
)
@pytest.mark.parametrize(
    "document",
    [
        {"origin": "a/b", "download_url": "FILE"},
        {"origin": "a/b", "files": [{"path": "FILE"}]},
        {"id": "x", "settings": {"llama_model_path": "FILE"}, "engine": "nitro"},
        {"model_path": "FILE"},
        {"model": "x", "ngl": 1, "files": ["FILE"]},
        {"registration": {"model": "x"}, "local_paths": {"model": "FILE"}},
        {"name": "x", "parameters": {"model": "FILE"}},
    ],
)
def test_no_document_leads_out_of_its_folder(tmp_path: Path, document: dict[str, Any], named: str) -> None:
    """A path that leaves the document's folder is refused in one line with the place where it stands."""
    path = tmp_path / "inner" / "model.json"
    path.parent.mkdir()
    (tmp_path / "other.gguf").write_text("x")
    path.write_text(json.dumps(document).replace("FILE", named.replace("\\", "\\\\")))
    assert "outside the document's folder" in refusal(path) and "line 1" in refusal(path)


def test_ids_are_such_as_can_be_typed() -> None:
    """An explicit id is kept where it can be typed, made one where not, and refused where it leads upwards."""
    for said, got in (("a/b:Q4", "a/b:Q4"), ("GPT 4 Turbo!", "GPT-4-Turbo"), ("/lead/ing", "lead/ing"), ("é", "é")):
        found = of({"origin": "x/y", "id": said}).cards[0].id
        assert found == got or (said == "é" and found.startswith("model-"))
    assert ".." in refusal({"origin": "x/y", "id": "../../up"})


@pytest.mark.parametrize("engine", ["llamacpp", "llama-cpp", "llama.cpp", "nitro", "cortex", "cortex.llamacpp"])
def test_engines_by_any_name(engine: str) -> None:
    """Every name llama.cpp was given is one engine; one that modelhub has not is said."""
    found = of({"origin": "a/b", "metadata": {"engine": engine}}).cards[0]
    assert found.engine == found.metadata["engine"] == "llamacpp"
    assert of({"origin": "api.openai.com", "id": "gpt", "metadata": {"engine": "api"}}).cards[0].name == "openai/gpt"
    assert "tensorrt" in refusal({"origin": "a/b", "engine": "tensorrt-llm"})


def test_a_card_s_own_fields_are_checked_too() -> None:
    """What a card has no number, word or list of is left out, noted and kept; a number as text is one."""
    found = of({"origin": "a/b", "created": "soon", "owned_by": ["x"], "capabilities": [1], "context_length": "4096"})
    (card,) = found.cards
    assert (card.created, card.owned_by, card.capabilities, card.context_length) == (None, "a", (), 4096)
    assert [n.split(" must be ")[0].split()[-1] for n in found.notes] == ["created", "owned_by", "capabilities"]
    assert card.metadata["modelhub"]["unread"] == {"created": "soon", "owned_by": ["x"], "capabilities": [1]}


def test_what_is_not_known_is_kept_and_noted() -> None:
    """A field nobody reads is in the metadata and named in a note; nothing is dropped in silence."""
    found = of({"origin": "a/b", "colour": "blue", "parameters": {"init": {"wings": 2}, "runtime": {"noise": 0.1}}})
    assert found.cards[0].metadata["modelhub"]["unread"] == {
        "colour": "blue", "parameters.init.wings": 2, "parameters.runtime.noise": 0.1,
    }  # fmt: skip
    assert any("colour" in n and "wings" in n and "noise" in n for n in found.notes)


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("temperature", " 0.5 ", 0.5), ("temperature", "hot", None), ("temperature", 3, None), ("n", "2", 2),
        ("stream", "true", True), ("stream", "maybe", None), ("logprobs", "yes", True), ("seed", -1, None),
        ("max_tokens", -1, None), ("max_tokens", 100.0, 100), ("max_tokens", 1.5, None), ("stop", "x", "x"),
        ("stop", ["x", ""], ["x"]), ("stop", {"a": 1}, None), ("top_k", "", None), ("top_p", None, None),
        ("temperature", True, None), ("temperature", [1], None), ("temperature", "1" * 500, None),
    ],
)  # fmt: skip
def test_a_field_at_a_time(field: str, value: Any, kept: Any) -> None:
    """Each field is checked as a request checks it; a wrong one is left out alone, with its name and its value."""
    found = of({"origin": "a/b", "parameters": {"runtime": {field: value, "presence_penalty": "1"}}})
    request = found.cards[0].request
    assert request["presence_penalty"] == 1
    assert (request.get(field) == kept and field in request) if kept is not None else field not in request
    valid(found.cards[0])
    wrong = kept is None and value not in ("", None, -1)
    assert bool([n for n in found.notes if field in n]) == wrong


@pytest.mark.parametrize("kind", ["assistant", "thread", "message", "list of wishes"])
def test_other_objects_are_refused(kind: str) -> None:
    """A document of another of Jan's objects is no model, and is called by its name."""
    assert kind in refusal({"object": kind, "id": "x", "origin": "a/b"})


def test_formats() -> None:
    """An unknown format lists those there are and the nearest; one that is named decides; case and dashes do not."""
    text = refusal({"import_format": "tehbloke", "origin": "a/b"})
    assert "Did you mean 'thebloke'?" in text and all(name in text for name in importers.names())
    assert "tehbloke" in refusal({"origin": "a/b"}, "tehbloke")
    assert of({"import_format": "Azure-OpenAI", "id": "x"}).cards[0].provider == "azure"
    assert (
        of({"import_format": "default", "id": "x", "origin": "https://y.openai.azure.com"}).cards[0].name == "azure/x"
    )
    assert of({"origin": "https://y.openai.azure.com/", "id": "x"}).cards[0].name == "azure/x"
    assert of({"origin": "api.openai.com", "id": "x"}).cards[0].name == "openai/x"
    assert "--format" in refusal({"what": "is", "this": 1})


def test_a_list_of_models_is_each_of_them() -> None:
    """OpenAI's list object, and a list of documents, are one model each."""
    data = [{"id": "gpt-a", "object": "model", "created": 1, "owned_by": "openai"}, {"id": "gpt-b", "object": "model"}]
    assert [c.name for c in of({"object": "list", "data": data}).cards] == ["openai/gpt-a", "openai/gpt-b"]
    assert [c.id for c in of(json.dumps([{"origin": "a/b", "id": "x"}, {"origin": "a/c", "id": "y"}])).cards] == [
        "x",
        "y",
    ]
    assert "expected models" in refusal("[1, 2]")


def test_a_plugin_s_importer() -> None:
    """An importer can be added under a free name; what it raises is one line of ours."""

    def mine(document: Document, headers: bool = True) -> Imported:
        return Imported([ModelCard(id=str(document.data["who"]))])

    importers.register("test_mine", mine)
    importers.register("test_mine", mine)
    assert of({"import_format": "test-mine", "who": "me"}).cards[0].id == "me"
    assert "its importer failed (KeyError)" in refusal({"import_format": "test_mine"})
    importers.register("test_other", lambda document, headers=True: None)  # type: ignore[arg-type,return-value]
    assert "an Imported is expected" in refusal({"import_format": "test_other"})
    for name in ("default", "test mine!"):
        with pytest.raises(BadRequest):
            importers.register(name, mine)
    with pytest.raises(BadRequest):
        importers.register("test_mine", lambda document, headers=True: Imported())


def test_a_folder_of_documents(tmp_path: Path) -> None:
    """Each document in a folder is read; one that fails is a note, and a folder of none says so."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.json").write_text('{"origin": "x/y"}')
    (tmp_path / "deep" / "b.yaml").write_text("origin: x/z\n")
    (tmp_path / "bad.json").write_text("{")
    found = importers.read(tmp_path)
    assert sorted(c.id for f in found for c in f.cards) == ["a", "b"]
    assert any("bad.json" in n for f in found for n in f.notes)
    (tmp_path / "none").mkdir()
    assert "no document" in refusal(tmp_path / "none")
