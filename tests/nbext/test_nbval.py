"""A notebook whose answers streamed is evidence: nbval runs it again and finds the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

CELLS = [
    "%load_ext modelhub",
    "%%chat -t 0 --max-tokens 12\nWhat is the capital of France?",
    "%%chat --seed 5 --max-tokens 12 --logprobs 2\nTell me a story.",
    "%%chat --max-tokens 1 -o logit_bias='{\"2\": -100}' --top-k 1 --set kept\nAnd now?",
    "r = %chat -t 0 --max-tokens 4 -s 'Be brief.' hi\nr.finish_reason",
    "print(kept)",
    "%%chat --format raw --no-stream -t 0 --max-tokens 4\nhi",
    "%%chat --dry-run\n{{kept}}",
    "%models show tiny-chat --params",
    "%chats show",
]


def check(folder: Path, home: Path) -> str:
    """What nbval, run as CI runs it, says of the notebooks in `folder`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfp", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env",
         "--nbval-sanitize-with", str(ROOT / "notebooks" / "nbval.cfg"), "."],
        cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "MODELHUB_STREAM": "final", "MODELHUB_HOME": str(home)},
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook that was run with live streaming and saved."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    monkeypatch.setenv("MODELHUB_STREAM", "widget")
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    path = tmp_path / "book" / "saved.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)
    return path


def test_a_saved_notebook_runs_again_to_the_same(saved: Path, tmp_path: Path) -> None:
    """Answers saved from live streaming validate; a changed answer does not."""
    notebook = nbformat.read(saved, 4)
    bundles = [o.data for cell in notebook.cells for o in cell.outputs if o.output_type == "display_data"]
    assert sum("application/vnd.modelhub.chat+json" in data for data in bundles) == 5
    assert not any("application/vnd.jupyter.widget-view+json" in data for data in bundles)
    answer = notebook.cells[1].outputs[0]
    answer.data["text/plain"] += " or so"
    nbformat.write(notebook, saved.with_name("changed.ipynb"))
    said = check(saved.parent, tmp_path / "another home")
    failed = [line for line in said.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, said[-3000:]
    assert "changed.ipynb::Cell 1 " in failed[0]
    assert f"{2 * len(CELLS) - 1} passed" in said
