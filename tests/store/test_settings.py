"""Settings: they outlive the kernel, and a home that cannot be written to is said, not fatal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelhub.errors import ModelNotFound, StoreFailed
from modelhub.kernels import settings
from modelhub.kernels.hub import Hub


def test_what_is_saved_is_loaded(home: Path) -> None:
    """A setting is kept beside the others and forgotten with None; nothing is left lying about."""
    assert settings.load("a") is None
    settings.save("a", [1])
    settings.save("b", "x")
    settings.save("a", None)
    assert (settings.load("a"), settings.load("b")) == (None, "x")
    assert [p.name for p in home.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"x"', "\0"])
def test_a_damaged_file_is_no_settings(home: Path, content: str) -> None:
    """A file that cannot be read is as none, and is replaced by the next saving."""
    home.mkdir()
    (home / "settings.json").write_text(content)
    assert settings.load("a") is None
    settings.save("a", 1)
    assert json.loads((home / "settings.json").read_text()) == {"a": 1}


def test_a_failed_saving_leaves_the_old(home: Path) -> None:
    """A value that cannot be written leaves the file as it was, and no other file."""
    settings.save("a", 1)
    with pytest.raises(TypeError):
        settings.save("a", object())
    assert settings.load("a") == 1
    assert [p.name for p in home.iterdir()] == ["settings.json"]


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    """Saving raises one line that says what holds; the default model is the new one in this kernel all the same."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODELHUB_HOME", str(tmp_path / "file" / "home"))
    assert settings.load("default_model") is None
    with pytest.raises(StoreFailed, match=r"holds for this kernel only.*set MODELHUB_HOME") as caught:
        hub.set_default("local/tiny-chat")
    assert "\n" not in str(caught.value)
    assert hub.default_model == "tiny-chat"


def test_the_default_model_outlives_the_kernel(random_gguf: Path) -> None:
    """A default by name or by path is that of later hubs; one that is not there is refused and changes nothing."""
    hub = Hub()
    assert hub.default_model == "tiny-chat"
    assert hub.set_default(str(random_gguf)).id == "random"
    assert Hub().default_model == str(random_gguf)
    with pytest.raises(ModelNotFound):
        hub.set_default("nothing")
    assert hub.default_model == str(random_gguf)
    hub.set_default("tiny-chat")
    assert Hub().default_model == "tiny-chat"


WRITER = """
import sys
from modelhub.kernels import settings
from modelhub.kernels.catalog.aliases import Aliases
for number in range(40):
    settings.save(f"{sys.argv[1]}-{number}", number)
    Aliases().set(f"{sys.argv[1]}-{number}", "tiny-chat")
"""


def test_kernels_that_write_at_once_all_have_their_way(home: Path) -> None:
    """Settings and aliases of several kernels, written at the same time, are all there afterwards."""
    kernels = [subprocess.Popen([sys.executable, "-c", WRITER, name]) for name in "abc"]
    assert [kernel.wait(60) for kernel in kernels] == [0, 0, 0]
    expected = {f"{name}-{number}" for name in "abc" for number in range(40)}
    assert set(json.loads((home / "settings.json").read_text())) == expected
    assert set(json.loads((home / "aliases.json").read_text())) == expected


def test_settings_too_deep_to_read_are_none(home: Path) -> None:
    """A file of nothing but brackets is no settings."""
    home.mkdir()
    (home / "settings.json").write_text("[" * 200_000)
    assert settings.load("a") is None


def test_a_home_of_nobody_is_a_folder_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """MODELHUB_HOME with the ~name of a user there is not is a folder called so, below the current one."""
    monkeypatch.setenv("MODELHUB_HOME", "~nobody-of-that-name/x")
    assert settings.home() == Path.cwd() / "~nobody-of-that-name" / "x"
