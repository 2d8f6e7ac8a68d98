"""The states of a model, whatever is asked of it at once: every step is a legal one, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import EngineCrashed, HubError, LoadCancelled, ModelFileError, StateConflict
from modelhub.kernels import background
from modelhub.kernels.catalog.states import FOLLOWING, State, step
from modelhub.kernels.engines.lifecycle import Lifecycle
from modelhub.kernels.hub import Hub
from tests.engines.test_loading import children, settled

ENDLESS: dict[str, Any] = {"temperature": 0, "logit_bias": {0: -100, 1: -100, 2: -100}}
SECONDS = 60.0


class Seen:
    """The states of one engine, in their order, and a way to wait for the next."""

    def __init__(self, engine: Lifecycle) -> None:
        self.states = [engine.state]
        self._told = threading.Condition()
        engine.on_state.append(self._tell)

    def _tell(self, _engine: Lifecycle, state: State) -> None:
        with self._told:
            self.states.append(str(state))
            self._told.notify_all()

    def wait(self, state: State, times: int = 1) -> bool:
        """Whether it comes to be in this state for so many times."""
        with self._told:
            return self._told.wait_for(lambda: self.states.count(str(state)) >= times, SECONDS)

    def assert_legal(self) -> None:
        for now, then in zip(self.states, self.states[1:], strict=False):
            assert State(then) in FOLLOWING[State(now)], (now, then, self.states)


@pytest.fixture
def before() -> Iterator[set[int]]:
    """The processes there were; afterwards there are no others."""
    processes = children()
    yield processes
    assert settled(processes)


def test_one_round(own_hub: Hub, random_gguf: Path) -> None:
    """Loading, answering and unloading go through every state once, and are told in their order."""
    told: list[tuple[str, str]] = []
    own_hub.residency.on_state.append(lambda engine, state: told.append((engine.card.id, str(state))))
    seen = Seen(own_hub.engine(str(random_gguf)))
    assert own_hub.chat("hi", model=str(random_gguf), max_tokens=2, **ENDLESS).text()
    assert own_hub.unload(str(random_gguf))
    assert not own_hub.unload(str(random_gguf))
    assert seen.states == ["downloaded", "loading", "running", "stopping", "downloaded"]
    assert told == [("random", state) for state in seen.states[1:]]


def test_a_crash_is_a_failure_and_the_next_question_loads_again(own_hub: Hub, random_gguf: Path) -> None:
    """A worker that dies while nobody asks is `failed` at once; it may be unloaded or asked again."""
    path = str(random_gguf)
    seen = Seen(engine := own_hub.load(path))
    for times in (1, 2):
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        assert seen.wait(State.FAILED, times)
        assert own_hub.status() == []
        assert own_hub.chat("hi", model=path, max_tokens=2, **ENDLESS).text()
    os.kill(engine.pid or 0, signal.SIGKILL)
    assert seen.wait(State.FAILED, 3)
    assert not own_hub.unload(path)
    assert engine.state == "downloaded"
    seen.assert_legal()


def test_a_file_that_is_none_fails(own_hub: Hub, random_gguf: Path, tmp_path: Path) -> None:
    """What cannot be loaded is `failed`, and is tried again when it is asked again."""
    path = tmp_path / "going.gguf"
    path.write_bytes(random_gguf.read_bytes())
    engine = own_hub.engine(str(path))
    seen = Seen(engine)
    path.unlink()
    for _ in range(2):
        with pytest.raises(ModelFileError):
            own_hub.residency.load(engine)
    path.write_bytes(random_gguf.read_bytes())
    own_hub.residency.load(engine)
    assert seen.states == ["downloaded", "loading", "failed", "loading", "failed", "loading", "running"]


def test_a_wrong_observer_harms_nothing(own_hub: Hub, random_gguf: Path) -> None:
    """An observer that raises is no reason for the model not to load."""
    engine = own_hub.engine(str(random_gguf))
    engine.on_state.append(lambda _engine, _state: 1 / 0)
    own_hub.residency.on_state.append(lambda _engine, _state: 1 / 0)
    assert own_hub.load(str(random_gguf)).state == "running"


def test_unloading_while_it_answers_is_refused(own_hub: Hub, long_gguf: Path) -> None:
    """`unload`, and loading it again, are refused in one line while it answers; `force` ends the answers."""
    path = str(long_gguf)
    answers = [own_hub.chat(f"go on {i}", model=path, **ENDLESS) for i in range(2)]
    assert all(next(iter(answer)) for answer in answers)
    pid = own_hub.engine(path).pid
    with pytest.raises(StateConflict, match=r"^long: 2 requests are running; --force stops them$") as caught:
        own_hub.unload(path)
    assert caught.value.state == "running"
    with pytest.raises(StateConflict, match=r"2 requests are running; loading it again would stop .* --force first$"):
        own_hub.load(path, context=512, reload=True)
    answers[1].stop()
    assert answers[1].wait(SECONDS)
    with pytest.raises(StateConflict, match=r"^long: 1 request is running; --force stops it$"):
        own_hub.unload(path)
    assert own_hub.engine(path).pid == pid and not answers[0].done
    assert own_hub.unload(path, force=True)
    with pytest.raises(EngineCrashed, match="was ended while it answered"):
        answers[0].text()


def test_loading_with_others_while_it_loads(own_hub: Hub, random_gguf: Path) -> None:
    """Other parameters than those it is being loaded with are refused, with `reload` they are what it gets."""
    path = str(random_gguf)
    engine = own_hub.engine(path)
    seen = Seen(engine)

    async def both() -> list[Any]:
        first = asyncio.create_task(_load(engine, context=256))
        await asyncio.sleep(0)
        others = [_load(engine, context=128), _load(engine, context=256), _load(engine, context=512, reload=True)]
        return await asyncio.gather(first, *others, return_exceptions=True)

    first, refused, same, again = background.wait(both())
    assert isinstance(refused, StateConflict)
    assert "random is being loaded with context=256; context=128 would load it again" in str(refused)
    assert engine.loaded["context"] == 512 and again is None
    # Those who had waited for the first are told what became of it.
    assert isinstance(first, StateConflict) and isinstance(same, StateConflict)
    seen.assert_legal()


def test_a_question_outlives_an_eviction_and_not_an_unload(own_hub: Hub, random_gguf: Path) -> None:
    """Asked while an idle worker is being ended, it is loaded again; unloaded on request, the waiting is over."""
    path = str(random_gguf)
    engine = own_hub.load(path)

    async def asked(unload: bool) -> Any:
        assert engine.free() and engine.state == "stopping"
        task = asyncio.create_task(_load(engine))
        await asyncio.sleep(0)
        if unload:
            await engine.unload(force=True)
        return await asyncio.gather(task, return_exceptions=True)

    assert background.wait(asked(False)) == [None]
    assert engine.state == "running"
    (error,) = background.wait(asked(True))
    assert isinstance(error, LoadCancelled) and engine.state == "downloaded"


def test_looking_at_a_worker_that_hangs(own_hub: Hub, random_gguf: Path) -> None:
    """Its row has what the system knows of it, without what only itself could say; later it has all again."""
    pid = own_hub.load(str(random_gguf)).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    (row,) = own_hub.status()
    os.kill(pid, signal.SIGCONT)
    assert row["pid"] == pid and row["memory"] > 1_000_000 and "running" not in row
    (row,) = own_hub.status()
    assert (row["pid"], row["running"]) == (pid, 0)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_at_once(own_hub: Hub, before: set[int], seed: int) -> None:
    """Loads, unloads, questions, stops, closings and crashes at random, from threads and tasks: every step is legal,
    everything ends, every error is one line, no worker stays behind, and then the model answers."""
    engine = own_hub.engine("tiny-chat")
    seen = Seen(engine)

    def act(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        for _ in range(12):
            what = chance.choice(["load", "load other", "reload", "unload", "force", "ask", "stop", "give up", "close",
                                  "kill", "free", "look"])  # fmt: skip
            try:
                if what == "load":
                    own_hub.load("tiny-chat")
                elif what == "load other":
                    own_hub.load("tiny-chat", context=chance.choice([256, 512]), reload=chance.random() < 0.5)
                elif what == "reload":
                    own_hub.load("tiny-chat", reload=True)
                elif what in ("unload", "force"):
                    own_hub.unload("tiny-chat", force=what == "force")
                elif what in ("ask", "stop"):
                    response = own_hub.chat("hi", model="tiny-chat", max_tokens=4)
                    if what == "stop":
                        response.wait(chance.random() / 4)
                        response.stop()
                    assert response.wait(SECONDS)
                elif what == "give up":
                    background.submit(_load(engine)).cancel()
                elif what == "close":
                    own_hub.close()
                elif what == "kill" and (pid := engine.pid) is not None:
                    os.kill(pid, signal.SIGKILL)
                elif what == "free":
                    background.wait(_free(engine))
                else:
                    own_hub.status()
            except HubError as error:
                assert "\n" not in str(error)
            except ProcessLookupError:
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(act, range(4)))
    assert own_hub.chat("What is the capital of France?", model="tiny-chat", temperature=0).text()
    own_hub.close()
    assert engine.state == "downloaded"
    seen.assert_legal()
    assert {"loading", "running", "stopping", "downloaded"} <= set(seen.states)


def test_every_other_step_is_an_error() -> None:
    """What may not follow is refused in one line that names what may."""
    for now in State:
        for then in State:
            if then in FOLLOWING[now]:
                assert step("m", now, then) is then
            else:
                with pytest.raises(StateConflict, match=f"m is {now} and cannot become {then} from there") as caught:
                    step("m", now, then)
                assert caught.value.state == now


async def _load(engine: Any, reload: bool = False, **params: Any) -> None:
    from modelhub.kernels.protocol.load_params import load_params

    async for _progress in engine.load(load_params(**params) if params else None, reload):
        pass


async def _free(engine: Lifecycle) -> None:
    engine.free()
    await engine.stopped()
