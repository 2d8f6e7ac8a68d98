"""`%models import` in a real kernel: tables with notes, keys that are seen nowhere, errors in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from modelhub.magics.models.importing import IMPORT
from tests.kernel import Kernel

DOCUMENTS = Path(__file__).parent.parent / "catalog" / "documents"
CANARY = "canary0123456789ABCDEF"


def test_import(start_kernel: Callable[..., Kernel], home: Path, tmp_path: Path, random_gguf: Path) -> None:
    """A document and a file are taken in, shown as a table with notes, listed, and asked."""
    kernel = start_kernel()
    shown = kernel.run(f"%models import {DOCUMENTS / 'model-zephyr-7B.json'}")
    assert "local/model-zephyr-7B" in shown.text and "downloadable" in shown.text
    assert "line 35: parameters.runtime.top_p is left out" in shown.text
    weights = tmp_path / "my weights.gguf"
    shutil.copy(random_gguf, weights)
    assert kernel.run(f"t = %models import '{weights}' --copy --as mine").ok
    assert kernel.value("(t[0]['name'], t[0]['what'], t[0]['state'])") == "('local/mine', 'model', 'downloaded')"
    kept = Path(kernel.value("str(__import__('modelhub').hub().catalog.find('mine').path)").strip("'"))
    assert kept.is_file() and not kept.is_symlink()
    assert kernel.run("%%chat -m mine --max-tokens 2\nHi").ok
    names = kernel.value("[r['name'] for r in __import__('IPython').get_ipython().run_line_magic('models', '')]")
    assert "'mine'" in names and "'model-zephyr-7B'" in names


def test_a_key_in_a_document(start_kernel: Callable[..., Kernel], home: Path, tmp_path: Path) -> None:
    """What a cell shows, what Out, In and the history hold, and every file but the key store are without the key."""
    kernel = start_kernel()
    path = tmp_path / "azure.json"
    init = {"API-KEY": CANARY, "DEPLOYMENT-NAME": "gpt"}
    path.write_text(json.dumps({"origin": "https://x.openai.azure.com/", "parameters": {"init": init}}))
    cells = [
        f"%models import {path}", "%models", "%models show azure/gpt", f"%models import {path}",
        f"%models import {path} --as second --format localai", "%models show azure/gpt --params", "%tb",
        "print(Out, In, vars())", "import modelhub; print(modelhub.hub().models(), modelhub.hub().catalog.cards())",
    ]  # fmt: skip
    ran = [kernel.run(cell) for cell in cells]
    assert ran[0].ok and "key for azure" in ran[0].text and "StateConflict" in ran[3].error
    assert CANARY not in json.dumps([r.messages for r in ran], default=str)
    holding = [p.name for p in home.rglob("*") if p.is_file() and CANARY.encode() in p.read_bytes()]
    assert holding == ["keys.json"]


def test_errors_are_one_line(room: Kernel) -> None:
    """A missing path, an unknown flag or format, two ways at once: what was expected, and what to type."""
    for line, says in (
        ("", "needs the path"),
        ("/nowhere/x.json", "there is no such file"),
        ("/nowhere/x.gguf", "/nowhere/x.gguf"),
        ("x.json --copy --link", "exclude each other"),
        ("x.json --fromat y", "--format"),
        (f"{DOCUMENTS / 'mpt.yaml'} --format llm_tmplate", "llm_template"),
        (f"{DOCUMENTS / 'lmstudio.preset.json'}", "%models derive"),
    ):
        error = room.run(f"%models import {line}").error
        assert says in error and len(error.splitlines()) == 1, error


def test_help_and_completion(room: Kernel) -> None:
    """The help has the verb and each of its flags."""
    helped = room.run("%models?")
    text = json.dumps([m["content"] for m in helped.messages] + [helped.reply], default=str)
    assert all(option.flags[-1] in text for option in IMPORT) and "take in a .gguf" in text
