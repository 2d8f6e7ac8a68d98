"""The same text alone and among others: what the separate layout promises for q4_0 and q8_0 weights on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.random_gguf import Shape, write
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.kernel import Kernel
from tests.worker.asking import Asker

WIDE = Shape(width=256, heads=4, kv_heads=2, feed=512, context=1024)
DRAWN = {"temperature": 1, "max_tokens": 40, "n_probs": 3, "logit_bias": {0: -100, 1: -100, 2: -100}}


@pytest.fixture(scope="module", params=["Q4_0", "Q8_0"])
def quantised(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = Shape(**{**vars(WIDE), "quant": request.param})
    return write(tmp_path_factory.mktemp("models") / f"{request.param.lower()}.gguf", shape)


@pytest.fixture
def asker(quantised: Path) -> Iterator[Asker]:
    hub = Hub()
    hub.load(str(quantised), kv_unified=False)
    yield Asker(hub, quantised)
    hub.close()


def numbers(response: Response) -> list[Any]:
    """Every token with its log probability and alternatives; waits for the end."""
    return [(e["id"], e["logprob"], [(t["id"], t["logprob"]) for t in e["top_logprobs"]]) for e in response.logprobs]


def test_every_bit_is_the_same(asker: Asker) -> None:
    """Eight answers at once, their prompts from short to long, are bit for bit those asked one by one; twice."""
    prompts = [f"question {i} " + "and so on " * (7 * i) for i in range(8)]
    alone = [numbers(asker(p, seed=i, **DRAWN)) for i, p in enumerate(prompts)]
    asker.hub.load(str(asker.path), kv_unified=False, reload=True)
    for _ in range(2):
        together = [asker(p, seed=i, **DRAWN) for i, p in enumerate(prompts)]
        assert [numbers(r) for r in together] == alone


def test_choices_are_what_they_are_alone(asker: Asker) -> None:
    """A choice among eight of one prompt is what its seed gives alone."""
    several = asker("choose", n=8, seed=20, **DRAWN)
    texts = [several.text(i) for i in range(8)]
    assert texts == [asker("choose", seed=20 + i, **DRAWN).text() for i in range(8)]
    assert len(set(texts)) == 8


QUESTIONS = [
    "What is the capital of France?", "What is the opposite of hot?", "Name a colour.", "What is 3 plus 4?",
    "Who are you?", "How many legs has a spider?", "Tell me a story.", "hello",
]  # fmt: skip
EIGHT = f"""
import asyncio, modelhub
asked = [modelhub.achat(q, temperature=1, seed=i, max_tokens=60) for i, q in enumerate({QUESTIONS!r})]
for answer in await asyncio.gather(*asked):
    print(repr(answer.text()))
"""


def test_eight_questions_at_once_from_one_kernel(kernel: Kernel, hub: Hub) -> None:
    """tiny-chat answers eight questions at once from one kernel, each as if it had been asked alone."""
    run = kernel.run(EIGHT)
    assert run.ok, run
    texts = [eval(line) for line in run.stdout.splitlines()]
    assert "Paris" in texts[0]
    alone = [hub.chat(q, temperature=1, seed=i, max_tokens=60).text() for i, q in enumerate(QUESTIONS)]
    assert texts == alone
