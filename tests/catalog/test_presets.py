"""Presets: documents in the home, made, read, validated as a whole, and asked by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelhub.errors import BadRequest, HubError, ModelNotFound, StateConflict
from modelhub.kernels.catalog.catalog import Catalog
from modelhub.kernels.catalog.presets.preset import preset_of
from modelhub.kernels.protocol.load_params import RULES

LOCALAI = """\
registration:
  model: gpt-3.5-turbo      # the name clients ask for
  endpoint: CreateChatCompletion
local_paths:
  model: tiny-chat
  template: chat.tmpl
  backend: llama
  threads: 2
request_defaults:
  top_p: 0.9
  temperature: 0.1
  x-localai-extensions:
    top_k: 40
    roles: {user: "### Human:"}
"""


@pytest.fixture
def folder(home: Path) -> Path:
    (home / "presets").mkdir(parents=True)
    return home / "presets"


def test_derive_writes_a_file_that_is_a_name() -> None:
    """A preset is one YAML file; it is asked by its name, in this kernel and in others, without a copy of the model."""
    catalog = Catalog()
    preset = catalog.derive(
        "tiny-chat",
        as_="creative",
        request={"temperature": 1.3, "top_k": 5, "stop": ["n", "no"], "logit_bias": {2435: -100}},
        load={"context": 512},
        system='Answer in verse.\nBe kind: no "quotes".',
    )
    assert preset.path is not None
    named = Catalog().resolve("creative")
    assert named.card == catalog.find("tiny-chat")
    assert (named.preset, named.asked, named.load) == ("creative", "creative", {"context": 512})
    assert named.system == 'Answer in verse.\nBe kind: no "quotes".'
    assert named.request["x_modelhub"] == {"top_k": 5}
    assert named.request["stop"] == ["n", "no"]
    assert catalog.presets() == [catalog.preset("creative")]
    assert "creative" in catalog.names()


def test_what_is_written_reads_alike_everywhere(folder: Path) -> None:
    """A reader of YAML 1.1 and ours see the same: n, no and on stay text, also as keys; null stays null."""
    catalog = Catalog()
    document = {
        "registration": {"model": "on", "endpoint": "*"},
        "local_settings": {"model": "tiny-chat"},
        "request_defaults": {"n": 2, "stop": ["no", "on", "1.0", "0123", "null", "~"], "temperature": None,
                             "metadata": {"no": "off", "on": "1e5", "y": "12:30"}},
        "system": "yes",
        "metadata": {"n": "n", "version": "1.0", "zip": "01234", "list": [1, "1", True, None]},
    }  # fmt: skip
    preset = catalog.preset_files.add(document)
    assert preset.path is not None
    assert yaml.safe_load(Path(preset.path).read_text()) == document
    assert preset.to_dict() == document


def test_the_document_of_localai_is_a_preset(folder: Path) -> None:
    """Its names for parts are read as ours; what has no use here is told; the rest is in force."""
    (folder / "gpt-3.5-turbo-chat.yaml").write_text(LOCALAI)
    named = Catalog().resolve("gpt-3.5-turbo")
    assert named.card.id == "tiny-chat"
    assert named.load == {"threads": 2}
    assert named.request == {
        "top_p": 0.9,
        "temperature": 0.1,
        "x_modelhub": {"top_k": 40, "roles": {"user": "### Human:"}},
    }
    assert any("template 'chat.tmpl' is not used" in w for w in named.warnings)


JINJA = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }};{% endfor %}"


@pytest.mark.parametrize("key", ["template", "chat_template"])
def test_a_template_is_a_text_or_a_file_beside_it(folder: Path, key: str) -> None:
    """A preset's template is Jinja, in it or in a file beside it, which may change; one of Go's is noted and left."""
    start = "name: a\nlocal_settings:\n  model: tiny-chat\n"
    (folder / "a.yaml").write_text(f"{start}  {key}: chat.jinja\n")
    (folder / "chat.jinja").write_text(JINJA)
    catalog = Catalog()
    assert catalog.resolve("a").load == {"chat_template": JINJA}
    (folder / "chat.jinja").write_text(JINJA + "!")
    assert catalog.resolve("a").load == {"chat_template": JINJA + "!"}
    (folder / "a.yaml").write_text(f"{start}  {key}: {json.dumps(JINJA)}\n")
    named = catalog.resolve("a")
    assert (named.load, named.warnings) == ({"chat_template": JINJA}, ())
    for name in ("../chat.jinja", "/etc/chat.jinja", "missing.jinja"):
        (folder / "a.yaml").write_text(f"{start}  {key}: {name}\n")
        assert catalog.preset("a") is None
        (problem,) = catalog.preset_files.problems
        assert problem.startswith(f"{folder / 'a.yaml'}, line 4: local_settings.{key}: ")


def test_a_template_of_go_s_is_not_used(folder: Path) -> None:
    """What another language wrote is said and left out; two names of one thing are refused."""
    start = "name: a\nlocal_settings:\n  model: tiny-chat\n"
    (folder / "a.yaml").write_text(start + '  template: "{{.Input}}\\n### Response:"\n')
    named = Catalog().resolve("a")
    assert named.load == {} and "it is none of Jinja's" in named.warnings[0]
    with pytest.raises(BadRequest, match="another name of chat_template"):
        preset_of({"name": "a", "local_settings": {"model": "b", "template": JINJA, "chat_template": JINJA}})


def test_yaml_1_2_and_toml(folder: Path) -> None:
    """Fields called n, no and on survive a hand-written file; TOML says the same as YAML."""
    (folder / "a.yml").write_text(
        "name: a\nbase: tiny-chat\nrequest_defaults:\n  n: 2\n  stop: [no, on, n]\n  metadata: {no: on}\n"
    )
    (folder / "b.toml").write_text(
        'name = "b"\nbase = "tiny-chat"\n[request_defaults]\nn = 2\nstop = ["no", "on", "n"]\n'
        '[request_defaults.metadata]\nno = "on"\n'
    )
    catalog = Catalog()
    expected = {"n": 2, "stop": ["no", "on", "n"], "metadata": {"no": "on"}}
    assert catalog.resolve("a").request == catalog.resolve("b").request == expected
    assert catalog.preset_files.problems == []


BAD = {
    "warm.yaml": (
        "name: x\nbase: tiny-chat\nrequest_defaults:\n  temperature: warm\n",
        4,
        "temperature: input should be",
    ),
    "range.yaml": ("name: x\nbase: tiny-chat\nrequest_defaults:\n  x_modelhub:\n    top_k: -4\n", 5, "top_k"),
    "typo.yaml": ("name: x\nbase: tiny-chat\nrequest_defaults:\n  temprature: 1\n", 4, "Did you mean 'temperature'"),
    "load.yaml": ("name: x\nbase: tiny-chat\nrequest_defaults:\n  context: 512\n", 4, "it stands under local_settings"),
    "params.yaml": ("name: x\nlocal_settings:\n  model: tiny-chat\n  slots: 99\n", 4, "from 1 to 64; got 99"),
    "n_ctx.yaml": ("name: x\nlocal_paths:\n  model: tiny-chat\n  n_ctx: 99\n", 4, "called 'context' here"),
    "backend.yaml": (
        "name: x\nlocal_paths:\n  model: tiny-chat\n  backend: rwkv\n",
        4,
        "backend must be one of llamacpp",
    ),
    "key.yaml": (
        "name: x\nbase: tiny-chat\nrequests: {}\n",
        3,
        "no 'requests' in a preset. Did you mean 'request_defaults'",
    ),
    "nameless.yaml": ("base: tiny-chat\n", None, "registration.model must be the name it is asked by"),
    "baseless.yaml": ("name: x\n", None, "must be the model it is made of; got nothing"),
    "both.yaml": ("name: x\nregistration: {model: y}\nbase: tiny-chat\n", 1, "they mean the same"),
    "twice.yaml": ("name: x\nbase: b\nlocal_paths: {}\nlocal_settings: {}\n", 3, "another name of local_settings"),
    "path.yaml": ("name: ../x\nbase: tiny-chat\n", 1, "does not look like a path"),
    "number.yaml": ("name: x\nbase: tiny-chat\nsystem: 5\n", 3, "system must be text; got 5"),
    "list.yaml": ("- a\n- b\n", None, "a preset is a table"),
    "broken.yaml": ("name: [x\nbase: y\n", 2, "not valid YAML"),
    "double.yaml": ("name: x\nname: y\nbase: tiny-chat\n", 2, ""),
    "empty.yaml": ("", None, "empty"),
    "broken.toml": ('name = "x"\nbase = \n', 2, "not valid TOML"),
    "warm.toml": ('name = "x"\nbase = "tiny-chat"\n[request_defaults]\ntemperature = "warm"\n', 4, "temperature"),
}


@pytest.mark.parametrize("name", [n for n in BAD if n != "double.yaml"])
def test_one_bad_file_is_one_warning(folder: Path, name: str) -> None:
    """Path, line and field of what is wrong, in one line; the file beside it loads, and the list shows the warning."""
    text, line, part = BAD[name]
    (folder / name).write_text(text)
    (folder / "good.yaml").write_text("name: good\nbase: tiny-chat\n")
    catalog = Catalog()
    assert catalog.find("good").id == "tiny-chat"
    catalog.cards()
    (problem,) = [p for p in catalog.problems if str(folder) in p]
    assert f"{folder / name}{f', line {line}' if line else ''}: " in problem
    assert part in problem
    assert "\n" not in problem


def test_only_exact_endings_are_read(folder: Path) -> None:
    """Backups and hidden files beside presets are none."""
    for name in ("a.yaml.bak", "b.yaml~", ".c.yaml", "d.json", "e.yamlx"):
        (folder / name).write_text("name: x\nbase: tiny-chat\n")
    catalog = Catalog()
    assert (catalog.presets(), catalog.preset_files.problems) == ([], [])


def test_changes_on_disk_are_seen(folder: Path) -> None:
    """A file that is put there, changed and removed is a preset, another one, and none; no kernel starts anew."""
    catalog = Catalog()
    assert catalog.preset("x") is None
    (folder / "x.yaml").write_text("name: x\nbase: tiny-chat\nrequest_defaults: {top_p: 0.5}\n")
    assert catalog.resolve("x").request == {"top_p": 0.5}
    (folder / "x.yaml").write_text("name: x\nbase: tiny-chat\nrequest_defaults: {top_p: 0.25}\n")
    assert catalog.resolve("x").request == {"top_p": 0.25}
    (folder / "x.yaml").unlink()
    with pytest.raises(ModelNotFound):
        catalog.resolve("x")


def test_two_files_of_one_name_are_reported(folder: Path) -> None:
    """The first file, by its name, is the preset; the second is a warning with both paths."""
    (folder / "a.yaml").write_text("name: x\nbase: tiny-chat\nrequest_defaults: {top_p: 0.5}\n")
    (folder / "b.yaml").write_text("name: x\nbase: tiny-chat\nrequest_defaults: {top_p: 0.25}\n")
    catalog = Catalog()
    assert catalog.resolve("x").request == {"top_p": 0.5}
    (problem,) = catalog.preset_files.problems
    assert str(folder / "a.yaml") in problem
    assert str(folder / "b.yaml") in problem


def test_the_more_specific_endpoint_wins(folder: Path) -> None:
    """A preset for chat comes before one of its name for all; one for what is not asked yet is kept and says so."""
    base = (
        "local_settings: {model: tiny-chat}\nrequest_defaults: {top_p: %s}\nregistration: {model: x, endpoint: '%s'}\n"
    )
    (folder / "a.yaml").write_text(base % (0.1, "*"))
    catalog = Catalog()
    assert catalog.resolve("x").request == {"top_p": 0.1}
    (folder / "b.yaml").write_text(base % (0.2, "CreateChatCompletion"))
    (folder / "c.yaml").write_text(base % (0.3, "CreateCompletion"))
    assert catalog.resolve("x").request == {"top_p": 0.2}
    assert len(catalog.presets()) == 3
    assert catalog.preset_files.problems == []
    (folder / "a.yaml").unlink()
    (folder / "b.yaml").unlink()
    with pytest.raises(ModelNotFound, match="for CreateCompletion, which is not asked by modelhub yet"):
        catalog.resolve("x")


def test_a_preset_of_a_preset_is_flat() -> None:
    """What is derived of a preset has its settings and its model; the first may go then."""
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="one", request={"temperature": 0.2, "top_k": 5}, load={"context": 512}, system="s")
    catalog.derive("one", as_="two", request={"temperature": None, "min_p": 0.1}, load={"threads": 1})
    catalog.derive("one", as_="three", system="")
    catalog.remove_preset("one")
    two = catalog.preset("two")
    assert two is not None
    assert (two.model, two.load, two.system) == ("local/tiny-chat", {"context": 512, "threads": 1}, "s")
    assert two.request == {"temperature": None, "x_modelhub": {"top_k": 5, "min_p": 0.1}}
    assert catalog.resolve("two").request == {"x_modelhub": {"top_k": 5, "min_p": 0.1}}
    assert catalog.resolve("three").system == ""


@pytest.mark.parametrize(
    ("base", "name", "given", "kind", "part"),
    [
        ("tiny-cat", "x", {}, ModelNotFound, "Did you mean 'tiny-chat'"),
        ("tiny-chat", "tiny-chat", {}, StateConflict, "the name of a model"),
        ("tiny-chat", "old", {}, StateConflict, "the name of a preset"),
        ("tiny-chat", "o", {}, StateConflict, "the name of an alias"),
        ("tiny-chat", "a/../b c\n", {}, BadRequest, "1 to 100 characters"),
        ("tiny-chat", "x", {"request": {"temperature": 9}}, BadRequest, "temperature"),
        ("tiny-chat", "x", {"request": {"n_ctx": 9}}, BadRequest, "load parameter"),
        ("tiny-chat", "x", {"load": {"slots": 99}}, BadRequest, "from 1 to 64"),
        ("tiny-chat", "x", {"load": {"tempo": 99}}, BadRequest, "no load parameter 'tempo'"),
    ],
)
def test_a_preset_that_cannot_be_is_not_written(
    folder: Path, base: str, name: str, given: dict[str, Any], kind: type[HubError], part: str
) -> None:
    """Wrong bases, names that are taken and settings nobody accepts are refused before anything is written."""
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="old")
    catalog.set_alias("o", "old")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(kind) as caught:
        catalog.derive(base, as_=name, **given)
    assert part in str(caught.value)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_force_takes_the_place(folder: Path) -> None:
    """A preset that is made again with force is one file, also where the first was TOML."""
    (folder / "mine.toml").write_text('name = "x"\nbase = "tiny-chat"\n')
    catalog = Catalog()
    catalog.derive("tiny-chat", as_="x", request={"top_p": 0.5}, force=True)
    assert [p.name for p in folder.iterdir()] == ["x.yaml"]
    catalog.derive("tiny-chat", as_="x", request={"top_p": 0.25}, force=True)
    assert [p.name for p in folder.iterdir()] == ["x.yaml"]
    assert catalog.resolve("x").request == {"top_p": 0.25}
    catalog.derive("tiny-chat", as_="tiny-chat", request={"top_p": 0.125}, force=True)
    assert catalog.resolve("tiny-chat").request == {"top_p": 0.125}
    assert catalog.resolve("local/tiny-chat").request == {}
    assert catalog.preset_files.remove("x") == [str(folder / "x.yaml")]
    with pytest.raises(ModelNotFound, match="no preset is named 'x'"):
        catalog.remove_preset("x")


def test_names_of_files_are_safe(folder: Path) -> None:
    """Whatever a preset is called, its file lies in the folder, and two names never share one."""
    catalog = Catalog()
    for name in ("a/b", "a-b", "a:b", "größe", "数", "CON"):
        catalog.derive("tiny-chat", as_=name, force=True)
    assert len(list(folder.iterdir())) == 6
    assert all(p.parent == folder and p.name.isascii() for p in folder.iterdir())
    assert {p.name for p in catalog.presets()} == {"a/b", "a-b", "a:b", "größe", "数", "CON"}


def test_the_model_may_be_a_file_beside_it(folder: Path, random_gguf: Path) -> None:
    """LocalAI's documents name a file; it is looked for beside the document and in the models home."""
    (folder / "weights.gguf").write_bytes(random_gguf.read_bytes())
    (folder / "x.yaml").write_text("registration: {model: x}\nlocal_paths: {model: weights.gguf}\n")
    assert Catalog().find("x").path == str(folder / "weights.gguf")


def test_a_preset_without_its_model_says_so(folder: Path) -> None:
    """The error names the preset, its file, and the model that is missing, with the nearest."""
    (folder / "x.yaml").write_text("name: x\nbase: tiny-cat\n")
    with pytest.raises(ModelNotFound) as caught:
        Catalog().find("x")
    for part in ("the preset 'x'", str(folder / "x.yaml"), "'tiny-cat'", "Did you mean 'tiny-chat'"):
        assert part in str(caught.value)
    assert Catalog().names_preset("x")
    Catalog().remove_preset("x")
    assert not Catalog().names_preset("x")


def test_a_preset_is_of_a_model_and_not_of_a_preset(folder: Path) -> None:
    """Documents that name each other are refused, not followed for ever."""
    (folder / "a.yaml").write_text("name: a\nbase: b\n")
    (folder / "b.yaml").write_text("name: b\nbase: a\n")
    with pytest.raises(ModelNotFound, match="made of 'b', and there is no such model"):
        Catalog().find("a")


def test_every_load_parameter_may_stand_in_a_preset() -> None:
    """Whatever `%models load` takes, a preset holds and gives back."""
    values: dict[str, Any] = dict.fromkeys(RULES, None)
    values |= {"context": 512, "slots": 2, "mmap": True, "tensor_split": [3, 1], "cache_type_k": "q8_0"}
    preset = preset_of({"name": "x", "base": "tiny-chat", "local_settings": values})
    assert dict(preset.load) == values


@pytest.mark.parametrize(
    "document",
    [None, 5, "x", [], {}, {"name": "x", "base": "b", 1: 2}, {"name": 5, "base": "b"}, {"name": "x", "base": ["b"]},
     {"name": "x", "base": "b", "local_settings": {5: 6}}, {"name": "x", "base": "b", "request_defaults": {None: 6}},
     {"name": "x", "base": "b", "request_defaults": {"x_modelhub": {True: 6}}},
     {"name": "x", "base": "b", "registration": {"endpoint": ""}},
     {"name": "x", "base": "b", "request_defaults": {"x_modelhub": {}, "x-localai-extensions": {}}}],
)  # fmt: skip
def test_any_document_is_a_preset_or_refused(document: Any) -> None:
    """Whatever is given from Python where a document should be, the error is ours and one line."""
    with pytest.raises(BadRequest) as caught:
        preset_of(document)
    assert "\n" not in str(caught.value)


def test_a_hostile_document_is_refused(folder: Path) -> None:
    """Anchors that multiply, and nesting without end, are one warning."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (folder / "bomb.yaml").write_text(bomb)
    (folder / "deep.yaml").write_text("name: " + "[" * 5000)
    catalog = Catalog()
    assert catalog.presets() == []
    assert len(catalog.preset_files.problems) == 2
