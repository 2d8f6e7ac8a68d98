"""Tab in the lines of our magics, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.magics.chat import OPTIONS
from modelhub.magics.completer import complete
from modelhub.magics.models import VERBS
from modelhub.magics.models.loading import LOAD
from tests.kernel import Kernel

FLAGS = {o.flags[-1] for o in OPTIONS}


@pytest.mark.parametrize("magic", ["%%chat", "%chat", "%%mh", "%mh", "r = %chat", "a.b=%mh"])
def test_flags(room: Kernel, magic: str) -> None:
    """Every flag is offered, those that begin as typed are left, those given are not offered again."""
    assert set(room.complete(f"{magic} --")) == FLAGS
    assert room.complete(f"{magic} --max") == ["--max-tokens"]
    assert set(room.complete(f"{magic} -t 0 --seed 1 --new --stop a --")) == FLAGS - {
        "--temperature",
        "--seed",
        "--new",
    }


def test_names_of_models(room: Kernel) -> None:
    """Behind -m stand the models; a word begun is completed."""
    assert room.complete("%%chat -t 0 -m ") == ["local/tiny-chat", "tiny-chat"]
    assert room.complete("%%chat --model tin") == ["tiny-chat"]
    assert room.complete("%%chat -m local/") == ["local/tiny-chat"]


def test_paths_of_models(room: Kernel, tmp_path: Path) -> None:
    """A path is completed to folders and .gguf files, not to others."""
    (tmp_path / "one.gguf").touch()
    (tmp_path / "one.txt").touch()
    (tmp_path / "one_folder").mkdir()
    assert room.complete(f"%%chat -m {tmp_path}/one") == [f"{tmp_path}/one.gguf", f"{tmp_path}/one_folder/"]
    assert complete(f"%chat -m {tmp_path}/missing/", len(f"%chat -m {tmp_path}/missing/")) is None


def test_names_of_conversations_and_formats(room: Kernel) -> None:
    """Behind --chat and the verbs of %chats stand the conversations, behind --format the formats."""
    room.run("%%chat --chat notes -t 0 --max-tokens 1\nhi")
    assert room.complete("%%chat --chat ") == ["main", "notes"]
    assert room.complete("%%chat --chat n") == ["notes"]
    assert room.complete("%chats sh") == ["show"]
    assert room.complete("%chats show ") == ["main", "notes"]
    assert set(room.complete("%%chat --format ")) == {"md", "text", "json", "code", "raw"}


def test_fields_behind_o(room: Kernel) -> None:
    """Behind -o stand the fields of a request that it sets, and no others."""
    assert room.complete("%%chat -t 0 -o repeat") == ["repeat_last_n=", "repeat_penalty="]
    fields = room.complete("%chat -o ")
    assert {"logit_bias=", "top_k=", "suppress="} < set(fields)
    assert not {"model=", "messages=", "x_modelhub=", "model_options="} & set(fields)


def test_verbs_of_models(room: Kernel) -> None:
    """%models offers its verbs, then models and the flags of the verb."""
    assert set(room.complete("%models ")) == set(VERBS) > {"pull", "derive"}
    assert room.complete("%models un") == ["unload"]
    assert room.complete("%models unload ") == ["local/tiny-chat", "tiny-chat"]
    assert set(room.complete("%models load tiny-chat --")) == {o.flags[-1] for o in LOAD}
    assert room.complete("%models show --") == ["--params"]


@pytest.mark.parametrize(
    "text",
    [
        "pri",
        "x = 5 % ",
        "%%chat\n%chat --",
        "%%chat\nhello --",
        "a = 1\n%%chat --",
        "%timeit --",
        "%chatter --",
        "r == %chat --",
        "%%chat -t ",
        "%%chat -t 0 hello wor",
        "%models ps ",
        "%cha",
    ],
)
def test_nothing_is_offered_elsewhere(text: str) -> None:
    """Bodies, values, other magics and Python are none of ours, but a %chat line among others is."""
    found = complete(text, len(text))
    if text == "%%chat\n%chat --":
        text = text.removeprefix("%%chat\n")
        assert complete(text, len(text)) is not None
    else:
        assert found is None or found[1] == []


def test_python_is_completed_as_before(room: Kernel) -> None:
    """Names, attributes and IPython's own magics are offered as without us."""
    room.run("something_long = 'text'")
    assert room.complete("something_l") == ["something_long"]
    assert any(m.endswith("upper") for m in room.complete("something_long.up"))
    assert "%timeit" in room.complete("%timei")
    assert {"%%chat", "%chats"} <= set(room.complete("%cha") + room.complete("%%cha"))
