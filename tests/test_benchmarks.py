"""The measuring itself: what it says where a peer is missing, and what it keeps in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import peers
from benchmarks.cached_models import words
from benchmarks.figure import Row
from benchmarks.random_gguf import Shape, write
from benchmarks.report import Report


def test_every_figure_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` has a line for every figure, with more than its name."""
    bench.main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(bench.FIGURES)
    assert all(len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize("figure", ["single_stream", "batched"])
def test_a_missing_peer_is_said_by_name(
    figure: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without cmake a figure that needs llama.cpp's programs is a row that says it was skipped, and why."""
    monkeypatch.setattr(peers, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", "")
    bench.main([figure])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(f"| {figure} |"))
    assert "skipped" in row and "cmake" in row


def test_saved_rows_replace_their_own_and_keep_the_others(tmp_path: Path) -> None:
    """Measuring one figure again leaves the rows of the others; another machine's table is begun anew."""
    path = tmp_path / "docs" / "figures.md"
    first = Report("one machine", {"a": [Row("x", "≤ 1", "0.5", True, "how|ever")], "b": [Row("y", "", "2", None, "")]})
    first.save(path)
    Report("one machine", {"a": [Row("x", "≤ 1", "0.7", True, "")]}).save(path)
    text = path.read_text("utf-8")
    assert "| a | x | ≤ 1 | 0.7 | yes |  |" in text and "| b | y |  | 2 |  |  |" in text and "0.5" not in text
    Report("another", {"b": [Row("y", "", "3", None, "")]}).save(path)
    text = path.read_text("utf-8")
    assert "| b | y |  | 3 |  |  |" in text and "| a |" not in text


def test_a_question_has_the_tokens_it_was_asked_for(tmp_path: Path) -> None:
    """`words` makes prompts of exactly so many tokens, and no two alike."""
    import modelhub

    path = write(tmp_path / "endless.gguf", Shape(endless=True))
    hub = modelhub.kernels.hub.Hub()
    try:
        for tokens in (20, 32, 333):
            response = hub.chat(words(tokens, 1), model=str(path), temperature=0, max_tokens=4)
            assert response.usage()["prompt_tokens"] == tokens
            assert response.finish_reason == "length"
    finally:
        hub.close()
    assert words(200, 1) != words(200, 2)
