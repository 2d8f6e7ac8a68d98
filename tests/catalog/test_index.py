"""The index: what was read once is not read again, and whatever becomes of the index costs time and nothing else."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import pytest

from modelhub.kernels.catalog.places.places import Places
from tests.catalog import small


@pytest.fixture
def models(home: Path) -> Path:
    for number in range(3):
        small.model(home / f"models/owner/name{number}/m-Q4_0.gguf")
    (home / "models/owner/name1/model.json").write_text(json.dumps({"id": "named", "origin": "o/r"}))
    (home / "models/bad.gguf").write_bytes(b"no")
    return home / "models"


def look() -> tuple[list[str], list[str]]:
    """What a new process would see."""
    places = Places()
    return [json.dumps(c.to_dict(), sort_keys=True) for c in places.cards()], places.problems


def unreadable(models: Path) -> None:
    """Replace every file by one of the same size and time that is no model: only who opens it can tell."""
    for path in [p for p in models.rglob("*") if p.is_file()]:
        status = path.stat()
        path.write_bytes(b"\0" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_is_read_once(models: Path) -> None:
    """With the index, a new process opens no file that has not changed, and sees the same."""
    before = look()
    assert len(before[0]) == 4 and len(before[1]) == 1
    unreadable(models)
    assert look() == before


def test_a_changed_file_is_read_again(models: Path) -> None:
    """Another size or another time is another file."""
    look()
    (models / "bad.gguf").write_bytes(small.whole())
    os.utime(models / "owner/name0/m-Q4_0.gguf", ns=(1, 1))
    cards, problems = look()
    assert len(cards) == 5 and problems == []
    assert any('"created": 0' in card for card in cards)


@pytest.mark.parametrize(
    "damage",
    ["", "{", "modelhub index 1 00000000\n{}", "\0" * 5000, "cut", "older", "list", "other", "altered", "folder"],
)
def test_a_damaged_index_costs_nothing(models: Path, home: Path, damage: str) -> None:
    """Cut, garbled, of another version, of another shape or not even a file: what is seen is the same."""
    before = look()
    index = home / "index.json"
    raw = index.read_bytes()
    index.unlink()
    if damage == "folder":
        index.mkdir()
    elif damage == "cut":
        index.write_bytes(raw[: len(raw) // 2])
    elif damage == "older":
        index.write_bytes(raw.replace(b"modelhub index ", b"modelhub index 0", 1))
    elif damage == "altered":
        index.write_bytes(raw.replace(b'"context_length":64', b'"context_length":65'))
    elif damage in {"list", "other"}:
        body = b"[1, 2]" if damage == "list" else raw.split(b"\n", 1)[1].replace(b'"role"', b'"roll"')
        index.write_bytes(raw.split(b"\n")[0][:-8] + b"%08x\n" % zlib.crc32(body) + body)
    else:
        index.write_text(damage)
    assert look() == before
    assert look() == before


def test_a_home_that_cannot_be_written(models: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be kept, everything is still found."""
    (home / "models").rename(home.parent / "models")
    (home.parent / "file").write_text("")
    (home.parent / "file2").mkdir()
    monkeypatch.setenv("MODELHUB_HOME", str(home.parent / "file" / "home"))
    assert look()[0][0] and not (home.parent / "file").is_dir()


def test_nothing_is_written_for_nothing(home: Path) -> None:
    """Where there is no model but the packaged one, no home folder comes into being."""
    look()
    assert not home.exists()
