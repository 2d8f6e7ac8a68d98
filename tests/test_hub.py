"""The hub: names, prompts, conversations and models, over real workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ModelFileError, ModelNotFound
from modelhub.kernels.hub import Hub

FEW: dict[str, Any] = {"temperature": 0, "max_tokens": 4, "logit_bias": {0: -100, 1: -100, 2: -100}}


def test_the_packaged_model_answers(hub: Hub) -> None:
    """With no model named, the packaged one answers a simple question."""
    response = hub.chat("What is the capital of France?", temperature=0)
    assert "Paris" in response.text()
    assert response.json()["model"] == "tiny-chat"
    assert response.finish_reason == "stop"


def test_what_is_wrong_is_said_before_anything_starts() -> None:
    """Wrong names, fields, prompts and files raise at once, and start, read and write nothing."""
    hub = Hub()
    for wrong, kind in (
        ({"model": "nothing"}, ModelNotFound),
        ({"model": ""}, BadRequest),
        ({"model": 5}, BadRequest),
        ({"model": "/nowhere/x.gguf"}, ModelFileError),
        ({"temprature": 1}, BadRequest),
        ({"temperature": 3}, BadRequest),
        ({"grammar": "root ::= 'x'"}, BadRequest),
        ({"tools": [{"type": "function"}]}, BadRequest),
        ({"n_ctx": 5}, BadRequest),
    ):
        with pytest.raises(kind) as caught:
            hub.chat("hi", **wrong)
        assert "\n" not in str(caught.value)
    for prompt in (5, None, b"hi", {"role": "user"}, [5], ["hi"], [{"role": "user", "content": "x", "y": 1}]):
        with pytest.raises(BadRequest):
            hub.chat(prompt)  # type: ignore[arg-type]  # what is refused
    assert hub.engines() == [] and hub.log.recent() == []


def test_a_conversation_sends_what_was_said(hub: Hub, random_gguf: Path) -> None:
    """Each turn sends those before it, the system prompt stays in force, and another conversation knows of none."""

    def sent(prompt: str, **options: Any) -> list[str | None]:
        response = hub.chat(prompt, model=str(random_gguf), **FEW, **options)
        response.text()
        return [f"{m.role}: {m.content}" for m in response.request.messages]

    assert sent("a", conversation="c", system="be brief") == ["system: be brief", "user: a"]
    second = sent("b", conversation="c")
    assert [second[0], second[1], second[3]] == ["system: be brief", "user: a", "user: b"]
    assert second[2] is not None and second[2].startswith("assistant: ")
    assert sent("x", conversation="d") == ["user: x"]
    assert sent("y") == ["user: y"]
    chat = hub.conversations.get("c")
    assert chat is not None and len(chat.turns) == 2


def test_a_turn_that_failed_is_not_remembered(hub: Hub, random_gguf: Path) -> None:
    """A turn of which nothing came but an error leaves the conversation as it was; a stopped one stays."""
    with pytest.raises(BadRequest):
        hub.chat("x" * 600, model=str(random_gguf), conversation="c").text()
    assert hub.conversations.get("c") is None
    endless = hub.chat("hi", model=str(random_gguf), conversation="c", n=16, **{**FEW, "max_tokens": None})
    next(iter(endless))
    endless.stop()
    assert endless.wait(60)
    chat = hub.conversations.get("c")
    assert chat is not None and len(chat.turns) == 1


def test_preparing_changes_nothing(hub: Hub, random_gguf: Path) -> None:
    """`prepare` says what would be asked; only `run` makes the conversation known."""
    prepared = hub.prepare("hi", model=str(random_gguf), conversation="c", cell="x", user="u", warnings=["w"])
    assert prepared.warnings == ("w", "user has no effect here: kept in response.request")
    assert hub.conversations.get("c") is None and hub.log.recent() == []
    hub.run(prepared).text()
    assert hub.conversations.get("c") is not None


def test_a_defect_ends_the_answer(hub: Hub, random_gguf: Path) -> None:
    """A number the log cannot hold is no reason to wait for ever."""
    response = hub.chat("hi", model=str(random_gguf), conversation="half \ud83d", **FEW)
    assert response.wait(60)
    assert response.text()


def test_models_asked_by_path_are_listed(hub: Hub, random_gguf: Path) -> None:
    """A file that was asked by its path is among the cards; the status has a row for what is loaded."""
    hub.load(str(random_gguf))
    assert {"local/tiny-chat", "local/random"} <= {c.name for c in hub.cards()}
    (row,) = [row for row in hub.status() if row["model"] == "local/random"]
    assert row["pid"] == hub.engine(str(random_gguf)).pid
    assert (row["state"], row["running"], row["waiting"]) == ("running", 0, 0)


def test_one_file_is_one_engine(hub: Hub, random_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a file is named, its worker is the same."""
    (tmp_path / "link.gguf").symlink_to(random_gguf)
    monkeypatch.chdir(random_gguf.parent)
    engines = {id(hub.engine(n)) for n in (str(random_gguf), "./random.gguf", str(tmp_path / "link.gguf"))}
    assert len(engines) == 1


def test_a_turn_stopped_before_its_first_word_is_not_remembered(hub: Hub, long_gguf: Path) -> None:
    """An answer that was stopped while its model still loaded leaves the conversation as it was."""
    hub.unload(str(long_gguf))
    response = hub.chat("hi", model=str(long_gguf), conversation="c", **FEW)
    response.stop()
    assert response.wait(60)
    assert response.interrupted and response.partial() == ""
    assert hub.conversations.get("c") is None
