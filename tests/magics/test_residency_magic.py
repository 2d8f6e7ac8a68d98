"""`%models load`, `unload`, `ps`, `ttl` and `budget` in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from modelhub.magics.models.quantities import bytes_of, seconds_of, time_text
from tests.kernel import Kernel

ENDLESS = "logit_bias={i: -100 for i in range(3)}"


@pytest.fixture
def empty(room: Kernel) -> Iterator[Kernel]:
    """A kernel in which nothing is loaded and nothing set, before and after."""
    clean = "%models unload tiny-chat --force", "%models ttl 30m", "%models budget auto"
    for line in clean:
        room.run(line)
    yield room
    for line in clean:
        room.run(line)


def rows(room: Kernel) -> list[dict[str, Any]]:
    assert room.run("t = %models ps").ok
    found: list[dict[str, Any]] = eval(room.value("list(t)"))
    return found


def test_loading_it_otherwise_needs_reload(empty: Kernel) -> None:
    """The same again is free; other parameters are refused in one line that says what would change."""
    assert empty.run("%models load tiny-chat -c 512 --slots 4").ok
    (first,) = rows(empty)
    assert empty.run("%models load tiny-chat -c 512 --slots 4").ok and empty.run("%models load tiny-chat").ok
    refused = empty.run("%models load tiny-chat -c 256")
    assert refused.error == (
        "StateConflict: tiny-chat is loaded with context=512, slots=4; context=256, slots=16 would load it again: "
        "add --reload"
    )
    assert [row["pid"] for row in rows(empty)] == [first["pid"]]
    assert empty.run("%models load tiny-chat -c 256 --reload").ok
    (row,) = rows(empty)
    assert row["pid"] != first["pid"] and row["load"] == {"context": 256}


def test_unloading_while_it_answers_needs_force(empty: Kernel) -> None:
    """It is refused while a request runs; `--force` ends it, and the answer says so."""
    assert empty.run(f"import modelhub\nr = modelhub.chat('hi', max_tokens=900, {ENDLESS}); n = next(iter(r))").ok
    refused = empty.run("%models unload tiny-chat")
    if "1 request is running" in refused.error:  # else the answer was complete already
        assert refused.error == "StateConflict: tiny-chat: 1 request is running; --force stops it"
        assert empty.run("%models unload --force tiny-chat").text == "tiny-chat was unloaded"
    assert empty.run("%models unload tiny-chat --force").text == "tiny-chat was not loaded"


def test_ps(empty: Kernel) -> None:
    """A row a model, with what it holds and when it goes; below it the machine, also where nothing is loaded."""
    nothing = empty.run("%models ps").text.splitlines()
    assert nothing[0] == "no model is loaded" and nothing[1].startswith("CPU ") and " RAM " in nothing[1]
    assert empty.run("%models load tiny-chat --keep -c 512").ok
    shown = empty.run("%models ps").text.splitlines()
    for column in ("memory", "running", "waiting", "context used", "idle", "unloads in", "loaded with"):
        assert column in shown[0]
    assert "kept" in shown[1] and "context=512" in shown[1]
    assert "free of" in shown[2] and "used by this kernel and its models" in shown[2] and "disk" in shown[2]
    assert empty.run("%models load tiny-chat --keep off").ok
    assert "30 min" in empty.run("%models ps").text
    (row,) = rows(empty)
    assert row["keep"] is False and 0 < row["unloads_in"] <= 1800 and row["memory"] > 1_000_000
    assert empty.run("%models ps now").error == "BadRequest: %models ps takes nothing more; got 'now'"


def test_ttl(empty: Kernel) -> None:
    """It is shown and set, for all and for one."""
    assert empty.run("%models ttl").text == "a model is unloaded when it has been idle for 30 min"
    assert empty.run("%models ttl 10m").text == "a model is unloaded when it has been idle for 10 min"
    assert empty.run("%models ttl tiny-chat 2h").text == "tiny-chat is unloaded when it has been idle for 2 h"
    assert empty.run("%models ttl tiny-chat off").text == "tiny-chat stays in memory however long it is idle"
    assert empty.run("%models ttl tiny-chat").text == "tiny-chat stays in memory however long it is idle"
    assert empty.run("%models ttl").text == "a model is unloaded when it has been idle for 10 min"
    assert empty.run("%models ttl tiny-chat 30m").ok
    assert "no model is named '10x'" in empty.run("%models ttl 10x").error
    assert "a ttl must be more than 0 seconds" in empty.run("%models ttl 0s").error


def test_budget(empty: Kernel) -> None:
    """It is shown, set and taken back, and a model that does not fit in it says so."""
    assert empty.run("%models budget").text == "models may take what is free of this machine's memory"
    assert empty.run("%models budget 10 MB").text == "models may take 10.0 MB of memory together"
    refused = empty.run("%models load tiny-chat").error
    assert refused.startswith("BadRequest: cannot load ") and "the memory budget leaves 0.0 MB for it" in refused
    assert "budget 10.0 MB" in empty.run("%models ps").text
    assert empty.run("%models budget auto").text == "models may take what is free of this machine's memory"
    assert empty.run("%models load tiny-chat").ok
    assert empty.run("%models budget much").error == (
        "BadRequest: a size is a number and a unit, as 6GB or 500MB, or auto; got 'much'"
    )
    assert "at most" in empty.run("%models budget 900TB").error


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("10min", 600), ("2h", 7200), ("1.5h", 5400), ("1d", 86400), ("off", None), ("10", ...),
     ("h", ...), ("-5m", ...), ("10x", ...), ("", ...), ("tiny-chat", ...)],
)  # fmt: skip
def test_times_as_they_are_typed(text: str, seconds: Any) -> None:
    """A number and a unit are a time, `off` is for ever, all else is none."""
    assert seconds_of(text) == seconds


def test_times_as_they_are_read() -> None:
    """Seconds for people, in the unit that fits."""
    texts = [(None, ""), (0, "0 s"), (0.25, "0.2 s"), (59, "59 s"), (600, "10 min"), (5400, "90 min"), (7200, "2 h")]
    assert [time_text(seconds) for seconds, _ in texts] == [text for _, text in texts]


@pytest.mark.parametrize(
    ("text", "size"),
    [("6GB", 6 * 10**9), ("500 mb", 5 * 10**8), ("4GiB", 4 << 30), ("1.5g", 1.5 * 10**9), ("2t", 2 * 10**12),
     ("100", 100), ("1 k", 1000), ("7b", 7)],
)  # fmt: skip
def test_sizes_as_they_are_typed(text: str, size: float) -> None:
    """A number and a unit, of 1000 or, with an i, of 1024."""
    assert bytes_of(text) == size
