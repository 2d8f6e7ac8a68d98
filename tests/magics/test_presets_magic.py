"""`%models derive` and `options` in a real kernel, and presets wherever a model is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelhub.kernels.protocol.load_params import RULES
from modelhub.magics.models.presets import DERIVE
from tests.kernel import Kernel


def rows(room: Kernel, line: str) -> dict[str, Any]:
    """What a table of names and values holds."""
    ran = room.run(f"t = {line}")
    assert ran.ok, ran.error
    found: dict[str, Any] = eval(room.value("{r['what']: r['value'] for r in t}"))
    return found


def test_derive_and_ask(room: Kernel) -> None:
    """A preset made by a line answers by its name, with its settings, its system message and its load parameters."""
    line = (
        "%models derive tiny-chat --as creative -t 0 --top-k 5 -s 'Be brief.' --max-tokens 4 --stop END "
        "-o suppress time -o suppress ' time' -o logit_bias 2435:-100,640:-50 -c 512 --threads 1"
    )
    assert rows(room, line) == {
        "name": "creative", "model": "local/tiny-chat", "temperature": 0.0, "top_k": 5, "max_tokens": 4,
        "stop": ["END"], "suppress": ["time", " time"], "context": 512, "threads": 1, "system": "Be brief.",
        "logit_bias": {"2435": -100, "640": -50},
    }  # fmt: skip
    shown = room.run("%models derive creative --as again --force").text
    path = Path(shown.splitlines()[-1].removeprefix("written to "))
    assert path.read_text().startswith('registration:\n  model: "again"\n')
    assert room.run("r = %chat -m creative What is the capital of France?").ok
    request = eval(room.value("r.request.to_dict()"))
    assert request["model"] == "creative"
    assert request["messages"][0] == {"role": "system", "content": "Be brief."}
    assert request["logit_bias"] == {2435: -100.0, 640: -50.0}
    assert eval(room.value("r.debug['load_parameters']"))["context"] == 512
    assert eval(room.value("r.debug['settings']"))["temperature"] == [0.0, "preset creative"]
    assert eval(room.value("r.debug['resolved']")) == {"model": "local/tiny-chat", "preset": "creative"}
    assert "creative" in [r["name"] for r in eval(room.value("list(get_ipython().run_line_magic('models', ''))"))]
    assert "creative" in room.complete("%%chat -m cr")
    dry = room.run("%chat -m creative -t 1.5 -o top_k=null --dry-run hi").text
    assert '"temperature": 1.5' in dry
    assert '"top_k"' not in dry
    assert room.run("%models load creative").ok
    assert room.run("%models unload creative").ok


def test_a_preset_of_a_preset_sets_back(room: Kernel) -> None:
    """`-o NAME=null` in a preset takes away what the one below says, and the table says so."""
    room.run("%models derive tiny-chat --as low -t 0.1 --force")
    shown = room.run("%models derive low --as back -o temperature=null --force").text
    assert "the engine's default" in shown
    assert '"temperature"' not in room.run("%chat -m back --dry-run hi").text


def test_options_of_a_model(room: Kernel) -> None:
    """Options are set by name and value, are in force at once, and go one by one or all."""
    set_ = "%models options tiny-chat temperature 0.5 max_tokens=2 stop A stop B context 256"
    assert rows(room, set_) == {"temperature": 0.5, "max_tokens": 2, "stop": ["A", "B"], "context": 256}
    assert rows(room, "%models options tiny-chat")["temperature"] == 0.5
    (row,) = eval(room.value("list(get_ipython().run_line_magic('models', 'options'))"))
    assert row["model"] == "local/tiny-chat"
    room.run("r = %chat hi")
    settled = eval(room.value("r.debug['settings']"))
    assert settled["temperature"] == [0.5, "options of tiny-chat"]
    assert eval(room.value("r.debug['load_parameters']"))["context"] == 256
    assert rows(room, "%models options tiny-chat stop --remove") == {
        "temperature": 0.5, "max_tokens": 2, "context": 256
    }  # fmt: skip
    assert room.run("%models options tiny-chat --remove").text == "tiny-chat has no options of yours"
    assert "no model has options" in room.run("%models options").text
    room.run("%models unload tiny-chat")


def test_derive_takes_what_load_takes() -> None:
    """Every load parameter has its flag here as it has behind `%models load`."""
    assert {o.key for o in DERIVE} >= set(RULES)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("%models derive", ["needs the name of a model"]),
        ("%models derive tiny-chat", ["--as NAME"]),
        ("%models derive tiny-cat --as x", ["Did you mean 'tiny-chat'"]),
        ("%models derive tiny-chat --as tiny-chat", ["the name of a model already", "--force"]),
        ("%models derive tiny-chat --as x -t 9", ["temperature", "less than or equal to 2; got 9"]),
        ("%models derive tiny-chat --as x -o temprature=1", ["temprature", "Did you mean 'temperature'"]),
        ("%models derive tiny-chat --as x --slots 99", ["slots must be a whole number from 1 to 64"]),
        ("%models derive tiny-chat --as x --reload", ["no flag --reload"]),
        ("%models derive tiny-chat --as ../x", ["does not look like a path"]),
        ("%models options tiny-chat temperature", ["needs a value behind temperature"]),
        ("%models options tiny-chat temperature 9", ["less than or equal to 2"]),
        ("%models options tiny-chat temperature 0.1 temperature 0.2", ["temperature was given twice"]),
        ("%models options tiny-chat temprature 1", ["Did you mean 'temperature'"]),
        ("%models options tiny-chat slots many", ["slots needs N; got 'many'"]),
        ("%models options tiny-chat mmap maybe", ["mmap needs on|off|auto; got 'maybe'"]),
        ("%models options tiny-chat model x", ["a model has no option model"]),
        ("%models options tiny-chat min_p --remove", ["no option 'min_p' of yours"]),
        ("%models options tiny-chat a b --remove", ["forgets one option"]),
        ("%models options tiny-chat --drop", ["no flag --drop"]),
        ("%models options nothing", ["no model is named 'nothing'"]),
    ],
)
def test_what_is_wrong_is_one_line(room: Kernel, line: str, parts: list[str]) -> None:
    """A wrong name, flag or value is told in one line, and nothing is written."""
    before = room.run("%models options").text
    ran = room.run(line)
    assert all(part in ran.error for part in parts), ran.error
    assert "\n" not in ran.error
    assert room.run("%models options").text == before
    assert "no model is named 'x'" in room.run("%models show x").error


def test_a_preset_is_deleted_and_its_model_stays(room: Kernel) -> None:
    """`delete` of a preset says which file it would take, takes it with --yes, and leaves the model."""
    room.run("%models derive tiny-chat --as gone --force")
    asked = room.run("%models delete gone").error
    assert "gone is a preset, in " in asked
    assert "%models delete gone --yes" in asked
    assert room.run("%models alias g gone").ok
    assert "g is an alias of gone; type %models alias remove g" in room.run("%models delete g --yes").error
    said = room.run("%models delete gone --yes").text
    path = Path(said.rpartition(": ")[2])
    assert path.name == "gone.yaml"
    assert not path.exists()
    assert "no model is named 'gone'" in room.run("%models show gone").error
    assert room.run("%models show tiny-chat").ok
    room.run("%models alias remove g")


def test_options_of_a_preset_stand_in_the_preset(room: Kernel) -> None:
    """`options` of a preset says where they are."""
    room.run("%models derive tiny-chat --as pre --force")
    error = room.run("%models options pre temperature 1").error
    assert "pre is a preset" in error
    assert "pre.yaml" in error
