"""The batch of one decode step: which tokens, of which sequence, at which position, and whose logits are wanted."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as lc

from modelhub.kernels.worker.sequence import Choice


class StepBatch:
    """A llama_batch that is filled anew each step, through numpy views of llama.cpp's own arrays."""

    def __init__(self, capacity: int) -> None:
        """Room for `capacity` tokens, each belonging to one sequence."""
        self.native = lc.llama_batch_init(capacity, 0, 1)
        self._token = _view(self.native.token, capacity, np.int32)
        self._position = _view(self.native.pos, capacity, np.int32)
        self._wanted = _view(self.native.logits, capacity, np.int8)
        for i in range(capacity):
            self.native.n_seq_id[i] = 1
        # The sequence ids stand behind one pointer each; they are written through a view of each pointer's target.
        self._sequence = [self.native.seq_id[i] for i in range(capacity)]
        self.size = 0
        self.parts: list[tuple[Choice, list[int], int | None]] = []  # choice, its tokens, the row of its logits

    def clear(self) -> None:
        """Begin a new step."""
        self.size = 0
        self.native.n_tokens = 0
        self.parts.clear()

    def add(self, choice: Choice, tokens: list[int], position: int, last: bool) -> None:
        """Add `tokens` of `choice` from `position` on; with `last`, the last token's logits are wanted."""
        assert choice.slot is not None
        begin, end = self.size, self.size + len(tokens)
        self._token[begin:end] = tokens
        self._position[begin:end] = np.arange(position, position + len(tokens), dtype=np.int32)
        self._wanted[begin:end] = 0
        slot = choice.slot.id
        for i in range(begin, end):
            self._sequence[i][0] = slot
        if last:
            self._wanted[end - 1] = 1
        self.size = end
        self.native.n_tokens = end
        self.parts.append((choice, tokens, end - 1 if last else None))


def _view(pointer: Any, size: int, dtype: Any) -> Any:
    """A numpy view of `size` numbers behind a ctypes pointer."""
    address = ctypes.cast(pointer, ctypes.c_void_p).value
    raw = (ctypes.c_char * (size * np.dtype(dtype).itemsize)).from_address(address or 0)
    return np.frombuffer(raw, dtype=dtype)
