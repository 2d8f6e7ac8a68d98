"""Loading: its parameters, its progress, stopping it, doing it twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, HubError, LoadCancelled, StateConflict
from modelhub.kernels import background
from modelhub.kernels.engines.local import LocalEngine
from modelhub.kernels.hub import Hub


def children() -> set[int]:
    """The processes this one has started that still run."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended since
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def settled(before: set[int]) -> bool:
    """Whether the processes become those of `before`: one that was told to end takes a moment."""
    end = time.monotonic() + 60
    while children() != before and time.monotonic() < end:
        time.sleep(0.01)
    return children() == before


async def load(engine: LocalEngine) -> int:
    return len([event async for event in engine.load()])


def test_load_parameters_are_used_and_reported(own_hub: Hub, random_gguf: Path) -> None:
    """What was asked for is what the worker has; the same again keeps the worker, others are for `reload`."""
    engine = own_hub.load(str(random_gguf), context=256, slots=3, threads=1, batch=64)
    pid = engine.pid
    assert {k: engine.loaded[k] for k in ("context", "slots", "threads", "batch")} == {
        "context": 256, "slots": 3, "threads": 1, "batch": 64,
    }  # fmt: skip
    assert own_hub.load(str(random_gguf), context=256, slots=3, threads=1, batch=64).pid == pid
    assert own_hub.load(str(random_gguf)).pid == pid
    with pytest.raises(StateConflict) as caught:
        own_hub.load(str(random_gguf), context=128)
    assert str(caught.value) == (
        "random is loaded with context=256, threads=1, batch=64, slots=3; "
        "context=128, threads=auto, batch=512, slots=16 would load it again: add --reload"
    )
    assert (engine.pid, caught.value.state) == (pid, "running")
    assert own_hub.load(str(random_gguf), context=128, reload=True).pid != pid
    assert (engine.loaded["context"], engine.loaded["slots"]) == (128, 16)
    response = own_hub.chat("hi", model=str(random_gguf), temperature=0, logit_bias={2: -100, 0: -100})
    response.text()
    assert response.usage()["total_tokens"] == 128


def test_wrong_load_parameters_load_nothing(own_hub: Hub, random_gguf: Path) -> None:
    """A wrong value is refused before a process is started."""
    before = children()
    for wrong in ({"context": -1}, {"n_ctx": 5}, {"batch": 0}, {"slots": 65}, {"threads": 10**5}):
        with pytest.raises(BadRequest):
            own_hub.load(str(random_gguf), **wrong)
    assert children() == before


def test_progress_is_told(own_hub: Hub, random_gguf: Path) -> None:
    """The caller hears of the part that is done, from 0 to 1."""
    parts: list[float] = []
    own_hub.load(str(random_gguf), progress=parts.append)
    assert parts and all(0 <= part <= 1 for part in parts)


def test_stopping_a_load_leaves_no_process(own_hub: Hub) -> None:
    """A load that is given up, at any moment, leaves neither a process nor a state; loading again works."""
    before = children()
    for count in range(4):
        response = own_hub.chat("hi", model="tiny-chat")
        for _ in range(count):
            response.wait(0.01)
        response.stop()
        assert response.wait(60)
        background.wait(own_hub.engine("tiny-chat").unload())
        assert own_hub.engine("tiny-chat").state == "downloaded"
        assert response.error is None or isinstance(response.error, LoadCancelled)
    assert settled(before)
    assert own_hub.chat("hi", model="tiny-chat", max_tokens=1).text() is not None


def test_many_who_load_share_one_worker(own_hub: Hub, random_gguf: Path) -> None:
    """Ten who ask at once start one process, and one who gives up does not end it for the others."""
    before = children()
    engine = own_hub.engine(str(random_gguf))

    async def together() -> None:
        tasks = [asyncio.create_task(load(engine)) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(r, BaseException) for r in results) == 1

    background.wait(together())
    assert engine.state == "running"
    assert engine.pid in children() and settled(before | {engine.pid or 0})


def test_a_load_given_up_does_not_disturb_the_next(own_hub: Hub, random_gguf: Path) -> None:
    """Giving up a load and loading again at once ends with one worker, whichever ends first."""
    before = children()
    engine = own_hub.engine(str(random_gguf))

    async def again() -> None:
        for _ in range(4):
            task = asyncio.create_task(load(engine))
            await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await load(engine)
            await asyncio.gather(load(engine), load(engine))
            await engine.unload()
        await load(engine)

    background.wait(again())
    assert engine.pid in children() - before
    own_hub.close()
    assert settled(before)


def test_a_file_that_goes_away(own_hub: Hub, random_gguf: Path, tmp_path: Path) -> None:
    """A model whose file is removed goes on while it is loaded, and is an error in one line when it is not."""
    path = tmp_path / "here.gguf"
    os.link(random_gguf, path)
    assert own_hub.chat("hi", model=str(path), max_tokens=1).text() is not None
    engine = own_hub.engine(str(path))
    path.unlink()
    with pytest.raises(HubError, match="there is no such file"):
        own_hub.chat("hi", model=str(path))
    background.wait(engine.unload())
    with pytest.raises(HubError) as caught:
        background.wait(load(engine))
    assert "\n" not in str(caught.value) and engine.state == "failed"
