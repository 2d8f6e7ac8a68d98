"""When the shared context is full: prefixes go first, then the newest answer waits, and nobody's text is changed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.hub import Hub
from tests.worker.asking import SECONDS, Asker, raw, sure

TIES = {"logprobs": True, "top_logprobs": 5}
CELLS = 1024


@pytest.fixture
def small(random_gguf: Path) -> Iterator[Asker]:
    """Cells for two contexts of 512, shared by sixteen slots."""
    hub = Hub()
    hub.load(str(random_gguf), kv_unified=True, cells=CELLS, context=512)
    yield Asker(hub, random_gguf)
    hub.close()


def test_more_than_fits_is_put_off(small: Asker) -> None:
    """Six answers that together take twice the cells all come, each as it would alone."""
    prompts = [f"{i} tell me " * 6 for i in range(6)]
    alone = [small(p, max_tokens=250, **TIES) for p in prompts]
    expected = [sure(r) for r in alone]
    assert sum(map(len, expected)) > 100
    together = [small(p, max_tokens=250, **TIES) for p in prompts]
    held = set()
    while not all(r.done for r in together):
        (row,) = small.hub.status()
        held.add(row["running"])
        assert row["held"] <= row["cells"] == CELLS
    for response, text in zip(together, expected, strict=True):
        assert raw(response).startswith(text)
        assert response.usage()["completion_tokens"] == 250
    assert len(held) > 1  # not all ran all the time


def test_a_put_off_answer_repeats_nothing(small: Asker) -> None:
    """An answer that had to wait in its middle has no token twice and none missing; choices too."""
    alone = small("choose " * 8, n=1, seed=3, temperature=1, max_tokens=200, **TIES)
    several = small("choose " * 8, n=6, seed=3, temperature=1, max_tokens=200)
    texts = [several.text(i) for i in range(6)]
    assert several.usage()["completion_tokens"] == 6 * 200
    assert texts[0][:60] == alone.text()[:60]
    assert len(set(texts)) == 6


def test_scored_prompts_that_are_put_off(small: Asker) -> None:
    """A prompt's log probabilities are whole, each once, also where its reading was broken off."""
    prompts = [f"{i} word{i} " * 30 for i in range(5)]
    alone = [small(p, max_tokens=1, prompt_logprobs=0).prompt_logprobs for p in prompts]
    busy = [small("go on " * 20, max_tokens=300) for _ in range(2)]
    together = [small(p, max_tokens=1, prompt_logprobs=0) for p in prompts]
    for response, entries in zip(together, alone, strict=True):
        assert [e["id"] for e in response.prompt_logprobs] == [e["id"] for e in entries]
        values = [e["logprob"] for e in response.prompt_logprobs[1:]]
        assert values == pytest.approx([e["logprob"] for e in entries[1:]], abs=0.02)
    assert all(r.text() for r in busy)


def test_cells_are_for_sharing(small: Asker) -> None:
    """Cells to share and a layout without sharing do not go together; one line says so."""
    with pytest.raises(BadRequest, match="cells is for sequences that share them"):
        small.hub.load(str(small.path), kv_unified=False, cells=4096)


def test_a_text_as_long_as_the_context_and_questions_beside_it(small: Asker) -> None:
    """A window of a scored text that fills the context, and questions: they take turns, and all come to their end."""
    small.hub.load(str(small.path), reload=True, kv_unified=True, cells=512, context=512)
    with ThreadPoolExecutor(1) as pool:
        ask = {"model": str(small.path), "window": 500, "stride": 250}
        scored = pool.submit(small.hub.perplexity, "word1 of " * 150, **ask)
        short = [small(f"{i} what " * 9, max_tokens=30) for i in range(6)]
        for response in short:
            assert response.wait(SECONDS), "still pushing each other out"
            assert response.error is None and response.partial()
        assert scored.result(SECONDS).windows > 3
