"""Settings that go with a name reach the model: card, the user's options, preset, conversation, call, in this order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ModelNotFound, StateConflict
from modelhub.kernels import settings
from modelhub.kernels.hub import Hub


@pytest.fixture
def two_levels(hub: Hub) -> Hub:
    """Options for tiny-chat, and a preset of it above them."""
    hub.catalog.options.set(hub.catalog.find("tiny-chat"), {"temperature": 0.7, "top_k": 40, "max_tokens": 3})
    hub.catalog.derive("tiny-chat", as_="p", request={"temperature": 0, "min_p": 0.1}, system="Be brief.")
    return hub


def test_each_level_over_the_one_below(two_levels: Hub) -> None:
    """What really ran, and who said each value, stand in `debug`; the request keeps the name it was asked by."""
    response = two_levels.chat("hi", model="p", top_p=0.5, min_p=0)
    response.text()
    assert response.debug["settings"] == {
        "temperature": [0, "preset p"],
        "max_tokens": [3, "options of tiny-chat"],
        "top_k": [40, "options of tiny-chat"],
        "min_p": [0, "call"],
        "top_p": [0.5, "call"],
    }
    ran = response.debug["request_parameters"]
    assert (ran["temperature"], ran["top_p"], ran["top_k"], ran["min_p"]) == (0, 0.5, 40, 0)
    assert response.usage()["completion_tokens"] <= 3
    assert response.debug["resolved"] == {"model": "local/tiny-chat", "preset": "p"}
    assert response.json()["model"] == response.request.model == "p"


def test_none_sets_back_to_the_engines_default(two_levels: Hub) -> None:
    """None in a call is not unset: it undoes what lies below; a field that nobody set stays away."""
    prepared = two_levels.prepare("hi", model="p", temperature=None, x_modelhub={"top_k": None}, seed=None)
    request = prepared.request.to_dict()
    assert "temperature" not in request
    assert "seed" not in request
    assert request["x_modelhub"] == {"min_p": 0.1}
    assert prepared.settings["temperature"] == [None, "call"]
    assert two_levels.prepare("hi", model="p", x_modelhub=None).request.x_modelhub is None


def system(hub: Hub, **asked: Any) -> list[str | None]:
    """The system messages of a request."""
    return [m.content for m in hub.prepare("hi", **asked).request.messages if m.role == "system"]  # type: ignore[misc]  # text


def test_the_system_message(two_levels: Hub) -> None:
    """Preset below conversation below call; an empty one is one, and messages that bring theirs keep it alone."""
    hub = two_levels
    assert system(hub, model="tiny-chat") == []
    assert system(hub, model="p") == ["Be brief."]
    assert system(hub, model="p", system="Be long.") == ["Be long."]
    assert system(hub, model="p", system="") == []
    hub.chat("hi", model="tiny-chat", conversation="c", system="Rhyme.").text()
    assert system(hub, model="p", conversation="c") == ["Rhyme."]
    hub.chat("hi", model="p", conversation="d").text()
    assert system(hub, model="p", conversation="d") == ["Be brief."]
    assert system(hub, model="tiny-chat", conversation="d") == []  # the preset's, not the conversation's
    brought = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "hi"}]
    assert [m.role for m in hub.prepare(brought, model="p").request.messages] == ["system", "user"]


def test_a_default_the_engine_cannot_do_is_left_out_with_a_warning(hub: Hub) -> None:
    """Defaults that are not supported warn and name who set them; the same in the call is refused."""
    tools = [{"type": "function", "function": {"name": "f"}}]
    hub.catalog.derive("tiny-chat", as_="p", request={"tools": tools, "temperature": 0, "max_tokens": 2, "n_keep": 5})
    response = hub.chat("hi", model="p")
    assert response.text()
    assert any(w.startswith("tools of preset p is left out: the local engine does not") for w in response.warnings)
    assert any(w.startswith("n_keep=5 of preset p is left out") for w in response.warnings)
    assert "tools" not in response.request.to_dict()
    assert "tools" not in response.debug["settings"]
    with pytest.raises(BadRequest, match="tools is not supported"):
        hub.chat("hi", model="p", tools=tools)


def test_load_parameters_are_no_fields(hub: Hub) -> None:
    """A load parameter among the fields of a request is refused, also where a preset has one."""
    hub.catalog.derive("tiny-chat", as_="p", load={"context": 512})
    with pytest.raises(BadRequest, match="context is a load parameter"):
        hub.chat("hi", model="p", context=256)


def test_a_preset_loads_with_its_own(hub: Hub) -> None:
    """A preset's load parameters are in force for it; presets with equal ones share a worker, others do not."""
    for name, context in (("a", 256), ("b", 256), ("c", 512)):
        hub.catalog.derive("tiny-chat", as_=name, load={"context": context}, request={"max_tokens": 1})
    debugs = {name: hub.chat("hi", model=name) for name in "abc"}
    contexts = {}
    for name, response in debugs.items():
        response.text()
        contexts[name] = response.debug["load_parameters"]["context"]
    assert contexts == {"a": 256, "b": 256, "c": 512}
    assert hub.engine("a") is hub.engine("b")
    assert hub.engine("a") is not hub.engine("c")
    for name in "ac":
        hub.unload(name)


def test_presets_and_aliases_can_be_the_default(hub: Hub) -> None:
    """The default may be any name; a later hub has it; a default that is gone gives the packaged model, with a note."""
    hub.catalog.derive("tiny-chat", as_="p", request={"temperature": 0, "max_tokens": 2})
    hub.catalog.set_alias("a", "p")
    assert hub.set_default("a").id == "tiny-chat"
    assert (hub.default_model, Hub().default_model) == ("a", "a")
    assert hub.prepare("hi").named.preset == "p"
    hub.catalog.aliases.remove("a")
    response = hub.chat("hi", temperature=0, max_tokens=1)
    assert response.text()
    assert response.request.model == "tiny-chat"
    assert response.notes == [
        "a is the default and is not there now: tiny-chat answers. %models default MODEL chooses another"
    ]
    with pytest.raises(ModelNotFound):
        hub.chat("hi", model="a")
    assert hub.set_default("p").id == "tiny-chat"
    assert hub.default_model == "p"
    hub.set_default("local/tiny-chat")
    assert hub.default_model == "tiny-chat"


def test_the_default_keeps_meaning_what_was_meant(hub: Hub) -> None:
    """A model chosen by its full name stays the default where a preset hides its id."""
    hub.catalog.derive("tiny-chat", as_="tiny-chat", request={"temperature": 0}, force=True)
    hub.set_default("local/tiny-chat")
    assert hub.prepare("hi").named.preset is None
    hub.set_default("tiny-chat")
    assert hub.prepare("hi").named.preset == "tiny-chat"


def test_perplexity_by_preset_and_alias(hub: Hub) -> None:
    """Whatever a chat may be asked by, a text may be read by."""
    hub.catalog.derive("tiny-chat", as_="small", load={"context": 128})
    hub.catalog.set_alias("s", "small")
    assert hub.perplexity("The capital of France is Paris. " * 20, model="s").window == 128
    hub.unload("small")


def test_a_choice_is_said_below_the_answer(hub: Hub, home: Path, random_gguf: Path) -> None:
    """Where a quantisation was chosen for the user, the answer has a note that says which."""
    folder = home / "models" / "own" / "repo"
    folder.mkdir(parents=True)
    for name in ("x-Q4_0.gguf", "x-Q8_0.gguf"):
        (folder / name).write_bytes(random_gguf.read_bytes())
    settings.save("quantisations", ["Q8_0"])
    prepared = hub.prepare("hi", model="own/repo")
    assert prepared.notes == ("own/repo is own/repo:Q8_0 here, the Q8_0 you prefer of 2",)
    assert prepared.request.model == "own/repo"


def test_every_wrong_field_is_told_and_nothing_is_asked(hub: Hub) -> None:
    """`validate` has an error for each field that is wrong, with its name; what does not go together is one too."""
    assert hub.validate("tiny-chat", temperature=0.5, top_k=5, top_logprobs=3, logprobs=True) == []
    wrong = hub.validate(temperature=9, temprature=1, top_p=0.5, n_ctx=4, x_modelhub={"top_k": -1}, tools=[{}])
    assert [error.param for error in wrong] == ["temperature", "temprature", "n_ctx", "top_k", "tools"]
    assert "Did you mean 'temperature'" in str(wrong[1])
    (alone,) = hub.validate("tiny-chat", top_logprobs=3)
    assert (str(alone), alone.param) == ("top_logprobs needs logprobs=True", "top_logprobs")
    with pytest.raises(ModelNotFound):
        hub.validate("nothing", temperature=0)


def test_what_is_not_here_is_said_before_anything_starts(hub: Hub, home: Path) -> None:
    """A model that is described and not fetched, and a remote one, are one line each, asked or loaded."""
    address = "https://example.com/a/b/resolve/main/x.Q4_0.gguf"
    documents = {
        "away": {"id": "away", "source_url": address},
        "remote": {"id": "remote", "source_url": "https://example.com/v1", "metadata": {"engine": "api"}},
    }
    for name, document in documents.items():
        (home / "models" / name).mkdir(parents=True)
        (home / "models" / name / "model.json").write_text(json.dumps(document))
    for ask in (lambda name: hub.prepare("hi", model=name), hub.load, lambda name: hub.perplexity("a b", model=name)):
        with pytest.raises(StateConflict) as away:
            ask("away")
        assert str(away.value) == "away is downloadable, and its file is not here: type %models pull away"
        with pytest.raises(BadRequest, match=r"no provider is there: %models provider add example\.com --base"):
            ask("remote")
