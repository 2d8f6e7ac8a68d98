"""`%models list` and `hub.models()`: what there is, narrowed, long or empty."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels import settings
from modelhub.kernels.catalog.states import State
from modelhub.kernels.hub import Hub
from modelhub.magics.models import run


@pytest.fixture
def models(home: Path, random_gguf: Path) -> Path:
    folder = settings.models_home()
    folder.mkdir(parents=True)
    for name in ("apple", "apricot", "pear"):
        shutil.copy(random_gguf, folder / f"{name}.gguf")
    return folder


def names(line: str) -> list[str]:
    return [row["name"] for row in run(line)]


def test_words_states_and_places_narrow_the_list(models: Path) -> None:
    """Words must all be in the name or the place; --state and --from keep what is in them."""
    assert names("list") == names("") == ["apple", "apricot", "pear", "tiny-chat"]
    assert names("list AP") == ["apple", "apricot"]
    assert names("list ap le") == ["apple"]
    assert names("list --from packaged") == ["tiny-chat"]
    assert names("list --state downloaded pear") == ["pear"]
    assert names("list --state running") == []
    assert repr(run("list plum")) == "no model fits plum; type %models to see all"


def test_a_wrong_state_is_one_line() -> None:
    """A state there is not gives those there are, with the nearest."""
    with pytest.raises(BadRequest, match=r"--state must be one of all, .*; got 'runing'. Did you mean 'running'"):
        run("list --state runing")


def test_a_long_list_is_cut_for_people(models: Path, random_gguf: Path) -> None:
    """A hundred rows are shown and the rest counted; the value has all."""
    for number in range(110):
        shutil.copy(random_gguf, models / f"p{number:03}.gguf")
    table = run("list p0")
    assert len(table) == 100
    everything = run("")
    assert len(everything) == 114
    assert "and 14 more: %models list WORDS" in repr(everything)
    assert everything._repr_html_().count("<tr>") == 101


def test_the_list_object(models: Path, hub: Hub) -> None:
    """`hub.models()` is OpenAI's list; every item has a state; a wrong state lists the right ones."""
    listed = hub.models()
    assert listed["object"] == "list"
    found: dict[str, Any] = {item["id"]: item for item in listed["data"]}
    assert {"apple", "tiny-chat"} <= found.keys()
    for item in found.values():
        assert item["object"] == "model" and item["state"] in list(State)
        assert type(item["created"]) is int and item["owned_by"]
    assert hub.models("running")["data"] == [i for i in listed["data"] if i["state"] == "running"]
    with pytest.raises(BadRequest, match=r"state must be one of all, remote, .*; got 'ready'"):
        hub.models("ready")
