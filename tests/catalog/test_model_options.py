"""The user's options for a model: what it is asked and loaded with by default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import modelhub
from modelhub.errors import BadRequest
from modelhub.kernels.catalog.catalog import Catalog


def test_options_go_with_every_name_of_the_model() -> None:
    """What is set for a model holds for its id, its full name, its aliases and, below their own, its presets."""
    catalog = Catalog()
    card = catalog.find("tiny-chat")
    catalog.options.set(card, {"temperature": 0.7, "top_k": 40, "context": 512})
    catalog.set_alias("t", "tiny-chat")
    catalog.derive("tiny-chat", as_="p", request={"temperature": 0.1}, load={"threads": 1})
    for name in ("tiny-chat", "local/tiny-chat", "t"):
        named = Catalog().resolve(name)
        assert named.request == {"temperature": 0.7, "x_modelhub": {"top_k": 40}}
        assert named.load == {"context": 512}
    named = catalog.resolve("p")
    assert named.request == {"temperature": 0.1, "x_modelhub": {"top_k": 40}}
    assert named.load == {"context": 512, "threads": 1}
    assert [layer.source for layer in named.layers] == ["options of tiny-chat", "preset p"]


def test_options_are_removed_one_by_one_or_all(home: Path) -> None:
    """One goes, the others stay; with the last the model is out of the file."""
    catalog = Catalog()
    card = catalog.find("tiny-chat")
    catalog.options.set(card, {"temperature": 0.7, "top_k": 40, "n_ctx": 512})
    assert catalog.options.remove(card, "top_k") == {"request": {"temperature": 0.7}, "load": {"context": 512}}
    with pytest.raises(BadRequest, match="no option 'top_k' of yours; it has context, temperature"):
        catalog.options.remove(card, "top_k")
    catalog.options.remove(card)
    assert json.loads((home / "model_options.json").read_text()) == {}


def test_a_file_asked_by_its_path_has_options_of_its_own(random_gguf: Path, tmp_path: Path) -> None:
    """Options of a file are kept by its path: another file of its name has none."""
    (tmp_path / random_gguf.name).write_bytes(random_gguf.read_bytes())
    catalog = Catalog()
    catalog.options.set(catalog.find(str(random_gguf)), {"temperature": 0})
    assert catalog.resolve(str(random_gguf)).request == {"temperature": 0}
    assert catalog.resolve(str(tmp_path / random_gguf.name)).request == {}


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"temprature": 1}, "Did you mean 'temperature'"),
        ({"temperature": 9}, "less than or equal to 2"),
        ({"slots": 99}, "from 1 to 64"),
        ({"cache_type_v": "q8_0", "flash_attn": "off"}, "needs flash attention"),
        ({"model": "x"}, "not a default"),
    ],
)
def test_what_nobody_accepts_is_refused(home: Path, given: dict[str, Any], part: str) -> None:
    """An option that no request and no loading takes is refused by name, and nothing is written."""
    catalog = Catalog()
    with pytest.raises(BadRequest) as caught:
        catalog.options.set(catalog.find("tiny-chat"), {"top_p": 0.5, **given})
    assert part in str(caught.value)
    assert not (home / "model_options.json").exists()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"local/tiny-chat": 5}', '{"local/tiny-chat": {"request": {"temperature": 9}}}',
             '{"local/tiny-chat": {"load": {"slots": "many"}}}', '{"local/tiny-chat": {"request": 5}}'],
)  # fmt: skip
def test_a_bad_file_of_options_spoils_nothing(home: Path, text: str) -> None:
    """What cannot be used is left out and told; the model answers without it."""
    home.mkdir()
    (home / "model_options.json").write_text(text)
    catalog = Catalog()
    assert catalog.resolve("tiny-chat").request == {}
    catalog.cards()
    (problem,) = [p for p in catalog.problems if "model_options.json" in p]
    assert "\n" not in problem


def test_options_of_a_plugins_model_go_where_they_belong() -> None:
    """A plugin's own option is kept with the model, reaches its Options, and can be set back and removed."""
    from modelhub.kernels import plugins
    from modelhub.kernels.hub import Hub

    plugins.registry().add(Loud())
    try:
        hub = Hub()
        card = hub.catalog.find("loud")
        hub.catalog.options.set(card, {"volume": 3, "user": "me"})
        assert hub.catalog.options.of(card)["request"] == {"user": "me", "x_modelhub": {"model_options": {"volume": 3}}}
        assert hub.chat("hi", model="loud").text() == "hi!!!"
        hub.catalog.derive("loud", as_="louder", request={"volume": 4})
        assert hub.chat("hi", model="louder").text() == "hi!!!!"
        assert hub.chat("hi", model="louder", volume=2).text() == "hi!!"
        assert hub.chat("hi", model="louder", volume=None).text() == "hi!"
        assert hub.catalog.options.remove(card, "volume")["request"] == {"user": "me"}
        assert hub.chat("hi", model="loud").text() == "hi!"
    finally:
        plugins.registry().remove("notebook/loud")


class Loud(modelhub.Model):
    """A model of a plugin with an option of its own."""

    id = "loud"

    class Options(modelhub.Options):
        """How loud."""

        volume: int = 1

    def execute(self, request: Any, options: Any) -> Any:
        """The question, as loud as is asked for."""
        yield request.messages[-1].content + "!" * options.volume
