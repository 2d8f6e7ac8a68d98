"""Importers of other programs' documents: cortex, Jan's llama.cpp, LocalAI, llm, LM Studio, Ollama."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from modelhub.errors import ImportFailed
from modelhub.kernels.catalog import importers
from modelhub.kernels.catalog.importers import Imported
from modelhub.kernels.catalog.presets.preset import preset_of
from modelhub.kernels.worker.template import ChatTemplate

DOCUMENTS = Path(__file__).parent / "documents"


def one(name: str, import_format: str | None = None) -> Imported:
    (found,) = importers.read(DOCUMENTS / name, import_format)
    return found


def test_localai() -> None:
    """A model's YAML is a preset on a card that can be downloaded; `n` and `no` stay what they are."""
    found = one("localai.yaml")
    (card,), (preset,) = found.cards, found.presets
    made = preset_of(preset)
    assert (made.name, made.model, card.name) == ("creative", "local/zephyr-7b-beta.Q4_K_M", made.model)
    assert card.state == "downloadable" and card.files[0].url.endswith("/resolve/main/zephyr-7b-beta.Q4_K_M.gguf")
    assert made.load == {
        "context": 4096, "threads": 4, "gpu_layers": 10_000, "cache_type_k": "f16", "cache_type_v": "f16", "mmap": True,
    }  # fmt: skip
    assert made.request["n"] == 2 and made.request["max_tokens"] == 512 and made.request["stop"] == ["</s>"]
    assert made.request["x_modelhub"] == {
        "top_k": 80, "cutstrings": ["<think>.*?</think>"], "roles": {"user": "Human:", "assistant": "Bot:"},
    }  # fmt: skip
    assert made.metadata["modelhub"]["unread"]["low_vram"] == "no"
    assert any("line 21: template" in n for n in found.notes)


@pytest.mark.parametrize(
    ("document", "used"),
    [
        ("name: a\nparameters: {model: tiny-chat}\ntemplate:\n  chat: chat.jinja\n", True),
        ("name: a\nparameters: {model: tiny-chat}\ntemplate:\n  chat: '{% for m in messages %}x{% endfor %}'\n", True),
        ("registration: {model: a}\nlocal_paths: {model: tiny-chat, template: chat.jinja}\n", True),
        ("name: a\nparameters: {model: tiny-chat}\ntemplate:\n  chat: '{{.Input}}'\n", False),
        ("registration: {model: a}\nlocal_paths: {model: tiny-chat, template: chat.tmpl}\n", False),
        ("registration: {model: a}\nlocal_paths: {model: tiny-chat, template: ../chat.jinja}\n", False),
    ],
)
def test_a_template_that_is_jinja_s_is_used(tmp_path: Path, document: str, used: bool) -> None:
    """LocalAI's documents bring a Jinja template along, as text or as a file beside them; any other is a note."""
    (tmp_path / "chat.jinja").write_text("{% for m in messages %}x{% endfor %}")
    (tmp_path / "a.yaml").write_text(document)
    (found,) = importers.read(tmp_path / "a.yaml")
    load = preset_of(found.presets[0]).load
    assert load == ({"chat_template": "{% for m in messages %}x{% endfor %}"} if used else {})
    assert any("template" in note and ("became the chat" in note) == used for note in found.notes)


def test_the_registrations_of_the_localai_seed() -> None:
    """Both YAML files become presets under one name for two endpoints; the words no and on stay keys."""
    chat = preset_of(one("gpt-3.5-turbo-chat.yaml").presets[0])
    assert (chat.name, chat.endpoint, chat.model) == ("gpt-3.5-turbo", "CreateChatCompletion", "ggml-gpt4all-j")
    assert chat.load == {"threads": 4} and chat.request["temperature"] == 0.2
    assert chat.request["x_modelhub"] == {"top_k": 80, "roles": {"system": "### System", "no": "never", "on": "always"}}
    assert any("gpt4all" in n and "line 7" in n for n in one("gpt-3.5-turbo-chat.yaml").notes)
    completion = preset_of(one("gpt-3.5-turbo-completion.yaml").presets[0])
    assert (completion.name, completion.endpoint) == ("gpt-3.5-turbo", "CreateCompletion")
    assert completion.request == {"temperature": 0.0, "max_tokens": 64}


def test_localai_beside_its_file(tmp_path: Path, random_gguf: Path) -> None:
    """A model's YAML beside its GGUF is a preset of that file; an alias is an alias; a proxied one is remote."""
    shutil.copy(random_gguf, tmp_path / "w.gguf")
    (tmp_path / "m.yaml").write_text("name: m\nparameters: {model: w.gguf, temperature: 0.5}\n")
    (found,) = importers.read(tmp_path / "m.yaml")
    assert found.presets[0]["local_settings"] == {"model": str(tmp_path / "w.gguf")} and not found.cards
    assert importers.read_one("name: short\nalias: m\n").aliases == {"short": "m"}
    remote = importers.read_one(
        "name: big\nbackend: cloud-proxy\ncloud_proxy: {provider: anthropic, upstream_model: claude, api_key_env: K}\n"
    )
    (card,) = remote.cards
    assert (card.name, card.metadata["modelhub"]["key_env"], remote.keys) == ("anthropic/claude", "K", {})
    with pytest.raises(ImportFailed, match="names no model"):
        importers.read_one("name: x\nbackend: llama-cpp\n")


def test_cortex() -> None:
    """A local model.yml and a remote one; defaults that mean nothing are left, the rest is ours by name."""
    (local,) = one("cortex-local.yml").cards
    assert (local.id, local.owned_by, local.load) == (
        "tinyllama:1b-gguf", "cortexso", {"context": 4096, "slots": 1, "gpu_layers": 33},
    )  # fmt: skip
    assert local.request["stop"] == ["</s>"] and "seed" not in local.request
    assert local.request["x_modelhub"]["typical_p"] == 1 and "n_probs" not in local.request["x_modelhub"]
    said = ChatTemplate(local.metadata["modelhub"]["chat_template"]).render(
        [{"role": r, "content": c} for r, c in (("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c"))]
    )
    marks = [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    assert said == "".join(f"<|im_start|>{r}\n{c}<|im_end|>\n" for r, c in marks) + "<|im_start|>assistant\n"
    (remote,) = one("cortex-remote.yml").cards
    assert (remote.name, remote.state) == ("anthropic/claude-3-5-sonnet-latest", "remote")
    assert remote.request["max_tokens"] == 4096


def test_jan_s_llamacpp(tmp_path: Path, random_gguf: Path) -> None:
    """Jan's model.yml, whose paths begin at Jan's data folder, finds its file beside it; the folder is the id."""
    folder = tmp_path / "Jan-v1-4B"
    folder.mkdir()
    shutil.copy(random_gguf, folder / "model.gguf")
    shutil.copy(DOCUMENTS / "jan-llamacpp.yml", folder / "model.yml")
    (found,) = importers.read(folder / "model.yml")
    assert (found.cards[0].id, found.cards[0].path) == ("Jan-v1-4B", str(folder / "model.gguf"))
    assert any("mmproj" in n for n in found.notes)


def test_cortex_beside_its_file(tmp_path: Path, random_gguf: Path) -> None:
    """cortex's document is called as its file, which is found so where the path it names is of another folder."""
    shutil.copy(random_gguf, tmp_path / "tiny.gguf")
    shutil.copy(DOCUMENTS / "cortex-local.yml", tmp_path / "tiny.yml")
    (found,) = importers.read(tmp_path / "tiny.yml")
    assert (found.cards[0].path, found.cards[0].context_length) == (str(tmp_path / "tiny.gguf"), 512)


def test_llm() -> None:
    """llm's endpoints are remote models with their aliases; `vision: yes` is true, headers are kept, keys are names."""
    found = one("extra-openai-models.yaml")
    orca, corp = found.cards
    assert orca.name == "localhost-8080/orca-mini" and found.aliases == {"orca": orca.name}
    assert (corp.kind, corp.capabilities, corp.state) == ("completion", ("vision", "tools"), "remote")
    assert corp.metadata["modelhub"] == {
        "base_url": "https://llm.mycompany.example:4891/v1", "upstream_model": "corp/chat-large", "key_name": "corp",
        "headers": {"X-Team": "notebooks"}, "unread": {"colour": "blue"},
    }  # fmt: skip
    assert one("aliases.json").aliases == {"turbo": "gpt-3.5-turbo", "daring": "creative", "z": "TheBloke/zephyr"}
    assert one("model_options.json").options == {"tiny-chat": {"temperature": 0.1, "x_modelhub": {"top_k": 5}}}
    registry = one("llm-gguf.json")
    assert [c.id for c in registry.cards] == ["tiny"] and registry.cards[0].load == {"context": 2048}
    assert any("outside" in n for n in registry.notes)


def test_the_template_of_the_llm_seed() -> None:
    """The seed's template `mpt` is a preset that asks its model in its words."""
    preset = preset_of(one("mpt.yaml").presets[0])
    assert (preset.name, preset.model, preset.request["stop"]) == ("mpt", "mpt-7b-chat", ["### Human:"])
    said = ChatTemplate(preset.load["chat_template"]).render(
        [{"role": "user", "content": "What is the capital city of Australia?"}]
    )
    assert said.rstrip("\n").startswith("### Human:\nWhat is the capital city of Australia?\n")
    assert said.endswith("### Assistant:")
    with pytest.raises(ImportFailed, match="names no model"):
        importers.read_one("prompt: Summarise $input\n")


def test_lm_studio() -> None:
    """A model.yaml is a model to download, with its settings; a preset names no model, and says what to type."""
    (qwen,) = one("lmstudio-model.yaml").cards
    assert (qwen.id, qwen.origin, qwen.state) == ("qwen/qwen3-4b", "lmstudio-community/Qwen3-4B-GGUF", "downloadable")
    assert (qwen.load, qwen.request) == ({"context": 8192}, {"temperature": 0.6, "x_modelhub": {"top_k": 20}})
    assert (qwen.context_length, qwen.capabilities) == (131072, ("tools",))
    with pytest.raises(ImportFailed, match="%models derive"):
        one("lmstudio.preset.json")


def test_ollama(tmp_path: Path, random_gguf: Path) -> None:
    """A manifest finds its blobs in Ollama's folder; parameters, system message and licence come with them."""
    blobs = tmp_path / "blobs"
    manifest = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "1b"
    blobs.mkdir()
    manifest.parent.mkdir(parents=True)
    layers = []
    for kind, content in (
        ("model", random_gguf.read_bytes()),
        ("params", b'{"num_ctx": 256, "temperature": 0.3, "stop": ["<x>"], "wings": 2}'),
        ("system", b"Be kind."),
        ("license", b"MIT\nlong text"),
        ("template", b"{{ .Prompt }}"),
    ):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / f"sha256-{digest}").write_bytes(content)
        layers.append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}", "size": 1})
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    (found,) = importers.read(manifest)
    (card,) = found.cards
    assert (card.id, card.system, card.licence, card.load) == ("tiny:1b", "Be kind.", "MIT", {"context": 256})
    assert card.request["temperature"] == 0.3 and card.request["stop"] == ["<x>"]
    assert card.metadata["modelhub"]["unread"] == {"wings": 2}
    layers[0]["digest"] = "sha256:../../../../etc/passwd"
    layers.append({"mediaType": 5, "digest": None})
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    assert importers.read(manifest)[0].cards[0].path is None


@pytest.mark.parametrize("path", sorted(DOCUMENTS.iterdir()), ids=lambda p: p.name)
def test_every_sample_gives_something_or_says_why(path: Path) -> None:
    """Each sample runs through to a card, a preset, aliases or options, or to one line that says why not."""
    try:
        (found,) = importers.read(path)
    except ImportFailed as error:
        assert str(path) in str(error) and "\n" not in str(error) and path.name == "lmstudio.preset.json"
    else:
        assert found.cards or found.presets or found.aliases or found.options
        assert all("\n" not in note and path.name in note for note in found.notes)
