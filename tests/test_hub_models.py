"""The hub's models in Python: fetched, asked, listed and deleted as the magics do it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, ModelNotFound
from modelhub.kernels.catalog.catalog import PACKAGED
from modelhub.kernels.hub import Hub
from tests.hub_server import HubStandIn

NAME = "modelhub/tiny-chat-GGUF:Q8_0"


@pytest.fixture
def own_hub(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub of its own beside a stand-in for the Hugging Face Hub."""
    with HubStandIn({"modelhub/tiny-chat-GGUF": {"tiny-chat.Q8_0.gguf": PACKAGED / "tiny-chat.gguf"}}) as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        hub = Hub()
        yield hub
        hub.close()


def test_pull_ask_delete(own_hub: Hub) -> None:
    """`pull` fetches, the model answers, `delete` frees and removes it, and then nobody has its name."""
    assert own_hub.pull("modelhub/tiny-chat-GGUF").card.id == NAME
    assert own_hub.chat("What is the capital of France?", model=NAME, temperature=0.0).text().endswith("Paris.")
    assert [m["state"] for m in own_hub.models()["data"] if m["id"] == NAME] == ["running"]
    gone = own_hub.delete(NAME)
    assert [p.name for p in gone][:2] == ["tiny-chat.Q8_0.gguf", "model.json"]
    assert own_hub.status() == []
    assert NAME not in [card.id for card in own_hub.cards()]
    with pytest.raises(ModelNotFound):
        own_hub.chat("hi", model=NAME)


def test_pull_in_the_background(own_hub: Hub) -> None:
    """`background=True` gives a download that can be waited for."""
    download = own_hub.pull("modelhub/tiny-chat-GGUF", background=True)
    assert download.result().done
    assert own_hub.catalog.find(NAME).state == "downloaded"


def test_what_is_not_modelhubs_own_stays(own_hub: Hub, random_gguf: Path) -> None:
    """A file that was asked by its path, and the packaged model, are never deleted."""
    for name in (str(random_gguf), "tiny-chat"):
        with pytest.raises(BadRequest, match="modelhub deletes only what lies in its own folder"):
            own_hub.delete(name)
    assert random_gguf.is_file()
