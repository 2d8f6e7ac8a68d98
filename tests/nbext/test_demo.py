"""`make demo`: a notebook played in a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def _notebook(path: Path, *cells: tuple[str, dict[str, Any]]) -> Path:
    made = [{"cell_type": "code", "source": source, "metadata": metadata, "outputs": []} for source, metadata in cells]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def _play(notebook: Path, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "modelhub", "demo", str(notebook)]
    environment = {**os.environ, "MODELHUB_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_it_prints_answers_and_expected_errors(tmp_path: Path, home: Path) -> None:
    """The cells run in a real kernel: an answer with its quiet line, and an error that the notebook expects."""
    notebook = _notebook(
        tmp_path / "demo.ipynb",
        ("%load_ext modelhub", {}),
        ("%%chat -t 0\nWhat is the capital of France?", {}),
        ("%%chat --nonsense\nhi", {"tags": ["raises-exception"]}),
    )
    played = _play(notebook, home)
    assert played.returncode == 0, played.stderr
    assert played.stderr == ""
    assert "France" in played.stdout
    assert "(tiny-chat · " in played.stdout
    assert "BadRequest: %%chat has no flag --nonsense." in played.stdout


def test_an_unexpected_error_is_its_exit_status(tmp_path: Path, home: Path) -> None:
    """A cell that fails where the notebook expects none makes the demo fail."""
    assert _play(_notebook(tmp_path / "demo.ipynb", ("1 / 0", {})), home).returncode == 1
