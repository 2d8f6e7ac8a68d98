"""Exact log probabilities from one row of logits.

Natural logarithms, from the logits of the step itself before any sampling filter: log p(token) = logit - logsumexp.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Row = np.ndarray[Any, np.dtype[np.float32]]


def chosen_and_top(logits: Row, chosen: int, k: int) -> tuple[float, list[tuple[int, float]]]:
    """The chosen token's log probability and the k most probable tokens with theirs, best first.

    `logits` has shape (vocabulary,), float32. Equal values are ordered by token id. The cost is one pass for the
    logarithm of the sum and one partial sort, never a full sort of the vocabulary.
    """
    top = logits.max()
    log_sum = float(top) + float(np.log(np.exp(logits - top, dtype=np.float32).sum(dtype=np.float64)))
    if not k:
        return min(float(logits[chosen]) - log_sum, 0.0), []
    k = min(k, logits.size)
    best = np.argpartition(logits, logits.size - k)[-k:] if k < logits.size else np.arange(logits.size)
    best = best[np.lexsort((best, -logits[best]))]
    return (
        min(float(logits[chosen]) - log_sum, 0.0),
        [(int(i), min(float(logits[i]) - log_sum, 0.0)) for i in best],
    )
