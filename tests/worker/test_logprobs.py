"""Log probabilities against a float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelhub.kernels.worker.logprobs import chosen_and_top


def reference(logits: Any) -> Any:
    wide = logits.astype(np.float64)
    top = wide.max()
    return wide - top - np.log(np.exp(wide - top).sum())


@pytest.mark.parametrize("size", [1, 2, 37, 512, 32000, 128256])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_values_equal_the_reference(size: int, scale: float) -> None:
    """The chosen token's value and exactly k best, best first, are within 1e-5 of a float64 log-softmax."""
    source = np.random.default_rng(size)
    logits = (source.standard_normal(size) * scale).astype(np.float32)
    exact = reference(logits)
    for k in (0, 1, 5, 20):
        chosen = int(source.integers(size))
        value, top = chosen_and_top(logits, chosen, k)
        assert value == pytest.approx(exact[chosen], abs=1e-5)
        assert [i for i, _ in top] == np.argsort(-logits, kind="stable")[:k].tolist()
        assert [v for _, v in top] == pytest.approx(exact[[i for i, _ in top]].tolist(), abs=1e-5)
        assert len(top) == min(k, size)


def test_ties_are_ordered_by_token() -> None:
    """Equal values come in the order of their ids, and each is its exact share."""
    logits = np.zeros(16, dtype=np.float32)
    logits[[3, 9]] = 1.0
    value, top = chosen_and_top(logits, 9, 4)
    assert [i for i, _ in top[:2]] == [3, 9]
    assert top[0][1] == top[1][1] == value
    assert top[2][1] == top[3][1] == pytest.approx(-np.log(14 + 2 * np.e), abs=1e-6)


def test_a_banned_token_and_a_certain_one() -> None:
    """A logit of minus infinity has the value OpenAI gives such a token; a certain one's is 0 and never above it."""
    logits = np.full(100, -np.inf, dtype=np.float32)
    logits[7] = 3.0
    value, top = chosen_and_top(logits, 7, 2)
    assert value == top[0][1] == 0.0
    assert chosen_and_top(logits, 8, 0)[0] == top[1][1] == -9999.0


def test_the_logits_are_left_alone() -> None:
    """The row belongs to llama.cpp and is not written to."""
    logits = np.arange(50, dtype=np.float32)
    before = logits.copy()
    chosen_and_top(logits, 3, 10)
    assert (logits == before).all()
