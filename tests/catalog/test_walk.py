"""Folders as they are met: loops, locks, sockets, crowds and files that come and go are never an exception."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from modelhub.kernels.catalog.places import walk as walking
from modelhub.kernels.catalog.places.places import Places
from modelhub.kernels.catalog.places.walk import walk
from tests.catalog import small


@pytest.fixture
def models(home: Path) -> Path:
    (home / "models").mkdir(parents=True)
    return home / "models"


def ids() -> list[str]:
    return [c.id for c in Places().cards() if c.source != "packaged"]


def test_links_that_lead_in_circles(models: Path) -> None:
    """A folder that links to itself, its parents or another loop is entered once; links to nothing are nothing."""
    small.model(models / "a/b/x.gguf")
    (models / "a/b/up").symlink_to(models)
    (models / "a/self").symlink_to(models / "a/self")
    (models / "one").symlink_to(models / "two")
    (models / "two").symlink_to(models / "one")
    (models / "self.gguf").symlink_to(models / "self.gguf")
    (models / "gone.gguf").symlink_to(models / "nothing.gguf")
    places = Places()
    assert [c.id for c in places.cards() if c.source != "packaged"] == ["a/b:F32"]
    assert len(places.problems) == 1 and "self.gguf" in places.problems[0]


def test_what_is_no_file(models: Path) -> None:
    """Sockets, pipes and devices of a model's name are passed over without being opened."""
    os.mkfifo(models / "pipe.gguf")
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(models)  # the path of a socket is short
        try:
            one.bind("socket.gguf")
        finally:
            os.chdir(here)
        places = Places()
        assert len(places.cards()) == 1 and places.problems == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_locked_folder(models: Path) -> None:
    """A folder nobody may look into is one line; the others are read."""
    small.model(models / "locked/x.gguf")
    small.model(models / "open.gguf")
    (models / "locked").chmod(0)
    try:
        places = Places()
        assert [c.id for c in places.cards() if c.source != "packaged"] == ["open"]
        assert len(places.problems) == 1 and "Permission denied" in places.problems[0]
    finally:
        (models / "locked").chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_locked_file(models: Path) -> None:
    """A file nobody may read is one line, and a model as soon as it may be read."""
    path = small.model(models / "x.gguf")
    path.chmod(0)
    places = Places()
    assert len(places.cards()) == 1 and "Permission denied" in places.problems[0]
    path.chmod(0o600)
    assert len(places.cards()) == 2 and places.problems == []
    assert ids() == ["x"]


def test_a_folder_that_is_a_file(home: Path) -> None:
    """A models home that is a file, or that lies below one, has no models."""
    home.mkdir(parents=True)
    (home / "models").write_text("")
    assert ids() == []
    small.model(home / "models2/x.gguf")
    assert walk(home / "models/below", lambda name: True).files == []


def test_a_crowded_folder(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand other files are passed over; beyond the limit one line says that the rest was not looked at."""
    for number in range(10_000):
        (models / f"{number}.txt").touch()
    small.model(models / "x.gguf")
    assert ids() == ["x"]
    monkeypatch.setattr(walking, "MOST", 500)
    places = Places()
    places.cards()
    assert any("more than 500 entries" in p and "\n" not in p for p in places.problems)


def test_depth_and_dots(models: Path) -> None:
    """What lies deeper than eight folders, or in hidden ones, is left alone."""
    small.model(models / "/".join("abcdefgh") / "in.gguf")
    small.model(models / "/".join("abcdefghi") / "out.gguf")
    small.model(models / ".downloads/x/part.gguf")
    small.model(models / ".hidden.gguf")
    assert ids() == ["a/b/c/d/e/f/g/h:F32"]


def test_names_in_any_bytes(models: Path) -> None:
    """A name that is no text of any encoding is listed under one that can be typed, and kept in the index."""
    path = os.fsencode(models) + b"/\xff\xfe-\x1b[31m.gguf"
    Path(os.fsdecode(path)).write_bytes(small.whole())
    (name,) = ids()
    assert name.isprintable() and name.isascii()
    assert ids() == [name]


def test_files_that_come_and_go(models: Path) -> None:
    """While another writes, removes and renames models, every look gives a list and no exception."""
    stop = threading.Event()

    def disturb() -> None:
        number = 0
        while not stop.is_set():
            path = models / f"dir{number % 5}/m{number % 7}.gguf"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(small.whole()[: 10_000 if number % 3 else None])
            for old in list(models.glob("*/m*.gguf"))[:2]:
                old.unlink(missing_ok=True)
            number += 1

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        places = Places()
        for _ in range(100):
            assert places.cards()[0].id == "tiny-chat"
            assert all("\n" not in p for p in places.problems)
    finally:
        stop.set()
        thread.join()
