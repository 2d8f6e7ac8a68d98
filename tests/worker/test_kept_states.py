"""What was read under a `prompt_cache_key`: forgotten last, and on disk where that is asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.worker.asking import Asker

DOCUMENT = "a long document, sentence by sentence, word12 word13 " * 6
KEPT = {"prompt_cache_key": "book", "prompt_cache_retention": "24h"}
ALL = {"n_probs": 512, "max_tokens": 8}

pytestmark = pytest.mark.parametrize("unified", [False, True], ids=["separate", "unified"])


def cached(response: Response) -> int:
    return int(response.usage()["prompt_tokens_details"]["cached_tokens"])


def values(response: Response) -> list[list[tuple[int, float]]]:
    """Every log probability of every token drawn."""
    return [[(t["id"], t["logprob"]) for t in e["top_logprobs"]] for e in response.logprobs]


def files(home: Path) -> list[Path]:
    return sorted((home / "states").glob("*")) if (home / "states").is_dir() else []


@pytest.fixture
def own(home: Path, random_gguf: Path, unified: bool) -> Iterator[Asker]:
    """A hub of this test's own, so that its worker keeps states in this test's home."""
    hub = Hub()
    hub.load(str(random_gguf), kv_unified=unified)
    yield Asker(hub, random_gguf)
    hub.close()


def written(home: Path, count: int = 1) -> list[Path]:
    """Wait until so many states are on disk: the worker writes them in a thread of its own."""
    end = time.monotonic() + 30
    while len(found := [p for p in files(home) if p.suffix == ".state"]) < count and time.monotonic() < end:
        time.sleep(0.01)  # the file appears in another process, whole, by a rename
    assert len(found) == count
    return found


def test_a_document_is_read_once(own: Asker, home: Path) -> None:
    """After a new worker was started the document is not read again; from disk it is bit for bit what it was."""
    first = own(DOCUMENT + "what?", **KEPT, **ALL)
    first.text()
    assert cached(first) == 0
    from_memory = own(DOCUMENT + "what?", **KEPT, **ALL)
    text, numbers = from_memory.text(), values(from_memory)
    written(home)
    own.hub.unload(str(own.path))
    again = own(DOCUMENT + "what?", **KEPT, **ALL)
    assert again.text() == text
    assert values(again) == numbers
    assert cached(again) == again.debug["restored_tokens"] >= again.usage()["prompt_tokens"] - 2
    other = own(DOCUMENT + "who?", **KEPT, **ALL)
    other.text()
    assert cached(other) > 200


def test_a_damaged_file_is_not_used(own: Asker, home: Path) -> None:
    """Whatever is wrong with the file, the prompt is read anew and the answer is right."""
    text = own(DOCUMENT, **KEPT, **ALL).text()
    (path,) = written(home)
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "cut": whole[:-100],
        "short": whole[:30],
        "a bit in the numbers": whole[:-500] + bytes([whole[-500] ^ 1]) + whole[-499:],
        "a bit in the tokens": whole[:400] + bytes([whole[400] ^ 1]) + whole[401:],
        "sizes": whole[:17] + b"\xff" * 24 + whole[41:],
        "longer": whole + b"more",
        "another kind": b"GGUF" + whole[4:],
    }
    for what, data in damaged.items():
        own.hub.unload(str(own.path))
        path.write_bytes(data)
        response = own(DOCUMENT, **KEPT, **ALL)
        assert response.text() == text, what
        assert response.debug["restored_tokens"] == 0, what
        for made in files(home):
            made.unlink(missing_ok=True)


def test_a_file_is_of_one_model_as_it_was_loaded(own: Asker, home: Path, tmp_path: Path) -> None:
    """A changed file of weights, or other load parameters that change the numbers, read anew; a day later too."""
    own(DOCUMENT, **KEPT, **ALL).text()
    (path,) = written(home)
    own.hub.unload(str(own.path))
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(own.path.read_bytes())
    other = Asker(own.hub, copy)(DOCUMENT, **KEPT, **ALL)
    other.text()
    assert other.debug["restored_tokens"] == 0
    own.hub.unload(str(own.path))
    old = time.time() - 25 * 3600
    os.utime(path, (old, old))
    late = own(DOCUMENT, **KEPT, **ALL)
    late.text()
    assert late.debug["restored_tokens"] == 0


def test_without_retention_nothing_is_written(own: Asker, home: Path) -> None:
    """A key alone keeps in memory only."""
    own(DOCUMENT, prompt_cache_key="book", **ALL).text()
    own(DOCUMENT, prompt_cache_key="book", prompt_cache_retention="in_memory", **ALL).text()
    assert files(home) == []


def test_retention_needs_a_key(own: Asker) -> None:
    """What is to be found again needs a name: one line says so."""
    with pytest.raises(BadRequest, match="prompt_cache_retention='24h' needs a prompt_cache_key"):
        own("hi", prompt_cache_retention="24h")


def test_what_has_a_key_is_forgotten_last(ask: Asker) -> None:
    """A prompt read under a key is still in memory after more others than there are slots; one without is not."""
    for options, kept in (({}, False), ({"prompt_cache_key": "pin"}, True)):
        ask.hub.unload(str(ask.path))
        ask("keep this prompt in mind " * 3, max_tokens=1, **options).text()
        for other in range(40):
            ask(f"{other} is another {other * 7} prompt", max_tokens=1).text()
        again = ask("keep this prompt in mind " * 3, max_tokens=1, **options)
        assert (cached(again) > 60) == kept


def test_cache_prompt_off_reads_again(ask: Asker) -> None:
    """cache_prompt=False evaluates the whole prompt, whatever is in memory."""
    ask("the same again", max_tokens=1).text()
    assert cached(ask("the same again", max_tokens=1)) > 0
    assert cached(ask("the same again", max_tokens=1, cache_prompt=False)) == 0


def test_template_arguments_reach_the_template(hub: Hub, tmp_path: Path, unified: bool) -> None:
    """chat_template_kwargs are names in the template; the engine's own names are refused."""
    from benchmarks.random_gguf import write

    model = write(tmp_path / "kwargs.gguf", template="{{ messages[0].content }}|{{ mood | default('none') }}|")
    asker = Asker(hub, model)
    response = asker("hi", max_tokens=1, chat_template_kwargs={"mood": "merry"})
    response.text()
    assert response.debug["prompt"] == "hi|merry|"
    with pytest.raises(BadRequest, match="'messages' is the engine's own to say"):
        asker("hi", chat_template_kwargs={"messages": []})


def test_a_state_is_written_though_the_model_is_freed_at_once(home: Path, tmp_path: Path, unified: bool) -> None:
    """Freeing the model right after the answer does not lose what was to be kept, also where it is large."""
    from benchmarks.random_gguf import Shape, write

    wide = Shape(layers=8, width=1024, heads=4, kv_heads=4, feed=64, context=1024, quant="Q8_0")
    hub = Hub()
    ask = Asker(hub, write(tmp_path / "wide.gguf", wide))
    hub.load(str(ask.path), kv_unified=unified, slots=2)
    ask(DOCUMENT * 2, **KEPT, max_tokens=1).text()
    hub.close()
    (path,) = files(home)
    assert path.suffix == ".state" and path.stat().st_size > 10_000_000
