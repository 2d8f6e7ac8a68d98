"""A model whose file is replaced while it is loaded."""

from __future__ import annotations

from pathlib import Path

from modelhub.kernels.hub import Hub
from tests.catalog import small


def test_another_file_in_its_place_is_loaded(hub: Hub, tmp_path: Path) -> None:
    """The next question is answered by the file that lies there now; one that is gone goes on answering."""
    path = small.model(tmp_path / "mine.gguf")
    engine = hub.load(str(path))
    first = engine.pid
    assert hub.chat("hi", model=str(path), max_tokens=2).text() is not None and engine.pid == first
    other = small.model(tmp_path / "other" / "mine.gguf", general_description=("text", b"another"))
    other.replace(path)
    assert hub.chat("hi", model=str(path), max_tokens=2).text() is not None
    second = engine.pid
    assert second not in (None, first)
    path.unlink()
    hub.residency.load(engine)
    assert engine.pid == second
    hub.residency.unload([engine])
