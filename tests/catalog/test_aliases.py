"""Aliases: other names for models and presets, seen by every kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, HubError, ModelNotFound, StateConflict, StoreFailed
from modelhub.kernels.catalog.catalog import Catalog


def test_an_alias_is_a_name(home: Path) -> None:
    """An alias answers as its model or preset does, survives the kernel, and is gone when removed."""
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="calm", request={"temperature": 0.1})
    assert catalog.set_alias("t", "tiny-chat") == "local/tiny-chat"
    assert catalog.set_alias("c", "calm") == "calm"
    assert catalog.find("t").name == "local/tiny-chat"
    assert catalog.resolve("c").preset == "calm"
    assert (catalog.resolve("c").asked, catalog.resolve("c").request) == ("c", {"temperature": 0.1})
    assert {"t", "c"} <= set(Catalog().names())
    assert json.loads((home / "aliases.json").read_text()) == {"c": "calm", "t": "local/tiny-chat"}
    assert catalog.aliases.remove("t") == "local/tiny-chat"
    with pytest.raises(ModelNotFound):
        catalog.find("t")


def test_other_kernels_see_it() -> None:
    """What one kernel sets, another finds; what it removes, the other does not."""
    one, other = Catalog(), Catalog()
    assert other.user_aliases() == {}
    one.set_alias("t", "tiny-chat")
    assert other.find("t").id == "tiny-chat"
    other.set_alias("u", "tiny-chat")
    one.aliases.remove("t")
    assert one.user_aliases() == other.user_aliases() == {"u": "local/tiny-chat"}


def test_an_alias_of_a_file_is_its_whole_path(random_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named from one folder is found from another."""
    catalog = Catalog()
    monkeypatch.chdir(random_gguf.parent)
    catalog.set_alias("r", "random.gguf")
    monkeypatch.chdir("/")
    assert catalog.find("r").path == str(random_gguf)


@pytest.mark.parametrize(
    ("name", "target", "kind", "part"),
    [
        ("x", "tiny-cat", ModelNotFound, "Did you mean 'tiny-chat'"),
        ("x", "t", ModelNotFound, "is an alias itself, of local/tiny-chat"),
        ("tiny-chat", "calm", StateConflict, "the name of a model"),
        ("local/tiny-chat", "calm", StateConflict, "the name of a model"),
        ("calm", "tiny-chat", StateConflict, "the name of a preset"),
        ("calm", "calm", StateConflict, "its name already"),
        ("", "tiny-chat", BadRequest, "1 to 100 characters"),
        ("a\nb", "tiny-chat", BadRequest, "1 to 100 characters"),
        ("x" * 101, "tiny-chat", BadRequest, "1 to 100 characters"),
        ("./x", "tiny-chat", BadRequest, "does not look like a path"),
        ("x.gguf", "tiny-chat", BadRequest, "does not look like a path"),
        ("-m", "tiny-chat", BadRequest, "does not look like a path"),
    ],
)
def test_an_alias_that_would_mislead_is_refused(name: str, target: str, kind: type[HubError], part: str) -> None:
    """Targets must be there, aliases have none of their own, names must not hide a model and can be typed."""
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="calm")
    catalog.set_alias("t", "tiny-chat")
    before = catalog.user_aliases()
    with pytest.raises(kind) as caught:
        catalog.set_alias(name, target)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert catalog.user_aliases() == before


def test_with_force_a_model_can_be_hidden() -> None:
    """An alias that was forced comes before the model of its name, whose full name still answers."""
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="calm")
    catalog.set_alias("tiny-chat", "calm", force=True)
    assert catalog.resolve("tiny-chat").preset == "calm"
    assert catalog.resolve("local/tiny-chat").preset is None


def test_an_alias_whose_model_is_gone_says_so() -> None:
    """The error names the alias, what it stands for, and why that cannot be had."""
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="calm")
    catalog.set_alias("c", "calm")
    catalog.remove_preset("calm")
    with pytest.raises(ModelNotFound) as caught:
        catalog.find("c")
    assert str(caught.value).startswith("'c' is an alias of 'calm', and that cannot be had: no model is named 'calm'.")


def test_a_file_that_cannot_be_read_is_told_and_kept(home: Path) -> None:
    """A broken aliases.json is a problem in the list; models answer; nothing overwrites it."""
    home.mkdir()
    (home / "aliases.json").write_text('{"t": "tiny')
    catalog = Catalog()
    assert catalog.find("tiny-chat").id == "tiny-chat"
    catalog.cards()
    assert len([p for p in catalog.problems if "aliases.json cannot be read" in p]) == 1
    with pytest.raises(StoreFailed, match="mend it or remove it"):
        catalog.set_alias("t", "tiny-chat")
    assert (home / "aliases.json").read_text() == '{"t": "tiny'
    (home / "aliases.json").write_text('["t"]')
    catalog.cards()
    assert any("a JSON object is expected" in p for p in catalog.problems)


def test_what_is_not_there_cannot_be_removed() -> None:
    """Removing an alias that is none names the nearest and all there are."""
    catalog = Catalog()
    catalog.set_alias("teeny", "tiny-chat")
    with pytest.raises(ModelNotFound) as caught:
        catalog.aliases.remove("teany")
    assert "Did you mean 'teeny'?" in str(caught.value)
