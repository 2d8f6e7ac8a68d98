"""`hub().import_models`: what is taken in, where it lies then, and that nothing of the user's is changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ImportFailed, ModelFileError, StateConflict, StoreFailed
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.hub import Hub
from modelhub.kernels.providers.keys.key_store import KeyStore

DOCUMENTS = Path(__file__).parent / "documents"
CANARY = "canary0123456789ABCDEF"


@pytest.fixture
def mine(tmp_path: Path, random_gguf: Path) -> Path:
    """A folder of the user's, with a model in it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(random_gguf, folder / "weights.gguf")
    return folder


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def written(home: Path) -> str:
    """Every byte in the home but the key store."""
    files = [p for p in home.rglob("*") if p.is_file() and p.name != "keys.json" and p.suffix != ".gguf"]
    return "\n".join([*map(str, files), *(p.read_text("utf-8", "replace") for p in files)])


def test_a_file_is_linked_to(hub: Hub, home: Path, mine: Path) -> None:
    """A .gguf is a model by its name, its weights stay where they are, and it answers."""
    before = contents(mine)
    taken = hub.import_models(mine / "weights.gguf")
    (row,) = taken.rows
    assert (row["what"], row["name"], row["state"]) == ("model", "local/weights", "downloaded")
    card = hub.catalog.find("weights")
    assert Path(card.path or "").is_symlink() and Path(card.path or "").samefile(mine / "weights.gguf")
    assert (card.source, card.architecture, contents(mine)) == ("models home", "llama", before)
    assert hub.chat("Hi", model="weights", max_tokens=2).text() is not None
    hub.unload("weights")


def test_a_file_of_any_name(hub: Hub, mine: Path) -> None:
    """A GGUF that is not called one, as a blob of another program, is one in the home."""
    (mine / "weights.gguf").rename(mine / "sha256-abc")
    hub.import_models(mine / "sha256-abc", as_="blob")
    assert (hub.catalog.find("blob").path or "").endswith("/blob.gguf")


def test_a_file_is_copied(hub: Hub, home: Path, mine: Path) -> None:
    """With copy the weights are in the home, whole, and what is shown of it ends at 1."""
    shown: list[float] = []
    hub.import_models(str(mine / "weights.gguf"), as_="owner/mine", copy=True, progress=shown.append)
    card = hub.catalog.find("owner/mine")
    assert card.path and not Path(card.path).is_symlink() and Path(card.path).is_relative_to(home)
    assert Path(card.path).read_bytes() == (mine / "weights.gguf").read_bytes() and shown[-1] == 1.0
    assert not list(home.rglob("*.part"))


def test_the_document_of_the_seed_with_its_file(hub: Hub, mine: Path) -> None:
    """A document beside its file comes with it: its prompts, its settings, its file; the template is in force."""
    text = (DOCUMENTS / "model-zephyr-7B.json").read_text().replace("zephyr-7b-beta.Q2_K.gguf", "weights.gguf")
    (mine / "model-zephyr-7B.json").write_text(text.replace('"2048"', '"4"').replace('"ngl": 100', '"ngl": 0'))
    before = contents(mine)
    taken = hub.import_models(mine / "model-zephyr-7B.json")
    assert [r["name"] for r in taken.rows] == ["local/model-zephyr-7B"] and any("top_p" in n for n in taken.notes)
    named = hub.catalog.resolve("model-zephyr-7B")
    assert (
        named.request["max_tokens"] == 4
        and named.system == "A chat between a curious user and an artificial intelligence"
    )
    response = hub.chat("Hello", model="model-zephyr-7B")
    response.text()
    assert response.debug["prompt"].endswith("USER: Hello\nASSISTANT: ") and response.usage()["completion_tokens"] <= 4
    assert contents(mine) == before
    hub.unload("model-zephyr-7B")


def test_every_sample_is_taken_in_or_says_why(hub: Hub, home: Path) -> None:
    """Cards, presets, aliases and options of the samples are there by their names; one line tells of the rest."""
    before = contents(DOCUMENTS)
    taken = hub.import_models(DOCUMENTS)
    assert [n for n in taken.notes if "lmstudio.preset.json" in n and "names no model" in n]
    assert [n for n in taken.notes if "alias 'z' is left out" in n]
    names = set(hub.catalog.names())
    assert {
        "model-zephyr-7B", "model-llava-v1.5-ggml", "azure/gpt4-turbo", "creative", "gpt-3.5-turbo", "mpt", "daring",
        "localhost-8080/orca-mini", "orca", "qwen/qwen3-4b", "anthropic/claude-3-5-sonnet-latest",
    } <= names  # fmt: skip
    assert contents(DOCUMENTS) == before
    assert hub.catalog.find("azure/gpt4-turbo").state == "remote"
    assert hub.catalog.options.of(hub.catalog.find("tiny-chat"))["request"]["temperature"] == 0.1
    assert hub.catalog.problems == []


def test_a_folder_of_documents(hub: Hub, mine: Path) -> None:
    """Each document in a folder is taken in; one that is broken is a note. A folder of files is those files."""
    (mine / "a.json").write_text('{"origin": "x/y"}')
    (mine / "bad.json").write_text("{")
    taken = hub.import_models(mine)
    assert [r["name"] for r in taken.rows] == ["local/a"] and any("bad.json" in n for n in taken.notes)
    (mine / "a.json").unlink()
    (mine / "bad.json").unlink()
    assert [r["name"] for r in hub.import_models(mine).rows] == ["local/weights"]


def test_two_of_one_name(hub: Hub, home: Path, mine: Path) -> None:
    """A name that is taken is an error that names both and --as, and nothing was written."""
    hub.import_models(mine / "weights.gguf")
    before = contents(home / "models")
    with pytest.raises(StateConflict) as taken:
        hub.import_models(mine / "weights.gguf")
    assert "--as NAME" in str(taken.value) and str(mine / "weights.gguf") in str(taken.value)
    hub.import_models(mine / "weights.gguf", as_="second")
    assert {"weights", "second"} <= set(hub.catalog.names())
    (mine / "two.json").write_text('[{"origin": "a/b", "id": "x"}, {"origin": "a/c", "id": "x"}]')
    with pytest.raises(StateConflict, match="two models called local/x"):
        hub.import_models(mine / "two.json")
    hub.import_models(DOCUMENTS / "mpt.yaml")
    with pytest.raises(StateConflict, match="--as NAME"):
        hub.import_models(DOCUMENTS / "mpt.yaml")
    hub.import_models(DOCUMENTS / "mpt.yaml", as_="mpt2")
    assert before.items() <= contents(home / "models").items()
    for name in ("../up", "a b", "", "/x"):
        with pytest.raises(BadRequest):
            hub.import_models(DOCUMENTS / "jan-source-url.json", as_=name)
    (mine / "two.json").write_text('[{"origin": "a/b", "id": "x"}, {"origin": "a/c", "id": "y"}]')
    with pytest.raises(BadRequest, match="x, y"):
        hub.import_models(mine / "two.json", as_="z")


def test_what_cannot_be_taken_in(hub: Hub, home: Path, mine: Path) -> None:
    """A missing path, a folder of nothing, a file that is no model, a home that cannot be written to: one line each."""
    (mine / "no.gguf").write_text("no model")
    (mine / "empty").mkdir()
    (mine / "lost.yml").write_text("model: x\nngl: 1\nfiles: [lost.gguf]\n")
    with pytest.raises(ImportFailed, match="not beside it, and it does not say where"):
        hub.import_models(mine / "lost.yml")
    for path, kind in (
        (mine / "none.json", ImportFailed), (mine / "none.gguf", ModelFileError), (mine / "no.gguf", ModelFileError),
        (mine / "empty", ImportFailed), (Path("nul\0.json"), ImportFailed), (Path("x" * 5000), ImportFailed),
    ):  # fmt: skip
        with pytest.raises(kind) as caught:
            hub.import_models(path)
        assert "\n" not in str(caught.value)
    home.mkdir(parents=True, exist_ok=True)
    (home / "models").write_text("a file")
    with pytest.raises(StoreFailed):
        hub.import_models(mine / "weights.gguf")
    assert hub.catalog.find("tiny-chat")


def test_a_copy_that_is_stopped_leaves_nothing(hub: Hub, home: Path, mine: Path) -> None:
    """An interrupt while copying takes away what was copied, and the folders made for it."""

    def stop(part: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub.import_models(mine / "weights.gguf", copy=True, progress=stop)
    assert not (home / "models").exists() or not list((home / "models").iterdir())


def test_what_lies_in_the_models_home_already(hub: Hub, home: Path, mine: Path) -> None:
    """A file or a document that was put there is there already; a key in it is kept all the same."""
    shutil.copytree(mine, home / "models")
    with pytest.raises(ImportFailed, match="lies in the models home already"):
        hub.import_models(home / "models" / "weights.gguf")
    path = azure(home / "models", **{"API-KEY": CANARY})
    assert any("azure.json" in p and "key" in p for p in (hub.catalog.cards() and hub.catalog.problems))
    taken = hub.import_models(path)
    assert taken.rows == [] and KeyStore().get("azure") == CANARY
    assert CANARY not in str(taken) + str(hub.catalog.problems)
    path.unlink()  # the user's own document, which has the key


def azure(folder: Path, **init: Any) -> Path:
    path = folder / "azure.json"
    path.write_text(json.dumps({"origin": "https://x.openai.azure.com/", "id": "gpt", "parameters": {"init": init}}))
    return path


def test_a_key_goes_to_the_key_store_and_nowhere_else(
    hub: Hub, home: Path, mine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The key is in the store for its address; no file, card, list, note or error has it. The document keeps it."""
    path = azure(mine, **{"API-KEY": CANARY, "DEPLOYMENT-NAME": "gpt"})
    taken = hub.import_models(path)
    assert KeyStore().get("azure", "https://x.openai.azure.com/") == CANARY
    assert any("key for azure" in n for n in taken.notes)
    shown = [str(taken), str(hub.models()), str(hub.catalog.cards()), str(hub.catalog.problems), *capfd.readouterr()]
    assert CANARY not in "".join(shown) + written(home)
    assert CANARY in path.read_text()
    with pytest.raises(StateConflict) as conflict:
        hub.import_models(path)
    assert CANARY not in str(conflict.value)


FULL = """
import resource, sys
from pathlib import Path
from modelhub.errors import StoreFailed
from modelhub.kernels.hub import Hub

hub = Hub()
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
try:
    hub.import_models(sys.argv[1])
except StoreFailed as error:
    print(str(error).count(chr(10)), "cannot be written" in str(error))
print(sorted(str(p) for p in Path(sys.argv[2]).rglob("*") if p.name != "index.json"))
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
print(hub.import_models(sys.argv[1]).rows[0]["name"])
hub.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be limited there")
def test_nothing_is_left_where_no_card_can_be_written(home: Path, mine: Path) -> None:
    """On a disk that takes no more, a link that was made is taken away again, and later the import works."""
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(mine / "weights.gguf"), str(home)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["0 True", str([str(home / "models")]), "local/weights"]


KILLED = """
import os, signal, sys
from modelhub.kernels.hub import Hub

Hub().import_models(sys.argv[1], copy=True, progress=lambda part: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
def test_a_copy_of_a_kernel_that_was_killed_is_in_nobodys_way(hub: Hub, home: Path, mine: Path) -> None:
    """What a killed kernel left of a copy is no model, and the same import works afterwards."""
    source = mine / "weights.gguf"
    ran = subprocess.run([sys.executable, "-c", KILLED, str(source)], timeout=60, check=False)
    assert ran.returncode == -9
    assert [p.name for p in (home / "models").rglob("*") if p.is_file()] == [".weights.gguf.part"]
    assert [c.id for c in Catalog().cards()] == ["tiny-chat"]
    hub.import_models(source, copy=True)
    assert sorted(p.name for p in (home / "models").rglob("*") if p.is_file()) == ["model.json", "weights.gguf"]
    assert (home / "models" / "weights" / "weights.gguf").read_bytes() == source.read_bytes()


def test_a_folder_that_may_not_be_looked_into(hub: Hub, mine: Path) -> None:
    """It is one line that says so."""
    mine.chmod(0)
    try:
        if os.access(mine, os.R_OK):
            pytest.skip("root may look into every folder")
        with pytest.raises(ImportFailed, match=r"cannot look into .*: Permission denied"):
            hub.import_models(mine)
    finally:
        mine.chmod(0o700)
