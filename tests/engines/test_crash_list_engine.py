"""What is done to an engine while it works: its file cut off or replaced, unloaded, loaded wrongly, by many at once."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, EngineCrashed, HubError, LoadCancelled, ModelFileError
from modelhub.kernels import background
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response

ENDLESS = {"temperature": 0, "logit_bias": {0: -100, 1: -100, 2: -100}}
SECONDS = 60.0


def one_line(error: HubError) -> str:
    assert "\n" not in str(error) and 10 < len(str(error)) < 500
    return str(error)


@pytest.mark.parametrize("mmap", [True, False])
def test_a_file_cut_off_while_it_is_loaded(own_hub: Hub, long_gguf: Path, tmp_path: Path, mmap: bool) -> None:
    """A model whose file is cut off crashes in one line if mapped, else goes on; whole again, it answers as before."""
    path = tmp_path / "cut.gguf"
    shutil.copy(long_gguf, path)
    own_hub.load(str(path), mmap=mmap)
    expected = own_hub.chat("hi", model=str(path), max_tokens=8, **ENDLESS).text()
    endless = own_hub.chat("go on", model=str(path), **ENDLESS)
    next(iter(endless))
    whole = path.read_bytes()
    os.truncate(path, 4096)
    before = len(endless.partial())
    while not endless.wait(0.01) and len(endless.partial()) < before + 200:
        pass
    endless.stop()
    assert endless.wait(SECONDS)
    assert (endless.error is not None) == mmap
    if endless.error is not None:
        assert isinstance(endless.error, EngineCrashed)
        assert one_line(endless.error).startswith("the worker of cut died (signal ")
    with pytest.raises(ModelFileError, match="truncated"):
        own_hub.chat("hi", model=str(path))
    path.write_bytes(whole)
    own_hub.load(str(path), reload=True)
    assert own_hub.chat("hi", model=str(path), max_tokens=8, **ENDLESS).text() == expected


@pytest.mark.parametrize(
    ("replace", "says"),
    [
        (os.mkfifo, "a pipe"),
        (Path.mkdir, "it is a folder"),
        (Path.touch, "it is empty"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_a_file_replaced_while_it_is_loaded(
    own_hub: Hub, random_gguf: Path, tmp_path: Path, replace: Callable[[Path], None], says: str
) -> None:
    """A pipe, a folder or nothing where the model was is said at once, never waited for, and the model can be freed."""
    path = tmp_path / "gone.gguf"
    shutil.copy(random_gguf, path)
    assert own_hub.chat("hi", model=str(path), max_tokens=2, **ENDLESS).text()
    path.unlink()
    replace(path)
    for ask in (own_hub.load, lambda name: own_hub.chat("hi", model=name)):
        with pytest.raises(ModelFileError, match=says) as caught:
            ask(str(path))
        one_line(caught.value)
    assert len(own_hub.status()) == 1
    assert own_hub.unload(str(path)) and own_hub.status() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": -1},
        {"n_batch": -1},
        {"threads": 100_000},
        {"threads": -(2**40)},
        {"slots": 0},
        {"slots": 10**9},
        {"context": -5},
        {"context": 2**70},
        {"context": 512.0},
        {"context": True},
        {"context": "512"},
        {"context": None},
        {"gpu_layers": -2},
        {"type_k": 999},
        {"pooling_type": 99},
        {"lora": "/there/is/none"},
        {"": 1},
        {"n_ctx": 512, "contextt": 4},
    ],
    ids=repr,
)
def test_load_parameters_that_cannot_be(own_hub: Hub, random_gguf: Path, wrong: dict[str, Any]) -> None:
    """Each is refused in one line that names it, before anything is started; a model that is loaded stays so."""
    pid = own_hub.load(str(random_gguf)).pid
    with pytest.raises(BadRequest) as caught:
        own_hub.load(str(random_gguf), **wrong)
    assert next(iter(wrong)) in one_line(caught.value)
    assert own_hub.engine(str(random_gguf)).pid == pid
    assert own_hub.chat("hi", model=str(random_gguf), max_tokens=2, **ENDLESS).text()


def test_a_context_that_no_memory_holds(own_hub: Hub, random_gguf: Path) -> None:
    """A hundred million tokens are refused in one line, and the same model loads with a context that fits."""
    with pytest.raises(HubError) as caught:
        own_hub.load(str(random_gguf), context=10**8)
    assert "100,000,000" in one_line(caught.value) or "100000000" in one_line(caught.value)
    assert own_hub.load(str(random_gguf), context=512).loaded["context"] == 512
    assert own_hub.chat("hi", model=str(random_gguf), max_tokens=2, **ENDLESS).text()


def test_unloading_while_it_answers(own_hub: Hub, long_gguf: Path) -> None:
    """Answers under way end in one line, what came kept; the next is answered, as are those of other threads."""
    path = str(long_gguf)
    for _ in range(3):
        responses = [own_hub.chat(f"go on {i}", model=path, **ENDLESS) for i in range(5)]
        first = [next(iter(r)) for r in responses]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: own_hub.unload(path, force=True), range(4)))
        for response, text in zip(responses, first, strict=True):
            with pytest.raises(EngineCrashed, match="was ended while it answered"):
                response.text()
            assert response.partial().startswith(text)
        assert own_hub.chat("hi", model=path, max_tokens=3, **ENDLESS).text()


def test_eight_threads_on_one_engine(own_hub: Hub, random_gguf: Path) -> None:
    """Threads that ask, stop, look and load at once never meet: each answer is the one it would have alone."""
    path = str(random_gguf)

    def ask(number: int) -> Response:
        return own_hub.chat("hi", model=path, max_tokens=1 + number % 7, **ENDLESS)

    expected = ask(6).text()

    def work(number: int) -> str:
        if number % 5 == 1:
            own_hub.load(path)
        if number % 5 == 2:
            own_hub.status()
        if number % 5 == 3:
            stopped = own_hub.chat("other", model=path, **ENDLESS)
            stopped.stop()
            assert stopped.wait(SECONDS)
        return ask(number).text()

    pid = own_hub.engine(path).pid
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(work, range(80)))
    assert len(set(texts)) == 7 and all(expected.startswith(text.rstrip("�")) for text in texts)
    assert own_hub.engine(path).pid == pid


def test_unloading_before_a_load_has_begun(own_hub: Hub, random_gguf: Path) -> None:
    """A load that is cancelled in the moment it is asked for leaves nothing behind: the next one loads."""
    engine = own_hub.engine(str(random_gguf))

    async def load() -> int:
        return len([event async for event in engine.load()])

    async def at_once() -> BaseException | int:
        loading = asyncio.create_task(load())
        await asyncio.sleep(0)
        await engine.unload()
        (result,) = await asyncio.gather(loading, return_exceptions=True)
        return result

    assert isinstance(background.wait(at_once()), LoadCancelled)
    assert engine.state == "downloaded"
    assert own_hub.chat("hi", model=str(random_gguf), max_tokens=3, **ENDLESS).text()


def test_threads_that_load_and_unload_at_once(own_hub: Hub, random_gguf: Path) -> None:
    """Whatever is done at once, everything ends, every error is one line, and then the model answers."""
    path = str(random_gguf)

    def work(number: int) -> None:
        try:
            if number % 3 == 0:
                own_hub.unload(path)
            elif number % 3 == 1:
                own_hub.load(path, context=128 * (1 + number % 2))
            else:
                assert own_hub.chat("hi", model=path, max_tokens=5, **ENDLESS).wait(SECONDS)
        except HubError as error:
            one_line(error)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(30)))
    assert own_hub.chat("hi", model=path, max_tokens=3, **ENDLESS).text()
    own_hub.unload(path)
    assert own_hub.status() == []
