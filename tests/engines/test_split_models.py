"""A model in several files is loaded by the first of them, and is all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.random_gguf import Shape, write
from modelhub.errors import BadRequest, ModelFileError
from modelhub.kernels.hub import Hub

SHAPE = Shape(layers=4, width=384, heads=6, kv_heads=6, feed=1024, vocabulary=2048, context=1024)  # 35 MB
GREEDY: dict[str, Any] = {"temperature": 0, "logit_bias": {0: -100, 1: -100, 2: -100}, "max_tokens": 8}


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """The first of four files."""
    return write(tmp_path / "parts.gguf", SHAPE, shard=12)


def test_it_is_the_whole(own_hub: Hub, split: Path, tmp_path: Path) -> None:
    """Its size, weights and answers are those of the same model in one file."""
    whole = write(tmp_path / "whole.gguf", SHAPE)
    known = [own_hub.load(str(path)).loaded for path in (split, whole)]
    assert len(list(tmp_path.glob("parts-*"))) == 4
    assert known[0]["size"] == known[1]["size"] > 30_000_000
    assert known[0]["parameters"] == known[1]["parameters"]
    texts = {own_hub.chat("hi", model=str(path), **GREEDY).text() for path in (split, whole)}
    assert len(texts) == 1


def test_all_files_are_counted(own_hub: Hub, split: Path) -> None:
    """What it needs is the sum of its files, not what the first of them has."""
    own_hub.residency.room.budget = 60_000_000  # enough for a worker and the first file
    with pytest.raises(BadRequest, match=r"its weights take 34\.6 MB and the memory budget leaves"):
        own_hub.load(str(split), slots=1)


def test_another_last_file_is_another_model(own_hub: Hub, split: Path) -> None:
    """The fingerprint is of every file."""
    first = own_hub.load(str(split)).loaded["fingerprint"]
    last = max(split.parent.glob("parts-*"))
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    own_hub.unload(str(split))
    last.write_bytes(data)
    assert own_hub.load(str(split)).loaded["fingerprint"] != first


def test_a_file_that_is_missing(own_hub: Hub, split: Path) -> None:
    """It is named, in one line."""
    missing = split.with_name(split.name.replace("-00001-", "-00003-"))
    missing.unlink()
    with pytest.raises(ModelFileError, match=missing.name) as caught:
        own_hub.load(str(split))
    assert "\n" not in str(caught.value)
