"""Exact log probabilities from one row of logits.

Natural logarithms, from the logits of the step itself before any sampling filter: log p(token) = logit - logsumexp.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as lc

from modelhub.kernels.protocol.events import LEAST
from modelhub.kernels.worker.vocabulary import Vocabulary

BLOCK = 128  # numbers a block of which only the largest is looked at first
_PIECE = np.empty(8192, np.float32)  # to work in: one thread draws

Row = np.ndarray[Any, np.dtype[np.float32]]


class LogitsView:
    """The rows of logits of a context's last decode, without a copy."""

    def __init__(self, context: Any, size: int) -> None:
        """Rows of `size` numbers, one a token of the vocabulary."""
        self._context = context
        self._array = ctypes.c_float * size

    def __call__(self, row: int) -> Row:
        """Row `row`, shape (vocabulary,), float32; valid until the next decode, and writable."""
        pointer = lc.llama_get_logits_ith(self._context, row)
        return np.frombuffer(memoryview(self._array.from_address(ctypes.addressof(pointer.contents))), np.float32)


def chosen_and_top(logits: Row, chosen: int, k: int) -> tuple[float, list[tuple[int, float]]]:
    """The chosen token's log probability and the k most probable tokens with theirs, best first.

    `logits` has shape (vocabulary,), float32. Equal values are ordered by token id. The cost is a few passes over the
    row, never a sort of it: see `_best`.
    """
    log_sum = _log_sum(logits)
    value = min(max(float(logits[chosen]) - log_sum, LEAST), 0.0)
    if not k:
        return value, []
    best = _best(logits, k)
    values = np.clip(logits[best].astype(np.float64) - log_sum, LEAST, 0.0)
    return value, list(zip(best.tolist(), values.tolist(), strict=True))


def _log_sum(row: Row) -> float:
    """The logarithm of the sum of exponentials, in pieces that stay in the processor's nearest memory."""
    top = row.max()
    total = 0.0
    for begin in range(0, row.size, _PIECE.size):
        piece = row[begin : begin + _PIECE.size]
        work = np.subtract(piece, top, out=_PIECE[: piece.size])
        total += float(np.exp(work, out=work).sum())
    return float(top) + math.log(total)


def _best(row: Row, k: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The places of the k largest of `row`, largest first.

    The k-th largest of the maxima of many blocks is no larger than the k-th largest of all, so only what reaches it
    is sorted: 20 µs at 32,000 tokens where a partition of the row takes 285 (numpy 2.4).
    """
    height = min(BLOCK, row.size // (4 * k))
    if height < 2:
        candidates = np.arange(row.size)
    else:
        width = row.size // height
        maxima = row[: height * width].reshape(height, width).max(axis=0)
        candidates = np.flatnonzero(row >= np.partition(maxima, width - k)[width - k])
    return candidates[np.lexsort((candidates, -row[candidates]))[:k]]


def entry(vocabulary: Vocabulary, logits: Row, token: int, k: int) -> list[Any]:
    """What is sent of one token: `[text, bytes, logprob, id, [[text, bytes, logprob, id], …]]`, k alternatives.

    Bytes are None where the text says them.
    """
    value, top = chosen_and_top(logits, token, k)
    spelled = vocabulary.spelled
    return [*spelled(token), value, token, [[*spelled(other), v, other] for other, v in top]]


def add_left(row: list[Any], left: dict[int, float]) -> None:
    """Add to an `entry` what was left after the filters: the log probability of each token, None where it was dropped.

    It becomes the last of the entry, and of each alternative in it.
    """
    row.append(left.get(row[3]))
    for alternative in row[4]:
        alternative.append(left.get(alternative[3]))
