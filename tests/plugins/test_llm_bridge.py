"""Models of Simon Willison's `llm`, asked through modelhub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llm
import pytest

from modelhub.errors import BadRequest, ModelNotFound, PluginFailed
from modelhub.kernels.hub import Hub
from modelhub.kernels.plugins.installed import Plugins
from modelhub.kernels.plugins.llm_bridge import Bridged
from tests.kernel import Kernel
from tests.plugins import llm_models
from tests.plugins.packages import on_path

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "Two."},
    {"role": "user", "content": [{"type": "text", "text": "Three?"}]},
]


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    """The plugins there are with llm's own models and those of `llm_models`, in a folder of llm's for this test."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.setenv("MODELHUB_PLUGINS", "llm")
    for name in ("OPENAI_API_KEY", "NOWHERE_KEY"):
        monkeypatch.delenv(name, raising=False)
    llm.pm.register(llm_models, "modelhub's tests")
    yield Plugins()
    llm.pm.unregister(name="modelhub's tests")


@pytest.fixture
def ask(theirs: Plugins, hub: Hub) -> Iterator[Callable[..., Any]]:
    """Asks a model of theirs through the hub."""
    names = [hub.plugins.add(o.model).name for o in theirs.offers(hidden=True) if o.ident in OURS]
    yield lambda prompt, model, **more: hub.chat(prompt, model=f"llm/{model}", **more)
    for name in names:
        hub.plugins.remove(name)


OURS = {"echo", "legacy", "locked", "thinker", "later", "crowded", "broken"}


def test_listed_are_those_that_can_be_asked(theirs: Plugins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Models that need no key are listed, the others once llm has their key; all have their names and aliases."""
    free = {"llm/echo", "llm/legacy", "llm/thinker", "llm/later", "llm/crowded", "llm/broken"}
    assert {o.name for o in theirs.offers()} == free
    assert {"llm/locked", "llm/gpt-4o-mini"} <= {o.name for o in theirs.offers(hidden=True)}
    assert theirs.aliases()["ekko"] == "llm/echo" and theirs.aliases()["4o-mini"] == "llm/gpt-4o-mini"
    monkeypatch.setenv("NOWHERE_KEY", "x")
    assert {o.name for o in theirs.offers()} == free | {"llm/locked"}
    monkeypatch.delenv("NOWHERE_KEY")
    (tmp_path / "llm" / "keys.json").write_text('{"nowhere": "y"}')
    assert {o.name for o in theirs.offers()} == free | {"llm/locked"}
    assert [p.problems for p in theirs.plugins() if p.name == "llm"] == [[]]


def test_a_name_of_nobody_s_gets_this_machine_s_first(ask: Callable[..., Any], hub: Hub) -> None:
    """Where no model has the name, those of this machine are told before the many that plugins bring."""
    hub.catalog.derive("tiny-chat", "mine")
    with pytest.raises(ModelNotFound, match="There are tiny-chat, mine, broken, crowded"):
        hub.catalog.find("nothing-like-it")


def test_newer_plugins_hear_the_whole_conversation(ask: Callable[..., Any]) -> None:
    """System message, history and question are in the prompt's messages; options are the model's."""
    answer = ask(TALK, "echo", temperature=0.5, tags="loud")
    assert answer.text() == "system:Be brief.|user:One?|assistant:Two.|user:Three?|0.5,LOUD,True"
    assert answer.usage() == {} and answer.debug["plugin"] == "notebook"


def test_older_plugins_hear_it_too(ask: Callable[..., Any]) -> None:
    """The same is in the conversation's responses, in the prompt and in its system message."""
    assert ask(TALK, "legacy").text() == "One?>Two.|Be brief.|Three?|False"
    assert ask("Alone?", "legacy").text() == "|Alone?|False"


def test_a_model_that_is_only_asynchronous(ask: Callable[..., Any]) -> None:
    """It answers as the others do."""
    assert ask(TALK, "later").text() == "system:Be brief.|user:One?|assistant:Two.|user:Three?|"


def test_reasoning_and_usage(ask: Callable[..., Any]) -> None:
    """What llm tells of reasoning and tokens is kept; reasoning is no part of the text."""
    answer = ask("x", "thinker")
    assert answer.text() == "so" and answer.debug["reasoning"] == "hm"
    assert answer.usage() == {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def test_it_streams(ask: Callable[..., Any]) -> None:
    """Text comes in the pieces llm gives it in."""
    answer = ask(TALK, "echo")
    answer.wait(30)
    assert len(list(answer.chunks())) >= 2 and answer.to_dict()["choices"][0]["text"].startswith("system:")


def test_a_key_that_is_missing_is_one_line(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is llm's own message, with what to type; with the key the model answers, and the key is nowhere."""
    with pytest.raises(PluginFailed) as failed:
        ask("x", "locked").text()
    assert "No key found - add one using 'llm keys set nowhere' or set the NOWHERE_KEY" in str(failed.value)
    assert "\n" not in str(failed.value)
    monkeypatch.setenv("NOWHERE_KEY", "canary-key")
    answer = ask("x", "locked")
    assert answer.text() == "opened with 10 characters"
    assert "canary-key" not in str(answer.to_dict())


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        ("echo", {"temperature": 1.5}, "echo: option temperature: should be a number, 0 to 1; got 1.5"),
        ("echo", {"temprature": 0.5}, "echo: unknown option 'temprature'. Did you mean 'temperature'"),
        ("echo", {"top_p": 0.5}, r"top_p=0\.5 is not supported by echo: its options are temperature, tags"),
        ("crowded", {"n": 2}, "n=2 is not supported by crowded"),
        ("crowded", {"logprobs": True}, "logprobs=True is not supported by crowded"),
    ],
)
def test_options_are_checked_first(ask: Callable[..., Any], model: str, given: dict[str, Any], said: str) -> None:
    """llm's options are refused in modelhub's words, before llm is asked."""
    with pytest.raises(BadRequest, match=said):
        ask("x", model, **given)


def test_options_with_the_names_of_requests(ask: Callable[..., Any]) -> None:
    """Options called as what every request has stay at llm's defaults; the others can be set."""
    assert ask("x", "crowded", width=7).text() == "3 7"


def test_what_is_not_text_is_refused(ask: Callable[..., Any]) -> None:
    """Attachments and tool calls are refused by name, not dropped."""
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    with pytest.raises(BadRequest, match="echo reads text; got a part of type 'image_url'"):
        ask(image, "echo")
    calls = [{"role": "tool", "content": "4", "tool_call_id": "a"}, {"role": "user", "content": "x"}]
    with pytest.raises(BadRequest, match="llm's models are told text only"):
        ask(calls, "echo").text()


def test_an_error_of_theirs_is_one_line(ask: Callable[..., Any]) -> None:
    """What llm raises ends the answer with one line, and what came is kept."""
    answer = ask("x", "broken")
    with pytest.raises(PluginFailed, match="llm/broken failed in the plugin notebook: ModelError: the line went dead"):
        answer.text()
    assert answer.partial() == "so far"


def test_they_keep_the_contract(theirs: Plugins) -> None:
    """A bridged model passes what every plugin's model must."""
    from modelhub.testing import check_model

    assert len(check_model(Bridged(llm_models.Echo())).checked) == 6


PACKAGE = """
import llm

class Bird(llm.Model):
    model_id = "bird"

    def execute(self, prompt, stream, response, conversation):
        yield "tweet " + prompt.prompt

@llm.hookimpl
def register_models(register):
    register(Bird(), aliases=("sparrow",))
"""


def test_in_a_kernel(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """A package that plugs into llm is listed in `%models` and answers `%%chat`; llm's own answer by name only."""
    site = tmp_path / "site"
    metadata = site / "llm_bird-0.1.dist-info"
    metadata.mkdir(parents=True)
    (site / "llm_bird.py").write_text(PACKAGE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-bird\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("[llm]\nbird = llm_bird\n")
    kernel = start_kernel(
        PYTHONPATH=on_path(site), MODELHUB_PLUGINS="llm", LLM_USER_PATH=str(tmp_path / "llm"), OPENAI_API_KEY=""
    )
    for name in ("bird", "sparrow", "llm/bird"):
        assert kernel.run(f"%%chat --new -m {name}\nhello").text == "tweet hello"
    table = kernel.run("%models").text
    assert "bird" in table and "gpt-4o" not in table
    ran = kernel.run("%%chat --new -m 4o-mini\nhello")
    assert "No key found - add one using 'llm keys set openai'" in ran.error
    assert "llm" in kernel.run("%models plugins").text


def test_a_plugin_of_llm_that_is_broken(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """One broken plugin breaks llm, as it does without modelhub; here it is a line, and modelhub goes on."""
    site = tmp_path / "site"
    metadata = site / "llm_torn-0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-torn\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("[llm]\ntorn = llm_torn_is_not_there\n")
    kernel = start_kernel(PYTHONPATH=on_path(site), MODELHUB_PLUGINS="llm", LLM_USER_PATH=str(tmp_path / "llm"))
    assert "tiny-chat" in kernel.run("%models").text
    assert "llm: register_models: ModuleNotFoundError: No module named 'llm_torn_is_not_there'" in (
        kernel.run("%models plugins").text
    )


def test_aliases_are_listed_with_their_models(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """`%models alias` shows no alias of a model that is not listed, and says how many there are."""
    kernel = start_kernel(MODELHUB_PLUGINS="llm", LLM_USER_PATH=str(tmp_path / "llm"), OPENAI_API_KEY="")
    assert kernel.run("%models alias quick tiny-chat").ok
    shown = kernel.run("%models alias").text
    assert "quick" in shown and "gpt-4" not in shown
    assert "of plugins' models that are not listed" in shown.splitlines()[-1]
