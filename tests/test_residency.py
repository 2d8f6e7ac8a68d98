"""What is in memory: which names share a worker, who goes when there is no room, and when the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.random_gguf import Shape, write
from modelhub.errors import BadRequest, HubError, StateConflict
from modelhub.kernels import background, settings
from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.states import State
from modelhub.kernels.hub import Hub
from tests.engines.test_states import Seen

MIDDLE = Shape(layers=4, width=384, heads=6, kv_heads=6, feed=1024, vocabulary=2048, context=4096)  # 34 MB
ENDLESS: dict[str, Any] = {"temperature": 0, "logit_bias": {0: -100, 1: -100, 2: -100}}
LOAD: dict[str, Any] = {"slots": 1, "mmap": False}
SECONDS = 60.0


@pytest.fixture(scope="module")
def middle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Four models of 34 MB."""
    folder = tmp_path_factory.mktemp("models")
    return {name: str(write(folder / f"{name}.gguf", MIDDLE, seed=ord(name))) for name in "abcd"}


@pytest.fixture
def load(own_hub: Hub, middle: dict[str, str]) -> Callable[..., int]:
    """Loads one of the four, and says what it holds."""

    def load(name: str, **given: Any) -> int:
        own_hub.load(middle[name], **{**LOAD, **given})
        return memory(own_hub)[name]

    return load


def memory(hub: Hub) -> dict[str, int]:
    """What each loaded model holds, in bytes."""
    return {row["model"].removeprefix("local/"): row["memory"] for row in hub.status()}


def budget(hub: Hub, beyond: float) -> int:
    """Let them hold so many megabytes more than they do."""
    hub.residency.room.budget = sum(memory(hub).values()) + int(beyond * 1e6)
    return hub.residency.room.budget


# -- who shares a worker ---------------------------------------------------------------------------------------------


def test_names_with_equal_load_parameters_share_an_engine(own_hub: Hub, middle: dict[str, str]) -> None:
    """Defaults filled in, equal parameters are one worker; those with none share the model's own, as it was loaded."""
    card, engine = own_hub.catalog.find(middle["a"]), own_hub.residency.engine
    own = engine(card)
    assert engine(card, {}) is own and engine(card, {"slots": 16, "context": "auto"}) is own
    small = engine(card, {"context": 256})
    assert small is not own and engine(card, {"context": 256, "threads": 0}) is small
    own_hub.load(middle["a"], context=512)
    assert engine(card) is own and engine(card, {"context": 512}) is own and engine(card, {"context": 256}) is small
    own_hub.residency.load(small)
    assert small.loaded["context"] == 256 and own.loaded["context"] == 512
    assert len(own_hub.status()) == 2
    assert [row["load"] for row in own_hub.status()] == [{"context": 512}, {"context": 256}]
    assert own_hub.unload(middle["a"]) and own_hub.status() == []  # its own name frees all that is loaded of it


def test_a_model_that_is_not_here_is_said(own_hub: Hub) -> None:
    """Asking for one that could be downloaded says how to get it; wrong load parameters of a name are refused."""
    card = ModelCard("far", state=State.DOWNLOADABLE, files=(ModelFile(url="https://example.org/far.gguf"),))
    with pytest.raises(StateConflict, match=r"^far is downloadable, not on this machine: type %models pull far$"):
        own_hub.residency.engine(card)
    with pytest.raises(BadRequest, match="there is no load parameter 'contxt'"):
        own_hub.residency.engine(own_hub.catalog.find("tiny-chat"), {"contxt": 5})


# -- making room -----------------------------------------------------------------------------------------------------


def test_the_one_used_longest_ago_goes(own_hub: Hub, middle: dict[str, str], load: Callable[..., int]) -> None:
    """Where the budget is full, idle models go in the order of their last use, no more of them than needed."""
    load("a")
    load("b")
    full = budget(own_hub, 10)
    load("c")
    assert set(memory(own_hub)) == {"b", "c"} and sum(memory(own_hub).values()) <= full
    assert own_hub.chat("hi", model=middle["b"], max_tokens=2, **ENDLESS).text()
    assert own_hub.chat("hi", model=middle["d"], max_tokens=2, **ENDLESS).text()  # loaded with a question
    assert set(memory(own_hub)) == {"b", "d"}


def test_what_answers_or_is_kept_stays(own_hub: Hub, middle: dict[str, str], load: Callable[..., int]) -> None:
    """A model that answers or is kept never goes; what then does not fit is refused with who holds the memory."""
    load("a", keep=True)
    load("b")
    answer = own_hub.chat("go on", model=middle["b"], **ENDLESS)
    assert next(iter(answer))
    budget(own_hub, 10)
    with pytest.raises(BadRequest) as caught:
        load("c")
    said = str(caught.value)
    assert "memory is held by a (" in said and "MB, kept), b (" in said and "MB, answering)" in said
    assert "\n" not in said and "the memory budget is" in said
    assert set(memory(own_hub)) == {"a", "b"} and not answer.done
    assert own_hub.engine(middle["c"]).state == "downloaded"
    answer.stop()
    assert answer.wait(SECONDS)
    load("c")
    assert set(memory(own_hub)) == {"a", "c"}
    own_hub.load(middle["a"], keep=False)
    load("d")
    assert set(memory(own_hub)) == {"c", "d"}


def test_nothing_goes_where_it_would_not_help(own_hub: Hub, load: Callable[..., int]) -> None:
    """A context that no memory holds frees nobody."""
    load("a")
    load("b")
    with pytest.raises(BadRequest, match="of memory are left for it"):
        load("c", context=100_000_000)
    own_hub.residency.room.budget = 1_000_000
    with pytest.raises(BadRequest, match=r"the memory budget leaves 0\.0 MB for it"):
        load("c")
    assert set(memory(own_hub)) == {"a", "b"}


def test_two_at_once_do_not_count_the_same_memory(
    own_hub: Hub, middle: dict[str, str], load: Callable[..., int]
) -> None:
    """Of two that are asked at once where one fits, one answers and the other is refused."""
    one = load("a")
    own_hub.unload(middle["a"])
    own_hub.residency.room.budget = int(1.5 * one)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda n: own_hub.chat("hi", model=middle[n], max_tokens=4000, **ENDLESS), "bc"))
    errors = [answer.error for answer in answers if not _began(answer)]
    assert len(errors) == 1 and isinstance(errors[0], BadRequest)
    assert len(memory(own_hub)) == 1
    for answer in answers:
        answer.stop()
        assert answer.wait(SECONDS)


def test_room_on_the_machine_and_on_a_gpu(own_hub: Hub, middle: dict[str, str], load: Callable[..., int]) -> None:
    """What the machine lacks is made of idle models; nothing goes for a GPU on which it holds nothing."""
    load("a")
    load("b")
    room, engine = own_hub.residency.room, own_hub.engine(middle["c"])
    none = {"free": None, "wanted": 1, "least": 1}

    async def make(**needs: Any) -> bool:
        async with room.turn(engine) as turn:
            return await turn.make({"gpu": none, "host": none, "budget": none, **needs})

    def lacks(wanted: int, least: int) -> dict[str, int]:
        return {"free": 0, "wanted": wanted, "least": least}

    assert not background.wait(make(gpu=lacks(1, 1)))
    assert not background.wait(make(host=lacks(10**12, 10**12)))
    assert not background.wait(make(host={"free": 5, "wanted": 10**12, "least": 5}))
    assert set(memory(own_hub)) == {"a", "b"}
    assert background.wait(make(host=lacks(10**12, 1_000_000)))  # not as it should be, and not at all without
    assert set(memory(own_hub)) == {"b"}
    assert background.wait(make(host=lacks(1_000_000, 1)))
    assert memory(own_hub) == {}


def test_the_budget_is_kept_and_checked(own_hub: Hub) -> None:
    """A budget outlives the kernel, `None` takes it back, and what is none is refused in one line."""
    room = own_hub.residency.room
    assert room.budget is None
    room.budget = 2_000_000_000
    assert Hub().residency.room.budget == 2_000_000_000
    for wrong in (0, -5, 10**18, "6GB", 1.5, True):
        with pytest.raises(BadRequest, match="the memory budget must be more than 0 and at most"):
            room.budget = wrong  # type: ignore[assignment]  # what is refused
    room.budget = None
    assert Hub().residency.room.budget is None and settings.load("memory_budget") is None
    settings.save("memory_budget", "much")
    assert Hub().residency.room.budget is None


# -- how long --------------------------------------------------------------------------------------------------------


def test_an_idle_model_goes_after_its_time(own_hub: Hub, random_gguf: Path) -> None:
    """Counted from the end of the last request, and said in the status; it is loaded again when it is asked."""
    path = str(random_gguf)
    seen = Seen(own_hub.engine(path))
    own_hub.load(path)
    (row,) = own_hub.status()
    assert 0 <= row["idle"] < 60 and 1700 < row["unloads_in"] <= 1800
    own_hub.unload(path)
    own_hub.residency.idle_times.set(0.1)
    for times in (2, 3):
        assert own_hub.chat("hi", model=path, max_tokens=2, **ENDLESS).text()
        assert seen.wait(State.STOPPING, times)
        assert all(row["state"] == "stopping" for row in own_hub.status())
    seen.assert_legal()


def test_it_does_not_go_while_it_answers_or_is_kept(own_hub: Hub, long_gguf: Path) -> None:
    """However long an answer takes; and a kept model not at all, until it is kept no more."""
    path = str(long_gguf)
    own_hub.residency.idle_times.set(0.05)
    seen = Seen(own_hub.engine(path))
    answer = own_hub.chat("go on", model=path, **ENDLESS)
    end = None
    for _text in answer:
        end = end or time.monotonic() + 0.5
        if time.monotonic() > end:
            break
    (row,) = own_hub.status()
    assert (row["state"], row["running"], row["idle"], row["unloads_in"]) == ("running", 1, None, None)
    own_hub.load(path, keep=True)
    answer.stop()
    assert answer.wait(SECONDS)
    assert own_hub.status()[0]["unloads_in"] is None and own_hub.status()[0]["keep"]
    assert own_hub.chat("hi", model=path, max_tokens=2, **ENDLESS).text()
    assert seen.states == ["downloaded", "loading", "running"]
    own_hub.load(path, keep=False)
    assert seen.wait(State.STOPPING)


def test_times_for_all_and_for_one(own_hub: Hub, random_gguf: Path, long_gguf: Path) -> None:
    """A model's own time goes before that of all; both are kept; None is for ever, and what is none is refused."""
    one, other = own_hub.catalog.find("tiny-chat"), own_hub.catalog.find(str(random_gguf))
    times = own_hub.residency.idle_times
    assert times.of(None) == times.of(one) == 1800
    times.set(600)
    times.set(None, one)
    times.set(7200, other)
    for hub in (own_hub, Hub()):
        of = hub.residency.idle_times.of
        assert (of(None), of(one), of(other), of(hub.catalog.find(str(long_gguf)))) == (600, None, 7200, 600)
    for wrong in (0, -1, float("nan"), float("inf"), "10m", 10**9):
        with pytest.raises(BadRequest, match="a ttl must be more than 0 seconds and at most 366 days"):
            times.set(wrong)  # type: ignore[arg-type]  # what is refused
    settings.save("ttl", "long")
    assert Hub().residency.idle_times.of(one) == 1800


def test_a_time_set_now_holds_for_what_is_loaded(own_hub: Hub, random_gguf: Path) -> None:
    """A shorter time reaches models that wait already; with none they stay."""
    path = str(random_gguf)
    seen = Seen(own_hub.load(path))
    own_hub.residency.idle_times.set(None)
    assert own_hub.status()[0]["unloads_in"] is None
    own_hub.residency.idle_times.set(0.05, own_hub.catalog.find(path))
    assert seen.wait(State.STOPPING)


def _began(answer: Any) -> bool:
    """Whether some of it came before its end."""
    try:
        return bool(next(iter(answer)))
    except (HubError, StopIteration):
        return False
