"""Models in several files: one model, by whichever of its files it is asked, and loaded as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.card import card_of_file
from modelhub.kernels.catalog.places.places import Places
from modelhub.kernels.hub import Hub
from tests.catalog import small


def test_the_parts_are_one_model(home: Path) -> None:
    """Three files are one card: the first is loaded, the others are shards, sizes and weights are sums."""
    paths = small.split(home / "models", "big")
    one = card_of_file(small.model(home / "one.gguf"))
    (card,) = (c for c in Places().cards() if c.source == "models home")
    assert card.id == "big"
    assert [(f.path, f.role) for f in card.files] == [(str(p), "shard" if i else "model") for i, p in enumerate(paths)]
    assert card.size == sum(p.stat().st_size for p in paths)
    assert (card.parameters, card.quantisation) == (one.parameters, one.quantisation)


def test_any_part_stands_for_the_whole(home: Path) -> None:
    """The path of the second file means the model, loaded by its first."""
    paths = small.split(home / "elsewhere", "big")
    cards = [card_of_file(path) for path in paths]
    assert cards[0] == cards[1] == cards[2]
    assert cards[1].path == str(paths[0]) and cards[1].id == "big"
    assert cards[1].size == sum(p.stat().st_size for p in paths) and len(cards[1].files) == 3


def test_a_missing_part_is_one_line(home: Path) -> None:
    """What is missing is named, in the list and by path; the other files are no models of their own."""
    paths = small.split(home / "models", "big")
    paths[1].unlink()
    places = Places()
    assert [c.id for c in places.cards()] == ["tiny-chat"]
    (problem,) = places.problems
    assert "big-00002-of-00003.gguf is missing" in problem
    for path in (paths[0], paths[2]):
        with pytest.raises(ModelFileError, match=r"big-00002-of-00003.gguf is missing beside it; .* copy it again"):
            card_of_file(path)


def test_a_part_under_another_name_says_so(home: Path) -> None:
    """llama.cpp finds parts by their names: one that was renamed is refused with the name it must have."""
    path = small.split(home / "models", "big")[1].rename(home / "models" / "second.gguf")
    with pytest.raises(ModelFileError, match=r"file 2 of the 3 of a split model.*second-00001-of-00003.gguf"):
        card_of_file(path)
    places = Places()
    places.cards()
    assert len(places.problems) == 2 and all("split model" in p for p in places.problems)


def test_a_split_model_answers(hub: Hub, home: Path) -> None:
    """A worker loads all parts, counts the bytes of all, and answers as the model in one file does."""
    paths = small.split(home / "models", "big")
    whole = small.model(home / "models" / "whole.gguf")
    asked = {"max_tokens": 8, "temperature": 0.0, "seed": 1}
    parts, one = hub.chat("hello", model=str(paths[1]), **asked), hub.chat("hello", model=str(whole), **asked)
    assert parts.text() == one.text()
    sizes = [hub.engine(str(path)).loaded["size"] for path in (paths[0], whole)]
    assert sizes[0] == sizes[1]
    for path in (paths[0], whole):
        hub.unload(str(path))
