"""The log of turns: what was said outlives the kernel, and a log that cannot be written costs one warning."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import ContextTooLong, EngineCrashed, StoreFailed
from modelhub.kernels.hub import Hub
from modelhub.kernels.store.turn_log import TurnLog
from modelhub.nbext.markdown import displayable
from tests.kernel import Kernel

FEW: dict[str, Any] = {"temperature": 0, "max_tokens": 4, "logit_bias": {0: -100, 1: -100, 2: -100}}
ENDLESS = {**FEW, "max_tokens": None}


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that cannot be made: it lies below a file."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODELHUB_HOME", str(tmp_path / "file" / "home"))
    return tmp_path / "file" / "home"


def test_a_turn_is_written_when_it_ends(hub: Hub, random_gguf: Path) -> None:
    """A finished turn is there when its text is: model, conversation, request, text; newest first."""
    for name in ("one", "two"):
        hub.chat("hi \ud83d".replace("\ud83d", "é"), model=str(random_gguf), conversation=name, **FEW).text()
    two, one = hub.log.recent()
    assert (one["conversation"], two["conversation"]) == ("one", "two")
    assert one["state"] == two["state"] == "done"
    assert (one["model"], one["kernel"]) == (str(random_gguf), hub.log.kernel)
    assert '"content": "hi \\u00e9"' in one["request"]
    assert len(hub.log.recent(1)) == 1


def test_a_turn_is_there_while_it_runs(hub: Hub, long_gguf: Path) -> None:
    """A running turn is in the log, and a stopped one keeps its text."""
    response = hub.chat("hi", model=str(long_gguf), **ENDLESS)
    next(iter(response))
    hub.log.close()  # waits for what is being written
    (row,) = hub.log.recent()
    assert (row["id"], row["state"]) == (response.id, "running")
    response.stop()
    assert response.wait(60)
    (row,) = hub.log.recent()
    assert (row["state"], row["text"]) == ("stopped", response.partial())
    assert hub.log.response(response.id).interrupted


def test_a_killed_kernel_loses_nothing(start_kernel: Callable[..., Kernel], long_gguf: Path) -> None:
    """A kernel killed while it answers leaves what had come, about a second old at most; another kernel shows it."""
    killed = start_kernel()
    killed.run(
        f"import modelhub; r = modelhub.chat('hi', model={str(long_gguf)!r}, logit_bias={{0: -100, 1: -100, 2: -100}})"
    )
    log = TurnLog()
    end = time.monotonic() + 60
    while not (rows := log.recent()) or not rows[0]["text"]:
        assert time.monotonic() < end, "no partial text was written"
    os.kill(killed.pid, signal.SIGKILL)
    text = log.recent()[0]["text"]
    other = start_kernel()
    shown = other.run("%chats log")
    assert "cut off" in shown.text
    ident = rows[0]["id"].removeprefix("chatcmpl-")[:8]
    assert other.run(f"%chats log {ident}").text.startswith(displayable(text)[:200])


def test_a_failed_turn_says_why(hub: Hub, random_gguf: Path) -> None:
    """What ended a turn badly is in the log with what had come, and comes back as the same error."""
    response = hub.chat("x" * 600, model=str(random_gguf))
    with pytest.raises(ContextTooLong):
        response.text()
    assert [row["state"] for row in hub.log.recent()] == ["failed"]
    again = hub.log.response(response.id)
    with pytest.raises(ContextTooLong, match="maximum context length is 512"):
        again.text()


def test_a_crash_keeps_what_came(hub: Hub, long_gguf: Path) -> None:
    """The text that had come before a crash is in the log."""
    response = hub.chat("hi", model=str(long_gguf), **ENDLESS)
    first = next(iter(response))
    os.kill(hub.engine(str(long_gguf)).pid or 0, signal.SIGKILL)
    with pytest.raises(EngineCrashed):
        response.text()
    (row,) = hub.log.recent()
    assert row["state"] == "failed" and row["text"].startswith(first)


def test_a_response_comes_back_whole(hub: Hub, random_gguf: Path) -> None:
    """A response found by the beginning of its id is what it was: text, tokens, probabilities, request, debug."""
    options = {**FEW, "logprobs": True, "top_logprobs": 2, "n": 2, "user": "u", "top_k": 5}
    response = hub.chat("hi", model=str(random_gguf), **options)
    response.text()
    again = TurnLog().response(response.id[:20])
    assert again.json() == response.json()
    assert again.request == response.request
    now, then = again.to_dict(), response.to_dict()
    assert now.pop("debug")["timings"] == pytest.approx(then.pop("debug")["timings"])
    assert now == then
    assert again.debug["prompt"] == response.debug["prompt"]
    assert again.warnings == response.warnings == ["user has no effect here: kept in response.request"]
    assert (again.text(1), again.logprobs) == (response.text(1), response.logprobs)


@pytest.mark.parametrize("ident", ["chatcmpl-", "", "%", "_", "nothing", "chatcmpl-%"])
def test_an_id_that_is_not_one(hub: Hub, random_gguf: Path, ident: str) -> None:
    """An id that no turn or several have is an error that says how many; % and _ are characters like others."""
    for _ in range(1 if "%" in ident or "_" in ident else 2):
        hub.chat("hi", model=str(random_gguf), **FEW).text()
    with pytest.raises(StoreFailed, match=r"turns have an id that begins with") as caught:
        hub.log.response(ident)
    assert "\n" not in str(caught.value)


def test_no_log_is_an_empty_log() -> None:
    """Before the first turn there is nothing to read, and nothing is written by reading."""
    log = TurnLog()
    assert log.recent() == []
    with pytest.raises(StoreFailed, match=r"^0 turns"):
        log.response("x")
    log.close()
    assert not Path(os.environ["MODELHUB_HOME"]).exists()


def test_a_home_that_is_named_relatively(
    hub: Hub, random_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MODELHUB_HOME may be relative to where the kernel is, with characters that mean something in a URI."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELHUB_HOME", "my ?home#1")
    response = hub.chat("hi", model=str(random_gguf), **FEW)
    response.text()
    assert [row["id"] for row in hub.log.recent()] == [response.id]
    assert (tmp_path / "my ?home#1" / "turns.sqlite").exists()


def test_a_home_that_cannot_be_written(no_home: Path, hub: Hub, random_gguf: Path) -> None:
    """The answers come; the first turn has one warning that says what to do, and the later ones none."""
    responses = [hub.chat("hi", model=str(random_gguf), **FEW) for _ in range(3)]
    assert all(r.text() for r in responses)
    (warning,) = [w for r in responses for w in r.warnings]
    assert warning.startswith("this turn is not in the log: ") and str(no_home) in warning
    assert "set MODELHUB_HOME to a folder that can" in warning and "\n" not in warning
    assert hub.log.recent() == []


def test_a_log_that_is_no_database(home: Path, hub: Hub, random_gguf: Path) -> None:
    """A damaged log costs a warning when it is written and an error in one line when it is read."""
    home.mkdir()
    (home / "turns.sqlite").write_text("not a database, whatever its name says " * 50)
    response = hub.chat("hi", model=str(random_gguf), **FEW)
    assert response.text() and "not in the log" in response.warnings[0]
    with pytest.raises(StoreFailed, match="cannot be read"):
        hub.log.recent()


def test_two_kernels_write_one_log(hub: Hub, random_gguf: Path, home: Path) -> None:
    """Another kernel's open log is no hindrance; its turns are read beside ours."""
    hub.chat("hi", model=str(random_gguf), **FEW).text()
    other = sqlite3.connect(home / "turns.sqlite")
    other.execute("INSERT INTO turn VALUES ('id', 'other', NULL, 'm', 0, 'done', '{}', 'text', NULL)")
    other.commit()
    hub.chat("hi", model=str(random_gguf), **FEW).text()
    assert [row["kernel"] for row in hub.log.recent()] == [hub.log.kernel, hub.log.kernel, "other"]
    other.close()


def test_closing_while_turns_are_written(hub: Hub, random_gguf: Path) -> None:
    """A log that is closed again and again, from several threads, loses none of the turns meanwhile."""
    over = threading.Event()

    def close() -> None:
        while not over.is_set():
            hub.log.close()

    with ThreadPoolExecutor(2) as pool:
        closing = [pool.submit(close) for _ in range(2)]
        try:
            responses = [hub.chat(f"hi {i}", model=str(random_gguf), **FEW) for i in range(60)]
            assert all(response.wait(60) for response in responses)
        finally:
            over.set()
        assert [c.result() for c in closing] == [None, None]
    assert [r.warnings for r in responses if r.warnings] == []
    hub.log.close()
    assert {row["state"] for row in hub.log.recent(100)} == {"done"} and len(hub.log.recent(100)) == 60
