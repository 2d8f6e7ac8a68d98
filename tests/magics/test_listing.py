"""`%models list` and `hub.models()`: what there is, narrowed, long or empty."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels import settings
from modelhub.kernels.catalog.states import State
from modelhub.kernels.hub import Hub
from modelhub.magics.models import run
from modelhub.magics.models.verb import Line


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


def test_show_tells_where_each_default_comes_from(models: Path) -> None:
    """The user's options and the preset stand behind the fields they set; aliases and a template are told too."""
    run("options tiny-chat temperature 0.7 top_k 5")
    run("derive tiny-chat --as brief -t 0 -o min_p=0.1")
    run("alias b brief")
    facts = {row["what"]: row["value"] for row in run("show brief")}
    assert facts["request defaults"] == {"temperature": 0.0, "top_k": 5, "min_p": 0.1}
    assert facts["defaults from"] == {
        "temperature": "preset brief", "top_k": "options of tiny-chat", "min_p": "preset brief"
    }  # fmt: skip
    assert facts["aliases"] == ["b"] and facts["chat template"] == "in the file"
    (models / "t.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    run(f"derive tiny-chat --as plain --chat-template {models / 't.jinja'}")
    plain = {row["what"]: row["value"] for row in run("show plain")}
    assert plain["chat template"] == "the load parameter chat_template" and "aliases" not in plain


def test_fields_of_a_remote_model_are_not_known(models: Path) -> None:
    """`show --params` of a model whose provider is not there says so, and does not give the local engine's table."""
    (models / "far.json").write_text(json.dumps({"id": "far", "source_url": "https://example.com/v1", "engine": "api"}))
    assert run("show far")
    with pytest.raises(BadRequest, match=r"provider add example\.com --base-url https://example\.com/v1"):
        run("show far --params")


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


def test_words_in_a_note_move_nothing(models: Path) -> None:
    """What was typed stands in the line below a table without controls and marks of direction, as text and as HTML."""
    table = run("list \x1b[31mplum\u202e<b>")
    assert repr(table) == "no model fits [31mplum<b>; type %models to see all"
    html = table._repr_html_()
    assert "\x1b" not in html and "\u202e" not in html and "<b>" not in html
    assert repr(Line("kept in /tmp/\x1b[31m\u202ehome")) == "kept in /tmp/[31mhome"
